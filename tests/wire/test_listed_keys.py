"""What lies in a folder of keys, at the start and later: a key or a line, never the run's end."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pushfit.wire import keys, listed_keys
from pushfit.wire.admission import LOCAL, Admission
from pushfit.wire.listed_keys import LINES
from tests.support.users import UID


@pytest.fixture
def folder(tmp_path: Path) -> keys.KeyFolder:
    made = keys.KeyFolder(tmp_path / "keys", make=True)
    made.make("gpu2")
    return made


def _bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        here = Path.cwd()
        os.chdir(path.parent)  # the names of sockets may be a hundred bytes long
        try:
            one.bind(path.name)
        finally:
            os.chdir(here)


def _twice(path: Path) -> None:
    path.write_bytes((path.parent / "gpu2.pub").read_bytes())


KINDS: dict[str, tuple[bytes, Callable[[Path], object]]] = {
    "no UTF-8": (b"\xff\xfe.pub", Path.touch),
    "no ASCII": ("größe.pub".encode(), Path.touch),
    "line breaks": (b"a\n12:00:00 the run is over\x1b[2J.pub", Path.touch),
    "the name of local generators": (f"{LOCAL}.pub".encode(), _twice),
    "no name": (b".pub", _twice),
    "another ending": (b"node.key", Path.touch),
    "empty": (b"empty.pub", Path.touch),
    "nonsense": (b"odd.pub", lambda path: path.write_bytes(bytes(range(256)) * 99)),
    "a folder": (b"folder.pub", Path.mkdir),
    "a pipe": (b"pipe.pub", os.mkfifo),
    "a socket": (b"socket.pub", _bound),
    "a dangling link": (b"dangling.pub", lambda path: path.symlink_to("nowhere")),
    "a link to itself": (b"loop.pub", lambda path: path.symlink_to(path.name)),
    "a device": (b"zero.pub", lambda path: path.symlink_to("/dev/zero")),
    "the same key": (b"twice.pub", _twice),
    "as long as may be": (b"x" * 251 + b".pub", Path.touch),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("when", ["at the start", "while it runs"])
@pytest.mark.parametrize("where", ["admitted", "revoked"])
def test_whatever_lies_there_is_told_once_and_admits_nobody(
    folder: keys.KeyFolder, caplog: pytest.LogCaptureFixture, kind: str, when: str, where: str
) -> None:
    name, put = KINDS[kind]
    path = Path(os.fsdecode(os.fsencode(getattr(folder, where)) + b"/" + name))
    before = Admission(folder) if when == "while it runs" else None
    if where == "revoked" and put is _twice:
        path.write_text("{}")
    else:
        put(path)
    admission = before or Admission(folder)
    stranger = keys.raw(keys.new_pair("x").public)
    for _ in range(3):
        assert answer(admission, folder.public("gpu2")) == (b"200", b"gpu2")
        assert answer(admission, stranger)[0] == b"400"
    assert not admission.admits(path.stem)
    (line,) = caplog.messages
    assert f"keys/{where}/" in line and " is not a key: " in line
    assert line.isprintable() and len(line.encode()) < 1000
    assert "gpu2" in folder.names(folder.admitted)


def answer(admission: Admission, public: bytes) -> tuple[bytes, bytes]:
    request = [b"1.0", b"7", b"", b"10.0.0.9", b"", b"CURVE", public]
    _, _, status, _, name, _ = admission.answer(request)
    return status, name


@pytest.fixture
def others_folder() -> Iterator[keys.KeyFolder]:
    """Keys of a user who is not root, as whom the test then runs: root may read everything."""
    with tempfile.TemporaryDirectory() as made:  # others may not enter `tmp_path`
        root = os.geteuid() == 0
        if root:
            os.chown(made, UID, UID)
            os.seteuid(UID)
        try:
            yield keys.KeyFolder(Path(made) / "keys", make=True)
        finally:
            if root:
                os.seteuid(0)


def test_a_key_that_may_not_be_read_is_told(
    others_folder: keys.KeyFolder, caplog: pytest.LogCaptureFixture
) -> None:
    path = others_folder.admitted / "shut.pub"
    path.touch(0o000)
    assert not Admission(others_folder).admits("shut")
    assert "shut.pub is not a key" in caplog.text


def test_a_folder_that_goes_or_is_a_file_admits_nobody_and_may_come_back(
    folder: keys.KeyFolder, caplog: pytest.LogCaptureFixture
) -> None:
    public, aside = folder.public("gpu2"), folder.path / "aside"
    admission = Admission(folder)
    folder.admitted.rename(aside)
    assert answer(admission, public)[0] == b"400"
    folder.admitted.touch()
    for _ in range(3):
        admission.refresh()
        assert answer(admission, public)[0] == b"400" and not admission.admits("gpu2")
    (line,) = caplog.messages
    assert "cannot be read (Not a directory)" in line
    folder.admitted.unlink()
    aside.rename(folder.admitted)
    assert answer(admission, public) == (b"200", b"gpu2")


def test_a_hundred_thousand_files_cost_a_few_lines(
    folder: keys.KeyFolder, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here they are fewer, and listed rather than made."""
    opened: list[str] = []
    public, listed = keys.KeyFolder.public, os.listdir
    many = [f"k{number:06}.pub" for number in range(100_000)]

    def listing(path: str | Path) -> list[str]:
        return listed(path) + (many if Path(path) == folder.admitted else [])

    def key(self: keys.KeyFolder, name: str, folder: Path | None = None) -> bytes:
        opened.append(name)
        return name.encode().ljust(32) if name != "gpu2" else public(self, name, folder)

    monkeypatch.setattr(listed_keys, "MOST_KEYS", 50)
    monkeypatch.setattr(os, "listdir", listing)
    monkeypatch.setattr(keys.KeyFolder, "public", key)
    admission = Admission(folder)
    for _ in range(5):
        admission.refresh()
    assert len(opened) == 50 and admission.admits("gpu2") and not admission.admits("k000049")
    assert len(caplog.messages) == LINES + 1
    assert caplog.messages[-1].startswith("99,941 more in ")
