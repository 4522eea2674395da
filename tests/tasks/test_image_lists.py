"""A list with a mistake is refused by the line that has it, before anything is read."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pushfit.errors import DataError
from pushfit.tasks import image_lists, layouts, tar_shards
from pushfit.tasks.base import TEST, TRAIN, VAL
from tests.support.tars import put

GOOD = "a/1.jpg,cat\na/2.jpg,dog\n"


@pytest.fixture(name="links")
def _links(tmp_path: Path) -> Path:
    (tmp_path / "a").mkdir()
    for name in ("1", "2", "3"):
        (tmp_path / "a" / f"{name}.jpg").write_bytes(b"x" * int(name))
    (tmp_path / "a" / "0.jpg").touch()
    os.mkfifo(tmp_path / "a" / "pipe")
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
        "FileName,class\na/1.jpg,cat\na/2.jpg,dog\n",
        "image,path,label,class\nx,a/1.jpg,cat,7\ny,a/2.jpg,dog,8\n",
        'path,label\n"a/1.jpg","c""at"\na/2.jpg,dog\n'.replace('c""at', "cat"),
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
        ("photo,label\n", "l.csv, line 1: there is no 'path' among 'photo', 'label'; a list has p"),
        ("file,image,label\n", "the columns 'file' and 'image' may both be the path; rename one"),
        ("path,split\na/1.jpg,train\n", "l.csv, line 2: it has no label; only photos of the split"),
        ("path,label\na/1.jpg\n", "line 2: it has 1 values, and the first line names 2 columns"),
        ("path,label\n,cat\n", "line 2: it has no path"),
        ("path,label\na/1.jpg,\n", "line 2: it has no label"),
        ("path,label\na/1.jpg,cat;dog\n", "several labels are not read yet: 'cat;dog'; give each"),
        ("path,label\n/etc/passwd,cat\n", "must be a path below the links folder"),
        ("path,label\na/../../x,cat\n", "must be a path below the links folder"),
        ("path,label\na/9.jpg,cat\n", "line 2: 'a/9.jpg' is not in /.*: paths are relative to"),
        ("path,label\na,cat\n", "/a is not a file"),
        ("path,label,split\na/1.jpg,cat,tain\n", "there is no split 'tain'; write train, val or"),
        ("path,label,size\na/1.jpg,cat,-4\n", "its size '-4' is not a number of bytes"),
        ("path,label,path\na/1.jpg,cat,x\n", "the columns 'path' and 'path' may both"),
        (f"path,label\n{GOOD}a/1.jpg,cat\n", "l.csv, line 4: 'a/1.jpg' is also in line 2: list"),
        (f"path,label\n{GOOD}a/1.jpg,dog\n", "line 4: 'a/1.jpg' is also in line 2"),
        (f"path,label,split\n{GOOD.replace('cat', 'cat,train').replace('dog', 'dog,train')}"
         "./a/1.jpg,cat,val\n", "line 4: 'a/1.jpg' is also in line 2"),
        ("path,label\na/./1.jpg,cat\n", "must be a path below the links folder, without . and .."),
        ("path,label\na\\1.jpg,cat\n", r"is not in .*: write / instead of"),
        (f"path,label\na/1.jpg,{'x' * 201}\n", "the label 'xxx.* is too long, or has characters"),
        ("path,label\na/1.jpg,\x1b[2J\n", "or has characters that are not shown"),
        ("path,label\na/0.jpg,cat\n", "line 2: 'a/0.jpg' is empty: copy it again"),
        ("path,label\na/pipe,cat\n", "a/pipe is not a file"),
        ("path,label\na/1.jpg,cat\n", "only one class, 'cat', in the list l.csv: a classifie"),
        ("path,label,split\na/1.jpg,cat,val\n", "has no photos to train on"),
        ("path,label,split\na/1.jpg,cat,train\na/2.jpg,dog,train\na/3.jpg,cow,val\n",
         "'cow' has photos to validate on and none to train on"),
        (b"path,label\n\xff\xfe,cat\n", "is not UTF-8"),
        (b"PK\x03\x04...", "l.csv is a zip archive: unpack it with"),
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
        ('{"path": "a/1.jpg", "label": ["cat"]}\n', "line 1: it has no label that is a text or a"),
        ('{"path": "a/1.jpg", "label": true}\n', "line 1: it has no label that is a text or a"),
        (
            '{"path": "a/\\ud800.jpg", "label": "a", "size": 3}\n',
            "characters that no name can have",
        ),
        ('{"path": "a/\\u0000.jpg", "label": "a", "size": 3}\n', "must be a path below the links"),
        ('{"path": "a/1.jpg", "label": "\\ud800"}\n', "characters that are not shown"),
        ('{"path": "a/1.jpg", "label": 1, "split": 7}\n', "there is no split 7; write train"),
        ("[" * 100_000, "line 1: it is not JSON"),
    ],
)
def test_mistakes_in_json_are_named(links: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        scanned(links, text, "l.jsonl")


def test_a_list_that_is_not_there_or_no_list(links: Path) -> None:
    with pytest.raises(DataError, match=r"--list no\.csv: there is no such file in"):
        layouts.scan(links, list_file="no.csv")
    with pytest.raises(DataError, match=r"is not a list: that is a file that ends in \.csv, \.js"):
        layouts.scan(links, list_file="a/1.jpg")


def test_the_first_mistakes_are_told_and_how_many_there_are(links: Path) -> None:
    text = "path,label\na/1.jpg,cat\na/2.jpg\na/8.jpg,dog\n/x,dog\n,dog\na/9.jpg,dog\n"
    with pytest.raises(DataError) as raised:
        scanned(links, text)
    assert [part in str(raised.value) for part in ("line 3: it has 1", "line 4: ", "line 5: ")]
    assert str(raised.value).endswith("; and 2 more rows with a mistake")
    with pytest.raises(DataError, match=r"line 4: .*; and at least 997 more rows with a mistake$"):
        scanned(links, "path,label\n" + "a/9.jpg,dog\n" * 5000)


def test_paths_that_are_relative_to_the_list(links: Path) -> None:
    with pytest.raises(DataError, match=r"in .*/a: paths are .* not to the list, so write 'a/1\."):
        scanned(links, "path,label\n1.jpg,cat\n", "a/l.csv")
    assert scanned(links, f"path,label\n{GOOD}", "a/l.csv").counts() == {TRAIN: [1, 1], VAL: [0, 0]}
    (links / "b").mkdir()
    with pytest.raises(DataError, match=r"in .*/a: paths are relative to the links .* the list$"):
        scanned(links / "b", "path,label\n1.jpg,cat\n", "../a/l.csv")


def test_labels_that_are_no_classes(links: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_lists, "MOST_CLASSES", 1)
    with pytest.raises(DataError, match="more than 1 different labels, so they are not classes"):
        scanned(links, f"path,label\n{GOOD}")


def test_a_list_may_name_files_in_tar_files(links: Path) -> None:
    put(links, [("1.jpg", b"one"), ("2.jpg", b"three")], "tars/x.tar")
    paths = ["tars/x.tar@000000000512/1.jpg", "tars/x.tar@000000001536/2.jpg"]
    for said in ("", "3"):
        rows = [{"path": path, "label": at, "size": said} for at, path in enumerate(paths)]
        text = "".join(f"{json.dumps(row)}\n" for row in rows)
        if said:
            text = text.replace('"label": 1, "size": "3"', '"label": 1, "size": 5')
        data = scanned(links, text, "l.jsonl")
        assert [layouts.read(links, record) for record in data.splits[TRAIN]] == [b"one", b"three"]
    with pytest.raises(DataError, match=r"no file begins at byte 513 of tars/x\.tar"):
        scanned(links, f"path,label\n{paths[0].replace('512', '513')},a\n")
    with pytest.raises(DataError, match="is not in"):
        scanned(links, f"path,label\n{paths[0].replace('x.tar', 'y.tar')},a\n")
    assert tar_shards.member(paths[0]) is not None


def test_the_only_list_has_the_photos_to_predict(links: Path) -> None:
    (links / "l.csv").write_text("path,label,split\na/1.jpg,cat,train\na/2.jpg,,test\n")
    assert [r.path for r in layouts.scan_test(links).splits[TEST]] == ["a/2.jpg"]
    (links / "l.csv").write_text("path,label\na/1.jpg,cat\n")
    paths = [r.path for r in layouts.scan_test(links).splits[TEST]]
    assert paths == ["a/0.jpg", "a/1.jpg", "a/2.jpg", "a/3.jpg"], "a table beside loose photos"
    (links / "m.csv").write_text("path,split\na/1.jpg,test\n")
    assert len(layouts.scan_test(links).splits[TEST]) == 4
    assert len(layouts.scan_test(links, list_file="m.csv").splits[TEST]) == 1
