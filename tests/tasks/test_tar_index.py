"""The index of an archive is made once; a damaged one, or none, costs time alone."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from pushfit.errors import DataError
from pushfit.tasks import tar_index
from tests.support.tars import archive, put

GOOD = [("1.jpg", b"one"), ("1.cls", b"0"), ("2.jpg", b"two!"), ("2.cls", b"1\n")]


@pytest.fixture(autouse=True, name="cache")
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(name="made")
def _made(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The paths of the archives that were read, and not taken from the cache."""
    found, read = [], tar_index._read

    def noted(tar: tar_index.Archive) -> tar_index.Index:
        found.append(tar.path)
        return read(tar)

    monkeypatch.setattr(tar_index, "_read", noted)
    return found


def test_it_is_made_once_for_an_archive_as_it_is(tmp_path: Path, made: list[Path]) -> None:
    path = put(tmp_path, GOOD)
    first = tar_index.of(path)
    assert (first.names, first.offsets, first.sizes, first.labels) == (
        ["1.jpg", "2.jpg"],
        [512, 2560],
        [3, 4],
        ["0", "1"],
    )
    assert tar_index.of(path) == first
    os.utime(path, ns=(1, 1))
    assert tar_index.of(path) == first
    assert len(made) == 2


def test_one_that_is_damaged_is_made_again(tmp_path: Path, cache: Path, made: list[Path]) -> None:
    path = put(tmp_path, GOOD)
    first = tar_index.of(path)
    (kept,) = cache.rglob("*.msgpack")
    whole = kept.read_bytes()
    swapped = whole.replace(b"1.jpg", b"3.jpg")
    foreign = msgspec.msgpack.encode(msgspec.structs.replace(first, offsets=[9, 10**9]))
    sealed = tar_index._seal(foreign) + foreign
    assert swapped != whole
    for number, broken in enumerate((b"", whole[:-3], b"\xc1" * 40, swapped, sealed), start=2):
        kept.write_bytes(broken)
        assert tar_index.of(path) == first
        assert len(made) == number
        assert kept.read_bytes() == whole, "it was made again, and kept"
    kept.unlink()
    os.mkfifo(kept)
    assert tar_index.of(path) == first


@pytest.mark.parametrize("index", [
    {"offsets": [0, 2560]}, {"sizes": [0, 4]}, {"sizes": [3]}, {"labels": []}, {"format": 1},
    {"sizes": [3, 10**9]},
])  # fmt: skip
def test_one_that_cannot_be_of_the_archive(tmp_path: Path, index: dict[str, object]) -> None:
    path = put(tmp_path, GOOD)
    first = tar_index.of(path)
    assert first.fits(path.stat().st_size)
    assert not msgspec.structs.replace(first, **index).fits(path.stat().st_size)


@pytest.mark.parametrize("home", ["/proc/none", "/dev/null"])
def test_without_a_place_to_keep_it(
    tmp_path: Path, home: str, made: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", home)
    path = put(tmp_path, GOOD)
    assert tar_index.of(path) == tar_index.of(path)
    assert len(made) == 2


def test_a_user_without_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert tar_index.of(put(tmp_path, GOOD)).names == ["1.jpg", "2.jpg"]


def test_an_archive_that_grows_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, read = put(tmp_path, GOOD), tar_index._read

    def growing(tar: tar_index.Archive) -> tar_index.Index:
        index = read(tar)
        os.utime(path, ns=(1, 1))
        return index

    monkeypatch.setattr(tar_index, "_read", growing)
    with pytest.raises(DataError, match=r"a\.tar was written to while it was read: wait until"):
        tar_index.of(path)


def test_names_that_are_too_long(tmp_path: Path) -> None:
    index = tar_index.of(put(tmp_path, archive([(f"{'x' * 3000}.jpg", b"x"), *GOOD])))
    assert index.names == ["1.jpg", "2.jpg"]
    assert list(index.unused) == ["a name of more than 2,000 characters in a tar file"]
