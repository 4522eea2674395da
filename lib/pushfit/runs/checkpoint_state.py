"""What a checkpoint holds beside the model: all that a run needs to go on as if never stopped.

It is a member of the `.keras` file (a zip): one rename replaces both, and Keras, which only looks
at members that it knows, still loads the file. msgpack, because it is exact for every float and
holds bytes. Knows no Keras: which run there is to resume must be known before Keras is imported.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import msgspec
import numpy as np

from pushfit.errors import ConfigError
from pushfit.feed.audit import Audited
from pushfit.runs import model_file
from pushfit.tasks.facts import Fact

VERSION = 1
LAST, BEST = "last.keras", "best.keras"
MEMBER = "pushfit.msgpack"
MOST_BYTES = 512 * 2**20  # of a state: places of a million bad records weigh less


class Array(msgspec.Struct, frozen=True):
    """A small array, exactly."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes

    @classmethod
    def of(cls, array: np.ndarray) -> Array:
        return cls(array.dtype.name, array.shape, array.tobytes())

    def value(self) -> np.ndarray:
        """Raises ValueError and TypeError."""
        return np.frombuffer(self.data, self.dtype).reshape(self.shape)


class Extras(msgspec.Struct, frozen=True):
    """What Keras does not save: random state, and the metrics of an epoch that is not over."""

    seeds: list[Array]
    metrics: list[Array]
    global_seed: Array | None
    python: tuple[int, tuple[int, ...], float | None]  # as random.getstate gives it
    numpy: tuple[str, bytes, int, int, float]  # as numpy.random.get_state gives it


class Best(msgspec.Struct, frozen=True):
    """Of `Checkpoints`: the best monitored value; whether a training metric stands in for it."""

    value: float | None = None
    stand_in: bool = True


class Waiting(msgspec.Struct, frozen=True):
    """Of `Plateau`: the best value it saw, and for how many epochs it has seen none better."""

    best: float | None = None
    wait: int = 0
    cooldown: int = 0


class RunState(msgspec.Struct, frozen=True, kw_only=True):
    """A run at a position.

    settings: those that may not change, as written on a command line; source: of the tasks.
    epoch, step: `step` batches of `epoch` are trained on; all of them: not validated yet.
    taken: steps of the whole run; history: the logs of the epochs that are over; steps: {split:
    steps of each of these}.
    resumed_at: the positions that the run was resumed at.
    facts: of the data set, which the task needs (`DataSet.facts`).
    given_up: (split, record, why) of those that no generator could read or survive.
    """

    version: int = VERSION
    run: str
    settings: dict[str, str]
    source: str
    classes: tuple[str, ...]
    counts: dict[str, list[int]]
    fingerprint: str
    epoch: int
    step: int
    taken: int
    resumed_at: list[dict[str, int]]
    history: dict[str, list[float]]
    best: Best
    waiting: Waiting | None
    extras: Extras
    audited: Audited
    given_up: list[tuple[str, int, str]] = []
    steps: dict[str, list[int]] = {}
    facts: dict[str, Fact] = {}


class _Version(msgspec.Struct):
    version: int


def write(path: Path, state: RunState) -> None:
    """Put `state` into the `.keras` file `path`."""
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(MEMBER, msgspec.msgpack.encode(state))


def read(path: Path) -> RunState:
    """The state in the `.keras` file `path`. Raises ConfigError."""
    model_file.check(path)
    try:
        with zipfile.ZipFile(path) as file:
            size = file.getinfo(MEMBER).file_size
            if size > MOST_BYTES:
                raise ConfigError(
                    f"cannot read the checkpoint {path}: what it has of the run is {size:,} bytes, "
                    f"and no run has more than {MOST_BYTES:,}: was it changed?"
                )
            packed = file.read(MEMBER)
        version = msgspec.msgpack.decode(packed, type=_Version).version
        if version != VERSION:
            raise ConfigError(
                f"the checkpoint {path} is of format {version}, and this PushFit reads {VERSION}: "
                "use the version that wrote it"
            )
        return msgspec.msgpack.decode(packed, type=RunState)
    except KeyError:
        raise ConfigError(
            f"{path} is a model but no checkpoint of a run: it has no {MEMBER}"
        ) from None
    except (OSError, ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise ConfigError(f"cannot read the checkpoint {path}: {error}") from error
