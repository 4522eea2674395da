"""A field of hosts with a run on it that lasts for as long as its test wants it to."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench.lab import hosts
from bench.lab.hosts import Lab
from bench.lab.processes import Starter
from tests.support.field import STREAM, Field, hashes
from tests.support.photos import write_photos


@pytest.fixture(scope="session")
def still_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("faults") / "links")


@pytest.fixture(scope="session")
def calm(still_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The hashes of the stream as one generator makes it when nothing happens."""
    report, starter = tmp_path_factory.mktemp("calm") / "report.json", Starter(uuid.uuid4().hex)
    try:
        starter.sink(still_photos, *STREAM, "--generators", 1, "--report", report).done()
    finally:
        starter.close()
    return hashes(json.loads(report.read_text()))


@pytest.fixture
def field(calm: list[str], still_photos: Path, tmp_path: Path) -> Iterator[Callable[..., Field]]:
    """field(): on loopback. field("cpu-a", …): a trainer on host gpu, and those hosts beside it."""
    with ExitStack() as stack:

        def make(*names: str, clocks: dict[str, int] | None = None) -> Field:
            lab = None
            if names:
                if reason := hosts.why_not():
                    pytest.skip(reason)
                lab = stack.enter_context(Lab("gpu", *names, clocks=clocks))
            starter = Starter(uuid.uuid4().hex)
            stack.callback(starter.close)
            return Field(starter, tmp_path, still_photos, lab)

        yield make
