"""The file that holds a trainer's address for as long as it listens."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from cfg.base import TrainSettings
from lib import tasks
from lib.errors import OutputError
from lib.trainer.stream import Stream
from tests.e2e.conftest import write_photos


def a_stream(folder: Path, bind: str, announce: Path) -> Stream:
    links = str(write_photos(folder / "links"))
    settings = TrainSettings(links=links, bind=bind, insecure=True)
    params = tasks.load("camera").Params()
    return Stream(settings, params, needs_data=True, announce=announce)


@pytest.mark.parametrize(
    ("bind", "host"), [("tcp://127.0.0.1:0", "127.0.0.1"), ("tcp://*:*", socket.gethostname())]
)
def test_it_is_there_while_the_trainer_listens(tmp_path: Path, bind: str, host: str) -> None:
    file = tmp_path / "address"
    with a_stream(tmp_path, bind, file) as stream:
        assert file.read_text() == f"tcp://{host}:{stream.port}\n"
        file.unlink()  # by whom ever: the end of the run does not mind
    assert not file.exists()


def test_a_trainer_that_cannot_write_it_does_not_start(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="the folder is gone"),
        a_stream(tmp_path, "tcp://127.0.0.1:0", tmp_path / "gone" / "address"),
    ):
        raise AssertionError("it listens")
