"""How long the model waits for batches, and how long its steps take. Pure: `now` is an argument.

Back ends read batches ahead, so the time between two requests is no step time. What is known: when
a batch was handed over, when the next one was asked for (by then the first lies ready), and when a
step ended. A step begins when its batch is ready and the step before it is over; what lies between
the two is waiting. Where several batches go through one call (`steps_per_execution`), only its end
is known: the step time is then the longest s that explains it, t the times at which they were
ready: end = max over i of t(i) + s · (batches from i on).

The first step of a split compiles the model and is not counted.
"""

from __future__ import annotations

from collections import deque


class _Handed:
    """One batch on its way: samples, and when it was ready."""

    __slots__ = ("ready", "samples")

    def __init__(self, samples: int, now: float) -> None:
        self.samples, self.ready = samples, now


class Steps:
    """`asked` and `handed` come from the thread that pulls batches, the others from `fit`'s."""

    def __init__(self) -> None:
        self.waited = self.busy = 0.0  # seconds, over all steps counted
        self.samples = 0  # of those steps
        self._queues: dict[str, deque[_Handed]] = {}
        self._last: dict[str, _Handed] = {}
        self._ended: float | None = None
        self._warm: set[str] = set()

    def asked(self, split: str, now: float) -> None:
        """The next batch of `split` is wanted: the one before it has arrived."""
        if (last := self._last.pop(split, None)) is not None:
            last.ready = now

    def handed(self, split: str, samples: int, now: float) -> None:
        """A batch of `split` was handed over."""
        self._last[split] = _Handed(samples, now)
        self._queues.setdefault(split, deque()).append(self._last[split])

    def begun(self, now: float) -> None:
        """An epoch, or its validation, begins: what lay between was neither step nor waiting."""
        self._ended = now

    def ended(self, split: str, count: int, now: float) -> None:
        """`count` more batches of `split` have been trained on (or evaluated)."""
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
