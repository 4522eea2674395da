"""The state of a run in its checkpoint: all that it needs, besides the model, to resume exactly.

The state is a member of the `.keras` file, which is a zip archive. So one rename replaces model and
state together, and Keras still loads the file, since it only looks at members that it knows. The
format is msgpack, which is exact for every float and holds bytes. This module does not import
Keras, since the run to resume must be known before Keras is imported.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import msgspec
import numpy as np

from pushfit.errors import ConfigError
from pushfit.runs import model_file
from pushfit.runs.stream_state import StreamState

VERSION = 1
LAST, BEST = "last.keras", "best.keras"
MEMBER = "pushfit.msgpack"
MOST_BYTES = 512 * 2**20  # of a state; the places of a million bad records take less


class Array(msgspec.Struct, frozen=True):
    """A small array, with its exact values."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes

    @classmethod
    def of(cls, array: np.ndarray) -> Array:
        return cls(array.dtype.name, array.shape, array.tobytes())

    def value(self) -> np.ndarray:
        """The array. Raises ValueError or TypeError if the fields do not fit together."""
        return np.frombuffer(self.data, self.dtype).reshape(self.shape)


class HiddenState(msgspec.Struct, frozen=True):
    """What Keras does not save: random states, and the metrics of an unfinished epoch.

    seeds: the states of the layers' seed generators.
    metrics: the variables of the metrics; empty between epochs.
    global_seed: the state of Keras's global seed generator; None: it was not used.
    """

    seeds: list[Array]
    metrics: list[Array]
    global_seed: Array | None
    python: tuple[int, tuple[int, ...], float | None]  # as random.getstate gives it
    numpy: tuple[str, bytes, int, int, float]  # as numpy.random.get_state gives it
    torch: list[Array] = []  # of PyTorch: the CPU's generator, then each GPU's


class Best(msgspec.Struct, frozen=True):
    """The state of `Checkpoints`.

    value: the best monitored value; None: there was none.
    stand_in: the value is one of a training metric, as there was none of validation.
    """

    value: float | None = None
    stand_in: bool = True


class Waiting(msgspec.Struct, frozen=True):
    """The state of `Plateau` or `EarlyStopping`.

    best: the best value; None: there was none.
    wait: epochs since that value.
    cooldown: epochs for which it still does not count.
    """

    best: float | None = None
    wait: int = 0
    cooldown: int = 0


class RunState(StreamState, frozen=True, kw_only=True):
    """A training at a position of its stream: what `StreamState` says, and what training adds.

    epoch, step: `step` batches of `epoch` were trained on. If these are all, the epoch was not
        validated.
    taken: steps of the whole run.
    resumed_at: the positions at which the run was resumed.
    history: {name of a metric: its value in each finished epoch}.
    steps: {split: steps of each finished epoch}.
    best, waiting, stopping: the states of the callbacks that follow a metric.
    hidden_state: what Keras does not save. Its name in the file is "extras".
    """

    version: int = VERSION
    taken: int
    resumed_at: list[dict[str, int]]
    history: dict[str, list[float]]
    best: Best
    waiting: Waiting | None
    hidden_state: HiddenState = msgspec.field(name="extras")
    steps: dict[str, list[int]] = {}
    stopping: Waiting = Waiting()


class _Version(msgspec.Struct):
    version: int


def write(path: Path, state: RunState) -> None:
    """Put `state` into the `.keras` file `path`."""
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(MEMBER, msgspec.msgpack.encode(state))


def read(path: Path) -> RunState:
    """The state in the `.keras` file `path`. Raises ConfigError if there is no valid one."""
    model_file.check(path)
    try:
        with zipfile.ZipFile(path) as file:
            size = file.getinfo(MEMBER).file_size
            if size > MOST_BYTES:
                raise ConfigError(
                    f"cannot read the checkpoint {path}: the state of its run has {size:,} bytes, "
                    f"and no run has more than {MOST_BYTES:,}. Was the file changed?"
                )
            packed = file.read(MEMBER)
        version = msgspec.msgpack.decode(packed, type=_Version).version
        if version != VERSION:
            raise ConfigError(
                f"the checkpoint {path} has format {version}, and this PushFit reads {VERSION}: "
                "use the version of PushFit that wrote it"
            )
        return msgspec.msgpack.decode(packed, type=RunState)
    except KeyError:
        raise ConfigError(
            f"{path} is a model but not the checkpoint of a run, as there is no {MEMBER} in it"
        ) from None
    except (OSError, ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise ConfigError(f"cannot read the checkpoint {path}: {error}") from error
