"""The program ``pushfit COMMAND …``, also as ``python -m pushfit COMMAND …``."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

if not __package__:  # started by this file's path: see pushfit/installation.py
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pushfit import requirements
from pushfit.commands import COMMANDS

# The processes that commands start for themselves. No person types these.
CHILDREN = {
    "_supervise": "pushfit.fleet.local",
    "_vet": "pushfit.store.vetting",
}


def usage() -> str:
    """The help of the program: its commands, a line each."""
    lines = [f"  {name:10} {what}" for name, what in COMMANDS.items()]
    return "\n".join(
        [
            "usage: pushfit COMMAND [--help] …",
            "",
            "Feed model.fit from generator processes on any number of hosts.",
            "",
            *lines,
            "",
            "pushfit COMMAND --help shows the flags of a command.",
            "pushfit --version shows the version.",
        ]
    )


def run(name: str, words: list[str]) -> None:
    """Run a command and exit with its code. If a package is missing, say which to install."""
    requirements.check()
    from pushfit.entry import enter

    def command(words: list[str]) -> int | None:
        code: int | None = import_module(module).main(words)
        return code

    module = CHILDREN.get(name) or f"pushfit.commands.{name}"
    enter(command, words)  # the module is imported inside, as a package may not be installed


def main() -> None:
    """The program `pushfit`."""
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage())
        sys.exit(0 if words else 2)
    if words[0] in ("-V", "--version"):
        from pushfit import __version__

        print(f"pushfit {__version__}")
        sys.exit(0)
    name = words[0]
    if name not in COMMANDS and name not in CHILDREN:
        from pushfit.errors import nearest

        known = ", ".join(COMMANDS)
        print(f"error: there is no command {name!r}{nearest(name, COMMANDS)} (known: {known})",
              file=sys.stderr)  # fmt: skip
        sys.exit(2)
    run(name, words[1:])


if __name__ == "__main__":
    main()
