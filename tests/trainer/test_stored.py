"""A stored stream, opened: what it is held against, and what it is refused for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from cfg.base import TrainSettings
from lib import tasks
from lib.errors import ConfigError, DataError, PushFitError
from lib.observe.advisor import Limit
from lib.store.layout import Split, Store, shard_path
from lib.tasks.base import ArraySpec
from lib.trainer.stored import StoredStream
from tests.fakes import NumberParams
from tests.store.stored import a_store, write_store

ARRAYS = (ArraySpec("image", "float32", (4, 4)), ArraySpec("label", "int32", ()))


@pytest.fixture(autouse=True)
def number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tasks.TASKS, "number", "tests.fakes:NumberTask")


def numbers(folder: Path, **changes: Any) -> Path:
    params = msgspec.to_builtins(NumberParams())
    write_store(folder, replace(a_store(), task="number", params=params, arrays=ARRAYS, **changes))
    return folder


def opened(folder: Path, **changes: Any) -> StoredStream:
    settings = TrainSettings(
        **{"task": "number", "from_": str(folder), "epochs": 3, "batch_size": 6, **changes}
    )
    return StoredStream(settings, NumberParams())


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
            r"is not whole: of the 6 files of its split train 1 are missing, first "
            r"train-0001-00002\.h5\. .* python sink_zmq\.py --resume --out .*one makes them",
        ),
        (
            lambda folder: numbers(folder, splits={"val": Split(3, 1, 1, 4, 8)}),
            "holds no samples to train on, only val",
        ),
        (
            lambda folder: (write_store(folder, replace(a_store(), task="number")), folder)[1],
            r"config\.json speaks of number with .*, store\.json of number with {'side': 6}",
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
