"""A saved model in MLflow's own form: a folder that MLflow can show, register, load and serve.

    MLmodel             what it is, what it takes and gives
    data/model.keras    the file of the run, byte for byte
    requirements.txt    what it needs, and python_env.yaml for which Python

MLflow's own writer imports pandas, and saves the model a second time. What it writes is what MLflow
calls its Keras flavour, which it reads from any version on that has it.
"""

from __future__ import annotations

import json
import platform
import shutil
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras

from pushfit.training.models import head_names

FOLDER = "model"  # among the artifacts: runs:/ID/model


def signature(model: keras.Model) -> dict[str, Any] | None:
    """What the model takes and gives, as MLmodel has it; None for a subclass, which has no say."""
    if not getattr(model, "inputs", None):
        return None
    inputs = [tensor.name for tensor in model.inputs]
    return {
        "inputs": json.dumps(_described(model.inputs, inputs)),
        "outputs": json.dumps(_described(model.outputs, head_names(model))),
        "params": None,
    }


def _described(tensors: Sequence[Any], names: Sequence[str]) -> list[dict[str, Any]]:
    several = len(tensors) > 1
    return [
        ({"name": name} if several else {})
        | {
            "type": "tensor",
            "tensor-spec": {
                "dtype": tensor.dtype,
                "shape": [-1 if size is None else size for size in tensor.shape],
            },
        }
        for tensor, name in zip(tensors, names, strict=True)
    ]


def write(file: Path, described: dict[str, Any] | None, folder: Path) -> None:
    """Write the model in `file` to `folder`, which is made. described: its `signature`."""
    import mlflow

    backend = keras.backend.backend()
    (folder / "data").mkdir(parents=True)
    shutil.copyfile(file, folder / "data" / "model.keras")
    (folder / "data" / "keras_module.txt").write_text("keras")
    needs = f"mlflow=={mlflow.__version__}\nkeras=={keras.__version__}\n{backend}\n"
    (folder / "requirements.txt").write_text(needs)
    python = {"python": platform.python_version(), "dependencies": ["-r requirements.txt"]}
    (folder / "python_env.yaml").write_text(json.dumps(python))  # JSON is YAML
    what = {
        "flavors": {
            "keras": {
                "data": "data",
                "keras_backend": backend,
                "keras_version": keras.__version__,
                "save_exported_model": False,
            },
            "python_function": {
                "env": {"virtualenv": "python_env.yaml"},
                "loader_module": "mlflow.keras",
                "python_version": platform.python_version(),
            },
        },
        "mlflow_version": mlflow.__version__,
        "model_uuid": uuid.uuid4().hex,
        "signature": described,
        "utc_time_created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
    }
    what = {key: value for key, value in what.items() if value is not None}
    (folder / "MLmodel").write_text(json.dumps(what, indent=2))
