"""Archives as they are made in the field, and as they are damaged: every byte is found again."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pushfit.errors import DataError
from pushfit.tasks import layouts, tar_index, tar_shards
from pushfit.tasks.base import TRAIN, Record

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "pax": tarfile.PAX_FORMAT, "gnu": tarfile.GNU_FORMAT}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def archive(files: list[tuple[str, bytes]], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as made:
        for name, data in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            made.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def shard(links: Path, data: bytes, name: str = "train/a.tar") -> Path:
    path = links / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


GOOD = [("1.jpg", b"one"), ("1.cls", b"0"), ("2.jpg", b"two!"), ("2.cls", b"1\n")]


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.text("abcdefghijé_", min_size=1, max_size=90), st.binary(min_size=1)),
        min_size=2,
        max_size=12,
        unique_by=lambda each: each[0],
    ),
    st.sampled_from(sorted(FORMATS)),
)
def test_every_photo_is_found_again(
    tmp_path_factory: pytest.TempPathFactory, photos: list[tuple[str, bytes]], form: str
) -> None:
    links = tmp_path_factory.mktemp("shards")
    folder = "d" * 60 if form != "ustar" else "d"
    files = []
    for number, (stem, data) in enumerate(photos):
        files += [
            (f"{folder}/{stem}.jpg", data),
            (f"{folder}/{stem}.cls", str(number % 2).encode()),
        ]
    shard(links, archive(files, FORMATS[form]))
    data = layouts.scan(links)
    found = {}
    for record in data.splits[TRAIN]:
        where = tar_shards.member(record.path)
        assert where is not None and where.path == record.path
        found[where.name] = layouts.read(links, record), data.classes[record.label]
    assert found == {
        f"{folder}/{stem}.jpg": (content, str(number % 2))
        for number, (stem, content) in enumerate(photos)
    }


def test_numbers_have_names_in_a_file(tmp_path: Path) -> None:
    shard(tmp_path, archive(GOOD))
    assert layouts.scan(tmp_path).classes == ("0", "1")
    (tmp_path / "classes.txt").write_text("tench\ngoldfish\n")
    assert layouts.scan(tmp_path).classes == ("goldfish", "tench")
    (tmp_path / "classes.txt").write_text("tench\n")
    with pytest.raises(DataError, match=r"classes\.txt has 1 lines, and a photo has the class 1"):
        layouts.scan(tmp_path)


def test_files_that_are_no_photos_are_counted(tmp_path: Path) -> None:
    extra = [
        ("3.cls", b"0"),
        ("1.seg.png", b"mask"),
        ("1.png", b"again"),
        ("4.jpg", b""),
        ("1.npy", b"x"),
    ]
    shard(tmp_path, archive(GOOD + extra))
    data = layouts.scan(tmp_path)
    assert data.counts()[TRAIN] == [1, 1]
    assert {(each.reason, each.first) for each in data.unused} == {
        ("a label without a photo in a tar file", "train/a.tar/3"),
        ("a file in a tar that is neither a photo nor a label (.seg.png)", "train/a.tar/1.seg.png"),
        ("a further picture of its sample in a tar file", "train/a.tar/1.png"),
        ("an empty file in a tar file", "train/a.tar/4.jpg"),
        ("a file in a tar that is neither a photo nor a label (.npy)", "train/a.tar/1.npy"),
    }


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([*GOOD, ("3.jpg", b"x")], r"1 photos in tar shards have no label \(first train/a.tar: 3"),
        ([("3.cls", b"1")], "no photos to train on: 1 a label without a photo"),
        (GOOD[:2], "only one class, '0'"),
    ],
)
def test_shards_that_cannot_be_trained_on(
    tmp_path: Path, files: list[tuple[str, bytes]], said: str
) -> None:
    shard(tmp_path, archive(files))
    with pytest.raises(DataError, match=said):
        layouts.scan(tmp_path)


def test_what_is_beside_shards(tmp_path: Path) -> None:
    path = shard(tmp_path, archive(GOOD))
    (path.parent / "cat").mkdir()
    with pytest.raises(DataError, match="keep either shards or folders"):
        layouts.scan(tmp_path)
    (path.parent / "cat").rmdir()
    (path.parent / "b.tar.gz").write_bytes(b"")
    with pytest.raises(DataError, match=r"b\.tar\.gz is compressed"):
        layouts.scan(tmp_path)


def test_shards_in_the_links_folder_itself(tmp_path: Path) -> None:
    shard(tmp_path, archive(GOOD), "a.tar")
    with pytest.raises(DataError, match=r"a\.tar is a tar shard in the links folder itself"):
        layouts.scan(tmp_path)


def test_an_archive_that_has_changed(tmp_path: Path) -> None:
    path = shard(tmp_path, archive(GOOD))
    records = layouts.scan(tmp_path).splits[TRAIN]
    os.truncate(path, 600)
    with pytest.raises(OSError, match="the file has changed: it ends before byte"):
        layouts.read(tmp_path, records[1])
    path.write_bytes(archive([("0.jpg", b"new"), ("0.cls", b"7"), *GOOD]))
    assert layouts.scan(tmp_path).classes == ("0", "1", "7"), "the old index is not used"


def test_an_index_that_is_damaged_or_cannot_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shard(tmp_path, archive(GOOD))
    first = tar_index.of(path)
    (kept,) = (tmp_path / "cache").rglob("*.msgpack")
    whole = kept.read_bytes()
    monkeypatch.setattr(tar_index, "_made", lambda _path: pytest.fail("made again"))
    assert tar_index.of(path) == first
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for broken in (b"", whole[:-3], b"\xc1" * 40, whole.replace(b"1.jpg", b"1.jp\xff")):
        kept.write_bytes(broken)
        assert tar_index.of(path) == first
    beyond = tar_index.Index(1, ["x.jpg"], [10], [path.stat().st_size], ["a"], {})
    assert not beyond.fits(path.stat().st_size)
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    assert tar_index.of(path) == first


def test_damaged_archives_are_refused_or_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    refused = 0
    for form in FORMATS.values():
        names = [f"{'long' * 30}/{n}.{ending}" for n in "abc" for ending in ("jpg", "cls")]
        whole = archive([(name, b"1") for name in names], form)
        for attempt in range(150):
            broken = bytearray(whole)
            if attempt % 2:
                del broken[int(rng.integers(len(whole))) :]
            else:
                for _ in range(3):
                    broken[int(rng.integers(len(whole)))] = int(rng.integers(256))
            path = shard(tmp_path, bytes(broken))
            try:
                index = tar_index._made(path)
            except DataError as error:
                refused += str(path) in str(error)
            else:
                assert index.fits(len(broken))
    assert refused > 100


def test_a_file_that_is_not_an_archive(tmp_path: Path) -> None:
    shard(tmp_path, b"nonsense" * 200)
    with pytest.raises(DataError, match="is damaged, or not a tar file"):
        layouts.scan(tmp_path)


def test_names_that_look_like_members_are_only_members_where_they_are() -> None:
    assert tar_shards.member("train/cat/1.jpg") is None
    assert tar_shards.member("train/a.tar@12/1.jpg") is None
    found = tar_shards.member("train/a.tar@000000000512/b.tar@000000000001/1.jpg")
    assert found == ("train/a.tar", 512, "b.tar@000000000001/1.jpg")
    assert Record(found.path).path == "train/a.tar@000000000512/b.tar@000000000001/1.jpg"
