"""The folder that a supervisor's processes share: who finds it, and who removes it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from pushfit import shared_folder
from pushfit.shared_folder import OWNER, PREFIX, VARIABLE, shared, sharing


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def old(folder: Path) -> Path:
    long_ago = folder.stat().st_mtime - 2 * shared_folder.YOUNG_SECONDS
    os.utime(folder, (long_ago, long_ago))
    return folder


def test_children_find_it_until_the_supervisor_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shared() is None
    with sharing() as environment:
        monkeypatch.setenv(VARIABLE, environment[VARIABLE])
        folder = shared()
        assert folder is not None
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "something").write_text("big")
    assert not folder.exists()


def test_the_next_supervisor_removes_what_a_killed_one_left(temporary: Path) -> None:
    left = temporary / f"{PREFIX}left"
    left.mkdir()
    (left / OWNER).touch()
    old(left)
    with sharing() as environment:
        assert not left.exists()
        used = old(Path(environment[VARIABLE]))
        young = temporary / f"{PREFIX}young"  # its supervisor has not locked it yet
        young.mkdir()
        (young / OWNER).touch()
        with sharing():
            assert used.exists()
            assert young.exists()


def test_without_room_for_it_there_is_none(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / "missing"))
    with sharing() as environment:
        assert environment == {}

    def nowhere() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    with sharing() as environment:
        assert environment == {}
