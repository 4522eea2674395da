"""Folders of several data sets meet by the aliases of their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from pushfit.errors import ConfigError, DataError
from pushfit.predicting import labelled
from pushfit.tasks.aliases import Aliases
from pushfit.tasks.base import TRAIN, VAL
from pushfit.tasks.camera.params import CameraParams
from pushfit.tasks.camera.task import CameraTask
from pushfit.tasks.folders import scan
from tests.support.folders import put

KAGGLE = (
    "HTC-1-M7", "LG-Nexus-5x", "Motorola-Droid-Maxx", "Motorola-Nexus-6", "Motorola-X",
    "Samsung-Galaxy-Note3", "Samsung-Galaxy-S4", "Sony-NEX-7", "iPhone-4s", "iPhone-6",
)  # fmt: skip
OTHERS = (
    "htc_m7", "nexus_5x", "moto_maxx", "nexus_6", "moto_x", "samsung_note3", "samsung_s4",
    "sony_nex7", "iphone_4s", "iphone_6",
)  # fmt: skip
ROWS: tuple[str, ...] = CameraTask.row["aliases"]  # type: ignore[assignment]
ALIASES = Aliases(ROWS)


@pytest.mark.parametrize(("train", "val"), [(KAGGLE, OTHERS), (OTHERS, KAGGLE)])
def test_the_cameras_of_both_data_sets_are_the_same_classes(
    tmp_path: Path, train: tuple[str, ...], val: tuple[str, ...]
) -> None:
    put(tmp_path, *(f"train/{name}/1.jpg" for name in train))
    put(tmp_path, *(f"val/{name}/2.jpg" for name in val))
    put(tmp_path, *(f"flickr_images/{name}/3.jpg" for name in val[:3]))
    data = CameraTask(CameraParams(aliases=ROWS)).scan(tmp_path)
    assert data.classes == tuple(sorted(train))  # called as in train
    other = dict(zip(val, train, strict=True))
    for record in (*data.splits[TRAIN], *data.splits[VAL]):
        folder = record.path.split("/")[1]
        assert data.classes[record.label] == other.get(folder, folder)
    assert len(data.splits[TRAIN]) == 13 and len(data.splits[VAL]) == 10
    assert data.validation.startswith("the folder val; by their aliases, flickr_images/")
    assert f"{val[1]} is {train[1]}" in data.validation
    assert data.validation.endswith(" and 1 more")


def test_two_folders_of_train_may_be_one_class(tmp_path: Path) -> None:
    put(tmp_path, "train/htc_m7/1.jpg", "train/HTC-1-M7/2.jpg", "train/zz/3.jpg", "train/aa/4.jpg")
    data = scan(tmp_path, aliases=ALIASES)
    assert data.classes == ("HTC-1-M7", "aa", "zz")
    assert [record.label for record in data.splits[TRAIN]] == [0, 0, 1, 2]
    assert data.validation == "none; by their aliases, train/htc_m7 is HTC-1-M7"
    assert scan(tmp_path).classes == ("HTC-1-M7", "aa", "htc_m7", "zz")


def test_listed_classes_may_have_the_other_names(tmp_path: Path) -> None:
    put(tmp_path, "train/htc_m7/1.jpg", "train/zz/3.jpg")
    data = scan(tmp_path, ("zz", "HTC-1-M7"), aliases=ALIASES)
    assert data.classes == ("zz", "HTC-1-M7")
    assert [record.label for record in data.splits[TRAIN]] == [0, 1]
    for listed, says in [
        (("zz", "HTC-1-M7", "htc_m7"), "'HTC-1-M7' and 'htc_m7' are the same class"),
        (("zz", "Sony-NEX-7"), "'Sony-NEX-7' has no folder"),
    ]:
        with pytest.raises(DataError, match=says):
            scan(tmp_path, listed, aliases=ALIASES)


def test_case_spaces_and_punctuation_do_not_count() -> None:
    for name in ("sony nex 7", "SONY_NEX_7", "Sony-NEX7", "sony_nex7"):
        assert ALIASES.first(name) == "Sony-NEX-7"
        assert ALIASES.among(name, ("x", "sony_nex7")) == "sony_nex7"
    assert ALIASES.first("Sony-NEX-8") == ALIASES.among("Sony-NEX-8", KAGGLE) == "Sony-NEX-8"


@pytest.mark.parametrize(
    ("rows", "says"),
    [(("a",), "'a' must be two names or more"), (("a=",), "'a=' must be two"),
     (("a=b", "c=B"), "'B' stands for 'a' and for 'c'")],
)  # fmt: skip
def test_rows_that_say_nothing_or_contradict_each_other(rows: tuple[str, ...], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        CameraParams(aliases=rows)


def test_photos_are_judged_by_the_aliases_of_their_folders() -> None:
    task = CameraTask(CameraParams(aliases=ROWS))
    assert labelled.labels(task, ["sony_nex7/1.jpg", "b/2.jpg"], ("b", "Sony-NEX-7")).tolist() == [
        1,
        0,
    ]
