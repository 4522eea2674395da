"""The origin of a setting's value: a layer, and for example the name of a variable.

`str(origin)` is the text for people and for config.json. `Origin.parse` reads that text.
"""

from __future__ import annotations

from enum import Enum

import msgspec

BEFORE = "run before"


class Layer(Enum):
    """A layer that can give a setting its value. The value of a member is its name in texts."""

    DEFAULT = "default"
    TASK = "task"
    HOST = "host"
    ENVIRONMENT = "environment"
    STORE = "store"
    COMMAND_LINE = "command line"


GIVEN = frozenset({Layer.ENVIRONMENT, Layer.STORE, Layer.COMMAND_LINE})


class Origin(msgspec.Struct, frozen=True):
    """The origin of a value.

    detail: the task, the pattern of the row, the variable, or the folder of the store.
    before: this was the origin in the run that is resumed.
    """

    layer: Layer
    detail: str = ""
    before: bool = False

    def __str__(self) -> str:
        text = f"{self.layer.value} {self.detail}".rstrip()
        return f"{BEFORE}, {text}" if self.before else text

    @classmethod
    def parse(cls, text: str) -> Origin:
        """The origin with this text. Raises ValueError if there is none."""
        first, comma, rest = text.partition(", ")
        before = bool(comma) and first == BEFORE
        said = rest if before else text
        for layer in Layer:
            if said == layer.value or said.startswith(f"{layer.value} "):
                return cls(layer, said.removeprefix(layer.value).lstrip(), before)
        raise ValueError(f"{text!r} is not where a setting comes from")

    @property
    def is_given(self) -> bool:
        """Return whether a person gave the value, now or at an earlier start of the run."""
        return self.layer in GIVEN

    @property
    def said_by(self) -> str:
        """The run or store that has the value: "the run before", "the store DIR"; "": neither."""
        if self.before:
            return f"the {BEFORE}"
        return f"the {self}" if self.layer is Layer.STORE else ""


DEFAULT = Origin(Layer.DEFAULT)
COMMAND_LINE = Origin(Layer.COMMAND_LINE)
