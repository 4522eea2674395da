"""Archives as they are made in the field, and as they are damaged: every byte is found again."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pushfit.errors import DataError
from pushfit.tasks import layouts, tar_shards
from pushfit.tasks.base import TEST, TRAIN, VAL, Record
from tests.fuzz.damage import mutated
from tests.support.tars import FORMATS, archive, put


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


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
    put(links, archive(files, form))
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
    put(tmp_path, GOOD)
    assert layouts.scan(tmp_path).classes == ("0", "1")
    (tmp_path / "classes.txt").write_text("tench\ngoldfish\n")
    assert layouts.scan(tmp_path).classes == ("tench", "goldfish"), "as numbered, not as named"
    assert layouts.scan(tmp_path, listed=("goldfish", "tench")).classes == ("goldfish", "tench")
    assert not any("classes.txt" in each.first for each in layouts.scan(tmp_path).unused)
    for text, said in (
        ("crane\ncrane\n", "'crane' in the lines 1 and 2: two classes need two names"),
        ("crane\n\ntench\n", "line 2 is empty: each line is the name of a class"),
    ):
        (tmp_path / "classes.txt").write_text(text)
        with pytest.raises(DataError, match=said):
            layouts.scan(tmp_path)
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
        ("x/._1.jpg", b"of a Mac"),
        ("2.json", b'{"label": [1]}'),
    ]
    put(tmp_path, archive(GOOD + extra))
    data = layouts.scan(tmp_path)
    assert data.counts()[TRAIN] == [1, 1]
    assert {(each.reason, each.first) for each in data.unused} == {
        ("a folder that this task does not read", "cache/"),
        ("a label without a photo in a tar file", "train/a.tar/3"),
        ("neither a photo nor a label, in a tar file", "train/a.tar/1.seg.png"),
        ("a further picture of its sample in a tar file", "train/a.tar/1.png"),
        ("an empty file in a tar file", "train/a.tar/4.jpg"),
        ("hidden in a tar file, as the name begins with a dot", "train/a.tar/x/._1.jpg"),
        ("a file in a tar file that holds no class, as its ending says", "train/a.tar/2.json"),
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
    put(tmp_path, archive(files))
    with pytest.raises(DataError, match=said):
        layouts.scan(tmp_path)


def test_an_archive_without_an_end_is_told(tmp_path: Path) -> None:
    put(tmp_path, archive(GOOD)[: 8 * 512])
    data = layouts.scan(tmp_path)
    assert data.counts()[TRAIN] == [1, 1]
    assert ("train/a.tar", "a tar file without an end, which may have been cut short") in {
        (each.first, each.reason) for each in data.unused
    }


def test_what_may_be_a_label(tmp_path: Path) -> None:
    labels = [
        ("cls", b" 7\n", "7"),
        ("txt", "Köter".encode(), "Köter"),
        ("json", b'{"cls": 3, "caption": "a dog"}', "3"),
        ("json", b'{"label": "dog", "cls": 3}', "dog"),
        ("cls", b"\xff", "folder"),
        ("txt", b"a caption\nof two lines", "folder"),
        ("json", b'{"label": true}', "folder"),
        ("json", b"[" * 9999, "folder"),
        ("json", b'{"label": "\\ud800"}', "folder"),
        ("cls", b"x" * (1 << 17), "folder"),
    ]
    files = []
    for number, (ending, data, _) in enumerate(labels):
        files += [(f"folder/{number}.jpg", b"x"), (f"folder/{number}.{ending}", data)]
    put(tmp_path, [*files, ("./b/x.jpg", b"x"), ("z.JPEG", b"x"), ("z.txt", b"b"), ("z.cls", b"c")])
    data = layouts.scan(tmp_path)
    found = {}
    for record in data.splits[TRAIN]:
        where = tar_shards.member(record.path)
        assert where is not None
        found[where.name] = data.classes[record.label]
    assert found == {f"folder/{n}.jpg": label for n, (_, _, label) in enumerate(labels)} | {
        "./b/x.jpg": "b",
        "z.JPEG": "c",
    }


@pytest.mark.parametrize("name", ["../1.jpg", "/1.jpg", "a/../1.jpg", ".././1.jpg"])
def test_names_that_lead_elsewhere_are_no_classes_and_harmless(tmp_path: Path, name: str) -> None:
    put(tmp_path, [(name, b"x"), *GOOD])
    with pytest.raises(DataError, match="1 photos in tar shards have no label"):
        layouts.scan(tmp_path)
    put(tmp_path, [(name, b"x"), (name.replace("jpg", "cls"), b"0"), *GOOD])
    data = layouts.scan(tmp_path)
    assert b"x" in [layouts.read(tmp_path, record) for record in data.splits[TRAIN]]


def test_train_and_validation_are_of_one_kind(tmp_path: Path) -> None:
    photos = tmp_path / "val" / "0"
    photos.mkdir(parents=True)
    (photos / "1.jpg").touch()
    put(tmp_path, GOOD)
    with pytest.raises(
        DataError, match=r"train/a\.tar is a tar shard, and .*val/0 a folder of phot"
    ):
        layouts.scan(tmp_path)
    (photos / "1.jpg").unlink()
    photos.rmdir()
    put(tmp_path, GOOD, "val/deep/x.tar")
    data = layouts.scan(tmp_path)
    assert data.counts() == {TRAIN: [1, 1], VAL: [1, 1]}
    assert data.validation == "the folder val"
    put(tmp_path, GOOD, "valid/x.tar")
    with pytest.raises(DataError, match="val and valid are both in"):
        layouts.scan(tmp_path)
    for path in (tmp_path / "train" / "a.tar", tmp_path / "valid" / "x.tar"):
        path.unlink()
    (tmp_path / "train" / "0").mkdir()
    (tmp_path / "train" / "0" / "1.jpg").touch()
    with pytest.raises(
        DataError, match=r"val/deep/x\.tar is a tar shard, and .*train/0 a folder of"
    ):
        layouts.scan(tmp_path)


def test_a_tar_file_beside_no_train(tmp_path: Path) -> None:
    path = put(tmp_path, GOOD, "photos.tar")
    train = tmp_path / "train"
    with pytest.raises(
        DataError, match=f"`mkdir {train}; mv {path} {train}`; if .*`tar -xf {path}"
    ):
        layouts.scan(tmp_path)


def test_groups_are_the_archives_of_the_training_records(tmp_path: Path) -> None:
    for number, name in enumerate(("b/1.tar", "b.tar", "a.tar")):
        put(tmp_path, [(f"{n}/{number}{n}.jpg", bytes([n + 1])) for n in range(9)], f"train/{name}")
    data = layouts.scan(tmp_path, held_out=0.3)
    assert data.counts() == {TRAIN: [2] * 9, VAL: [1] * 9}
    order = ["train/a.tar", "train/b.tar", "train/b/1.tar"]
    assert list(data.groups) == [
        order.index(record.path.partition("@")[0]) for record in data.splits[TRAIN]
    ]
    data.visiting()


def test_archives_to_predict_hold_photos(tmp_path: Path) -> None:
    put(tmp_path, [("1.cls", b"0")], "test/deep/x.tar")
    with pytest.raises(DataError, match=r"the tar files in .*test hold no photos to predict"):
        layouts.scan_test(tmp_path)
    put(tmp_path, [("1.jpg", b"0")], "test/deep/x.tar")
    assert len(layouts.scan_test(tmp_path).splits[TEST]) == 1


def test_shards_in_the_links_folder_itself(tmp_path: Path) -> None:
    put(tmp_path, GOOD, "a.tar")
    with pytest.raises(DataError, match=r"a\.tar is a tar shard in the links folder itself"):
        layouts.scan(tmp_path)


def test_an_archive_that_has_changed(tmp_path: Path) -> None:
    path = put(tmp_path, archive(GOOD))
    records = layouts.scan(tmp_path).splits[TRAIN]
    os.truncate(path, 600)
    with pytest.raises(OSError, match="the file has changed: it ends before byte"):
        layouts.read(tmp_path, records[1])
    path.write_bytes(archive([("0.jpg", b"new!"), ("0.cls", b"7"), *GOOD]))
    with pytest.raises(OSError, match="no file of 3 bytes is at 512"):
        layouts.read(tmp_path, records[0])
    assert layouts.scan(tmp_path).classes == ("0", "1", "7"), "the old index is not used"


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_damaged_archives_are_refused_or_read(tmp_path: Path, form: str) -> None:
    rng, told = random.Random(form), 0
    folder = "long" * 30 if form != "ustar" else "d"
    names = [f"{folder}/{n}.{ending}" for n in "abc" for ending in ("jpg", "cls")]
    whole = archive([(name, str(at % 4).encode()) for at, name in enumerate(names)], form)
    for _ in range(150):
        path = put(tmp_path, mutated(whole, rng))
        try:
            records = layouts.scan(tmp_path).splits[TRAIN]
            for record in records:
                assert len(layouts.read(tmp_path, record)) == record.size
        except DataError as error:
            told += str(path.parent) in str(error)
    assert told > 50


def test_a_file_that_is_not_an_archive(tmp_path: Path) -> None:
    put(tmp_path, b"nonsense" * 200)
    with pytest.raises(DataError, match="is not a tar file; copy it, or make it again"):
        layouts.scan(tmp_path)


def test_names_that_look_like_members_are_only_members_where_they_are() -> None:
    assert tar_shards.member("train/cat/1.jpg") is None
    assert tar_shards.member("train/a.tar@12/1.jpg") is None
    found = tar_shards.member("train/a.tar@000000000512/b.tar@000000000001/1.jpg")
    assert found == ("train/a.tar", 512, "b.tar@000000000001/1.jpg")
    assert Record(found.path).path == "train/a.tar@000000000512/b.tar@000000000001/1.jpg"
