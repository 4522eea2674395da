"""What `--devices` asks for: all devices of this host, the first N, or some by their numbers."""

from __future__ import annotations

import re

import msgspec

from pushfit.errors import ConfigError

ALL = "all"
MOST = 1024  # devices, and their highest number: no host has more


class Wanted(msgspec.Struct, frozen=True):
    """Which devices are wanted.

    count: how many; None: all that there are.
    numbers: their numbers; empty: the first `count`.
    """

    count: int | None
    numbers: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """The one spelling of it, which `parse` reads."""
        if self.numbers:
            return ",".join(map(str, self.numbers))
        return ALL if self.count is None else str(self.count)


def parse(text: str) -> Wanted:
    """The meaning of ``all``, ``2`` (the first two) or ``0,2`` (these two). Raises ConfigError."""
    words = [word.strip() for word in text.split(",")]
    if words == [ALL]:
        return Wanted(None)
    if not all(re.fullmatch("[0-9]{1,4}", word) and int(word) <= MOST for word in words):
        raise ConfigError(
            f"--devices {text!r}: give all, a number of devices such as 2, or the numbers of "
            f"several such as 0,2 (each at most {MOST})"
        )
    numbers = sorted(map(int, words))
    if len(numbers) == 1:
        if not numbers[0]:
            raise ConfigError("--devices 0: training needs a device, so give at least 1")
        return Wanted(numbers[0])
    if len(set(numbers)) < len(numbers):
        raise ConfigError(f"--devices {text}: a number stands there twice. Name each device once")
    return Wanted(len(numbers), tuple(numbers))


def check_batch(batch_size: int, devices: int) -> None:
    """Raise ConfigError for batches that the devices cannot share evenly."""
    if batch_size % devices == 0:
        return
    low = batch_size // devices * devices
    near = f"{low} or {low + devices}" if low else f"at least {devices}"
    raise ConfigError(
        f"--batch-size {batch_size} is the number of samples that {devices} devices share in each "
        f"step, and it does not divide by {devices}: give {near}, or other --devices"
    )
