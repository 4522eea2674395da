"""What `/metrics` tells Prometheus. Names, labels and their number are bounded."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Metrics:
    """A registry of its own, so that a process may hold several servers."""

    def __init__(self, ready: Callable[[], bool], under_way: Callable[[], int]) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self.requests = Counter(
            "pushfit_requests", "Requests answered.", ("route", "status"), registry=registry
        )
        self.seconds = Histogram(
            "pushfit_request_seconds",
            "From the first byte of a request to the last of its answer.",
            ("route",),
            registry=registry,
            buckets=SECONDS,
        )
        self.batch = Histogram(
            "pushfit_batch_pictures", "Pictures a call.", registry=registry, buckets=SIZES
        )
        self.model_seconds = Histogram(
            "pushfit_model_seconds", "Time of a call.", registry=registry, buckets=SECONDS
        )
        self.answers = Counter(
            "pushfit_answers", "Answers, by class.", ("class",), registry=registry
        )
        Gauge("pushfit_ready", "1 when the model answers.", registry=registry).set_function(
            lambda: float(ready())
        )
        Gauge("pushfit_under_way", "Requests under way.", registry=registry).set_function(
            lambda: float(under_way())
        )

    def text(self) -> bytes:
        return generate_latest(self._registry)
