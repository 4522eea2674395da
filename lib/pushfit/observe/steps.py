"""The times of the model's steps and of its waits for batches. Pure: `now` is an argument.

Back ends read batches ahead, so the time between two requests is not the time of a step. Three
times are known: when a batch was handed over, when the next one was requested (by a thread that
reads ahead; at that time the first batch is ready), and when a step ended. A step begins when its
batch is ready and the previous step is over; the model waits if the batch is the later of the two.
If several batches go through one call (`steps_per_execution`), only the end of the call is known.
The step time is then the largest s with end = max over i of t(i) + s · (batches from i on), where
t(i) is the time at which batch i was ready.

The first step of a split compiles the model and is not counted.
"""

from __future__ import annotations

from collections import deque


class _Handed:
    """A batch on its way: its number of samples, and when it was ready."""

    __slots__ = ("ready", "samples")

    def __init__(self, samples: int, now: float) -> None:
        self.samples, self.ready = samples, now


class Steps:
    """Measures steps. The thread that pulls batches calls `asked` and `handed`, `fit` the others.

    ahead: a separate thread pulls batches. False: the training loop itself requests the next batch
        after a step, whose end another thread may report later.
    """

    def __init__(self, *, ahead: bool = True) -> None:
        self.ahead = ahead
        self.waited = self.busy = 0.0  # seconds, summed over all counted steps
        self.samples = 0  # of those steps
        self._queues: dict[str, deque[_Handed]] = {}
        self._last: dict[str, _Handed] = {}
        self._ended: float | None = None
        self._warm: set[str] = set()

    def asked(self, split: str, now: float) -> None:
        """Note that the next batch of `split` is requested, so the previous one has arrived."""
        if (last := self._last.pop(split, None)) is not None and self.ahead:
            last.ready = now

    def handed(self, split: str, samples: int, now: float) -> None:
        """Note that a batch of `split` was handed over. samples: its size."""
        self._last[split] = _Handed(samples, now)
        self._queues.setdefault(split, deque()).append(self._last[split])

    def begun(self, now: float) -> None:
        """Note that an epoch or its validation begins. The time before was not a step or a wait."""
        self._ended = now

    def ended(self, split: str, count: int, now: float) -> None:
        """Note that `count` more batches of `split` were trained on (or evaluated)."""
        queue, before, self._ended = self._queues.get(split), self._ended, now
        taken = [queue.popleft() for _ in range(min(count, len(queue)))] if queue else []
        warm = split in self._warm
        self._warm.add(split)
        if not taken or before is None or not warm:
            return
        ready = [min(max(each.ready, before), now) for each in taken]
        ready[0] = max(ready[0], before)
        step = min((now - at) / (len(ready) - i) for i, at in enumerate(ready))
        self.busy += step * len(taken)
        self.waited += max(0.0, now - before - step * len(taken))
        self.samples += sum(each.samples for each in taken)
