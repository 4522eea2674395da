"""Scanning a folder a class: what is found, in which order, and what each mistake says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from pushfit.errors import DataError
from pushfit.tasks import folders
from pushfit.tasks.base import TEST, Unused


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
    put(links, "trian/a/2.jpg", "list.txt")
    data = folders.scan(links)
    assert data.classes == ("a", "b")
    assert [(r.label, r.path) for r in data.splits["train"]] == [
        (0, "flickr_images/a/2.PNG"),
        (0, "train/a/1.jpg"),
        (0, "train/a/B.JPEG"),
        (0, "train/a/a.tif"),
        (0, "train/a/deeper/1.jpg"),
        (1, "train/b/1.jpg"),
    ]
    assert [(r.label, r.path) for r in data.splits["val"]] == [(1, "val_images/b/z.Tiff")]
    assert all(r.size == len(r.path) for records in data.splits.values() for r in records)
    assert data.counts() == {"train": [5, 1], "val": [0, 1]}
    assert data.validation == "the folder val_images"
    assert data.unused == (
        Unused(1, "list.txt", "a file beside the folders"),
        Unused(1, "trian/", "a folder that this task does not read"),
        Unused(2, "train/.cache", "hidden, as the name begins with a dot"),
        Unused(2, "train/a/notes.txt", "not a picture"),
    )


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
    refused(tmp_path / "none", r"--links .*none does not exist: it is the folder that holds your")
    refused(tmp_path, r"no train in --links .*: link the photos with `ln -sfn /path/to/photos/tr")
    (tmp_path / "train").mkdir()
    refused(tmp_path, "holds no folders")
    (tmp_path / "train/a").mkdir()
    refused(tmp_path, "no photos in")


def test_dangling_links_are_named_with_what_mends_them(tmp_path: Path) -> None:
    links = put(tmp_path, *TWO)
    for name in ("flickr_images", "val_images", "train/c", "train/a/9.jpg", "train/a/old"):
        (links / name).symlink_to("/nowhere/at/all")
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
    refused(links, "iPhone6 is not a class of train, did you mean 'iPhone-6'")


def test_an_empty_class(tmp_path: Path) -> None:
    links = put(tmp_path, *TWO, "train/c/sub/notes.txt")
    refused(links, "train/c holds no photos")


def test_photos_in_the_wrong_place(tmp_path: Path) -> None:
    links = put(tmp_path, *TWO, "train/9.jpg", "train/8.jpg")
    refused(links, "2 photos lie in .*train itself, e.g. '8.jpg'")


def test_a_file_where_a_folder_belongs(tmp_path: Path) -> None:
    refused(put(tmp_path, *TWO, "val_images"), "val_images is a file")


def test_photos_to_predict_are_sorted_by_name(tmp_path: Path) -> None:
    put(tmp_path, "b.JPG", "a.tif", ".hidden.jpg", "notes.txt", "train/x/1.jpg")
    put(tmp_path, "more/deeper/a.tif")
    data = folders.scan_test(tmp_path)
    assert [record.path for record in data.splits[TEST]] == ["a.tif", "b.JPG", "more/deeper/a.tif"]
    assert [(each.first, each.reason) for each in data.unused] == [
        (".hidden.jpg", "hidden, as the name begins with a dot"),
        ("notes.txt", "not a picture"),
        ("train", "training photos, which have another purpose"),
    ]
    put(tmp_path, "test/c.png")
    data = folders.scan_test(tmp_path)
    assert [record.path for record in data.splits[TEST]] == ["test/c.png"]
    (tmp_path / "test" / "c.png").unlink()
    with pytest.raises(DataError, match=r"no photos to predict in .*/test: put some there \(JPEG"):
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


def picture(links: Path, *paths: str, kind: str = "PNG") -> Path:
    for path in paths:
        (links / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 9)).save(links / path, kind)
    return links


def test_a_picture_is_one_by_its_content_whatever_its_ending(tmp_path: Path) -> None:
    links = put(tmp_path, *TWO)
    names = ("1.jpg.1", "2.jpg?raw=1", "3.JPE", "4.jfif", "no-ending", "5.txt", "deep/er/6.img")
    for number, name in enumerate(names):
        kind = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")[number % 6]
        picture(links, f"train/a/{name}", kind=kind)
    put(links, "train/a/Thumbs.db", "train/a/page.html")
    (links / "train/a/empty.webp").touch()
    (links / "train/a/iphone.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(99))
    data = folders.scan(links)
    found = {record.path.removeprefix("train/a/") for record in data.splits["train"]}
    assert found == {*names, "1.jpg", "train/b/1.jpg"}
    assert [(each.count, each.first, each.reason[:5]) for each in data.unused] == [
        (1, "train/a/iphone.HEIC", "HEIC,"),
        (1, "train/a/empty.webp", "an em"),
        (2, "train/a/Thumbs.db", "not a"),
    ]


@pytest.mark.parametrize("name", ["val_images", "val", "valid", "validation", "test"])
def test_every_usual_name_of_a_validation_folder_is_read(name: str, tmp_path: Path) -> None:
    links = put(tmp_path, *TWO, f"{name}/a/9.jpg", f"{name}/b/sub/9.jpg")
    data = folders.scan(links, held_out=0.5)
    assert data.counts() == {"train": [1, 1], "val": [1, 1]}
    assert data.validation == f"the folder {name}"
    assert data.unused == ()


def test_a_folder_to_validate_on_comes_before_test(tmp_path: Path) -> None:
    links = put(tmp_path, *TWO, "val/a/9.jpg", "test/a/9.jpg", "test/b/9.jpg")
    data = folders.scan(links)
    assert [record.path for record in data.splits["val"]] == ["val/a/9.jpg"]
    put(links, "valid/a/9.jpg")
    refused(links, "val and valid are both in .*, but only one can be validated on")


def test_photos_to_predict_are_not_validated_on(tmp_path: Path) -> None:
    links = put(tmp_path, *TWO, "test/1.jpg", "test/unknown/2.jpg")
    data = folders.scan(links)
    assert data.counts()["val"] == [0, 0] and data.validation == "none"


def test_a_share_of_each_class_is_held_out_where_no_folder_is_for_that(tmp_path: Path) -> None:
    many = [f"train/{name}/{number:03}.jpg" for name in "ab" for number in range(20)]
    links = put(tmp_path, *many, "val_images/a/notes.txt")
    data = folders.scan(links, held_out=0.1)
    assert data.counts() == {"train": [18, 18], "val": [2, 2]}
    assert data.validation == "held out, 10% of each class (val_images holds no photos)"
    assert folders.scan(links).counts() == {"train": [20, 20], "val": [0, 0]}
    assert folders.scan(links, held_out=0.1).fingerprint() == data.fingerprint()


def test_folders_that_lead_into_each_other_end(tmp_path: Path) -> None:
    links = put(tmp_path, *TWO, "train/a/sub/2.jpg")
    (links / "train/a/sub/again").symlink_to(links / "train/a")
    (links / "train/a/sub/here").symlink_to(links / "train/a/sub")
    data = folders.scan(links)
    paths = [record.path for record in data.splits["train"]]
    assert "train/a/sub/2.jpg" in paths and len(paths) < 8
    assert any("a link to a folder that it is in" in each.reason for each in data.unused)


def test_special_files_are_no_photos(tmp_path: Path) -> None:
    links = put(tmp_path, *TWO)
    os.mkfifo(links / "train/a/pipe.jpg")
    data = folders.scan(links)
    assert data.unused == (Unused(1, "train/a/pipe.jpg", folders.SPECIAL),)


def test_special_files_are_told_wherever_they_lie(tmp_path: Path) -> None:
    links = put(tmp_path, *TWO)
    os.mkfifo(links / "train/pipe")
    os.mkfifo(links / "train/a/deeper")
    (links / "train/a/endless.jpg").symlink_to("/dev/zero")
    (links / "train/endless").symlink_to("/dev/zero")
    (unused,) = folders.scan(links).unused
    assert unused == Unused(4, "train/a/deeper", folders.SPECIAL)


@pytest.mark.parametrize(
    "name",
    ["köter", "Screenshot at 11.48\u202fAM", "a\u00a0b", "family-\U0001f468\u200d\U0001f469"],
)
def test_names_of_any_alphabet(name: str, tmp_path: Path) -> None:
    links = put(tmp_path, *TWO, f"train/{name}/{name}.jpg")
    data = folders.scan(links)
    assert name in data.classes


def test_names_that_look_the_same_are_told_apart(tmp_path: Path) -> None:
    composed, apart = "k\u00f6ter", "ko\u0308ter"
    links = put(tmp_path, *TWO, f"train/{composed}/1.jpg", f"val/{apart}/1.jpg")
    refused(links, r"looks like .*'ko\\u0308ter' here and 'k\\xf6ter' there \(forms of Unicode")
