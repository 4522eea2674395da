"""The order of everything, as a pure function of the seed: no sockets, no clock, no logging.

- A run is one sequence of **segments**: train 0, val 0, train 1, val 1, …
- A segment is a sequence of **visits**; `Plan.records` says which record each visit uses. Without
  `visits_per_epoch` an epoch is one shuffled pass over the records; with it, epochs are cut from
  the endless sequence of passes, so that every record still comes up equally often.
- A visit yields K **patches**. `patch_rng` gives each its own Philox stream, so it cannot matter
  which process draws it, or when, or how often.
- `mixed` spreads the K patches of a visit over the `window` visits that follow it: patch k of
  visit v sorts at v + window·u(v, k), u uniform in [0, 1). The head of the stream then needs only
  the visits up to its own, and at most `window` visits are open at any time: that bounds memory.

Philox is counter-based (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): its
streams need no state from one another. Validation draws the same patches every epoch, so that its
figures can be compared.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import msgspec
import numpy as np
from msgspec.structs import replace

from lib.plan.philox import uniforms
from lib.tasks.base import Draws

TRAIN = "train"
MIX_BLOCK = 512  # visits whose mixing keys are drawn at once; fixed, since it shapes the stream
PLAIN_BLOCK = 2**16  # samples named at once where nothing is mixed


class Segment(msgspec.Struct, frozen=True):
    """One split of one epoch: `visits` visits of `patches` samples of `sample_bytes` bytes each."""

    index: int
    split: str
    epoch: int
    visits: int
    patches: int
    sample_bytes: int

    @property
    def samples(self) -> int:
        return self.visits * self.patches

    @property
    def visit_bytes(self) -> int:
        return self.patches * self.sample_bytes

    def batches(self, batch_size: int) -> int:
        """Batches in this segment; the last one may be smaller."""
        return -(-self.samples // batch_size)


class SplitOrder(msgspec.Struct, frozen=True):
    """How one split is visited.

    counts: records per class (records are numbered class by class).
    patches: K, samples drawn from one visit.
    visits_per_epoch: 0 for one pass over the records.
    shuffle: a new permutation each pass, else the natural order.
    balance: each class equally often in a pass.
    fresh: new patches each epoch, else those of epoch 0 every time.
    """

    counts: tuple[int, ...]
    patches: int
    visits_per_epoch: int = 0
    shuffle: bool = True
    balance: bool = False
    fresh: bool = True

    @property
    def records(self) -> int:
        return sum(self.counts)

    @property
    def pass_visits(self) -> int:
        """Visits in one pass. Balanced: every class gets ceil(records / classes) of them."""
        if not self.balance:
            return self.records
        held = sum(1 for count in self.counts if count)
        return held * -(-self.records // held) if held else 0

    @property
    def visits(self) -> int:
        return self.visits_per_epoch or self.pass_visits


class Segments:
    """The segments of a run, in order; each is made when asked for, so a long run costs no more.

    epoch: those of epoch 0; all later ones are like them.
    """

    def __init__(self, epochs: int, splits: Mapping[str, SplitOrder], sample_bytes: int) -> None:
        self.epoch = [
            Segment(index, name, 0, order.visits, order.patches, sample_bytes)
            for index, (name, order) in enumerate(splits.items() if epochs else ())
        ]
        self._epochs = epochs

    def __len__(self) -> int:
        return self._epochs * len(self.epoch)

    def __getitem__(self, index: int) -> Segment:
        """Number `index`, from the end where that is negative. Raises IndexError beyond."""
        index += len(self) if index < 0 else 0
        if not 0 <= index < len(self):
            raise IndexError(f"segment {index} of {len(self)}")
        epoch, kind = divmod(index, len(self.epoch))
        return replace(self.epoch[kind], index=index, epoch=epoch) if epoch else self.epoch[kind]

    def get(self, index: int) -> Segment | None:
        """Number `index`, or None where the run has ended before it."""
        return self[index] if index < len(self) else None

    def __iter__(self) -> Iterator[Segment]:
        return self.since(0)

    def since(self, index: int) -> Iterator[Segment]:
        """Those from number `index` on."""
        return (self[number] for number in range(index, len(self)))

    def visits_since(self, index: int) -> int:
        """How many visits those have together."""
        if index >= len(self):
            return 0
        epoch, kind = divmod(index, len(self.epoch))
        whole = sum(segment.visits for segment in self.epoch)
        return (self._epochs - epoch) * whole - sum(each.visits for each in self.epoch[:kind])


class Plan:
    """The whole run: which segments there are, which record a visit uses, how patches are mixed."""

    def __init__(
        self,
        seed: int,
        epochs: int,
        splits: dict[str, SplitOrder],
        sample_bytes: int,
        window: int,
    ) -> None:
        self.seed, self.window = seed, window
        self.splits = {name: order for name, order in splits.items() if order.visits}
        self.segments = Segments(epochs, self.splits, sample_bytes)
        self._cached: tuple[int, np.ndarray] | None = None

    def records(self, segment: Segment) -> np.ndarray:
        """(visits,) int64: the record of every visit of `segment`."""
        if self._cached is None or self._cached[0] != segment.index:
            order = self.splits[segment.split]
            self._cached = (
                segment.index,
                visit_records(self.seed, segment.split, segment.epoch, order),
            )
        return self._cached[1]

    def patch_epoch(self, segment: Segment) -> int:
        """The epoch that seeds the patches of `segment`."""
        return segment.epoch if self.splits[segment.split].fresh else 0

    def window_of(self, segment: Segment) -> int:
        """Visits over which the patches of one are spread: kept open at once."""
        return self.window if segment.patches > 1 else 0

    def mixed(self, segment: Segment) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(visit, patch) of every sample of `segment`, in the order in which `fit` gets them."""
        window, epoch = self.window_of(segment), self.patch_epoch(segment)
        return mixed(self.seed, segment, window, epoch)

    def places(self, segment: Segment, rows: np.ndarray) -> np.ndarray:
        """(n,) where in the epoch the samples are (visit · K + patch) that come as these rows."""
        return rows


def stream_key(seed: int, *names: str | int) -> tuple[int, int]:
    """A Philox key for the stream that `names` name; equal names, equal stream."""
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    return seed & 0xFFFF_FFFF_FFFF_FFFF, int.from_bytes(digest[:8], "little")


def rng_of(seed: int, *names: str | int) -> np.random.Generator:
    """The randomness of that stream."""
    key = np.array(stream_key(seed, *names), dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


@lru_cache(maxsize=64)
def _patch_key(seed: int, split: str, epoch: int) -> np.ndarray:
    return np.array(stream_key(seed, "patch", split, epoch), dtype=np.uint64)


def patch_rng(
    seed: int, split: str, epoch: int, visit: int, record: int, patch: int
) -> np.random.Generator:
    """The randomness of one sample. The visit is part of it: a record may come twice an epoch."""
    counter = np.array((0, visit, record, patch), dtype=np.uint64)
    return np.random.Generator(
        np.random.Philox(key=_patch_key(seed, split, epoch), counter=counter)
    )


def patch_draws(
    seed: int, split: str, epoch: int, visits: np.ndarray, records: np.ndarray, patches: np.ndarray
) -> Draws:
    """The same for many samples at once, (n,) numbers each: draws(count) → (n, count) float64.

    Row i is what `patch_rng` of sample i gives by `random(count)`, when that is called first.
    """
    key = stream_key(seed, "patch", split, epoch)
    return lambda count: uniforms(key, visits, records, patches, count)


def visit_records(seed: int, split: str, epoch: int, order: SplitOrder) -> np.ndarray:
    """(visits,) int64: the records that `epoch` visits, cut from the endless sequence of passes."""
    size = order.pass_visits
    start, stop = epoch * order.visits, (epoch + 1) * order.visits
    first, last = start // size, (stop - 1) // size
    passes = np.concatenate([_one_pass(seed, split, n, order) for n in range(first, last + 1)])
    return passes[start - first * size : stop - first * size]


def _one_pass(seed: int, split: str, number: int, order: SplitOrder) -> np.ndarray:
    if order.balance:
        records = _balanced(seed, split, number, order.counts, order.pass_visits)
    else:
        records = np.arange(order.records, dtype=np.int64)
    return rng_of(seed, "order", split, number).permutation(records) if order.shuffle else records


def _balanced(
    seed: int, split: str, number: int, counts: Sequence[int], pass_visits: int
) -> np.ndarray:
    """Each class `share` times, its own records taken from its own endless shuffled sequence."""
    share = pass_visits // sum(1 for count in counts if count)
    chosen, base = [], 0
    for label, count in enumerate(counts):
        if count:
            start = number * share
            for turn in range(start // count, (start + share - 1) // count + 1):
                shuffled = rng_of(seed, "class", split, label, turn).permutation(count) + base
                low, high = turn * count, (turn + 1) * count
                chosen.append(shuffled[max(start - low, 0) : min(start + share, high) - low])
        base += count
    return np.concatenate(chosen)


def mixed(
    seed: int, segment: Segment, window: int, epoch: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Blocks of (visits, patches), two equal-length int64 arrays, that together name every sample.

    Patches sort by visit + window·u; ties keep their natural order. `window` 0 keeps it throughout.
    """
    carried = np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64)
    block = MIX_BLOCK if window else max(1, PLAIN_BLOCK // segment.patches)
    for start in range(0, segment.visits, block):
        stop = min(start + block, segment.visits)
        visits = np.repeat(np.arange(start, stop, dtype=np.int64), segment.patches)
        patches = np.tile(np.arange(segment.patches, dtype=np.int64), stop - start)
        if not window:
            yield visits, patches
            continue
        draw = rng_of(seed, "mix", segment.split, epoch, start)
        keys = np.concatenate([carried[0], visits + window * draw.random(len(visits))])
        visits = np.concatenate([carried[1], visits])
        patches = np.concatenate([carried[2], patches])
        rank = np.argsort(keys, kind="stable")
        keys, visits, patches = keys[rank], visits[rank], patches[rank]
        # Later visits may sort among what lies beyond `stop`: that part waits for them.
        cut = len(keys) if stop == segment.visits else int(np.searchsorted(keys, stop))
        yield visits[:cut], patches[:cut]
        carried = keys[cut:], visits[cut:], patches[cut:]


def substitutes(firsts: Sequence[int], record: int) -> Iterator[int]:
    """`record`, then the other records of its class, cyclically: who stands in for whom.

    firsts: the number of each class's first record, and at the end the number of records.
    """
    label = bisect_right(firsts, record) - 1
    yield from range(record, firsts[label + 1])
    yield from range(firsts[label], record)
