"""The words of a command line: cut once, and then read setting by setting.

    --flag=value   --flag value   --flag   --no-flag

Words are cut without knowing which flags there are: parameters of a task are flags as well, and
which task it is stands among the words. A word that follows a flag, and is not one itself, counts
as its value; for a flag that takes none, `CommandLine.check` then says so.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

import msgspec

from pushfit.errors import ConfigError, nearest
from pushfit.settings.fields import LINES, Setting
from pushfit.settings.layers import Given
from pushfit.settings.origin import COMMAND_LINE

HELP = ("-h", "--help")
_NUMBER = re.compile(r"-(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)


class _Word(msgspec.Struct, frozen=True):
    """flag: "" for a word that belongs to none. joined: the value was written behind a ``=``."""

    flag: str
    value: str | None = None
    joined: bool = False


class CommandLine:
    """The highest layer. `prog` is how the person called the program, for messages."""

    def __init__(self, argv: Sequence[str], prog: str) -> None:
        self.prog = prog
        self._words = list(_cut(argv))

    @property
    def asks_for_help(self) -> bool:
        return any(word.flag in HELP for word in self._words)

    def get(self, setting: Setting) -> Given | None:
        """What the words give `setting`. Raises ConfigError for a flag without its value."""
        found = [_value(setting, word) for word in self._words if word.flag in _flags(setting)]
        if not found:
            return None
        # A list may be given a part at a time; of all else, the last word counts.
        parts = setting.is_list and setting.unit != LINES
        value = ",".join(map(str, found)) if parts else found[-1]
        return Given(value, COMMAND_LINE, f"{setting.flag} on the command line")

    def check(self, settings: Collection[Setting]) -> None:
        """Raises ConfigError for the first word that does not give one of `settings` a value."""
        known = {flag: setting for setting in settings for flag in _flags(setting)}
        for word in self._words:
            if word.flag and word.flag not in known:
                raise self._unknown(word.flag, [*known, *HELP])
            if word.flag:
                _value(known[word.flag], word)
            if word.value is not None and (not word.flag or known[word.flag].is_bool):
                raise self._unexpected(word.value)

    def _unexpected(self, word: str) -> ConfigError:
        hint = " (a list is written with commas and no spaces)" if "," in word else ""
        return ConfigError(f"{word!r} is not expected here: {self.prog} takes flags only{hint}")

    def _unknown(self, flag: str, known: Collection[str]) -> ConfigError:
        lists = f"; {typed(self.prog)} --help lists them"
        return ConfigError(
            f"{flag} is not a flag of {self.prog}{nearest(flag, sorted(known)) or lists}"
        )


def _flags(setting: Setting) -> tuple[str, ...]:
    return (setting.flag, setting.negated) if setting.is_bool else (setting.flag,)


def _value(setting: Setting, word: _Word) -> str | bool:
    if setting.is_bool and word.joined:
        raise ConfigError(
            f"{word.flag} takes no value on the command line: write {setting.flag} or "
            f"{setting.negated}"
        )
    if setting.is_bool:
        return word.flag == setting.flag
    if word.value is None and not setting.bare:
        raise ConfigError(
            f"{setting.flag} on the command line has no value, it must be {setting.allowed()}"
        )
    return setting.bare if word.value is None else word.value


def typed(prog: str) -> str:
    """How a person starts `prog`."""
    return f"python {prog}" if prog.endswith(".py") else prog


def _cut(argv: Sequence[str]) -> Iterator[_Word]:
    waiting: str | None = None  # a flag that may have a value yet
    for word in argv:
        if not _is_flag(word):
            yield _Word(waiting or "", word)
            waiting = None
            continue
        if waiting is not None:
            yield _Word(waiting)
        flag, joined, value = word.partition("=")
        waiting = None if joined else flag
        if joined:
            yield _Word(flag, value, joined=True)
    if waiting is not None:
        yield _Word(waiting)


def _is_flag(word: str) -> bool:
    """False for a value that begins as a flag does: ``-1``, ``-``, or a text with spaces."""
    if not word.startswith("-") or word in ("-", "--"):
        return False
    return not _NUMBER.fullmatch(word) and " " not in word.partition("=")[0]
