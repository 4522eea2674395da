"""The metrics for Prometheus at `/metrics`. Names, labels and their number are bounded.

Several workers keep their figures in shared files, so that any of them reports the sum over all.
The figures of a single process (its memory, its CPU time) are left out then.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
FIGURES = "PROMETHEUS_MULTIPROC_DIR"  # environment variable of the library: the shared folder


def _shared(worker: int) -> Any:
    """Figures in files by worker number, so that a restarted worker continues its counts."""
    shared: Any = values.MultiProcessValue
    return shared(lambda: worker)


class _OfAllWorkers(MultiProcessCollector):
    """The figures in the shared files, but for those that a worker is about to write.

    A file is empty for an instant after it was made, over which the library raises.
    """

    def __init__(self, registry: CollectorRegistry, folder: str) -> None:
        super().__init__(registry, folder)  # type: ignore[no-untyped-call]
        self._folder = Path(folder)

    def collect(self) -> Iterable[Metric]:
        written = [str(file) for file in self._folder.glob("*.db") if _is_written(file)]
        merged: Iterable[Metric] = self.merge(written)  # type: ignore[no-untyped-call]
        return merged


def _is_written(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except FileNotFoundError:  # its worker has ended
        return False


class Metrics:
    """A registry of its own, so that a process may hold several servers.

    worker: the number of this process, whose files are in the folder FIGURES; 0: the only one.
    """

    def __init__(self, worker: int = 0) -> None:
        values.ValueClass = _shared(worker) if worker else values.MutexValue
        own = CollectorRegistry()
        self.requests = Counter(
            "pushfit_requests", "Requests answered.", ("route", "status"), registry=own
        )
        self.seconds = Histogram(
            "pushfit_request_seconds",
            "Seconds from the first byte of a request to the last byte of its answer.",
            ("route",),
            registry=own,
            buckets=SECONDS,
        )
        self.batch = Histogram(
            "pushfit_batch_pictures",
            "Pictures in a call of the model.",
            registry=own,
            buckets=SIZES,
        )
        self.model_seconds = Histogram(
            "pushfit_model_seconds",
            "Seconds of a call of the model.",
            registry=own,
            buckets=SECONDS,
        )
        self.answers = Counter("pushfit_answers", "Answers, by class.", ("class",), registry=own)
        self.ready = Gauge(
            "pushfit_ready",
            "Processes whose model is ready.",
            registry=own,
            multiprocess_mode="livesum",
        )
        self.under_way = Gauge(
            "pushfit_under_way",
            "Requests under way.",
            registry=own,
            multiprocess_mode="livesum",
        )
        self._told = own
        if worker:
            self._told = CollectorRegistry()
            _OfAllWorkers(self._told, os.environ[FIGURES])
        else:
            ProcessCollector(registry=self._told)
        PlatformCollector(registry=self._told)

    def text(self) -> bytes:
        return generate_latest(self._told)
