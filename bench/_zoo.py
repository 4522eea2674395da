"""What a trained run came to, measured in a process of its own.

python -m bench._zoo LINKS RUN [RUN …]      prints JSON, see `measured`; several are an ensemble
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench._apart import ROOT, printed, tell
from pushfit.errors import DataError
from pushfit.runs import checkpoint_state
from pushfit.tasks.base import Task
from pushfit.training import backend, inference, trained_run

SECONDS = 3.0  # of timed predictions
PREDICT_SECONDS = 600.0  # a model, at most


def measured(paths: Sequence[Path], links: Path) -> dict[str, Any]:
    """What the runs come to, by their mean probabilities where there are several.

    validation, test: accuracies, or None where there are no such records (validation: also where
        there are several runs); parameters: of all models.
    inference_ms: of a batch of `batch` samples, by one model after the other.
    """
    found = [trained_run.find(path) for path in paths]
    models = [run.model() for run in found]
    batch = int(found[0].settings["batch_size"])
    x = inference.samples(found[0].task, batch)
    return {
        "parameters": sum(model.count_params() for model in models),
        "validation": validation(found[0]) if len(found) == 1 else None,
        "test": test_accuracy(paths, found[0].task, links),
        "batch": batch,
        "inference_ms": 1000 * inference.seconds(models, x, SECONDS),
    }


def validation(run: trained_run.Run) -> float | None:
    before = checkpoint_state.read(run.file)
    judged = any(re.fullmatch("val_.*accuracy", name) for name in before.history)
    return before.best.value if judged and not before.best.stand_in else None


def test_accuracy(paths: Sequence[Path], task: Task, links: Path) -> float | None:
    """What predict.py reports on the test records in `links`; None without labels."""
    try:
        if task.scan_test(links).classes != ("labelled",):
            return None
    except DataError:
        return None
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        words = [word for path in paths for word in ("--run", str(path))]
        words += ["--data", str(links), "--report", str(report)]
        words += ["--out", f"{folder}/answers.csv", "--generators", "1"]
        printed(str(ROOT / "predict.py"), *words, seconds=PREDICT_SECONDS * len(paths))
        accuracy: float | None = json.loads(report.read_bytes())["accuracy"]
        return accuracy


if __name__ == "__main__":
    backend.start()
    LINKS, *RUNS = map(Path, sys.argv[1:])
    tell(lambda: measured(RUNS, LINKS), ())
