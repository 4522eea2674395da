"""Photos are chosen by lists; what is left out is counted, and entries for nothing are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushfit.errors import ConfigError, DataError
from pushfit.runs import resume
from pushfit.settings.fields import Setting, parameters_of
from pushfit.tasks.base import TRAIN, VAL, Unused
from pushfit.tasks.camera.params import CameraParams
from pushfit.tasks.camera.task import CameraTask
from pushfit.tasks.folders import scan
from pushfit.tasks.labelled import LabelledParams
from pushfit.tasks.selection import Selection
from tests.support.folders import put
from tests.support.names import NAMES

PHOTOS = (
    "train/a/1.jpg", "train/a/2.jpg", "train/a/sub/3.jpg", "train/b/1.jpg", "train/b/2.jpg",
    "val/a/9.jpg", "val/b/1.jpg",
)  # fmt: skip


def chosen(links: Path, **lists: Any) -> tuple[list[str], tuple[Unused, ...]]:
    data = scan(put(links, *PHOTOS), selection=Selection(**lists))
    return [record.path for split in (TRAIN, VAL) for record in data.splits[split]], data.unused


def test_photos_of_a_list_are_left_out_and_counted(tmp_path: Path) -> None:
    used, unused = chosen(tmp_path, without=("train/a/1.jpg", "./a/sub/", "b\\1.jpg"))
    assert used == ["train/a/2.jpg", "train/b/2.jpg", "val/a/9.jpg"]
    assert unused == (Unused(4, "train/a/1.jpg", "listed in --without"),)


def test_only_the_photos_of_a_list_are_used(tmp_path: Path) -> None:
    used, unused = chosen(tmp_path, only=("train/a", "b/2.jpg", "val"), without=("a/2.jpg",))
    assert used == [
        "train/a/1.jpg", "train/a/sub/3.jpg", "train/b/2.jpg", "val/a/9.jpg", "val/b/1.jpg",
    ]  # fmt: skip
    assert unused == (
        Unused(1, "train/a/2.jpg", "listed in --without"),
        Unused(1, "train/b/1.jpg", "not listed in --only"),
    )


def test_entries_that_match_nothing_are_named(tmp_path: Path) -> None:
    _, unused = chosen(tmp_path, without=("a/7.jpg", "train/c/1.jpg", "train/a/2", "a/1.jpg"))
    reason = "an entry of --without that no photo matches"
    assert unused == (
        Unused(3, "a/7.jpg", reason),
        Unused(1, "train/a/1.jpg", "listed in --without"),
    )


def test_a_class_that_nothing_is_left_of_is_named(tmp_path: Path) -> None:
    for lists in ({"only": ("a",)}, {"without": ("train/b",)}):
        with pytest.raises(DataError, match="--only and --without leave no photo of the class 'b'"):
            chosen(tmp_path, **lists)
    with pytest.raises(DataError, match=r"no photos in .*train: .*5 not listed in --only"):
        chosen(tmp_path, only=("nothing",))


def test_the_camera_task_takes_them_by_both_flags(tmp_path: Path) -> None:
    params = CameraParams(only=("train",), without=("train/a/1.jpg",), held_out=0)
    data = CameraTask(params).scan(put(tmp_path, *PHOTOS))
    assert len(data.splits[TRAIN]) == 4 and not data.splits[VAL]


def flag(name: str, params: Any = LabelledParams) -> Setting:
    return next(one for one in parameters_of("photos", params, ()) if one.name == name)


def test_a_list_is_read_from_its_file_and_survives_as_text(tmp_path: Path) -> None:
    file = tmp_path / "list, mine.txt"
    file.write_text("\ufeff# bad ones\ntrain/a/1, 2.jpg\r\n\n  train/b/ü.jpg  \n")
    for setting in (flag("without"), flag("only", CameraParams)):
        entries = setting.read(str(file), "here")
        assert entries == ("train/a/1, 2.jpg", "train/b/ü.jpg")
        assert setting.read(setting.text(entries), "there") == entries
        assert setting.read(setting.text(entries[:1]), "there") == entries[:1]
        assert setting.shown(entries) == "2 entries"
        assert setting.read("", "here") == () and setting.shown(()) == ""


@given(st.lists(NAMES.filter(bool), min_size=1))
def test_whatever_is_listed_survives_as_text(entries: list[str]) -> None:
    setting = flag("without")
    assert setting.read(setting.text(tuple(entries)), "there") == tuple(entries)


def test_a_file_that_is_no_list_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("# nothing\n\n")
    (tmp_path / "photo").write_bytes(b"\xff\xd8\xff")
    for name, says in [
        ("gone", "--only: .*gone: No such file"),
        ("empty", "--only: .*empty has no entries"),
        ("photo", "--only: .*photo is not a text file in UTF-8"),
    ]:
        with pytest.raises(ConfigError, match=says):
            flag("only").read(str(tmp_path / name), "--only")


def test_a_list_that_changed_is_told_by_its_length(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--only was a list of 2 entries in .* be not set, but"):
        resume.compare({"only": "a\nb\n"}, "", {}, {}, tmp_path)
