"""Scanning a folder a class: what is found, in which order, and what each mistake says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lib.errors import DataError
from lib.tasks import folders
from lib.tasks.base import TEST


def put(links: Path, *paths: str) -> Path:
    for path in paths:
        (links / path).parent.mkdir(parents=True, exist_ok=True)
        (links / path).write_bytes(b"x" * len(path))
    return links


TWO = ("train/b/1.jpg", "train/a/1.jpg")


def refused(links: Path, match: str, listed: tuple[str, ...] = ()) -> None:
    with pytest.raises(DataError, match=match):
        folders.scan(links, listed)


def test_records_are_sorted_by_label_and_path(tmp_path: Path) -> None:
    links = put(tmp_path, *TWO, "train/a/B.JPEG", "train/a/a.tif", "flickr_images/a/2.PNG")
    put(links, "val_images/b/z.Tiff", "train/a/notes.txt", "train/a/.hidden.jpg")
    put(links, "train/.cache/1.jpg", "test/1.jpg", "train/a/deeper/1.jpg", "train/readme.md")
    data = folders.scan(links)
    assert data.classes == ("a", "b")
    assert [(r.label, r.path) for r in data.splits["train"]] == [
        (0, "flickr_images/a/2.PNG"),
        (0, "train/a/1.jpg"),
        (0, "train/a/B.JPEG"),
        (0, "train/a/a.tif"),
        (1, "train/b/1.jpg"),
    ]
    assert [(r.label, r.path) for r in data.splits["val"]] == [(1, "val_images/b/z.Tiff")]
    assert all(r.size == len(r.path) for records in data.splits.values() for r in records)
    assert data.counts() == {"train": [4, 1], "val": [0, 1]}


def test_listed_classes_set_the_labels(tmp_path: Path) -> None:
    links = put(tmp_path, *TWO)
    data = folders.scan(links, ("b", "a"))
    assert data.classes == ("b", "a")
    assert [r.path for r in data.splits["train"]] == ["train/b/1.jpg", "train/a/1.jpg"]
    assert data.splits["val"] == ()


def test_links_may_stand_for_the_folder_a_class_and_a_photo(tmp_path: Path) -> None:
    disk = put(tmp_path / "disk", *TWO, "c/3.jpg")
    links = tmp_path / "links"
    links.mkdir()
    (links / "train").symlink_to(disk / "train")
    (disk / "train/c").symlink_to(disk / "c")
    (disk / "train/a/linked.jpg").symlink_to(disk / "c/3.jpg")
    data = folders.scan(links)
    assert data.classes == ("a", "b", "c")
    assert data.counts()["train"] == [2, 1, 1]


def test_flickr_photos_may_be_all_that_a_class_has(tmp_path: Path) -> None:
    links = put(tmp_path, *TWO, "flickr_images/c/1.jpg")
    (links / "train/c").mkdir()
    assert folders.scan(links).counts()["train"] == [1, 1, 1]


def test_missing_folders(tmp_path: Path) -> None:
    refused(tmp_path / "none", r"does not exist: make it with `mkdir -p .*ln -sfn")
    refused(tmp_path, r"no train in .*`ln -sfn /path/to/photos/train ")
    (tmp_path / "train").mkdir()
    refused(tmp_path, "holds no folders")
    (tmp_path / "train/a").mkdir()
    refused(tmp_path, "no photos in")


def test_dangling_links_are_named_with_what_mends_them(tmp_path: Path) -> None:
    links = put(tmp_path, *TWO)
    for name in ("flickr_images", "val_images", "train/c", "train/a/9.jpg", "train/a/old"):
        (links / name).symlink_to("/nowhere/at/all")
        if name == "train/a/old":  # not a photo: left alone
            folders.scan(links)
            continue
        refused(links, rf"{name} is a dangling link: its target /nowhere.*ln -sfn .*`rm .*{name}`")
        (links / name).unlink()
    (links / "train").rename(links / "elsewhere")
    (links / "train").symlink_to("/nowhere")
    with pytest.raises(DataError) as caught:
        folders.scan(links)
    assert "ln -sfn" in str(caught.value)
    assert "rm" not in str(caught.value).split()


def test_wrong_classes(tmp_path: Path) -> None:
    links = put(tmp_path, "train/iPhone-6/1.jpg")
    refused(links, "only one class, 'iPhone-6'")
    put(links, "train/Nexus/1.jpg")
    refused(links, "'iphone-6' has no folder.*did you mean 'iPhone-6'", ("iphone-6", "Nexus"))
    put(links, "train/Moto/1.jpg")
    refused(links, "Moto is not among the 2 classes listed", ("iPhone-6", "Nexus"))
    put(links, "val_images/iPhone6/1.jpg")
    refused(links, "iPhone6 is no class of train, did you mean 'iPhone-6'")


def test_an_empty_class(tmp_path: Path) -> None:
    links = put(tmp_path, *TWO, "train/c/sub/1.jpg")
    refused(links, "train/c holds no photos")


def test_photos_in_the_wrong_place(tmp_path: Path) -> None:
    links = put(tmp_path, *TWO, "train/9.jpg", "train/8.jpg")
    refused(links, "2 photos stand in .*train itself, e.g. '8.jpg'")


def test_a_file_where_a_folder_belongs(tmp_path: Path) -> None:
    refused(put(tmp_path, *TWO, "val_images"), "val_images is a file")


def test_photos_to_predict_are_sorted_by_name(tmp_path: Path) -> None:
    put(tmp_path, "b.JPG", "a.tif", ".hidden.jpg", "notes.txt", "train/x/1.jpg")
    data = folders.scan_test(tmp_path)
    assert [record.path for record in data.splits[TEST]] == ["a.tif", "b.JPG"]
    put(tmp_path, "test/c.png")
    data = folders.scan_test(tmp_path)
    assert [record.path for record in data.splits[TEST]] == ["test/c.png"]
    (tmp_path / "test" / "c.png").unlink()
    with pytest.raises(DataError, match=r"no photos to predict in .*/test: none ends in"):
        folders.scan_test(tmp_path)
    with pytest.raises(DataError, match=r"there is no folder .*gone with photos to predict"):
        folders.scan_test(tmp_path / "gone")
    (tmp_path / "dead").mkdir()
    (tmp_path / "dead" / "test").symlink_to("/nowhere")
    with pytest.raises(DataError, match="dangling link"):
        folders.scan_test(tmp_path / "dead")


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    links = put(tmp_path, *TWO)
    try:
        Path(os.fsdecode(os.fsencode(links / "train/a") + b"/\xff.jpg")).touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    refused(links, "not UTF-8")


def test_a_folder_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    links = put(tmp_path, *TWO)

    def deny(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(folders.os, "scandir", deny)
    refused(links, "train cannot be read: Permission denied")
