"""The order of everything, as a pure function of the seed: no sockets, no clock, no logging.

- A run is one sequence of **segments**: train 0, val 0, train 1, val 1, …
- A segment is a sequence of **visits**; `Plan.records` says which record each visit uses. Without
  `visits_per_epoch` an epoch is one shuffled pass over the records; with it, epochs are cut from
  the endless sequence of passes, so that every record still comes up equally often. Records may
  have weights, and come group by group (`choosing`).
- A visit yields K **samples** (patches). `patch_rng` gives each its own Philox stream, so it does
  not matter which process draws it, or when, or how often.
- `mixed` spreads the K samples of a visit over the `window` visits that follow it: sample k of
  visit v sorts at v + window·u(v, k), u uniform in [0, 1). The head of the stream then needs only
  visits up to its own, and at most `window` visits are open at any time, which bounds memory.

Philox is counter-based (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): its
streams need no state from one another. Validation draws the same samples in every epoch, so that
its figures can be compared.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import msgspec
import numpy as np
from msgspec.structs import replace

from pushfit.plan import philox
from pushfit.plan.choosing import chosen, grouped
from pushfit.plan.philox import uniforms
from pushfit.plan.shards import WHOLE, Shards
from pushfit.tasks.base import Draws

TRAIN = "train"
MIX_BLOCK = 512  # visits whose mixing keys are drawn at once; fixed, since it shapes the stream
PLAIN_BLOCK = 2**16  # samples in a block of the order without mixing


class Segment(msgspec.Struct, frozen=True):
    """One split of one epoch: `visits` visits of `patches` samples of `sample_bytes` bytes each.

    drop_last: only whole batches are made of them, and what is left over is dropped.
    """

    index: int
    split: str
    epoch: int
    visits: int
    patches: int
    sample_bytes: int
    drop_last: bool = False

    @property
    def samples(self) -> int:
        return self.visits * self.patches

    @property
    def visit_bytes(self) -> int:
        return self.patches * self.sample_bytes

    def batches(self, batch_size: int) -> int:
        """Batches in this segment; the last one may be smaller, unless it is dropped."""
        return self.samples // batch_size if self.drop_last else -(-self.samples // batch_size)

    def dropped(self, batch_size: int) -> int:
        """Samples that are in no batch, since they do not fill one."""
        return self.samples % batch_size if self.drop_last else 0


class SplitOrder(msgspec.Struct, frozen=True):
    """How one split is visited.

    counts: number of records of each class (records are numbered class by class).
    patches: K, the number of samples of a visit.
    visits_per_epoch: visits in an epoch; 0: one pass over the records.
    shuffle: a new permutation in each pass; False: the natural order.
    balance: each class comes equally often in a pass.
    fresh: new samples in each epoch; False: those of epoch 0 every time.
    weights: how often each record comes, as `tasks.visiting.Visiting` has them; empty: equally
        often. Not together with `balance`.
    group_of: the group of each record, as `Visiting` has them; it is used if `together` is not 0.
    together: groups whose records are shuffled together; 0: all records are.
    drop_last: samples of an epoch that do not fill a batch are in none.
    """

    counts: tuple[int, ...]
    patches: int
    visits_per_epoch: int = 0
    shuffle: bool = True
    balance: bool = False
    fresh: bool = True
    weights: bytes = b""
    group_of: bytes = b""
    together: int = 0
    drop_last: bool = False

    @property
    def records(self) -> int:
        return sum(self.counts)

    @property
    def pass_visits(self) -> int:
        """Visits in one pass. If balanced, every class gets ceil(records / classes) of them."""
        if not self.balance:
            return self.records
        held = sum(1 for count in self.counts if count)
        return held * -(-self.records // held) if held else 0

    @property
    def visits(self) -> int:
        return self.visits_per_epoch or self.pass_visits


class Segments:
    """The segments of a run, in order. They are made on request, so a long run costs no memory.

    epoch: the segments of epoch 0; those of later epochs are like them.
    """

    def __init__(
        self,
        epochs: int,
        splits: Mapping[str, SplitOrder],
        sample_bytes: int,
        shards: Shards = WHOLE,
    ) -> None:
        self.epoch = [
            Segment(
                index,
                name,
                0,
                shards.visits(order.visits),
                order.patches,
                sample_bytes,
                order.drop_last,
            )
            for index, (name, order) in enumerate(splits.items() if epochs else ())
        ]
        self._epochs = epochs

    def __len__(self) -> int:
        return self._epochs * len(self.epoch)

    def __getitem__(self, index: int) -> Segment:
        """Segment number `index`; a negative index counts from the end. Raises IndexError."""
        index += len(self) if index < 0 else 0
        if not 0 <= index < len(self):
            raise IndexError(f"segment {index} of {len(self)}")
        epoch, kind = divmod(index, len(self.epoch))
        return replace(self.epoch[kind], index=index, epoch=epoch) if epoch else self.epoch[kind]

    def get(self, index: int) -> Segment | None:
        """Segment number `index`; None: the run ends before it."""
        return self[index] if index < len(self) else None

    def __iter__(self) -> Iterator[Segment]:
        return self.since(0)

    def since(self, index: int) -> Iterator[Segment]:
        """The segments from number `index` on."""
        return (self[number] for number in range(index, len(self)))

    def visits_since(self, index: int) -> int:
        """The number of visits in the segments from number `index` on."""
        if index >= len(self):
            return 0
        epoch, kind = divmod(index, len(self.epoch))
        whole = sum(segment.visits for segment in self.epoch)
        return (self._epochs - epoch) * whole - sum(each.visits for each in self.epoch[:kind])


class Plan:
    """The whole run of one trainer: its segments, the record of each visit, and the mixing.

    exact: leases are delivered in the order of the epoch, so the stream does not depend on who
        makes them; else as they arrive, and only the start of an epoch is a position to resume at.
    shards: those of the stream that this trainer has. Its visits are numbered without those of
        other trainers.
    batch_size: samples of a batch of this trainer, for the memory that several shards need.
    """

    def __init__(
        self,
        seed: int,
        epochs: int,
        splits: dict[str, SplitOrder],
        sample_bytes: int,
        window: int,
        *,
        exact: bool = True,
        shards: Shards = WHOLE,
        batch_size: int = 0,
    ) -> None:
        self.seed, self.window, self.exact, self.shards = seed, window, exact, shards
        self._batch_size = batch_size
        self.splits = {name: order for name, order in splits.items() if order.visits}
        self.segments = Segments(epochs, self.splits, sample_bytes, shards)
        self._cached: tuple[int, np.ndarray] | None = None

    def records(self, segment: Segment) -> np.ndarray:
        """(visits,) int64: the record of every visit of `segment`."""
        if self._cached is None or self._cached[0] != segment.index:
            order = self.splits[segment.split]
            records = visit_records(self.seed, segment.split, segment.epoch, order)
            self._cached = segment.index, self.shards.deal(records)
        return self._cached[1]

    def patch_epoch(self, segment: Segment) -> int:
        """The epoch that seeds the samples of `segment`."""
        return segment.epoch if self.splits[segment.split].fresh else 0

    def window_of(self, segment: Segment) -> int:
        """The most visits that are open at a time, some of their samples taken and others not."""
        each = self.shards.each
        if each == 1:
            return self.spread(segment)
        # A batch has the samples of the first shard before those of the second.
        batch = -(-self._batch_size // (each * segment.patches))
        return (self.spread(segment) + batch) * each

    def spread(self, segment: Segment) -> int:
        """The visits of one shard over which the samples of one visit are spread."""
        return -(-self.window // self.shards.count) if segment.patches > 1 else 0

    def mixed(self, segment: Segment, place: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(visit, patch) of the samples of a shard of `segment`, in the order in which `fit` gets
        them. place: the number of the shard among those of this trainer.
        """
        window, epoch = self.spread(segment), self.patch_epoch(segment)
        if self.shards.count == 1:
            yield from mixed(self.seed, segment, window, epoch)
            return
        each, shard = self.shards.each, self.shards.held[place]
        part = replace(segment, split=f"{segment.split}#{shard}", visits=segment.visits // each)
        for visits, patches in mixed(self.seed, part, window, epoch):
            yield visits * each + place, patches

    def places(self, segment: Segment, rows: np.ndarray) -> np.ndarray:
        """(n,) the samples (visit · K + patch) of the epoch that are delivered as these rows."""
        return rows


def stream_key(seed: int, *names: str | int) -> tuple[int, int]:
    """A Philox key of the stream called `names`: equal names give equal streams."""
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    return seed & 0xFFFF_FFFF_FFFF_FFFF, int.from_bytes(digest[:8], "little")


def rng_of(seed: int, *names: str | int) -> np.random.Generator:
    """The random generator of the stream called `names`."""
    key = np.array(stream_key(seed, *names), dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


@lru_cache(maxsize=64)
def _patch_key(seed: int, split: str, epoch: int) -> np.ndarray:
    return np.array(stream_key(seed, "patch", split, epoch), dtype=np.uint64)


@lru_cache(maxsize=64)
def _partner_key(seed: int, split: str, epoch: int) -> np.ndarray:
    return np.array(stream_key(seed, "partners", split, epoch), dtype=np.uint64)


def partner_rng(
    seed: int, split: str, epoch: int, visit: int, record: int, candidate: int
) -> np.random.Generator:
    """The random generator by which a visit's partners are chosen. No sample has its numbers.

    candidate: the record that the samples are drawn from: `record`, or a substitute for it.
    """
    counter = np.array((0, visit, record, candidate), dtype=np.uint64)
    key = _partner_key(seed, split, epoch)
    return np.random.Generator(philox.bit_generator(key, counter))


def patch_rng(
    seed: int, split: str, epoch: int, visit: int, record: int, patch: int, attempt: int = 0
) -> np.random.Generator:
    """The random generator of one sample. It depends on the visit, as a record may come twice.

    attempt: the number of earlier tries to draw the sample, at which its task raised.
    """
    counter = np.array((0, visit, record, patch | attempt << 32), dtype=np.uint64)
    return np.random.Generator(philox.bit_generator(_patch_key(seed, split, epoch), counter))


def patch_draws(
    seed: int, split: str, epoch: int, visits: np.ndarray, records: np.ndarray, patches: np.ndarray
) -> Draws:
    """The random numbers of many samples at once: draws(count) → (n, count) float64.

    visits, records, patches: (n,) each.
    Row i holds the first `count` numbers of the `patch_rng` of sample i.
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
    elif order.weights:
        records = chosen(order.weights, rng_of(seed, "chosen", split, number).random())
    else:
        records = np.arange(order.records, dtype=np.int64)
    if not order.shuffle:
        return records
    records = rng_of(seed, "order", split, number).permutation(records)
    if not order.together:
        return records
    return grouped(order.group_of, records, order.together, rng_of(seed, "groups", split, number))


def _balanced(
    seed: int, split: str, number: int, counts: Sequence[int], pass_visits: int
) -> np.ndarray:
    """A balanced pass, in which each class has its own endless shuffled sequence of records."""
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
    """Blocks of (visits, patches), two int64 arrays of equal length, that cover every sample once.

    Samples sort by visit + window·u; ties keep the natural order, and so does `window` 0.
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
        # Later visits may sort among the keys beyond `stop`, so these have to wait for them.
        cut = len(keys) if stop == segment.visits else int(np.searchsorted(keys, stop))
        yield visits[:cut], patches[:cut]
        carried = keys[cut:], visits[cut:], patches[cut:]


def substitutes(firsts: Sequence[int], record: int) -> Iterator[int]:
    """`record`, then its substitutes in order: the other records of its class, cyclically.

    firsts: the number of each class's first record, and at the end the number of all records.
    """
    label = bisect_right(firsts, record) - 1
    yield from range(record, firsts[label + 1])
    yield from range(firsts[label], record)
