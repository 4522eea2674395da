"""Bring Keras and its back end up, without their chatter, and say what they compute on.

TensorFlow writes a dozen lines about oneDNN and CUDA from C++ before any log level counts. They are
held back, and shown only if something fails; what a person needs of them is one line: the device.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from lib.errors import ConfigError


@contextmanager
def _held_back() -> Iterator[None]:
    """What C++ and Python write to stderr meanwhile is shown only with an exception."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        except Exception:
            sys.stderr.flush()
            file.seek(0)
            os.write(kept, file.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _make_deterministic(name: str) -> None:
    if name != "tensorflow":
        raise ConfigError(f"--deterministic works on the TensorFlow back end, and this is {name}")
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()


def _devices(keras: ModuleType) -> list[str]:
    if keras.backend.backend() == "torch":  # Keras lists no devices there
        import torch

        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    listed: list[str] = keras.distribution.list_devices()
    return listed


def start(*, deterministic: bool = False) -> str:
    """Import Keras and touch its devices. Returns e.g. "Keras 3.15 on tensorflow, cpu only".

    deterministic: have the same operations give the same bits. Raises ConfigError where the back
    end has no such switch, or is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # what it writes later
    with _held_back():
        try:
            import keras
        except (ImportError, ValueError) as error:  # not installed; no such back end
            raise ConfigError(
                "Keras does not start on the back end that KERAS_BACKEND or ~/.keras/keras.json "
                f"names: {error}. Install that back end, or set KERAS_BACKEND=tensorflow"
            ) from error
        devices = _devices(keras)
        if deterministic:
            _make_deterministic(keras.backend.backend())
        keras.ops.zeros(1)  # the first operation is what looks for a GPU
    on = [name for name in devices if not name.lower().startswith("cpu")]
    what = f"{len(on)} accelerator{'s' if len(on) > 1 else ''}" if on else "cpu only"
    return f"Keras {keras.__version__} on {keras.backend.backend()}, {what}"
