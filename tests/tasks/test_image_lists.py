"""A list with a mistake is refused by the line that has it, before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from pushfit.errors import DataError
from pushfit.tasks import layouts
from pushfit.tasks.base import TRAIN

GOOD = "a/1.jpg,cat\na/2.jpg,dog\n"


@pytest.fixture(name="links")
def _links(tmp_path: Path) -> Path:
    (tmp_path / "a").mkdir()
    for name in ("1", "2", "3"):
        (tmp_path / "a" / f"{name}.jpg").write_bytes(b"x" * int(name))
    return tmp_path


def scanned(links: Path, text: str | bytes, name: str = "l.csv"):  # type: ignore[no-untyped-def]
    (links / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return layouts.scan(links, list_file=name)


def test_sizes_are_those_of_the_files_or_of_the_column(links: Path) -> None:
    data = scanned(links, f"path,label\n{GOOD}")
    assert [(r.path, r.size, r.label) for r in data.splits[TRAIN]] == [
        ("a/1.jpg", 1, 0),
        ("a/2.jpg", 2, 1),
    ]
    data = scanned(links, "path,size,label\nb/8.jpg,77,cat\na/2.jpg,,dog\n")
    assert [r.size for r in data.splits[TRAIN]] == [77, 2]


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfpath,label\r\na/1.jpg,cat\r\n\r\n./a/2.jpg,dog\r\n",
        'Path , LABEL\n"a/1.jpg","cat"\na/2.jpg, dog\n',
        "label,path,other\ncat,a/1.jpg,7\ndog,a/2.jpg,8\n",
    ],
)
def test_forms_that_are_read(links: Path, text: str | bytes) -> None:
    data = scanned(links, text)
    assert data.classes == ("cat", "dog")
    assert [r.path for r in data.splits[TRAIN]] == ["a/1.jpg", "a/2.jpg"]


def test_numbers_are_classes_in_their_order(links: Path) -> None:
    rows = '{"path": "a/1.jpg", "label": 10}\n{"path": "a/2.jpg", "label": 9}\n'
    assert scanned(links, rows, "l.jsonl").classes == ("9", "10")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no 'path' among none"),
        ("file,label\n", "there is no 'path' among 'file', 'label'; a list has path, label and"),
        ("path,split\na/1.jpg,train\n", "l.csv, line 2: it has no label; only photos of the split"),
        ("path,label\na/1.jpg\n", "line 2: it has 1 values, and the first line names 2 columns"),
        ("path,label\n,cat\n", "line 2: it has no path"),
        ("path,label\na/1.jpg,\n", "line 2: it has no label"),
        ("path,label\na/1.jpg,cat;dog\n", "are several labels, which this task does not read"),
        ("path,label\n/etc/passwd,cat\n", "must be a path below the links folder"),
        ("path,label\na/../../x,cat\n", "must be a path below the links folder"),
        ("path,label\na/9.jpg,cat\n", "line 2: .*a/9.jpg: .*paths are relative to the links"),
        ("path,label\na,cat\n", "/a is not a file"),
        ("path,label,split\na/1.jpg,cat,tain\n", "there is no split 'tain'; write train, val or"),
        ("path,label,size\na/1.jpg,cat,-4\n", "its size '-4' is not a number of bytes"),
        ("path,label,path\na/1.jpg,cat,x\n", "two columns have the same name"),
        (f"path,label\n{GOOD}a/1.jpg,cat\n", "'a/1.jpg' is listed twice"),
        ("path,label\na/1.jpg,cat\n", "only one class, 'cat', in l.csv: a classifier needs two"),
        ("path,label,split\na/1.jpg,cat,val\n", "has no photos to train on"),
        ("path,label,split\na/1.jpg,cat,train\na/2.jpg,dog,train\na/3.jpg,cow,val\n",
         "'cow' has photos to validate on and none to train on"),
        (b"path,label\n\xff\xfe,cat\n", "is not UTF-8"),
        (b"PK\x03\x04...", "a zip archive or a spreadsheet"),
        ('path,label\n"a/1.jpg,cat\n', "l.csv, line 2: unexpected end of data"),
    ],
)  # fmt: skip
def test_mistakes_are_named(links: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        scanned(links, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "l.jsonl, line 1: it is not JSON"),
        ("[1]\n", "line 1: it is not an object such as"),
        ('\n{"path": "a/1.jpg"}\n', "line 2: there is no 'label'"),
        ('{"path": 7, "label": "cat"}\n', "line 1: it has no path"),
        ('{"path": "a/1.jpg", "label": ["cat"]}\n', "line 1: it has no label"),
        ("[" * 100_000, "line 1: it is not JSON"),
    ],
)
def test_mistakes_in_json_are_named(links: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        scanned(links, text, "l.jsonl")


def test_a_list_that_is_not_there_or_no_list(links: Path) -> None:
    with pytest.raises(DataError, match=r"--list no\.csv: there is no such file in"):
        layouts.scan(links, list_file="no.csv")
    with pytest.raises(DataError, match=r"a list is a file that ends in \.csv, \.jsonl"):
        layouts.scan(links, list_file="a/1.jpg")
