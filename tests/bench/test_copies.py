"""A host's copy of the photos: faults strike it alone, and are undone without a trace."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bench._copies import Copy, why_none_hangs
from pushfit import regular


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for number in range(12):
        photo = tmp_path / "source" / "train" / "ab"[number % 2] / f"{number}.jpg"
        photo.parent.mkdir(parents=True, exist_ok=True)
        photo.write_bytes(bytes([number]) * (number // 2 + 1))  # pairs of one size
    return tmp_path / "source"


@pytest.fixture
def copy(tmp_path: Path, source: Path) -> Copy:
    return Copy(tmp_path / "copy", source)


def contents(folder: Path) -> dict[Path, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder): path.read_bytes() for path in files}


def test_a_copy_is_its_source_and_some_photos_are_of_all_classes(copy: Copy, source: Path) -> None:
    assert contents(copy.path) == contents(source)
    for choice in (0.0, 0.5, 0.999):
        some = copy.some(choice, 4)
        assert len(set(some)) == 4 and {photo.parent.name for photo in some} == {"a", "b"}
    assert len(set(copy.some(0.7, 100))) == 12


def test_photos_that_are_taken_away_come_back(copy: Copy, source: Path) -> None:
    gone = copy.some(0.3, 3)
    undo = copy.take_away(gone)
    assert not any(photo.exists() for photo in gone)
    assert len(contents(copy.path)) == 9 and len(contents(source)) == 12
    undo()
    assert contents(copy.path) == contents(source)


def test_photos_that_are_replaced_have_other_sizes(copy: Copy, source: Path) -> None:
    before = contents(source)
    photos = copy.some(0.0, 12)
    undo = copy.replace(photos)
    for photo in photos:
        assert photo.stat().st_size != len(before[photo.relative_to(copy.path)])
    assert contents(source) == before
    undo()
    assert contents(copy.path) == before


def test_a_photo_that_hangs_keeps_its_reader_waiting_and_no_other(
    copy: Copy, source: Path, tmp_path: Path
) -> None:
    if reason := why_none_hangs(tmp_path):
        pytest.skip(reason)
    photo, other = copy.some(0.0, 2)
    undo = copy.hang(photo)
    size = photo.stat().st_size  # to look at it is to wait for nobody
    found: list[bytes] = []
    read: Callable[[], None] = lambda: found.append(regular.read(photo, size))  # noqa: E731
    reader = threading.Thread(target=read)
    try:
        reader.start()
        reader.join(0.1)
        assert reader.is_alive() and not found
        assert regular.read(other)
        assert contents(source)  # nor is the source's own photo struck
    finally:
        undo()
    reader.join(10.0)
    assert found == [photo.read_bytes()]
    assert contents(copy.path) == contents(source)
