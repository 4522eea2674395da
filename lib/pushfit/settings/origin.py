"""Where the value of a setting came from: a layer, with what a person wants to know of it.

`str(origin)` is for people and for config.json; `Origin.parse` reads that text back.
"""

from __future__ import annotations

from enum import Enum

import msgspec

BEFORE = "run before"


class Layer(Enum):
    """What can give a setting its value. The member's own value is the word for it in texts."""

    DEFAULT = "default"
    TASK = "task"
    HOST = "host"
    ENVIRONMENT = "environment"
    STORE = "store"
    COMMAND_LINE = "command line"


GIVEN = frozenset({Layer.ENVIRONMENT, Layer.STORE, Layer.COMMAND_LINE})


class Origin(msgspec.Struct, frozen=True):
    """detail: the task, the row's pattern, the variable or the store's folder.

    before: the run that is resumed was given it so, at its start.
    """

    layer: Layer
    detail: str = ""
    before: bool = False

    def __str__(self) -> str:
        text = f"{self.layer.value} {self.detail}".rstrip()
        return f"{BEFORE}, {text}" if self.before else text

    @classmethod
    def parse(cls, text: str) -> Origin:
        """The origin with this text. Raises ValueError for a text that none has."""
        first, comma, rest = text.partition(", ")
        before = bool(comma) and first == BEFORE
        said = rest if before else text
        for layer in Layer:
            if said == layer.value or said.startswith(f"{layer.value} "):
                return cls(layer, said.removeprefix(layer.value).lstrip(), before)
        raise ValueError(f"{text!r} is not where a setting comes from")

    @property
    def is_given(self) -> bool:
        """True where a person named the value, at this start or at an earlier one of the run."""
        return self.layer in GIVEN

    @property
    def said_by(self) -> str:
        """What handed the value on: "the run before", "the store DIR"; "" for any other layer."""
        if self.before:
            return f"the {BEFORE}"
        return f"the {self}" if self.layer is Layer.STORE else ""


DEFAULT = Origin(Layer.DEFAULT)
COMMAND_LINE = Origin(Layer.COMMAND_LINE)
