"""What a host does not have: a home, temporary files, locks."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import re
import tempfile
from pathlib import Path

import pytest

from pushfit import host
from pushfit.errors import ConfigError, OutputError, trouble


def test_a_tilde_is_a_home_wherever_it_was_typed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert host.typed_path("~/runs/x") == tmp_path / "runs" / "x"
    assert host.typed_path("a/~/b") == Path("a/~/b")
    assert host.typed_path("./~x") == Path("~x")
    with pytest.raises(
        ConfigError, match=r"~nobody-such/x: this host has no home folder .* \./~nobody"
    ):
        host.typed_path("~nobody-such/x")


def test_where_what_is_kept_of_data_goes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert host.cache() == tmp_path / ".cache" / "pushfit"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    assert host.cache() == tmp_path / "c" / "pushfit"


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # no HOME, no passwd entry
    with pytest.raises(ConfigError, match=r"no home folder.*set XDG_CACHE_HOME, or HOME, to"):
        host.cache()


def test_no_folder_for_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_get_default_tempdir", none)
    with pytest.raises(OutputError, match=r"\(a key\).*Set TMPDIR .*--tmpfs /tmp"):
        host.temporary_folder("a key")
    with host.scratch() as file:
        file.write(b"kept")
        file.seek(0)
        assert file.read() == b"kept"


def test_a_lock_is_held_until_the_file_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("w") as one, path.open("w") as other:
        assert host.lock(one.fileno(), path) is True
        assert host.lock(other.fileno(), path) is False
        one.close()
        assert host.lock(other.fileno(), path) is True


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_told(
    number: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with caplog.at_level(logging.WARNING, "pushfit"), (tmp_path / "lock").open("w") as file:
        assert host.lock(file.fileno(), tmp_path / "lock") is None
    assert "without locks" in caplog.text and "start only one" in caplog.text
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EACCES, rf"Permission denied: this user \(uid {os.geteuid()}\) .*chmod a\+rX"),
        (errno.ENAMETOOLONG, "File name too long: choose a shorter name"),
        (errno.ELOOP, "links lead in a circle"),
        (errno.ESTALE, "mount it again"),
        (errno.ENOSPC, "the disk is full"),
        (errno.EXDEV, "check it"),
    ],
)
def test_an_error_of_the_system_says_what_to_do(number: int, advice: str) -> None:
    said = trouble(OSError(number, os.strerror(number), "/photos/train"))
    assert re.match(rf"/photos/train: .*{advice}", said)
