from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.lab.processes import Starter
from pushfit.samples.photos import Plan, make
from tests.support.photos import write_photos


@pytest.fixture
def start() -> Iterator[Starter]:
    starter = Starter(uuid.uuid4().hex)
    yield starter
    starter.close()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A links folder with two classes of four training photos and two for validation."""
    return write_photos(tmp_path / "links")


@pytest.fixture(scope="session")
def cameras(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of the six simulated cameras, of 1024 x 768 pixels."""
    links = tmp_path_factory.mktemp("sample") / "cameras"
    make(links, Plan(train=3, val=2, height=768, width=1024))
    return links
