"""Splits a command line into flags and values, and reads the value of each setting from them.

    --flag=value   --flag value   --flag   --no-flag

The words are split before the flags are known, since the parameters of a task are flags as well,
and the words say which task it is. A word after a flag counts as its value unless it is a flag
itself. If the flag takes no value, `CommandLine.check` reports it.
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
    """A flag with its value.

    flag: "" for a word that belongs to no flag.
    value: None: no value follows the flag.
    joined: the value was written after a ``=``.
    """

    flag: str
    value: str | None = None
    joined: bool = False


class CommandLine:
    """The highest layer. prog: the name by which the program was called, for messages."""

    def __init__(self, argv: Sequence[str], prog: str) -> None:
        self.prog = prog
        self._words = list(_cut(argv))

    @property
    def asks_for_help(self) -> bool:
        return any(word.flag in HELP for word in self._words)

    def get(self, setting: Setting) -> Given | None:
        """The value of `setting`; None: not given. Raises ConfigError if a value is missing."""
        found = [_value(setting, word) for word in self._words if word.flag in _flags(setting)]
        if not found:
            return None
        # The parts of a list may be given one by one. For any other setting the last value counts.
        parts = setting.is_list and setting.unit != LINES
        value = ",".join(map(str, found)) if parts else found[-1]
        return Given(value, COMMAND_LINE, f"{setting.flag} on the command line")

    def check(self, settings: Collection[Setting]) -> None:
        """Raise ConfigError for the first word that is not a flag of `settings`, or its value."""
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
            f"{setting.flag} on the command line has no value: it must be {setting.allowed()}"
        )
    return setting.bare if word.value is None else word.value


def typed(prog: str) -> str:
    """How a person starts `prog`."""
    return f"python {prog}" if prog.endswith(".py") else prog


def _cut(argv: Sequence[str]) -> Iterator[_Word]:
    waiting: str | None = None  # the last flag, if its value may still follow
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
    """Return whether `word` is a flag. The values ``-1``, ``-`` and texts with spaces are not."""
    if not word.startswith("-") or word in ("-", "--"):
        return False
    return not _NUMBER.fullmatch(word) and " " not in word.partition("=")[0]
