"""A full disk is waited for; nothing else is."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import pytest

from pushfit.errors import OutputError
from pushfit.files import replacing
from pushfit.sinks import patience
from pushfit.sinks.patience import Patience


class Disk:
    """Fails with these error numbers, in turn, and then has room."""

    def __init__(self, path: Path, *numbers: int) -> None:
        self.path, self.numbers = path, list(numbers)

    def write(self) -> None:
        with replacing(self.path) as temporary:
            temporary.write_bytes(b"shard")
            if self.numbers:
                number = self.numbers.pop(0)
                raise OSError(number, os.strerror(number))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "AGAIN_SECONDS", 0.01)


def test_it_writes_when_there_is_room(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    disk = Disk(tmp_path / "a.h5", errno.ENOSPC, errno.EDQUOT, errno.ENOSPC)
    patient = Patience()
    with caplog.at_level(logging.WARNING, "pushfit.sink"):
        patient(disk.write)
    assert disk.path.read_bytes() == b"shard"
    paused, again = (record.getMessage() for record in caplog.records)  # said once
    assert "paused: cannot write" in paused and "the disk is full" in paused
    assert "there is room again" in again
    assert patient.paused > 0


def test_what_room_does_not_mend_is_raised(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "a.h5", errno.ENOSPC, errno.EROFS)
    with pytest.raises(OutputError, match="read-only"):
        Patience()(disk.write)


def test_without_trouble_nothing_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    patient = Patience()
    patient(Disk(tmp_path / "a.h5").write)
    assert not caplog.records and not patient.paused
