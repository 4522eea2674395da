"""How much comes out of a source, what is left out of it, and what a child tells of that."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from bench import _flow, job
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


def test_a_side_goes_on_until_something_came() -> None:
    sizes = iter([0, 0, 0, 7, 7])
    assert _flow.measured(sizes, 0.0)[:2] == (7.0, 4)  # whose time was over before the first
    assert next(sizes) == 7


def test_what_ends_too_early_is_told() -> None:
    for take in (_flow.warmed, _flow.measured):
        with pytest.raises(PushFitError, match="what is measured ended before the measurement"):
            take(iter([0]), seconds=3600.0)


def test_a_figure_over_nothing_is_a_sentence() -> None:
    assert _flow.per(3.0, 2.0, "bytes") == 1.5
    for flow in (_flow.Flow(0.0, 0, 1.0, 1.0), _flow.Flow(1.0, 1, 0.0, 0.0)):
        with pytest.raises(PushFitError, match=r"it measured no (bytes|seconds) within its"):
            flow.per_gb()


def test_a_job_that_had_no_steady_part_is_a_sentence() -> None:
    with pytest.raises(PushFitError, match="it measured no batches within its time"):
        job.steady({"times": [0.1, 0.2], "cpu": {"1": (1.0, 1.0)}}, 64)
    with pytest.raises(PushFitError, match="it measured no seconds within its time"):
        job.steady({"times": [0.2, 0.2], "cpu": {"0": (1.0, 1.0), "1": (2.0, 2.0)}}, 64)


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
