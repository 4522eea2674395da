"""Compression of leases, and the choice whether to compress. `Choice` is pure: no clock of its own.

``auto`` tries both and keeps the one that delivers more bytes of samples a second. All waits are
included, so the speed of this core, of the link and of the trainer (which has to unpack) all count.

- It starts with raw samples. While a generator hardly waits for the link (less than `SENDING`),
  compression is not tried: if the link is not the limit, auto costs nothing.
- A try begins with leases that are not counted (`SETTLE`), since earlier leases are still on their
  way; then some leases and some time are measured.
- The slower way is tried again after `PATIENCE` times the duration of a try, since links change.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pushfit.wire import compression
from pushfit.wire.protocol import Packed

SETTLE, COUNTED = 4, 6  # leases of a try: those not counted, and at least those counted
COUNTED_SECONDS = 0.5
SENDING = 0.1  # share of time spent waiting for the link above which compression is tried
GAIN = 1.1  # compression must deliver this many times as much, since it costs CPU on both hosts
PATIENCE = 20.0
SMALL_BYTES = 4096  # smaller arrays are sent raw
WORTH = 0.95  # an array that compression leaves larger than this share of its size is sent raw


class Choice:
    """The choice of ``auto``. packs: whether to compress the next lease."""

    def __init__(self) -> None:
        self.packs = False
        self._rates: dict[bool, float] = {}  # bytes/s by `packs`, as measured last
        self._tried: dict[bool, float] = {}  # by `packs`, when its last try ended
        self._restart()

    def _restart(self) -> None:
        self._leases, self._nbytes, self._sending = 0, 0, 0.0
        self._began = self._from = 0.0  # start of the try, start of the time that is counted

    def sent(self, nbytes: int, sending: float, now: float) -> None:
        """Note that a lease was handed to the link.

        nbytes: its raw size. sending: seconds spent waiting for the link since the lease before.
        """
        self._leases += 1
        if self._leases == 1:
            self._began = now
        if self._leases <= SETTLE:
            self._from = now
            return
        self._nbytes += nbytes
        self._sending += sending
        seconds = now - self._from
        if self._leases < SETTLE + COUNTED or seconds < COUNTED_SECONDS:
            return
        self._rates[self.packs] = self._nbytes / seconds
        self._tried[self.packs] = now
        lasted, share = now - self._began, self._sending / seconds
        self._restart()
        self._decide(lasted, share, now)

    def _decide(self, lasted: float, share: float, now: float) -> None:
        if not self.packs and share < SENDING:
            return
        other = not self.packs
        if now - self._tried.get(other, -1e18) > PATIENCE * lasted:
            self.packs = other
        else:
            self.packs = self._rates[True] > GAIN * self._rates[False]


class Compressor:
    """Makes frames of a lease's arrays. mode: none, auto or a method of compression."""

    def __init__(self, mode: str) -> None:
        self._mode, self._choice = mode, Choice()

    @property
    def packs(self) -> bool:
        return self._choice.packs if self._mode == "auto" else self._mode != "none"

    def pack(self, arrays: Sequence[np.ndarray]) -> tuple[list[np.ndarray], tuple[Packed, ...]]:
        """(frames, how each is compressed): raw if an array is small or gains nothing."""
        frames, how = list[np.ndarray](), list[Packed]()
        if not self.packs:
            return list(arrays), ()
        for array in arrays:
            frame = array
            if array.nbytes >= SMALL_BYTES:
                packed = compression.pack(array)
                if len(packed) < WORTH * array.nbytes:
                    frame = np.frombuffer(packed, np.uint8)
            frames.append(frame)
            how.append("" if frame is array else "zstd")
        return frames, tuple(how)

    def sent(self, nbytes: int, sending: float, now: float) -> None:
        if self._mode == "auto":
            self._choice.sent(nbytes, sending, now)
