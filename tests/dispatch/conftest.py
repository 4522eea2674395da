from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pushfit import tasks
from tests.support.fakes import write_numbers
from tests.support.rig import Rig


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Rig]]:
    monkeypatch.setitem(tasks.TASKS, "number", "tests.support.fakes:NumberTask")
    links = write_numbers(tmp_path / "data")
    rigs: list[Rig] = []

    def make(**options: Any) -> Rig:
        rigs.append(Rig(links, **options))
        return rigs[-1]

    yield make
    for each in rigs:
        each.close()
