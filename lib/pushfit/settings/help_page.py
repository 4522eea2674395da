"""The text of ``--help``: settings in groups, each with its default, limits and value on this host.

argparse is used only for the layout.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import NODEFAULT, inspect

from pushfit.settings.command_line import typed
from pushfit.settings.fields import LINES, Setting
from pushfit.settings.origin import Layer, Origin

# Headings of --help, in the order of a newcomer's questions; "* task" is that of the task.
GROUPS = (
    "Generator", "Report", "Prediction", "Data", "* task", "Sink", "Stream", "Model", "Training",
    "Fleet", "Run",
)  # fmt: skip
UNITS = {
    "bytes": "SIZE", "seconds": "SECONDS", "path": "PATH", "name or path": "NAME",
    "bind": "tcp://HOST:PORT", "connect": "tcp://HOST:PORT",
}  # fmt: skip
EPILOG = """\
A setting that is not given here is taken from the environment (--batch-size from
PUSHFIT_BATCH_SIZE), then from this host's row of cfg/base.py, then from the task's cfg/TASK.py.
`pushfit config` shows the value of every setting on this host, and its origin."""


class Formatter(argparse.HelpFormatter):
    """A layout as wide as the terminal, up to 100 columns."""

    def __init__(self, prog: str) -> None:
        width = min(shutil.get_terminal_size().columns, 100) - 1
        super().__init__(prog, max_help_position=29, width=width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Wrap the paragraphs of `text`. Indented paragraphs keep their lines."""
        blocks = text.strip().split("\n\n")
        fill = super()._fill_text
        return "\n\n".join(b if b.startswith("    ") else fill(b, width, indent) for b in blocks)

    def _format_usage(self, usage: Any, *rest: Any) -> str:
        return super()._format_usage(usage, *rest).replace("usage:", "Usage:", 1)


def text(
    prog: str,
    settings: Sequence[Setting],
    *,
    description: str = "",
    current: Mapping[str, tuple[Any, Origin]] | None = None,
) -> str:
    """The page about `settings`.

    prog: the name of the program.
    current: {name: (value, its origin)} on this host, without the command line.
    """
    parser = argparse.ArgumentParser(
        prog=prog,
        usage=f"{typed(prog)} [--flag value …]",
        description=description,
        epilog=EPILOG,
        add_help=False,
        formatter_class=Formatter,
    )
    groups: dict[str, list[Setting]] = {}
    for setting in settings:
        groups.setdefault(setting.group or "Other", []).append(setting)
    for title in sorted(groups, key=_rank):
        group = parser.add_argument_group(title[0].upper() + title[1:])
        for setting in groups[title]:
            _add(group.add_argument, setting, (current or {}).get(setting.name))
    last = parser.add_argument_group("Help")
    last.add_argument("-h", "--help", action="help", help="Print this help and exit.")
    return parser.format_help()


def _rank(title: str) -> int:
    name = "* task" if title.endswith(" task") else title
    return GROUPS.index(name) if name in GROUPS else len(GROUPS)


def _add(
    add_argument: Callable[..., argparse.Action],
    setting: Setting,
    current: tuple[Any, Origin] | None,
) -> None:
    options: dict[str, Any] = {
        "default": argparse.SUPPRESS,
        "help": help_text(setting, current).replace("%", "%%"),
    }
    if setting.is_bool:
        add_argument(setting.flag, action=argparse.BooleanOptionalAction, **options)
    else:
        bare = {"nargs": "?"} if setting.bare else {}
        add_argument(setting.flag, metavar=metavar(setting), **bare, **options)


def metavar(setting: Setting) -> str:
    """The placeholder of the value in ``--help``."""
    words = setting.choices
    if setting.unit == LINES:
        return "FILE"
    if setting.is_list:
        number = isinstance(setting.item, inspect.IntType | inspect.FloatType)
        one = "N" if number else UNITS.get(setting.unit, "NAME")
        return f"{one},…"
    if words:
        joined = "|".join(words)
        if isinstance(setting.item, inspect.LiteralType):
            return joined
        return f"{'X' if setting.is_fraction else 'N'}|{joined}"
    if setting.unit in UNITS:
        return UNITS[setting.unit]
    if isinstance(setting.item, inspect.IntType):
        return "N"
    return "X" if isinstance(setting.item, inspect.FloatType) else "NAME"


def help_text(setting: Setting, current: tuple[Any, Origin] | None) -> str:
    """The description, default and limits of a setting, and its value here unless it is default."""
    notes = [default_text(setting)]
    if setting.is_list and setting.choices:
        words = ", ".join(setting.choices)
        everything = setting.default == setting.choices
        notes = [f"default all: {words}"] if everything else [*notes, f"any of {words}"]
    elif (limits := setting.limits()) and not (setting.zero and limits == "at least 0"):
        notes.append(limits)
    if setting.bare:
        notes.append(f"{setting.bare} if no value is given")
    if setting.also:
        notes.append(f"the variable {setting.also} if it is set")
    if current and current[1].layer is not Layer.DEFAULT and current[0] != setting.default:
        notes.append(f"here {setting.shown(current[0])}, from {current[1]}")
    return f"{setting.description} [{'; '.join(notes)}]".strip()


def default_text(setting: Setting) -> str:
    if setting.default is NODEFAULT:
        return "must be given"
    text = setting.text(setting.default)
    if setting.is_list:
        text = text.replace(",", ", ")  # with spaces, lines can wrap
    if setting.zero and not setting.default:
        return f"default {text}: {setting.zero}" if text else f"default: {setting.zero}"
    if setting.zero:
        return f"default {text}; {setting.text(type(setting.default)())}: {setting.zero}"
    return f"default {text or 'none'}"
