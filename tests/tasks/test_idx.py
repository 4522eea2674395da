"""IDX files: read right, and refused by name where they are not what they should be."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from lib.errors import DataError
from lib.tasks import idx
from tests.tasks.idx_files import idx_bytes, write_idx

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
        (idx_bytes(IMAGES)[:-1], "says that it has 40 bytes, and is cut short"),
        (idx_bytes(IMAGES) + b"x", "says that it has 40 bytes, and is longer"),
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
