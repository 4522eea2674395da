"""One consumer's way through a stream: a pass over one split of one epoch at a time.

    Feed ─▶ Passes ─▶ Pass (train of epoch 1), Pass (val of epoch 1), Pass (train of epoch 2), …

- The stream is one sequence. Whoever begins a pass further on **skips** what lies between: those
  batches are dropped, and the audit counts them as skipped. Nothing that was passed comes back.
- A framework may **read ahead**: it takes batches that it has not used yet. Such a pass does not
  move the position; whoever knows what was used does (`Passes.used`).
- A framework may also begin a pass, look at its first batches, and begin again: Keras does so to
  build a model. A pass that reads ahead therefore gives again what was not used.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

import msgspec

from pushfit.errors import StreamError
from pushfit.feed.feed import Batch, Feed
from pushfit.text import counted

LOOK = 4  # batches: whoever took more has used them; Keras looks at two at most

log = logging.getLogger("pushfit.stream")


class Position(msgspec.Struct, frozen=True, order=True):
    """`step` batches of segment number `segment` were used, and nothing beyond."""

    segment: int
    step: int


class Ahead(Enum):
    """Does the reader of a pass take batches before it has used those that it was given?"""

    NO = "no"
    COUNTED = "counted"  # yes, and it tells which it has used
    UNKNOWN = "unknown"  # yes, and only another can tell, if anybody


class Pass(Iterator[Batch]):
    """The batches of one split of one epoch, in order.

    by: who takes them, for messages.
    again: batches that an earlier pass over the same split has given, to be given first.
    given: number of batches given. finished: all were given. left: nobody wants further ones.
    kept: those given which may not have been used.
    """

    def __init__(
        self, passes: Passes, segment: int, by: str, ahead: Ahead, again: list[Batch]
    ) -> None:
        self.segment, self.by, self.ahead = segment, by, ahead
        self.again, self.kept = deque(again), deque[Batch]()
        self.given, self.finished, self.left = 0, False, False
        self._passes = passes

    def __next__(self) -> Batch:
        batch = self._passes.take(self)
        if batch is None:
            raise StopIteration
        return batch

    def close(self) -> None:
        """No further batch is wanted of this pass."""
        self.left = True


class Passes:
    """The passes over `feed`, one at a time. Any thread may take from them.

    counted: somebody calls `used` for the passes of which only another can tell what was used.
    failed: an exception has ended the feed while it made a batch.
    """

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.counted = self.failed = False
        self._segments = feed.plan.segments
        self._lock = threading.RLock()
        self._live: Pass | None = None
        self._start = self._position = self._next()

    # -- positions --------------------------------------------------------------------------------

    def _next(self) -> Position:
        at = self.feed.next
        return Position(at[0].index, at[1]) if at else Position(len(self._segments), 0)

    def position(self) -> tuple[int, str, int]:
        """(epoch from 0, split, number of its batches that were used).

        Raises StreamError where nobody knows it, since a framework reads ahead.
        """
        with self._lock:
            live = self._live
            if live is not None and not self._known(live) and live.given and not live.finished:
                raise StreamError(
                    f"{live.by} reads ahead, so nobody knows which batches of "
                    f"{self._what(live.segment)} it has used: give fit the callback "
                    "pushfit.Checkpoint(stream, FILE), or ask between epochs"
                )
            at = self._position
            if at.segment == len(self._segments):
                last = self._segments[-1]
                return last.epoch, last.split, self.feed.steps(last.split)
            segment = self._segments[at.segment]
            return segment.epoch, segment.split, at.step

    @property
    def epoch(self) -> int:
        """The epoch (from 0) of which a batch is used next; the number of epochs: none is left."""
        at = self._position
        if at.segment < len(self._segments):
            segment = self._segments[at.segment]
            if at.step < self.feed.steps(segment.split):
                return segment.epoch
        return min(at.segment + 1, len(self._segments)) // len(self._segments.epoch)

    @property
    def training_epoch(self) -> int:
        """The epoch (from 0) that the next pass over the first split of an epoch is of."""
        at, kinds = self._position, len(self._segments.epoch)
        epoch, kind = divmod(at.segment, kinds)
        over = kind or at.step == self.feed.steps(self._segments.epoch[0].split)
        return epoch + 1 if over else epoch

    def used(self, epoch: int, split: str, step: int) -> None:
        """`step` batches of `split` in `epoch` were used, and all batches before."""
        with self._lock:
            self._use(Position(self._index(epoch, split), step))

    def used_batch(self, batch: Batch) -> None:
        """`batch` was used, and all batches before."""
        with self._lock:
            self._use(Position(batch.segment.index, batch.number + 1))

    def _known(self, one: Pass) -> bool:
        """True where somebody tells which batches of `one` were used."""
        return self.counted or one.ahead is not Ahead.UNKNOWN

    def _use(self, at: Position) -> None:
        self._position = max(self._position, at)
        live = self._live
        if live is not None and live.segment == at.segment:
            while live.kept and live.kept[0].number < at.step:
                live.kept.popleft()

    def left(self, split: str) -> int:
        """Batches that a pass over `split` would give whose reader nobody tells what it has used.

        Fewer than an epoch has, where an epoch is continued.
        """
        with self._lock:
            live, at = self._live, self._next()
            continued = live is not None and self._continues(live, Ahead.UNKNOWN)
            if live is not None and continued and self._is_of(live, split):
                gone = at.step if at.segment == live.segment else self.feed.steps(split)
                return self.feed.steps(split) - gone + len(live.kept)
            fresh = live is None and at.segment < len(self._segments)
            if fresh and self._segments[at.segment].split == split:
                return self.feed.steps(split) - at.step
            return self.feed.steps(split)

    # -- passes -----------------------------------------------------------------------------------

    def begin(
        self, split: str, by: str, ahead: Ahead = Ahead.NO, *, epoch: int | None = None
    ) -> Pass:
        """A pass over `split`: the next one that there is, or what is left of it in `epoch`.

        by: who takes the batches, for messages.
        Raises StreamError where no such pass is left, and where another is under way.
        """
        with self._lock:
            self._check(split, by)
            live, again = self._live, list[Batch]()
            if live is not None and self._is_of(live, split) and self._continues(live, ahead):
                again, epoch = list(live.kept), live.segment // len(self._segments.epoch)
            target = self._target(split, epoch)
            self._skip_to(target)
            if live is not None and live.segment == target:
                again = list(live.kept)
            self._live = Pass(self, target, by, ahead, again)
            return self._live

    def take(self, one: Pass) -> Batch | None:
        """The next batch of `one`; None: it has no more."""
        with self._lock:
            if self._live is not one and one.ahead is Ahead.UNKNOWN:  # it read ahead for nobody
                return None
            if self._live is not one:
                raise StreamError(
                    f"the loop over {self._what(one.segment)} has ended, as another has begun"
                )
            batch = self._pull(one)
            if batch is None:
                self._finish(one)
                return None
            one.given += 1
            one.kept.append(batch)
            if one.ahead is Ahead.NO:
                self.used_batch(batch)
            elif not self._known(one) and one.given > LOOK:
                one.kept.clear()
            if batch.number + 1 == self.feed.steps(batch.segment.split):
                self._finish(one)
            return batch

    def _pull(self, one: Pass) -> Batch | None:
        if one.again:
            return one.again.popleft()
        if self._next().segment != one.segment:
            return None
        with self._noting():
            return self.feed.pull()

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.failed = True  # what was raised through the feed's generator has ended it
            raise

    def _finish(self, one: Pass) -> None:
        one.finished = True
        if not self._known(one):
            self._use(Position(one.segment, self.feed.steps(self._segments[one.segment].split)))

    def _continues(self, live: Pass, ahead: Ahead) -> bool:
        """True where a reader that reads `ahead` begins again what `live` has not used up."""
        if Ahead.UNKNOWN not in (live.ahead, ahead) or live.ahead is not ahead:
            return False
        return not live.finished or (self.counted and bool(live.kept))

    def _check(self, split: str, by: str) -> None:
        if not self.feed.steps(split):
            there = ", ".join(segment.split for segment in self._segments.epoch)
            raise StreamError(f"this stream has no split {split!r}: it has {there}")
        live = self._live
        if live is None or live.finished or live.left or not live.given:
            return
        within = live.ahead is not Ahead.UNKNOWN and not self._is_of(live, split)
        if live.by != by or within:
            who = f" by {live.by}" if live.by != by else ""
            raise StreamError(
                f"{split} was asked for within the loop over {self._what(live.segment)}{who}: a "
                "stream is read by one loop at a time. End that loop first, or make a second stream"
            )

    def _target(self, split: str, epoch: int | None) -> int:
        """The number of the segment that a pass over `split` is of."""
        kinds = len(self._segments.epoch)
        if epoch is not None:
            wanted = self._index(epoch, split)
            if wanted < self._next().segment and wanted >= self._start.segment:
                live = self._live
                if live is None or live.segment != wanted or not live.kept:
                    raise StreamError(
                        f"{self._what(wanted)} was passed already: a stream goes forward only, and "
                        "each batch of it can be read once"
                    )
            return wanted
        at, live = self._next(), self._live
        index = at.segment // kinds * kinds + self._index(0, split)
        begun = live is not None and live.segment == at.segment == index
        if index < at.segment or begun:
            index += kinds
        if index >= len(self._segments):
            epochs = counted(len(self._segments) // kinds, "epoch")
            raise StreamError(
                f"the stream is over, its {epochs} of {split} have been read: make a stream of "
                "more epochs with state=stream.state_dict()"
            )
        return index

    def _skip_to(self, index: int) -> None:
        skipped = Counter[int]()
        while (at := self._next()).segment < index:
            with self._noting():
                self.feed.skip()
            skipped[at.segment] += 1
        for number, count in skipped.items():
            whole = count == self.feed.steps(self._segments[number].split)
            first = number % len(self._segments.epoch) == 0
            log.log(
                logging.WARNING if whole and first else logging.INFO,
                "skipped %s of %s, as %s was asked for: what is passed does not come back",
                *(counted(count, "batch"), self._what(number), self._what(index)),
            )

    def _index(self, epoch: int, split: str) -> int:
        kind = next(each.index for each in self._segments.epoch if each.split == split)
        return epoch * len(self._segments.epoch) + kind

    def _is_of(self, one: Pass, split: str) -> bool:
        return self._segments[one.segment].split == split

    def _what(self, index: int) -> str:
        segment = self._segments[index]
        return f"{segment.split} of epoch {segment.epoch + 1}"
