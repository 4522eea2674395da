"""Where this PushFit is installed, and how one of its programs starts another.

A child runs the same code as its parent: it is started by the path of the package, whatever is
installed elsewhere, and no file in the current folder can replace a module (``python -P``).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
SOURCE = PACKAGE.parent  # what has to be on Python's path: lib/ of a checkout, or site-packages
SCRIPTS = {
    "train": "train_zmq.py",
    "generate": "generator_zmq.py",
    "sink": "sink_zmq.py",
    "predict": "predict.py",
    "serve": "serve.py",
}  # the commands that a checkout also has as files at its top


def checkout() -> Path | None:
    """The top folder of the checkout that has this package; None: the package is installed."""
    top = SOURCE.parent
    return top if (top / SCRIPTS["train"]).is_file() else None


def command(name: str, *words: str) -> list[str]:
    """The command line that runs `pushfit NAME words…` with this code and this Python's options."""
    options = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return [sys.executable, *options, "-P", str(PACKAGE / "__main__.py"), name, *words]


def called(name: str) -> str:
    """How the person called this program: ``train_zmq.py`` or ``pushfit train``."""
    script = SCRIPTS.get(name, "")
    return script if script and Path(sys.argv[0]).name == script else f"pushfit {name}"


def typed(name: str) -> str:
    """What this person types to run `pushfit NAME`: the script, if a script was started."""
    script = SCRIPTS.get(name, "")
    from_scripts = Path(sys.argv[0]).name in SCRIPTS.values()
    return f"python {script}" if script and from_scripts else f"pushfit {name}"


def as_typed(text: str | None) -> str:
    """`text` with each command of `pushfit` as this person types it."""
    words = text or ""
    for name in SCRIPTS:
        words = words.replace(f"pushfit {name} ", f"{typed(name)} ")
    return words
