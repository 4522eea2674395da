from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench._untrained import write
from bench.lab.processes import Starter


@pytest.fixture
def start() -> Iterator[Starter]:
    starter = Starter(uuid.uuid4().hex)
    yield starter
    starter.close()


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of digits that was never trained."""
    folder = tmp_path_factory.mktemp("runs") / "digits1"
    folder.mkdir()
    write(folder)
    return folder
