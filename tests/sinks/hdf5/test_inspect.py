"""What `pushfit store` says of a store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image

from pushfit.commands.store import main
from pushfit.errors import ConfigError, DataError
from pushfit.observe import console
from pushfit.sinks.hdf5.inspect import Contents
from pushfit.store import layout
from pushfit.store.image import Image as ShardImage
from pushfit.store.layout import Split, Store, shard_path
from pushfit.tasks.base import ArraySpec
from tests.support.stored import a_store, write_store

ARRAYS = (
    ArraySpec("image", "uint8", (8, 8, 3)),
    ArraySpec("label", "int32", ()),
    ArraySpec("manipulation", "uint8", ()),
)


def camera(folder: Path) -> Store:
    """Five visits of two samples: classes 0 1 0 1 0, manipulations 0 1 0 2 0 1 0 2 0 1."""
    store = replace(
        a_store(), task="camera", params={"patch": 8, "manipulations": ["jpeg70", "gamma0.8"]},
        classes=("old", "new"), arrays=ARRAYS, splits={"train": Split(5, 2, 1, 2, 4)},
    )  # fmt: skip
    layout.write(folder, store)
    for number, visits in enumerate(([0, 1, 2, 3], [4])):
        image = ShardImage(store, "train", 0, number)
        for group in range(0, len(visits), 2):
            mine = visits[group : group + 2]
            labels = np.zeros(4, np.int32)
            labels[: 2 * len(mine)] = np.repeat([visit % 2 for visit in mine], 2)
            ways = np.array([0, 1, 0, 2], np.uint8)
            pixels = np.full((4, 8, 8, 3), 100, np.uint8)
            image.add([pixels, labels, ways], 2 * len(mine), ["a.jpg"] * 2 * len(mine))
        shard_path(folder, "train", 0, number).write_bytes(image.close([0] if not number else []))
    return store


def test_samples_are_counted_by_class_and_manipulation(tmp_path: Path) -> None:
    camera(tmp_path)
    counts, bad = Contents(tmp_path).counts("train")
    assert counts[:, :3].tolist() == [[3, 3, 0], [2, 0, 2]] and counts.sum() == 10
    assert bad == 1
    lines = Contents(tmp_path).table("train").splitlines()
    assert lines[0].split() == ["train", "samples", "none", "jpeg70", "gamma0.8"]
    assert lines[1].split() == ["old", "6", "3", "3", "0"]
    assert lines[3].split() == ["all", "10", "5", "3", "2"]
    assert lines[4] == "visits to bad records, which hold substitutes: 1"


def test_a_task_that_is_not_here_has_counts_all_the_same(tmp_path: Path) -> None:
    store = write_store(tmp_path, a_store())
    contents = Contents(tmp_path)
    assert contents.table("train").splitlines()[-2].split() == ["all", "138"]
    layout.write(tmp_path, replace(store, classes=("one", "two")))
    with pytest.raises(DataError, match="labels that are not classes"):
        Contents(tmp_path).table("train")
    with pytest.raises(
        ConfigError, match="the task made, which draws pictures of samples, is not on this host"
    ):
        contents.sheet(tmp_path / "samples.png")


def test_info_tells_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    camera(tmp_path)
    shard_path(tmp_path, "train", 0, 1).unlink()
    assert main(["info", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "missing  1 files, first train-0000-00001.h5. To resume it: pushfit sink" in said
    assert said.splitlines()[-2].split() == ["all", "8", "4", "2", "2"]


def test_verify_names_each_file_that_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = write_store(tmp_path, a_store())
    assert main(["verify", str(tmp_path)]) == 0
    assert "7 files: all are as they were stored" in capsys.readouterr().out
    path = shard_path(tmp_path, "train", 1, 1)
    held = bytearray(path.read_bytes())
    held[len(held) // 2] ^= 4
    path.write_bytes(held)
    shard_path(tmp_path, "val", 0, 0).write_text("not HDF5")
    (tmp_path / "train-0009-00000.h5").write_text("nor is this of it")
    wrong = Contents(tmp_path).verify(console.Live())
    assert [each.split(" ", 1)[0].rpartition("/")[2].rstrip(":") for each in wrong] == [
        "train-0009-00000.h5", "train-0001-00001.h5", "val-0000-00000.h5",
    ]  # fmt: skip
    assert "train-0001-00001.h5" in wrong[1] and "--resume" in wrong[1]
    assert main(["verify", str(tmp_path)]) == 1
    assert store.splits["train"].shards == 3


def test_the_sheet_shows_one_sample_of_each_visit(tmp_path: Path) -> None:
    camera(tmp_path)
    assert main(["sheet", str(tmp_path)]) == 0
    with Image.open(tmp_path / "samples.png") as sheet:
        assert sheet.width > 5 * 128  # five in a row


def test_a_folder_without_a_store(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no stored stream.*pushfit sink"):
        main(["info", str(tmp_path)])
