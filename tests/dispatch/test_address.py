"""The file that holds a trainer's address for as long as it listens."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from pushfit import tasks
from pushfit.errors import OutputError
from pushfit.settings.programs.train import TrainSettings
from pushfit.streams.live import LiveStream
from pushfit.streams.purpose import for_sink, task_of
from tests.support.photos import write_photos


def a_stream(folder: Path, bind: str, announce: Path) -> LiveStream:
    links = str(write_photos(folder / "links"))
    settings = TrainSettings(links=links, bind=bind, insecure=True)
    task = task_of(settings, tasks.load("camera").Params())
    purpose = for_sink(settings, task, needs_data=True)
    return LiveStream(settings, task, purpose, announce=announce)


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
