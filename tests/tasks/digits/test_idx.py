"""IDX files: read right, and refused by name where they are not what they should be."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from pushfit.errors import DataError
from pushfit.tasks.digits import idx
from tests.support.idx_files import idx_bytes, write_idx

IMAGES = np.arange(2 * 3 * 4).reshape(2, 3, 4)


@pytest.mark.parametrize("name", ["images", "images.gz"])
def test_values_come_back(tmp_path: Path, name: str) -> None:
    write_idx(tmp_path / name, IMAGES)
    found = idx.load(tmp_path / name, idx.IMAGES)
    np.testing.assert_array_equal(found, IMAGES)
    assert found.dtype == np.uint8 and not found.flags.writeable
    write_idx(tmp_path / name, np.empty((0, 3, 4)))
    assert idx.load(tmp_path / name, idx.IMAGES).shape == (0, 3, 4)


@pytest.mark.parametrize("name", ["images", "images.gz"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "begins with nothing"),
        (b"<html>", "begins with 3c 68 74 6d, not with 00 00 08 03"),
        (idx_bytes(np.arange(3)), r"begins with 00 00 08 01, not with 00 00 08 03 as IDX images"),
        (idx_bytes(IMAGES)[:-1], "should have 40 bytes by its header, and is shorter"),
        (idx_bytes(IMAGES) + b"x", "should have 40 bytes by its header, and is longer"),
    ],
)
def test_what_is_wrong_is_said_with_the_file(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    with pytest.raises(DataError, match=message) as raised:
        idx.load(path, idx.IMAGES)
    assert str(path) in str(raised.value)


def test_a_damaged_gzip_file(tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    whole = gzip.compress(idx_bytes(np.arange(10**5).reshape(10, 100, 100) % 251))
    for content in (whole[:-200], b"\x1f\x8b" + whole[:50], whole[:100] + b"xxxxxx" + whole[106:]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"images\.gz"):
            idx.load(path, idx.IMAGES)


def test_a_file_that_is_not_there_or_dangles(tmp_path: Path) -> None:
    assert idx.find(tmp_path, "images") is None
    (tmp_path / "images.gz").symlink_to("/nowhere/images.gz")
    with pytest.raises(DataError, match=r"dangling link: its target /nowhere/images\.gz"):
        idx.find(tmp_path, "images")
    write_idx(tmp_path / "images", IMAGES)  # the plain one comes first
    assert idx.find(tmp_path, "images") == tmp_path / "images"


NAME = "train-images-idx3-ubyte"
POINTED = "train-images.idx3-ubyte"


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize(
    "place", [NAME, POINTED, f"{NAME}/{NAME}", f"{NAME}/{POINTED}", f"{POINTED}/{NAME}"]
)
def test_a_file_is_found_where_archives_leave_it(tmp_path: Path, place: str, end: str) -> None:
    path = tmp_path / (place + end)
    path.parent.mkdir(exist_ok=True)
    write_idx(path, IMAGES)
    assert idx.find(tmp_path, NAME) == path
    np.testing.assert_array_equal(idx.load(path, idx.IMAGES), IMAGES)


def test_a_folder_of_the_files_name_without_the_file(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(DataError, match=f"is a folder, and has no file {NAME} in it: put"):
        idx.find(tmp_path, NAME)
    (tmp_path / NAME / "mnist.zip").touch()
    with pytest.raises(DataError, match=r"there is an archive in it, mnist\.zip: unpack it with"):
        idx.find(tmp_path, NAME)
    write_idx(tmp_path / POINTED, IMAGES)
    assert idx.find(tmp_path, NAME) == tmp_path / POINTED


def test_what_cannot_be_read_is_not_to_be_copied_again(tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        idx.load(tmp_path, idx.IMAGES)
    assert (
        str(raised.value) == f"{tmp_path}: Is a directory: this is a folder, but a file is needed"
    )


def test_what_is_gzipped_is_known_by_its_content(tmp_path: Path) -> None:
    plain, packed = tmp_path / "images.gz", tmp_path / "images"
    plain.write_bytes(idx_bytes(IMAGES))  # unpacked on the way, and called as before
    packed.write_bytes(gzip.compress(idx_bytes(IMAGES)))
    for path in (plain, packed):
        np.testing.assert_array_equal(idx.load(path, idx.IMAGES), IMAGES)


def test_a_zip_archive_of_that_name(tmp_path: Path) -> None:
    path = tmp_path / "images"
    path.write_bytes(b"PK\x03\x04rest")
    with pytest.raises(DataError, match=f"is a zip archive: .*mv {path} {path}.zip; unzip {path}"):
        idx.load(path, idx.IMAGES)
