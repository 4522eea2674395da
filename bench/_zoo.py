"""What a trained run came to, measured in a process of its own.

python -m bench._zoo RUN LINKS      prints JSON, see `measured`
"""

from __future__ import annotations

import json
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench._apart import ROOT, printed
from lib.errors import DataError, PushFitError
from lib.tasks.base import Task
from lib.trainer import backend, runs, state

WARM = 3  # predictions before the clock starts: the first traces the model
SECONDS, LEAST, MOST = 3.0, 5, 100  # timed predictions: for so long, but so many at least, at most
PREDICT_SECONDS = 600.0  # at most


def measured(path: Path, links: Path) -> dict[str, Any]:
    """validation, test: accuracies, or None where there are no such records; inference_ms: of a
    batch of `batch` samples; parameters: of the whole model."""
    run = runs.find(path)
    before = state.read(run.file)
    model = run.model()
    batch = int(run.settings["batch_size"])
    judged = any(re.fullmatch("val_.*accuracy", name) for name in before.history)
    held_out = before.best.value if judged and not before.best.stand_in else None
    return {
        "parameters": model.count_params(),
        "validation": held_out,
        "test": test_accuracy(path, run.task, links),
        "batch": batch,
        "inference_ms": 1000 * inference(model, samples(run.task, batch)),
    }


def samples(task: Task, count: int) -> Any:
    """`count` samples of noise, as the model takes them."""
    rng = np.random.Generator(np.random.Philox(0))
    arrays = {
        spec.name: rng.integers(0, 256, (count, *spec.shape)).astype(spec.dtype)
        if spec.dtype == "uint8"
        else np.zeros((count, *spec.shape), spec.dtype)
        for spec in task.arrays()
    }
    return task.to_fit(arrays)[0]


def inference(model: Any, x: Any) -> float:
    """Seconds that the model takes for a batch: the median."""
    spent: list[float] = []
    for turn in range(WARM + MOST):
        began = time.perf_counter()
        model.predict_on_batch(x)
        if turn >= WARM:
            spent.append(time.perf_counter() - began)
        if len(spent) >= LEAST and sum(spent) > SECONDS:
            break
    return statistics.median(spent)


def test_accuracy(path: Path, task: Task, links: Path) -> float | None:
    """By predict.py, of the test records in `links`; None where there are none, or no labels."""
    try:
        if task.scan_test(links).classes != ("labelled",):
            return None
    except DataError:
        return None
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        words = ["--run", str(path), "--data", str(links), "--report", str(report)]
        words += ["--out", f"{folder}/answers.csv", "--generators", "1"]
        printed(str(ROOT / "predict.py"), *words, seconds=PREDICT_SECONDS)
        accuracy: float | None = json.loads(report.read_bytes())["accuracy"]
        return accuracy


if __name__ == "__main__":
    backend.start()
    try:
        print(json.dumps(measured(Path(sys.argv[1]), Path(sys.argv[2]))))
    except PushFitError as error:
        sys.exit(str(error))
