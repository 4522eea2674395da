"""Kaggle's tables: read once, whatever they look like; and what is said where one is wrong."""

from __future__ import annotations

import gzip
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from lib.errors import DataError
from lib.tasks import tables
from lib.tasks.base import TRAIN, VAL
from lib.tasks.digits import DigitsParams, DigitsTask
from tests.tasks.idx_files import write_digits

SIDE = 8


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "pushfit"


def text_of(images: np.ndarray, labels: np.ndarray | None = None, end: str = "\n") -> str:
    pixels = images.reshape(len(images), -1)
    names = [f"pixel{number}" for number in range(pixels.shape[1])]
    rows = [[str(value) for value in row] for row in pixels.tolist()]
    if labels is not None:
        names = ["label", *names]
        rows = [[str(label), *row] for label, row in zip(labels.tolist(), rows, strict=True)]
    return end.join(",".join(row) for row in [names, *rows]) + end


def drawn(count: int, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    images = np.random.default_rng(count).integers(0, 256, (count, side, side)).astype(np.uint8)
    return images, np.arange(count).astype(np.uint8) % 10


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_table_gives_its_images_and_labels(
    tmp_path: Path, end: str, mark: str, zipped: bool
) -> None:
    images, labels = drawn(tables.ROWS + 7)
    content = (mark + text_of(images, labels, end)).encode()
    path = tmp_path / "train.csv"  # gzipped or not, under either name
    path.write_bytes(gzip.compress(content, 1) if zipped else content)
    for _ in range(2):  # read, then found
        found, known = tables.load(path, SIDE, labelled=True)
        np.testing.assert_array_equal(found, images)
        np.testing.assert_array_equal(known, labels)
        assert isinstance(found, np.memmap)


def test_a_table_without_labels(tmp_path: Path) -> None:
    images, _ = drawn(5)
    path = tmp_path / "test.csv"
    path.write_text(text_of(images) + "\n")  # an empty line at its end
    found, labels = tables.load(path, SIDE, labelled=False)
    np.testing.assert_array_equal(found, images)
    assert len(labels) == 0


def test_it_is_read_again_when_it_changed_and_only_then(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text(text_of(*drawn(3)))
    tables.load(path, SIDE, labelled=True)
    kept = next(each for each in cache.iterdir() if each.is_dir())
    before = (kept / "images").stat().st_mtime_ns
    tables.load(path, SIDE, labelled=True)
    assert (kept / "images").stat().st_mtime_ns == before
    path.write_text(text_of(*drawn(4)))
    assert len(tables.load(path, SIDE, labelled=True)[0]) == 4
    assert not list(cache.glob("*.part"))


READING = """
import os, pathlib, sys, time
from lib.tasks import tables
path, cache = map(pathlib.Path, sys.argv[1:])
convert = tables._convert
tables._convert = lambda *args: ((cache / f"made-{os.getpid()}").touch(), convert(*args))
print("here", flush=True)
sys.stdin.readline()
print(len(tables.load(path, 8, labelled=True)[0]))
"""


def test_ten_processes_that_begin_at_once_read_it_once(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text(text_of(*drawn(3000)))
    cache.mkdir(parents=True)
    command = [sys.executable, "-c", READING, str(path), str(cache)]
    pipe = subprocess.PIPE
    with ExitStack() as stack:
        processes = [
            stack.enter_context(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
            for _ in range(10)
        ]
        for process in processes:
            assert process.stdout is not None and process.stdout.readline() == "here\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        assert [process.communicate(timeout=60)[0] for process in processes] == ["3000\n"] * 10
    assert len(list(cache.glob("made-*"))) == 1


def test_what_a_killed_process_left_is_in_nobodys_way(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text(text_of(*drawn(3)))
    tables.load(path, SIDE, labelled=True)
    kept = next(each for each in cache.iterdir() if each.is_dir())
    (kept / "images").write_bytes(b"half of")
    kept.rename(kept.with_suffix(".part"))
    assert len(tables.load(path, SIDE, labelled=True)[0]) == 3


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda text: text.replace("pixel17,", ""), "line 1: no column 'pixel17'"),
        (lambda text: text.replace("label,", "digit,"), "is it the table without labels, test.csv"),
        (lambda text: text.replace("pixel63", "pixel63,when"), "line 1: unknown column 'when'"),
        (
            lambda text: text.replace("pixel1,pixel2", "pixel2,pixel1"),
            "line 1: columns in another order",
        ),
        (lambda text: text[:-60], "line 6: "),
        (lambda text: text.replace("\n3,", "\n3,x"), "line 5, column 'pixel0': 'x"),
        (lambda text: text.replace("\n3,", "\n3,9"), "line 5, column 'pixel0': 9"),
        (lambda text: text.replace("\n3,", "\n-3,"), "column 'label': '-3' is not a whole number"),
        (lambda text: text.replace("\n3,", "\n3.0,"), "line 5, column 'label': '3.0'"),
        (lambda text: "", "line 1: no column 'label'"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    tmp_path: Path, cache: Path, spoil: object, says: str
) -> None:
    path = tmp_path / "train.csv"
    images, labels = drawn(5)
    images[:, 0, 0] = 100  # "9" before it makes 9100
    path.write_text(spoil(text_of(images, labels)))  # type: ignore[operator]
    with pytest.raises(DataError) as raised:
        tables.load(path, SIDE, labelled=True)
    assert str(path) in str(raised.value) and says in str(raised.value)
    assert not [each for each in cache.iterdir() if each.suffix != ".lock"]  # nothing half made


def test_other_files_and_sizes(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"

    def message(side: int = SIDE) -> str:
        with pytest.raises(DataError) as raised:
            tables.load(path, side, labelled=True)
        return str(raised.value)

    path.write_bytes(b"PK\x03\x04rest")
    assert "is a zip archive" in message() and f"unzip {path}" in message()
    path.write_bytes(gzip.compress(text_of(*drawn(50)).encode())[:-400])
    assert "cut short or broken" in message()
    path.write_text(text_of(*drawn(5)))
    assert "64 pixels a row, not 28 x 28: give --side 8" in message(28)


def test_a_cache_that_cannot_be_written_says_how_to_choose_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    path = tmp_path / "train.csv"
    path.write_text(text_of(*drawn(5)))
    with pytest.raises(DataError, match="set XDG_CACHE_HOME to a folder that is writable"):
        tables.load(path, SIDE, labelled=True)


def test_the_digits_task_takes_a_table_as_it_takes_idx_files(tmp_path: Path) -> None:
    idx_files = write_digits(tmp_path / "idx", 60)
    known = DigitsTask(DigitsParams())
    expected = known.scan(idx_files)
    images, labels = known._splits[TRAIN].images, known._splits[TRAIN].labels
    folder = tmp_path / "csv"
    folder.mkdir()
    (folder / "train.csv").write_text(text_of(images, labels))
    task = DigitsTask(DigitsParams())
    data = task.scan(folder)
    assert data.counts() == expected.counts() and data.classes == expected.classes
    assert data.splits[VAL][0].path.startswith("train.csv/")
    for split in (TRAIN, VAL):
        ours = [task.read(folder, record) for record in data.splits[split]]
        assert ours == [known.read(idx_files, record) for record in expected.splits[split]]
    write_digits(folder, 60)
    with pytest.raises(DataError, match="are both there"):
        task.scan(folder)
