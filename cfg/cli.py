"""The command line, built from settings: one flag a setting, grouped, no surprises.

argparse only cuts the words apart; values stay text until `Setting.read`, so that a bad one is
reported alike from every layer. Its own errors are put in the words of this project.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from msgspec import NODEFAULT, inspect

from cfg.fields import Setting
from lib.errors import ConfigError, nearest

# Headings of --help, in the order in which a newcomer asks; "* task" is the task's own.
GROUPS = (
    "Generator", "Report", "Prediction", "Data", "* task", "Sink", "Stream", "Model", "Training",
    "Fleet", "Run",
)  # fmt: skip
UNITS = {
    "bytes": "SIZE", "seconds": "SECONDS", "path": "PATH",
    "bind": "tcp://HOST:PORT", "connect": "tcp://HOST:PORT",
}  # fmt: skip
EPILOG = """\
A setting that is not given here is taken from the environment (--batch-size from
PUSHFIT_BATCH_SIZE), then from this host's row of cfg/base.py, then from the task's cfg/TASK.py.
`python -m cfg` shows what this host gets, and from where."""


class Parser(argparse.ArgumentParser):
    """Raises ConfigError where argparse would print its usage and exit."""

    def __init__(self, prog: str, settings: Sequence[Setting], description: str = "") -> None:
        script = prog if prog.startswith("python") else f"python {prog}"
        super().__init__(
            prog=prog,
            usage=f"{script} [--flag value …]",
            description=description,
            epilog=EPILOG,
            add_help=False,
            allow_abbrev=False,
            exit_on_error=False,
            formatter_class=Formatter,
        )
        self.settings = {setting.flag: setting for setting in settings}

    def words(self, argv: Sequence[str], *, strict: bool = True) -> dict[str, str | bool]:
        """{name of a setting: what `argv` gives it}, for those it names. Prints ``--help``.

        strict: refuse a word that is not a flag here.
        """
        try:
            known, unknown = self.parse_known_args(argv)
        except argparse.ArgumentError as error:
            raise ConfigError(self._explain(error)) from None
        for word in unknown if strict else ():
            self._refuse(word)
        return dict(vars(known))

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message} ({self.prog})")

    def _explain(self, error: argparse.ArgumentError) -> str:
        flag = (error.argument_name or "").split("/")[0]
        setting = self.settings.get(flag)
        if setting is None:
            return f"{error} ({self.prog})"
        if setting.is_bool:
            no = negated(setting)
            return f"{flag} takes no value on the command line: write {flag} or {no}"
        return f"{flag} on the command line has no value, it must be {setting.allowed()}"

    def _refuse(self, word: str) -> NoReturn:
        flag = word.partition("=")[0]
        if not flag.startswith("-") or flag in ("-", "--"):
            hint = " (a list is written with commas and no spaces)" if "," in word else ""
            raise ConfigError(f"{word!r} is not expected here: {self.prog} takes flags only{hint}")
        known = [name for action in self._actions for name in action.option_strings]
        longer = [name for name in known if name.startswith(flag)] if len(flag) > 3 else []
        near = nearest(flag, known)
        if len(longer) == 1:  # as typed by somebody who is used to abbreviations
            near = f", did you mean {longer[0]!r}?"
        near = near or f"; {self.usage_hint()}"
        raise ConfigError(f"{flag} is not a flag of {self.prog}{near}")

    def usage_hint(self) -> str:
        return f"{(self.usage or '').split(' [')[0]} --help lists them"


class Formatter(argparse.HelpFormatter):
    """As wide as the terminal, up to 100 columns."""

    def __init__(self, prog: str) -> None:
        width = min(shutil.get_terminal_size().columns, 100) - 1
        super().__init__(prog, max_help_position=29, width=width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Paragraphs are filled; what stands indented in the source keeps its lines."""
        blocks = text.strip().split("\n\n")
        fill = super()._fill_text
        return "\n\n".join(b if b.startswith("    ") else fill(b, width, indent) for b in blocks)

    def _format_usage(self, usage: Any, *rest: Any) -> str:
        return super()._format_usage(usage, *rest).replace("usage:", "Usage:", 1)


def negated(setting: Setting) -> str:
    return "--no-" + setting.flag[2:]


def build(
    prog: str,
    settings: Sequence[Setting],
    *,
    description: str = "",
    current: Mapping[str, tuple[Any, str]] | None = None,
) -> Parser:
    """A parser for `settings`.

    current: {name: (value, source)} that the layers below the command line give on this host,
    for ``--help`` to show.
    """
    parser = Parser(prog, settings, description)
    groups: dict[str, list[Setting]] = {}
    for setting in settings:
        groups.setdefault(setting.group or "Other", []).append(setting)
    for title in sorted(groups, key=_rank):
        group = parser.add_argument_group(title[0].upper() + title[1:])
        for setting in groups[title]:
            _add(group.add_argument, setting, (current or {}).get(setting.name))
    last = parser.add_argument_group("Help")
    last.add_argument("-h", "--help", action="help", help="Print this and exit.")
    return parser


def _rank(title: str) -> int:
    name = "* task" if title.endswith(" task") else title
    return GROUPS.index(name) if name in GROUPS else len(GROUPS)


def _add(
    add_argument: Callable[..., argparse.Action], setting: Setting, current: tuple[Any, str] | None
) -> None:
    options: dict[str, Any] = {
        "dest": setting.name,
        "default": argparse.SUPPRESS,
        "help": help_text(setting, current).replace("%", "%%"),
    }
    if setting.is_bool:
        add_argument(setting.flag, action=argparse.BooleanOptionalAction, **options)
    else:
        how = _Join if setting.is_list else "store"
        bare = {"nargs": "?", "const": setting.bare} if setting.bare else {}
        add_argument(setting.flag, metavar=metavar(setting), action=how, **bare, **options)


class _Join(argparse.Action):
    """A list may be given a part at a time: ``--run a --run b`` is ``--run a,b``."""

    def __call__(self, parser: Any, namespace: Any, value: Any, flag: Any = None) -> None:
        before = getattr(namespace, self.dest, None)
        setattr(namespace, self.dest, value if before is None else f"{before},{value}")


def metavar(setting: Setting) -> str:
    """What stands for the value in ``--help``."""
    words = setting.choices
    if setting.is_list:
        number = isinstance(setting.item, inspect.IntType | inspect.FloatType)
        one = "N" if number else UNITS.get(setting.unit, "NAME")
        return f"{one},…"
    if words:
        joined = "|".join(words)
        return joined if isinstance(setting.item, inspect.LiteralType) else f"N|{joined}"
    if setting.unit in UNITS:
        return UNITS[setting.unit]
    if isinstance(setting.item, inspect.IntType):
        return "N"
    return "X" if isinstance(setting.item, inspect.FloatType) else "NAME"


def help_text(setting: Setting, current: tuple[Any, str] | None) -> str:
    """Description, default and limits, and what holds here when that is not the default."""
    notes = [default_text(setting)]
    if setting.is_list and setting.choices:
        words = ", ".join(setting.choices)
        everything = setting.default == setting.choices
        notes = [f"default all: {words}"] if everything else [*notes, f"any of {words}"]
    elif (limits := setting.limits()) and not (setting.zero and limits == "at least 0"):
        notes.append(limits)
    if setting.bare:
        notes.append(f"{setting.bare} where no value is given")
    if current and current[1] != "default" and current[0] != setting.default:
        notes.append(f"here {setting.text(current[0])}, from {current[1]}")
    return f"{setting.description} [{'; '.join(notes)}]".strip()


def default_text(setting: Setting) -> str:
    if setting.default is NODEFAULT:
        return "must be given"
    text = setting.text(setting.default)
    if setting.is_list:
        text = text.replace(",", ", ")  # so that it wraps
    if setting.zero and not setting.default:
        return f"default {text}: {setting.zero}" if text else f"default: {setting.zero}"
    if setting.zero:
        return f"default {text}; {setting.text(type(setting.default)())}: {setting.zero}"
    return f"default {text or 'none'}"
