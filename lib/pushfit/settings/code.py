"""Code that a setting names: `FILE.py:ATTRIBUTE`, or `package.module:ATTRIBUTE`.

Here is only what the text says. Which code may run is `pushfit.tasks.trusted`'s, and who runs it,
`pushfit.training.user_code`.
"""

from __future__ import annotations

import re

import msgspec

from pushfit.errors import ConfigError

HUB = "hub:"  # what a preset of keras-hub begins with: it is not code
_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_FILES = re.compile(r"\.py(:|$)|\.json$")


class Code(msgspec.Struct, frozen=True):
    """where: the path of a Python file, or the name of a module. attribute: what is meant in it."""

    where: str
    attribute: str

    @property
    def is_file(self) -> bool:
        return self.where.endswith(".py")


def names_code(text: str) -> bool:
    """True where `text` names code, and not a thing that PushFit or Keras knows by its name."""
    return (":" in text or text.endswith(".py")) and not text.startswith(HUB)


def parse(text: str, flag: str) -> Code:
    """What `text` names. flag: of the setting, for the message. Raises ConfigError."""
    where, _, attribute = text.rpartition(":")
    code = Code(where, attribute)
    if not where or not _NAME.fullmatch(attribute):
        raise ConfigError(
            f"{flag} {text}: write FILE.py:NAME or MODULE:NAME, where NAME is a class or a function"
        )
    if not code.is_file and not _NAME.fullmatch(where):
        raise ConfigError(
            f"{flag} {text}: {where!r} is neither a file that ends in .py nor the name of a module"
        )
    return code


def names_file(text: str) -> bool:
    """True where `text` begins with the path of a Python file, or is that of a JSON file."""
    return bool(_FILES.search(text)) and not text.startswith((HUB, "{"))


def unplaced(text: str) -> str:
    """`text` with each path of a Python file as its name alone: a file may move."""
    return re.sub(r"[^,]*/(?=[^/,]+\.py:)", "", text)
