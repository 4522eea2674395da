"""A client of the application in this process, with a model of a few lines."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI
from PIL import Image
from starlette.testclient import TestClient

from bench.lab.processes import until
from pushfit.serving import app
from pushfit.serving.service import Service
from pushfit.settings.programs.serve import ServeSettings
from pushfit.tasks.base import Task
from pushfit.tasks.digits.task import DigitsParams, DigitsTask
from pushfit.training.trained_run import Run

CLASSES = ("thin", "thick")


def by_thickness(samples: list[Any]) -> np.ndarray:
    """(n, 2): the share of light pixels is the probability of the second class."""
    share = np.array([np.asarray(sample["image"]).mean() / 255 for sample in samples])
    return np.stack([1 - share, share], axis=1).astype(np.float32)


def drawing(width: int = 60, kind: str = "PNG", size: int = 0, side: int = 300) -> bytes:
    """A vertical line, dark on light; of about `size` bytes more."""
    sheet, edge = np.full((side, side, 3), 250, np.uint8), side // 6
    sheet[edge : side - edge, edge : edge + width] = 20
    file = io.BytesIO()
    Image.fromarray(sheet).save(file, kind)
    return file.getvalue() + bytes(size)


def wait_for(true: Callable[[], Any]) -> None:
    assert until(lambda: bool(true()), 20)


def application(
    forward: Any = by_thickness,
    task: Task | None = None,
    load: Any = None,
    classes: tuple[str, ...] = CLASSES,
    late: bool = False,
    failures: list[BaseException] | None = None,
    **different: Any,
) -> tuple[FastAPI, Service]:
    """The application, and what it starts and stops."""
    settings = ServeSettings(run="x", **different)
    task = task or DigitsTask(DigitsParams())
    run = Run(Path("runs/d1"), Path("runs/d1/best.keras"), {}, classes, task)
    failed = ([] if failures is None else failures).append
    service = Service(task, load or (lambda: forward), settings, failed)
    return app.make(service, run, settings, late=late), service


@contextmanager
def client(forward: Any = by_thickness, load: Any = None, **different: Any) -> Iterator[TestClient]:
    """A client of a server that is ready, unless it is given a `load` of its own."""
    failures: list[BaseException] = []
    made, service = application(forward, load=load, failures=failures, **different)
    with TestClient(made) as opened:
        wait_for(lambda: load is not None or service.ready)
        opened.failures = failures  # type: ignore[attr-defined]
        yield opened


def ask(opened: TestClient, data: bytes = b"", **more: Any) -> Any:
    data = data or drawing()
    return opened.post("/recognize.json", files={"image": ("7.png", data)}, **more)
