"""Whether a lease leaves compressed, and the compressing. `Choice` is pure: `now` is an argument.

``auto`` tries both and keeps what delivers more: bytes of samples a second, all waits included, so
the speed of this core, of the link, and of the trainer's (which has to unpack) all count.

- Raw is where it starts and what it returns to. As long as a generator hardly waits for its samples
  to leave (`SENDING`), nothing is tried: where the link is no limit, auto costs nothing.
- A try begins with leases that are not counted (`SETTLE`), since what was made before them is still
  on its way; then some leases and some time are measured.
- What lost is tried again after `PATIENCE` times as long as a try takes: links change.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lib.wire import packing
from lib.wire.protocol import Packed

SETTLE, COUNTED = 4, 6  # leases of a try: not counted, counted at least
COUNTED_SECONDS = 0.5
SENDING = 0.1  # share of the time spent waiting for the link, before packing is worth a try
GAIN = 1.1  # packed must deliver so many times as much: it costs CPU on both hosts
PATIENCE = 20.0
SMALL_BYTES = 4096  # arrays below are sent as they are
WORTH = 0.95  # packed to more than that share of its size, an array is sent as it is


class Choice:
    """packs: whether the next lease is to be packed."""

    def __init__(self) -> None:
        self.packs = False
        self._rates: dict[bool, float] = {}  # bytes/s by `packs`, as measured last
        self._tried: dict[bool, float] = {}  # when a try of it ended
        self._restart()

    def _restart(self) -> None:
        self._leases, self._nbytes, self._sending = 0, 0, 0.0
        self._began = self._from = 0.0  # of the try, of what is counted of it

    def sent(self, nbytes: int, sending: float, now: float) -> None:
        """A lease of `nbytes` raw was handed to the link; `sending`: seconds held up by it since
        the lease before."""
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


class Packer:
    """Makes frames of a lease's arrays, as `mode` (none, auto or a method) wants it."""

    def __init__(self, mode: str) -> None:
        self._mode, self._choice = mode, Choice()

    @property
    def packs(self) -> bool:
        return self._choice.packs if self._mode == "auto" else self._mode != "none"

    def pack(self, arrays: Sequence[np.ndarray]) -> tuple[list[np.ndarray], tuple[Packed, ...]]:
        """(frames, how each is packed): raw where an array is small or packing gains nothing."""
        frames, how = list[np.ndarray](), list[Packed]()
        if not self.packs:
            return list(arrays), ()
        for array in arrays:
            frame = array
            if array.nbytes >= SMALL_BYTES:
                packed = packing.pack(array)
                if len(packed) < WORTH * array.nbytes:
                    frame = np.frombuffer(packed, np.uint8)
            frames.append(frame)
            how.append("" if frame is array else "zstd")
        return frames, tuple(how)

    def sent(self, nbytes: int, sending: float, now: float) -> None:
        if self._mode == "auto":
            self._choice.sent(nbytes, sending, now)
