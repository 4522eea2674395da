"""Bring Keras and its back end up, without their chatter, and say what they compute on.

TensorFlow writes a dozen lines about oneDNN and CUDA from C++ before any log level counts. They are
held back, and shown only if something fails; what a person needs of them is one line: the device.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from pushfit.errors import ConfigError
from pushfit.host import no_temporary_folder, scratch
from pushfit.interrupts import interrupted
from pushfit.requirements import explained, is_there

CPU_DEVICES = "--xla_force_host_platform_device_count"  # in XLA_FLAGS: parts of the CPU

# What samples and models are made for.
EXPECTED = {"image_data_format": "channels_last", "floatx": "float32"}


@contextmanager
def held_back() -> Iterator[None]:
    """What C++ and Python write to stderr meanwhile is shown only with an exception."""
    sys.stderr.flush()
    kept = os.dup(2)
    with scratch() as file:
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


def devices(keras: ModuleType) -> list[str]:
    """The names of the devices that can be trained on, such as gpu:0: GPUs, else the CPU."""
    if keras.backend.backend() == "torch":  # Keras lists no devices there
        import torch

        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    listed: list[str] = keras.distribution.list_devices()
    return listed


def _divide_cpu() -> None:
    """Have TensorFlow make several devices of the CPU, as JAX does, where XLA_FLAGS says so.

    This is how training on several devices can be tried where there is no GPU.
    """
    found = re.search(CPU_DEVICES + r"=([0-9]{1,3})\b", os.environ.get("XLA_FLAGS", ""))
    if found is None or int(found[1]) < 2:
        return
    import tensorflow as tf

    parts = [tf.config.LogicalDeviceConfiguration()] * int(found[1])
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)


def check_installed() -> None:
    """Raises ConfigError where Keras, or the back end that KERAS_BACKEND names, is not installed.

    At once, and before anything costly: neither is imported.
    """
    if not is_there("keras"):
        raise ConfigError(explained(ModuleNotFoundError(name="keras")))
    name = os.environ.get("KERAS_BACKEND")
    if name and not is_there(name):
        raise ConfigError(
            f"KERAS_BACKEND={name}: the package {name} is not installed. Install it, or set "
            "KERAS_BACKEND to one of Keras's back ends that is (tensorflow, jax, torch)"
        )


def _settings_file() -> Path:
    """Where Keras looks for its settings."""
    home = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")  # noqa: PTH111
    return Path(home) / "keras.json"


def _as_expected(keras: ModuleType) -> str:
    """Have Keras lay out images and numbers as our samples and models are, whatever its file says.

    Models would be built, or loaded, for another layout than that of the samples. Returns what to
    tell people where the file says something else; else ``""``.
    """
    found = {
        "image_data_format": keras.config.image_data_format(),
        "floatx": keras.config.floatx(),
    }
    keras.config.set_image_data_format(EXPECTED["image_data_format"])
    keras.config.set_floatx(EXPECTED["floatx"])
    differ = [name for name in EXPECTED if found[name] != EXPECTED[name]]
    if not differ:
        return ""
    ours = " and ".join(EXPECTED[name] for name in differ)
    theirs = ", ".join(f"{name} {found[name]}" for name in differ)
    return f". It computes with {ours}, as the samples are; {_settings_file()} has {theirs}"


def start(*, deterministic: bool = False) -> str:
    """Import Keras and touch its devices. Returns e.g. "Keras 3.15 on tensorflow, cpu only".

    deterministic: have the same operations give the same bits. Raises ConfigError where the back
    end has no such switch, or is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # what it writes later
    with held_back():
        try:
            import keras
        except Exception as error:
            if interrupted.is_set():  # what a package made of the KeyboardInterrupt
                raise KeyboardInterrupt from error
            if isinstance(error, FileNotFoundError):  # tempfile's, among others
                raise no_temporary_folder("Keras wants one", error) from error
            raise ConfigError(  # not installed, no such back end, a value that it refuses
                f"Keras does not start ({type(error).__name__}: {error}). Its settings stand in "
                f"{_settings_file()} and in KERAS_BACKEND: install the back end that they name, "
                "set KERAS_BACKEND=tensorflow, or move that file away"
            ) from error
        others = _as_expected(keras)
        if keras.backend.backend() == "tensorflow":
            _divide_cpu()
        there = devices(keras)
        if deterministic:
            _make_deterministic(keras.backend.backend())
        keras.ops.zeros(1)  # the first operation is what looks for a GPU
    on = [name for name in there if not name.lower().startswith("cpu")]
    what = f"{len(on)} accelerator{'s' if len(on) > 1 else ''}" if on else "cpu only"
    return f"Keras {keras.__version__} on {keras.backend.backend()}, {what}{others}"


def plainly(error: Exception) -> str:
    """What Keras says, without its colours and the list of what a layer was called with."""
    text = re.sub(r"\x1b\[\d*m", "", str(error)).partition("Arguments received by")[0]
    return " ".join(text.split())[:600]
