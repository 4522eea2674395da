"""Kaggle's tables: read once, whatever they look like; and what is said where one is wrong."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from pushfit.errors import DataError
from pushfit.tasks.base import TRAIN, VAL
from pushfit.tasks.digits import csv_images
from pushfit.tasks.digits.task import DigitsParams, DigitsTask
from tests.support.idx_files import write_digits

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
    images, labels = drawn(csv_images.ROWS + 7)
    content = (mark + text_of(images, labels, end)).encode()
    path = tmp_path / "train.csv"  # gzipped or not, under either name
    path.write_bytes(gzip.compress(content, 1) if zipped else content)
    for _ in range(2):  # read, then found
        found, known = csv_images.load(path, SIDE, labelled=True)
        np.testing.assert_array_equal(found, images)
        np.testing.assert_array_equal(known, labels)
        assert isinstance(found, np.memmap)


def test_a_table_without_labels(tmp_path: Path) -> None:
    images, _ = drawn(5)
    path = tmp_path / "test.csv"
    path.write_text(text_of(images) + "\n")  # an empty line at its end
    found, labels = csv_images.load(path, SIDE, labelled=False)
    np.testing.assert_array_equal(found, images)
    assert len(labels) == 0


@pytest.mark.parametrize(
    "form",
    [
        lambda text: text.replace(",", ";"),
        lambda text: text.replace(",", "\t"),
        lambda text: text.partition("\n")[2],  # no names
        lambda text: text.partition("\n")[2].replace(",", "\t"),
        lambda text: text.replace("label", "Label"),
        lambda text: "\n" + text,
        lambda text: "sep=;\n" + text.replace(",", ";"),
        lambda text: "\n".join(
            ",".join(line.split(",")[1:] + line.split(",")[:1]) for line in text.split()
        ),
        lambda text: indexed(text, ""),
        lambda text: indexed(text, "id").replace(",", ";"),
        lambda text: indexed(text, "Index", "row-{}.png"),
        lambda text: re.sub(r"[^,\n]+", r'"\g<0>"', text),
        lambda text: re.sub(r"[^,\n]+", r'"\g<0>"', indexed(text, "")).replace("\n", "\r\n"),
    ],
)
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_tables_are_taken_as_they_come(
    tmp_path: Path, form: Callable[[str], str], encoding: str
) -> None:
    images, labels = drawn(260)
    path = tmp_path / "train.csv"
    content = form(text_of(images, labels)).encode(encoding)
    for written in (content, gzip.compress(content, 1)):
        path.write_bytes(written)
        found, known = csv_images.load(path, SIDE, labelled=True)
        np.testing.assert_array_equal(found, images)
        np.testing.assert_array_equal(known, labels)


def indexed(text: str, name: str, form: str = "{}") -> str:
    """With a column of indexes before, as pandas writes it."""
    first, *rows = text.splitlines()
    return "\n".join(
        [f"{name},{first}", *(f"{form.format(n)},{row}" for n, row in enumerate(rows))]
    )


def test_a_table_without_names_and_labels_or_with_names_alone(tmp_path: Path) -> None:
    images, labels = drawn(5)
    path = tmp_path / "test.csv"
    path.write_text(text_of(images).partition("\n")[2])
    found, known = csv_images.load(path, SIDE, labelled=False)
    np.testing.assert_array_equal(found, images)
    assert len(known) == 0
    with pytest.raises(DataError, match="line 1: no column 'label': is it the table without"):
        csv_images.load(path, SIDE, labelled=True)
    path.write_text(text_of(images, labels))
    assert csv_images.load(path, SIDE, labelled=False)[1].tolist() == labels.tolist()
    path.write_text(text_of(images, labels).partition("\n")[0])
    assert [len(each) for each in csv_images.load(path, SIDE, labelled=True)] == [0, 0]


def test_it_is_read_again_when_it_changed_and_only_then(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text(text_of(*drawn(3)))
    csv_images.load(path, SIDE, labelled=True)
    kept = next(each for each in cache.iterdir() if each.is_dir())
    before = (kept / "images").stat().st_mtime_ns
    csv_images.load(path, SIDE, labelled=True)
    assert (kept / "images").stat().st_mtime_ns == before
    path.write_text(text_of(*drawn(4)))
    assert len(csv_images.load(path, SIDE, labelled=True)[0]) == 4
    assert not list(cache.glob("*.part"))


READING = """
import os, pathlib, sys, time
from pushfit.tasks.digits import csv_images as tables
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
    csv_images.load(path, SIDE, labelled=True)
    kept = next(each for each in cache.iterdir() if each.is_dir())
    (kept / "images").write_bytes(b"half of")
    kept.rename(kept.with_suffix(".part"))
    assert len(csv_images.load(path, SIDE, labelled=True)[0]) == 3


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda text: text.replace("pixel17,", ""), "line 1: no column 'pixel17'"),
        (lambda text: text.replace("label,", "digit,"), "unknown column 'digit': take it out; if"),
        (
            lambda text: "\n".join(line.partition(",")[2] for line in text.splitlines()),
            "line 1: no column 'label': is it the table without labels, test.csv?",
        ),
        (lambda text: text.replace("pixel63", "pixel63,when"), "line 1: unknown column 'when'"),
        (
            lambda text: text.replace("pixel1,pixel2", "pixel2,pixel1"),
            "line 1: columns in another order",
        ),
        (lambda text: text[:-60], "line 6: "),
        (lambda text: text.replace("\n3,", "\n3,x"), "line 5, column 'pixel0': 'x"),
        (lambda text: text.replace("\n3,", "\n3,9"), "line 5, column 'pixel0': '9100' is not"),
        (lambda text: text.replace("\n3,", "\n-3,"), "column 'label': '-3' is not a whole number"),
        (lambda text: text.replace("\n3,", "\n3.0,"), "line 5, column 'label': '3.0'"),
        (lambda text: "", "train.csv is empty"),
        (lambda text: "\n\n", "train.csv is empty"),
        (lambda text: "<!DOCTYPE html>\n<html>", "line 1: '<!DOCTYPE html>' begins a web page"),
        (lambda text: text.replace(",", " "), "is not a row of values between commas, semicolons"),
        (lambda text: text.replace(",", ";").replace("\n3;", "\n3,5;"), "'label': '3,5' is not"),
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
        csv_images.load(path, SIDE, labelled=True)
    assert str(path) in str(raised.value) and says in str(raised.value)
    assert not [each for each in cache.iterdir() if each.suffix != ".lock"]  # nothing half made


@pytest.mark.parametrize(
    "value", ["0.98", "300.0", "300", "-6", "256", "1e2", "nan", "+7", "", "9" * 30]
)
def test_no_other_number_becomes_one_of_a_byte_with_any_numpy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    real = np.loadtxt

    def older(lines: list[str], dtype: type, *given: object, **named: object) -> np.ndarray:
        """As numpy 2.0 to 2.2: a number that is none of `dtype` is read as a float and cast."""
        with np.errstate(invalid="ignore"):
            return real(lines, np.float64, *given, **named).astype(dtype)  # type: ignore[call-overload]

    monkeypatch.setattr(np, "loadtxt", older)
    path = tmp_path / "train.csv"
    images, labels = drawn(5)
    path.write_text(text_of(images, labels))
    np.testing.assert_array_equal(csv_images.load(path, SIDE, labelled=True)[0], images)
    rows = text_of(images, labels).splitlines()
    rows[3] = ",".join([*rows[3].split(",")[:-1], value])
    path.write_text("\n".join(rows))
    with pytest.raises(DataError) as raised:
        csv_images.load(path, SIDE, labelled=True)
    where = f"{path}, line 4, column 'pixel63': {value!r} is not a whole number from 0 to 255"
    assert where in str(raised.value) and "scale all pixels" in str(raised.value)


def test_other_files_and_sizes(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"

    def message(side: int = SIDE) -> str:
        with pytest.raises(DataError) as raised:
            csv_images.load(path, side, labelled=True)
        return str(raised.value)

    path.write_bytes(b"PK\x03\x04rest")
    assert "is a zip archive" in message() and f"unzip {path}" in message()
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("xl/workbook.xml", "")
    assert "is a spreadsheet, not a text file: save it as CSV" in message()
    path.unlink()
    path.mkdir()
    assert message() == f"{path}: Is a directory: this is a folder, but a file is needed"
    path.rmdir()
    images, _ = drawn(5)
    path.write_text(text_of(images, np.zeros(5, np.uint8)).partition("\n")[2])
    assert "has no line of names, and 0 in the first column of all its lines" in message()
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
    with pytest.raises(DataError, match="set XDG_CACHE_HOME to a writable folder"):
        csv_images.load(path, SIDE, labelled=True)


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
