"""`--resume`: the settings of the run in OUT, as a layer between environment and command line.

So that `python train_zmq.py --resume --out OUT` goes on with that run, and `sink_zmq.py` with that
stream, whatever flags, environment or host it was started with. Two kinds of settings:

- Those of MAY_CHANGE are about this start of the program: they come from the run before only where
  a person had given them there, so that another host's row of HOSTS still counts.
- All others shape the stream or the model, and always come from it. They can be overridden only
  while there is no checkpoint yet: `lib/trainer/resume.py` compares them with what is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from lib.errors import ConfigError

CONFIG = "config.json"
RUN_BEFORE = "run before"
MAY_CHANGE = frozenset(
    {"links", "from", "val_from", "epochs", "out", "resume", "checkpoint_every", "tensorboard",
     "progress", "bind", "data_port", "generators", "buffer", "lease_bytes", "expiry", "silence",
     "keys", "insecure", "max_bad", "compress", "mlflow", "report"}
)  # fmt: skip
NEVER_KEPT = frozenset(
    {"out", "resume", "list_models", "health"}
)  # which run, or none at all, and where


class Value(msgspec.Struct):
    """Of a setting, and which layer gave it."""

    value: Any
    source: str


class _Config(msgspec.Struct):
    settings: dict[str, Value]


def settings_in(folder: Path, what: str, advice: str) -> dict[str, Value]:
    """Those in the config.json of `folder`, which is of `what`. Raises ConfigError."""
    path = folder / CONFIG
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Config).settings
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(
            f"cannot read the settings of {what} in {folder} from {path}: {error}. {advice}"
        ) from error


def is_given(source: str) -> bool:
    """Whether a value with this source was named by a person, in this run or the run before."""
    original = source.removeprefix(f"{RUN_BEFORE}, ")
    return not original.startswith(("default", "task", "host"))


def settings_of_run(out: Path) -> Mapping[str, tuple[object, str]]:
    """{name: (value, source)} that the run in `out` hands on; nothing where there is none.

    Raises ConfigError for a file that cannot be read.
    """
    if not (out / CONFIG).exists():
        return {}
    advice = "Move it away and give --resume with the flags that the run was started with"
    return {
        name: (each.value, f"{RUN_BEFORE}, {each.source.removeprefix(f'{RUN_BEFORE}, ')}")
        for name, each in settings_in(out, "the run", advice).items()
        if name not in NEVER_KEPT and (name not in MAY_CHANGE or is_given(each.source))
    }
