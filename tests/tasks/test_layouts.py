"""The same photos in folders, in tar shards and in a list: the same classes, labels and bytes."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from pushfit.errors import DataError
from pushfit.tasks import checks, layouts
from pushfit.tasks.base import TEST, TRAIN, VAL, DataSet
from pushfit.tasks.images.params import ImagesParams
from pushfit.tasks.images.task import ImagesTask
from pushfit.tasks.selection import Selection
from tests.support.photos import write_photos

CLASSES = ("class1", "class2", "class10")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(name="folders")
def _folders(tmp_path: Path) -> Path:
    return write_photos(tmp_path / "folders", CLASSES, train=3, val=1)


def tarred(links: Path, files: Iterable[tuple[str, bytes]], name: str = "train/a.tar") -> Path:
    path = links / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for member, data in files:
            entry = tarfile.TarInfo(member)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return links


def as_tars(folders: Path, links: Path, ending: str = "cls") -> Path:
    for folder in (TRAIN, "val_images"):
        for number, photos in enumerate(batches(sorted((folders / folder).glob("*/*.jpg")))):
            files = []
            for photo in photos:
                label = photo.parent.name
                said = json.dumps({"label": label}) if ending == "json" else f"{label}\n"
                stem = f"{label}/{photo.stem}" if ending == "" else f"{label}-{photo.stem}"
                files.append((f"{stem}.jpg", photo.read_bytes()))
                if ending:
                    files.append((f"{stem}.{ending}", said.encode()))
            tarred(links, files, f"{folder}/shard-{number:03}.tar")
    return links


def batches(photos: list[Path]) -> list[list[Path]]:
    return [photos[first : first + 4] for first in range(0, len(photos), 4)]


def as_list(folders: Path, name: str) -> None:
    rows = [
        {
            "path": photo.relative_to(folders).as_posix(),
            "label": photo.parent.name,
            "split": "train" if photo.parts[-3] == TRAIN else "validation",
        }
        for photo in sorted(folders.glob("*/*/*.jpg"), reverse=True)
    ]
    with (folders / name).open("w", newline="") as file:
        if name.endswith(".csv"):
            table = csv.DictWriter(file, ["path", "label", "split"])
            table.writeheader()
            table.writerows(rows)
        else:
            file.writelines(f"{json.dumps(row)}\n" for row in rows)


def contents(links: Path, data: DataSet) -> dict[str, list[tuple[str, bytes]]]:
    return {
        split: sorted((data.classes[r.label], layouts.read(links, r)) for r in records)
        for split, records in data.splits.items()
    }


def test_classes_are_sorted_naturally(folders: Path, tmp_path: Path) -> None:
    links = as_tars(folders, tmp_path / "tars")
    as_list(folders, "photos.csv")
    for where, listed in ((folders, ""), (links, ""), (folders, "photos.csv")):
        assert layouts.scan(where, list_file=listed).classes == CLASSES
    by_code_points = layouts.folders.scan(folders)  # as other tasks have them
    assert by_code_points.classes == ("class1", "class10", "class2")


@pytest.mark.parametrize("ending", ["cls", "txt", "json", ""])
def test_shards_hold_what_the_folders_hold(folders: Path, tmp_path: Path, ending: str) -> None:
    links = as_tars(folders, tmp_path / "tars", ending)
    for _ in range(2):  # the second time from the index
        data = layouts.scan(links)
        assert data.classes == CLASSES
        assert data.counts() == {TRAIN: [3, 3, 3], VAL: [1, 1, 1]}
        assert contents(links, data) == contents(folders, layouts.scan(folders))
    for records in data.splits.values():
        assert list(records) == sorted(records, key=lambda each: (each.label, each.path))
    shards = [record.path.partition("@")[0] for record in data.splits[TRAIN]]
    assert [sorted(set(shards)).index(each) for each in shards] == list(data.groups)
    assert max(data.groups) == 2


@pytest.mark.parametrize("name", ["photos.csv", "photos.jsonl"])
def test_a_list_names_what_the_folders_hold(folders: Path, name: str) -> None:
    as_list(folders, name)
    data = layouts.scan(folders, list_file=name)
    assert data.classes == CLASSES
    assert contents(folders, data) == contents(folders, layouts.scan(folders))
    for records in data.splits.values():
        assert list(records) == sorted(records, key=lambda each: (each.label, each.path))


def test_the_only_list_is_found_where_there_is_no_train(folders: Path) -> None:
    as_list(folders, "photos.csv")
    text = (folders / "photos.csv").read_text().replace("train/", "all/")
    (folders / "photos.csv").write_text(text)
    (folders / TRAIN).rename(folders / "all")
    assert layouts.scan(folders).counts() == {TRAIN: [3, 3, 3], VAL: [1, 1, 1]}
    (folders / "other.csv").write_text("path,label\n")
    with pytest.raises(DataError, match=r"several lists .*say which one with --list"):
        layouts.scan(folders)


def test_the_task_draws_the_same_samples_from_each(folders: Path, tmp_path: Path) -> None:
    links = as_tars(folders, tmp_path / "tars")
    as_list(folders, "photos.csv")
    found = []
    for where, listed in ((folders, ""), (links, ""), (folders, "photos.csv")):
        task = ImagesTask(ImagesParams(size=32, list=listed))
        data = checks.scan(task, where, (TRAIN, VAL))
        found.append([])
        for record in data.splits[VAL]:
            item = task.decode(task.read(where, record), record)
            sample = task.sample(item, record, VAL, 0, np.random.default_rng(0))
            found[-1].append((sample["label"], sample["image"].tobytes()))
    assert found[0] == found[1] == found[2]


def test_classes_may_be_listed(folders: Path, tmp_path: Path) -> None:
    links = as_tars(folders, tmp_path / "tars")
    as_list(folders, "photos.csv")
    wanted = ("class10", "class1", "class2")
    for where, listed in ((folders, ""), (links, ""), (folders, "photos.csv")):
        assert layouts.scan(where, listed=wanted, list_file=listed).classes == wanted
        with pytest.raises(DataError, match="class3"):
            layouts.scan(where, listed=(*wanted, "class3"), list_file=listed)
        with pytest.raises(DataError, match="class2"):
            layouts.scan(where, listed=wanted[:2], list_file=listed)


@pytest.mark.parametrize("tars", [True, False])
def test_a_class_is_listed_once(folders: Path, tmp_path: Path, tars: bool) -> None:
    links = as_tars(folders, tmp_path / "tars") if tars else folders
    as_list(folders, "photos.csv")
    with pytest.raises(DataError, match="classes: 'class1' is listed twice: name it once"):
        layouts.scan(links, listed=(*CLASSES, "class1"), list_file="" if tars else "photos.csv")


def test_a_share_is_held_out_where_nothing_is_validated_on(folders: Path, tmp_path: Path) -> None:
    links = as_tars(folders, tmp_path / "tars")
    for path in (links / "val_images").iterdir():
        path.unlink()
    data = layouts.scan(links, held_out=0.3)
    assert data.counts() == {TRAIN: [2, 2, 2], VAL: [1, 1, 1]}
    assert data.validation.startswith("held out, 30% of each class")
    assert len(data.groups) == 6


def test_photos_may_be_chosen(folders: Path, tmp_path: Path) -> None:
    links = as_tars(folders, tmp_path / "tars")
    without = Selection(without=["train/shard-002.tar"])
    data = layouts.scan(links, selection=without)
    assert sum(data.counts()[TRAIN]) == 8
    assert [(each.count, each.reason) for each in data.unused] == [(1, "listed in --without")]
    as_list(folders, "photos.csv")
    chosen = Selection(without=["train/class1/00.jpg"])
    assert layouts.scan(folders, selection=chosen, list_file="photos.csv").counts()[TRAIN][0] == 2


def test_photos_to_predict(folders: Path, tmp_path: Path) -> None:
    photo = next(folders.glob("*/*/*.jpg")).read_bytes()
    links = tarred(tmp_path / "t", [("a/2.jpg", photo), ("a/1.jpg", photo)], "test/x.tar")
    data = layouts.scan_test(links)
    assert [layouts.read(links, record) for record in data.splits[TEST]] == [photo] * 2
    assert [layouts.class_in(record.path) for record in data.splits[TEST]] == ["a", "a"]
    assert layouts.class_in("test/dog/1.jpg") == "dog"
    assert layouts.class_in("test/x.tar@000000000512/./1.jpg") == ""
    (folders / "all.csv").write_text("path,split\ntrain/class1/00.jpg,test\n")
    listed = layouts.scan_test(folders, list_file="all.csv")
    assert [record.path for record in listed.splits[TEST]] == ["train/class1/00.jpg"]
    (folders / "all.csv").write_text("path,label\ntrain/class1/00.jpg,a\n")
    with pytest.raises(DataError, match="no photos to predict: give rows the split test"):
        layouts.scan_test(folders, list_file="all.csv")
