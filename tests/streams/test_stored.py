"""A stored stream, opened: what it is held against, and what it is refused for."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from pushfit import tasks
from pushfit.errors import ConfigError, DataError, PushFitError
from pushfit.feed.feed import Feed
from pushfit.observe.advisor import Limit
from pushfit.plan.batches import start
from pushfit.settings.programs.train import TrainSettings
from pushfit.store import layout
from pushfit.store.layout import Split, Store, shard_path
from pushfit.streams.purpose import task_of
from pushfit.streams.stored import StoredStream
from pushfit.tasks.base import ArraySpec
from pushfit.tasks.camera.params import CameraParams
from pushfit.tasks.camera.task import CameraTask
from tests.support.fakes import NumberParams
from tests.support.stored import a_store, samples, write_store

ARRAYS = (ArraySpec("image", "float32", (4, 4)), ArraySpec("label", "int32", ()))


@pytest.fixture(autouse=True)
def number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tasks.TASKS, "number", "tests.support.fakes:NumberTask")


def numbers(folder: Path, **changes: Any) -> Path:
    params = msgspec.to_builtins(NumberParams())
    write_store(folder, replace(a_store(), task="number", params=params, arrays=ARRAYS, **changes))
    return folder


def opened(folder: Path, **changes: Any) -> StoredStream:
    settings = TrainSettings(
        **{"task": "number", "from_": str(folder), "epochs": 3, "batch_size": 6, **changes}
    )
    return StoredStream(settings, task_of(settings, NumberParams()))


def labels(folder: Path, split: str, **changes: Any) -> list[int]:
    with opened(folder, **changes) as stream:
        every = [b.arrays["label"] for b in stream.feed.all() if b.segment.split == split]
        return np.concatenate(every).tolist()


def test_its_report_is_a_live_ones(tmp_path: Path) -> None:
    with opened(numbers(tmp_path / "one"), hash=True) as stream:
        assert stream.classes == ("even", "odd", "øre")
        assert stream.source.generators is None
        assert sum(1 for _ in stream.feed.all()) == 3 * (12 + 1)
        advice = stream.adviser
        report = stream.report({"steps_trained": 36})
    assert report["generators"] == [] and report["faults"] == {}
    assert report["metrics"] == {"steps_trained": 36}
    assert {row["seen"] for row in report["splits"]["train"]} == {69}
    assert all(len(row["stream_sha256"]) == 64 for row in report["splits"]["val"])
    assert advice.report()["advice_figures"]["limit"] == Limit.UNKNOWN.value


def test_a_smaller_last_batch_is_left_out(tmp_path: Path) -> None:
    """69 samples are 11 batches of 6, in the stored order and in those of epochs that come again"""
    folder = numbers(tmp_path / "one")
    whole, left = labels(folder, "train"), labels(folder, "train", drop_last=True)
    assert left == [label for epoch in range(3) for label in whole[epoch * 69 : epoch * 69 + 66]]
    assert labels(folder, "val", drop_last=True) == labels(folder, "val")
    with opened(folder, drop_last=True) as stream:
        assert sum(1 for _ in stream.feed.all()) == 3 * (11 + 1)
        rows = stream.report({})["splits"]
    assert [(row["seen"], row["skipped"], row["missing"]) for row in rows["train"]] == [
        (66, 3, 0)
    ] * 3
    with pytest.raises(DataError, match="has only 69 samples, fewer than --batch-size 70"):
        opened(folder, drop_last=True, batch_size=70)


def a_camera_store(folder: Path, offset: str = "any") -> tuple[Path, CameraParams]:
    params = CameraParams(patch=20, offset=offset)  # type: ignore[arg-type]
    made = msgspec.to_builtins(params)
    arrays = CameraTask(params).arrays()
    write_store(folder, replace(a_store(), task="camera", params=made, arrays=arrays))
    return folder, params


def cropped(folder: Path, params: CameraParams, **changes: Any) -> StoredStream:
    settings = TrainSettings(
        **{"task": "camera", "from_": str(folder), "epochs": 3, "batch_size": 6, "crop": 12}
        | {"hash": True, **changes}
    )
    return StoredStream(settings, task_of(settings, params))


@pytest.mark.parametrize(("offset", "places"), [("any", 81), ("eight", 4)])
def test_samples_are_cut_smaller_on_their_way(tmp_path: Path, offset: str, places: int) -> None:
    """Anywhere in training, anew each epoch; in the middle for validation; on the offset's grid."""
    folder, params = a_camera_store(tmp_path / "one", offset)
    store = layout.read(folder)
    step = {"any": 1, "eight": 8}[offset]
    found: dict[tuple[str, int], list[tuple[int, int]]] = {}
    with cropped(folder, params) as stream:
        assert stream.task.arrays()[0].shape == (12, 12, 3)
        for batch in stream.feed.all():
            segment = batch.segment
            epoch = stream.source.plan.stored_epoch(segment)  # type: ignore[attr-defined]
            whole = {image.tobytes(): image for image in samples(store, segment.split, epoch)[0]}
            for image in batch.arrays["image"]:
                assert image.shape == (12, 12, 3)
                found.setdefault((segment.split, segment.epoch), []).append(
                    next(
                        (top, left)
                        for each in whole.values()
                        for top in range(0, 9, step)
                        for left in range(0, 9, step)
                        if (each[top, left] == image[0, 0]).all()
                        and (each[top : top + 12, left : left + 12] == image).all()
                    )
                )
        assert {row["missing"] + row["duplicate"] for row in stream.feed.audit()["train"]} == {0}
    train = [found["train", epoch] for epoch in range(3)]
    assert train[0] != train[1] != train[2] and len({*chain(*train)}) > places / 2
    middle = 4 // step * step
    assert {*found["val", 0], *found["val", 2]} == {(middle, middle)}


def test_where_a_sample_is_cut_does_not_depend_on_batches(tmp_path: Path) -> None:
    folder, params = a_camera_store(tmp_path / "one")

    def images(**changes: Any) -> list[bytes]:
        with cropped(folder, params, **changes) as stream:
            return sorted(row.tobytes() for b in stream.feed.all() for row in b.arrays["image"])

    assert images() == images(batch_size=10, mix_visits=0)
    assert images() != images(seed=9)


def test_a_run_that_is_resumed_cuts_as_before(tmp_path: Path) -> None:
    folder, params = a_camera_store(tmp_path / "one")
    with cropped(folder, params) as stream:
        every = [(b.segment.index, b.number, b.arrays["image"].copy()) for b in stream.feed.all()]
        plan = stream.source.plan
        whole = stream.feed.audit()
    for epoch, step in ((0, 5), (2, 7)):  # a stored epoch, and one that comes again
        with cropped(folder, params) as stream:
            crop, source = stream._crop, stream._replay
            source.start_at = start(plan, epoch, step, 6)
            feed = Feed(source, stream.task.arrays(), 6, crop=crop)
            rest = [(b.segment.index, b.number, b.arrays["image"].copy()) for b in feed.all()]
        for one, other in zip(every[-len(rest) :], rest, strict=True):
            assert one[:2] == other[:2] and (one[2] == other[2]).all()
        assert rest[0][1] == step
    assert len(whole["train"]) == 3


def test_what_cannot_be_cut(tmp_path: Path) -> None:
    folder, params = a_camera_store(tmp_path / "one")
    with pytest.raises(ConfigError, match=r"--crop 21 is larger than .* stored as 20 x 20 pixels"):
        cropped(folder, params, crop=21)
    with pytest.raises(ConfigError, match=r"task number does not say how its samples are cropped"):
        opened(numbers(tmp_path / "two"), crop=8)
    with pytest.raises(ConfigError, match=r"--crop works only with a stored stream"):
        TrainSettings(crop=64)
    with pytest.raises(ConfigError, match=r"--crop 7: the side of a sample must be at least 8 pix"):
        TrainSettings(crop=7, from_="x")


def test_validation_from_another_store(tmp_path: Path) -> None:
    one, two = numbers(tmp_path / "one"), numbers(tmp_path / "two")
    plain = Split(5, 2, 1, 4, 8)
    three = numbers(tmp_path / "three", splits={"train": plain})
    assert labels(one, "val") == labels(one, "val", val_from=str(two))
    assert len(labels(one, "val")) == 3 * 3
    held_out = labels(one, "val", val_from=str(three), mix_visits=0)
    stored = labels(three, "train", epochs=1, mix_visits=0)
    assert held_out == 3 * stored and len(stored) == 10  # in the order that it is stored in
    with opened(three) as stream:
        assert stream.feed.steps("val") == 0  # one without any: no validation


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ("even", "odd")}, r"its classes are not those of .* only here \['øre'\]"),
        (
            {"arrays": (ARRAYS[0], ArraySpec("label", "int64", ()))},
            r"--val-from .*: its samples are image float32 \(4, 4\), label int64 \(\), and those",
        ),
    ],
)
def test_validation_that_does_not_fit(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    write_store(tmp_path / "two", replace(a_store(), **{"arrays": ARRAYS, **changes}))
    with pytest.raises(ConfigError, match=message):
        opened(numbers(tmp_path / "one"), val_from=str(tmp_path / "two"))


def without_shard(folder: Path) -> Path:
    shard_path(folder, "train", 1, 2).unlink()
    shard_path(folder, "val", 0, 0).unlink()
    return folder


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda folder: without_shard(numbers(folder)),
            r"is not complete: 1 of the 6 files of its split train are missing, the first is "
            r"train-0001-00002\.h5\. .* pushfit sink --resume --out .*one makes them",
        ),
        (
            lambda folder: numbers(folder, splits={"val": Split(3, 1, 1, 4, 8)}),
            "holds no samples to train on, only val",
        ),
        (
            lambda folder: (write_store(folder, replace(a_store(), task="number")), folder)[1],
            r"config\.json has the task number with .*, but store\.json has number with {'side': 6",
        ),
    ],
)
def test_stores_that_cannot_be_trained_from(
    tmp_path: Path, make: Callable[[Path], Path], message: str
) -> None:
    with pytest.raises(PushFitError, match=message):
        opened(make(tmp_path / "one"))


def test_a_task_that_makes_other_samples_now(tmp_path: Path) -> None:
    store: Store = replace(a_store(), task="number", params={"side": 4})
    write_store(tmp_path, store)
    with pytest.raises(DataError, match=r"are image uint8 \(6, 6, 3\), .* makes image float32"):
        opened(tmp_path)
