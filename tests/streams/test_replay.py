"""A stored stream through the feed: its samples, from any position, in any epoch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pushfit.errors import DataError, PushFitError
from pushfit.feed.audit import Audited
from pushfit.feed.feed import Batch, Feed
from pushfit.plan.batches import Start, start
from pushfit.plan.replay import ReplayPlan, StoredOrder
from pushfit.store.layout import Store, shard_path
from pushfit.streams.replay import Part, Replay
from tests.support.stored import a_store, samples, write_store

EPOCHS = 4  # two of them stored


_opened: list[Replay] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    while _opened:
        _opened.pop().close()


def parts_of(folder: Path, store: Store) -> dict[str, Part]:
    return {split: Part(folder, store, split) for split in ("train", "val")}


def plan_of(store: Store, window: int = 4) -> ReplayPlan:
    orders = {
        split: StoredOrder.of(f.visits, f.patches, f.epochs, f.group, fresh=split == "train")
        for split, f in store.splits.items()
    }
    return ReplayPlan(store.seed, EPOCHS, orders, store.sample_bytes, window)


def feed(
    folder: Path, store: Store, batch: int, at: Start | None = None, **options: object
) -> tuple[Replay, Feed]:
    replay = Replay(plan_of(store), at or Start(), parts_of(folder, store))
    _opened.append(replay)
    given = {"hashed": True, "at_once": 3 * batch * store.sample_bytes, **options}
    return replay, Feed(replay, store.arrays, batch, **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, str], tuple[Path, Store]]:
    made = {}
    for patches, compress in ((3, "none"), (1, "none"), (3, "zstd")):
        folder = tmp_path_factory.mktemp(f"{patches}-{compress}")
        store = write_store(folder, a_store(23, patches, compress=compress))
        made[patches, compress] = folder, store
    return made


Stores = dict[tuple[int, str], tuple[Path, Store]]


@pytest.mark.parametrize("kind", [(3, "none"), (1, "none"), (3, "zstd")])
def test_every_batch_is_of_the_samples_that_are_stored(
    stores: Stores, kind: tuple[int, str]
) -> None:
    folder, store = stores[kind]
    replay, one = feed(folder, store, 5)
    plan = replay.plan
    for batch in one.all():
        segment = batch.segment
        every = samples(store, segment.split, plan.stored_epoch(segment))
        rows = next(islice(all_rows(plan, batch, 5), batch.number, None))
        for name, array in zip([s.name for s in store.arrays], every, strict=True):
            np.testing.assert_array_equal(batch.arrays[name], array[plan.places(segment, rows)])
    for rows_of_split in one.audit().values():
        for row in rows_of_split:
            assert (row["seen"], row["duplicate"], row["missing"]) == (row["expected"], 0, 0)
    train = one.audit()["train"]
    assert [row["bad"] for row in train] == [store.splits["train"].shards] * EPOCHS
    assert len({row["stream_sha256"] for row in train}) == EPOCHS
    assert len({row["stream_sha256"] for row in one.audit()["val"]}) == 1


def all_rows(plan: ReplayPlan, batch: Batch, size: int) -> Iterator[np.ndarray]:
    from pushfit.plan.batches import batches

    return batches(plan, batch.segment, size)


def test_packed_or_not_and_however_many_are_made_at_once_it_is_the_same(stores: Stores) -> None:
    audits = []
    for kind in ((3, "none"), (3, "zstd")):
        for at_once in (0, 10**9):
            _, one = feed(*stores[kind], 5, at_once=at_once)
            assert sum(1 for _ in one.all()) == EPOCHS * (14 + 1)
            audits.append(one.audit())
    assert all(audit == audits[0] for audit in audits)


@settings(max_examples=30)
@given(st.data())
def test_from_a_position_it_is_the_tail_of_the_whole(stores: Stores, data: st.DataObject) -> None:
    folder, store = stores[data.draw(st.sampled_from([(3, "none"), (1, "none")]))]
    size = data.draw(st.integers(1, 13), "batch")
    _, whole = feed(folder, store, size)
    every = list(whole.all())
    epoch = data.draw(st.integers(0, EPOCHS - 1), "epoch")
    step = data.draw(st.integers(0, whole.steps("train")), "step")
    at = start(plan_of(store), epoch, step, size)
    trained = [b for b in every if (b.segment.index, b.number) < (at.segment, at.batch)]

    _, earlier = feed(folder, store, size)
    list(islice(earlier.all(), len(trained) + data.draw(st.integers(0, 5), "read ahead")))
    audited = earlier.audited(epoch, step)
    audited = msgspec.msgpack.decode(msgspec.msgpack.encode(audited), type=Audited)

    _, again = feed(folder, store, size, at, before=audited)
    rest = list(again.all())
    assert len(rest) == len(every) - len(trained)
    for got, wanted in zip(rest, every[len(trained) :], strict=True):
        assert (got.segment, got.number) == (wanted.segment, wanted.number)
        assert digest(got) == digest(wanted)
    assert again.audit() == whole.audit()


def digest(batch: Batch) -> str:
    return hashlib.sha256(b"".join(a.tobytes() for a in batch.arrays.values())).hexdigest()


def test_more_shards_than_may_be_open(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushfit.streams.replay.OPEN", 2)
    few, many = (feed(*stores[kind], 5) for kind in ((3, "zstd"), (3, "none")))
    for one, other in zip(few[1].all(), many[1].all(), strict=True):
        assert digest(one) == digest(other)
        assert len(few[0]._shards) <= 2
    few[0].close()
    many[0].close()


@pytest.mark.parametrize("harm", ["gone", "short", "foreign"])
def test_a_file_that_is_lost_on_the_way_ends_the_stream(tmp_path: Path, harm: str) -> None:
    store = write_store(tmp_path, a_store())
    replay, one = feed(tmp_path, store, 5)
    next(one.all())
    path = shard_path(tmp_path, "train", 1, 0)
    if harm == "gone":
        path.unlink()
    elif harm == "short":
        path.write_bytes(path.read_bytes()[:-5000])
    else:
        path.write_bytes(shard_path(tmp_path, "train", 0, 0).read_bytes())
    with pytest.raises(DataError, match=r"train-0001-00000\.h5"):
        list(one.all())
    assert isinstance(replay.failure, DataError)  # what `Fit` raises, out of Keras's pipeline


def test_it_can_be_ended_from_outside(stores: Stores) -> None:
    replay, one = feed(*stores[3, "none"], 5, at_once=0)
    kept = next(one.batches("train"))
    replay.abort(PushFitError("enough"))
    with pytest.raises(PushFitError, match="enough"):
        list(one.batches("train"))
    before = digest(kept)
    replay.close()
    assert digest(kept) == before
    replay, one = feed(*stores[3, "none"], 5, at_once=0)
    batches = one.batches("train")
    next(batches)
    replay.close()
    one.close()
    assert list(batches) == []  # as when a trainer ends: no error
