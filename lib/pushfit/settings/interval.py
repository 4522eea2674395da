"""The interval of checkpoints within an epoch: a number of batches, or minutes."""

from __future__ import annotations

import re

import msgspec

from pushfit.errors import ConfigError

_TEXT = re.compile(r"([0-9]+)(?:|\s*(min|minutes?))|([0-9]*\.[0-9]+)\s*(?:min|minutes?)", re.ASCII)


class Interval(msgspec.Struct, frozen=True):
    """An interval in batches or in seconds; the other field is 0. `Interval()` means never."""

    batches: int = 0
    seconds: float = 0.0

    def due(self, batches: int, seconds: float) -> bool:
        """Return whether a checkpoint is due, `batches` and `seconds` after the last one."""
        return 0 < self.batches <= batches or 0 < self.seconds <= seconds


def parse(text: str) -> Interval:
    """Read a text such as ``500``, ``10min`` or ``""``. Raises ConfigError."""
    if not text.strip():
        return Interval()
    match = _TEXT.fullmatch(text.strip())
    number = float(match[1] or match[3]) if match else 0.0
    if match is None or not number:
        raise ConfigError(
            f"--checkpoint-every {text!r}: give a number of batches like 500, or minutes like 10min"
        )
    by_time = match[2] or match[3]
    return Interval(seconds=60 * number) if by_time else Interval(batches=int(number))
