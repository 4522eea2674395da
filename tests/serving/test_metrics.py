"""Figures of several workers, as any of them tells them."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from prometheus_client.multiprocess import mark_process_dead

from pushfit.serving.metrics import FIGURES, Metrics
from tests.support.clients import by_thickness, client


def told(metrics: Metrics, name: str) -> float:
    (line,) = [line for line in metrics.text().decode().splitlines() if line.startswith(name)]
    return float(line.split()[-1])


def test_any_worker_tells_the_sum_and_one_that_is_started_again_counts_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FIGURES, str(tmp_path))
    first, second = Metrics(1), Metrics(2)
    for metrics, times in ((first, 2), (second, 3)):
        metrics.ready.set(1)
        metrics.batch.observe(times)
        for _ in range(times):
            metrics.answers.labels("7").inc()
    for metrics in (first, second):
        assert told(metrics, 'pushfit_answers_total{class="7"}') == 5
        assert told(metrics, "pushfit_batch_pictures_sum") == 5
        assert told(metrics, "pushfit_ready") == 2
        assert "process_resident_memory" not in metrics.text().decode()
    mark_process_dead(1, tmp_path)  # type: ignore[no-untyped-call]
    assert told(second, "pushfit_ready") == 1
    again = Metrics(1)
    assert told(again, "pushfit_ready") == 1
    again.answers.labels("7").inc()
    assert told(second, 'pushfit_answers_total{class="7"}') == 6


def test_a_worker_that_is_just_starting_does_not_spoil_the_figures_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FIGURES, str(tmp_path))
    metrics = Metrics(1)
    metrics.ready.set(1)
    for file in ("counter_2.db", "gauge_livesum_2.db", "histogram_2.db"):
        (tmp_path / file).touch()
    (tmp_path / "gauge_livesum_3.db").symlink_to("gone")
    assert told(metrics, "pushfit_ready") == 1


def test_one_process_tells_its_own_whatever_stands_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FIGURES, str(tmp_path / "not-there"))
    alone = Metrics()
    alone.answers.labels("7").inc()
    assert told(alone, 'pushfit_answers_total{class="7"}') == 1
    assert told(alone, "process_resident_memory_bytes") > 0


def test_a_late_worker_takes_requests_when_its_model_is_loaded() -> None:
    loaded = threading.Event()

    def load() -> object:
        loaded.wait(0.2)
        loaded.set()
        return by_thickness

    with client(load=load, late=True) as opened:
        assert loaded.is_set() and opened.get("/healthz").status_code == 200
