"""What is read from a file that others may replace, let grow, or make of something else."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from pushfit import regular


def test_a_file_of_its_size_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert regular.read(tmp_path / "a", 3) == b"abc"
    assert regular.read(tmp_path / "a") == b"abc"
    (tmp_path / "empty").touch()
    assert regular.read(tmp_path / "empty") == b""


@pytest.mark.parametrize("content", [b"", b"ab", b"abcd"])
def test_a_file_of_another_size_has_changed(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(OSError, match=f"changed: it has {len(content)} bytes, and had 3") as raised:
        regular.read(tmp_path / "a", 3)
    assert raised.value.filename == str(tmp_path / "a")


@pytest.mark.parametrize("sizes", [(3, 5), (5, 3)])
def test_a_file_that_is_written_to_while_it_is_read_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, int]
) -> None:
    before, after = sizes
    (tmp_path / "a").write_bytes(bytes(before))
    fstat = os.fstat

    def written(fd: int) -> os.stat_result:
        result = fstat(fd)
        (tmp_path / "a").write_bytes(bytes(after))
        return result

    file = regular.opened(tmp_path / "a")
    monkeypatch.setattr(regular, "opened", lambda path: file)
    monkeypatch.setattr(regular.os, "fstat", written)
    with pytest.raises(OSError, match="written to while it was read"):
        regular.read(tmp_path / "a", before)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        for name in ("pipe", "link", "endless", "socket"):
            with pytest.raises(OSError, match="a pipe, a device or a socket"):
                regular.read(tmp_path / name, 3)
    with pytest.raises(IsADirectoryError):
        regular.read(tmp_path)
    with pytest.raises(FileNotFoundError):
        regular.read(tmp_path / "nothing")
