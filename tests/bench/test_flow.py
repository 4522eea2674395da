"""How much comes out of a source, what is left out of it, and what a child tells of that."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from bench import _flow
from bench._apart import tell
from pushfit.errors import PushFitError


def test_what_warms_up_is_not_measured() -> None:
    taken = list[int]()
    source = (taken.append(n) or n for n in itertools.count(1))  # type: ignore[func-returns-value]
    _flow.warmed(source, amount=10)
    assert taken == [1, 2, 3, 4]
    flow = _flow.measured(source, 0.01)
    assert flow.pieces == len(taken) - 4 >= 1
    assert flow.got == sum(taken[4:])
    assert flow.seconds >= 0.01


def test_a_flow_of_bytes_is_told_by_the_gigabyte() -> None:
    flow = _flow.Flow(got=4e9, pieces=2, seconds=2.0, cpu=1.0)
    assert flow.per_gb() == {"gb_s": 2.0, "cpu_s_per_gb": 0.25}


def test_words_become_what_a_measurement_is_annotated_with(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def measure(side: str, folder: Path, count: int, seconds: float, more: str = "none") -> object:
        assert isinstance(folder, Path)
        return {"is": [side, folder.name, count, seconds, more]}

    tell(measure, ["7", "a/b", "7", "7"])
    assert json.loads(capsys.readouterr().out) == {"is": ["7", "b", 7, 7.0, "none"]}


def test_an_error_of_ours_is_a_sentence() -> None:
    def measure() -> object:
        raise PushFitError("there is no redis-server")

    with pytest.raises(SystemExit, match="there is no redis-server"):
        tell(measure, [])
