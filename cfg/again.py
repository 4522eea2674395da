"""`--resume`: the settings of the run in OUT, as a layer between environment and command line.

So that `python train_zmq.py --resume --out OUT` goes on with that run, whatever flags, environment
or host it was started with. Two kinds of settings:

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
    {"links", "epochs", "out", "resume", "checkpoint_every", "tensorboard", "progress", "bind",
     "data_port", "generators", "buffer", "lease_bytes", "expiry", "silence", "keys", "insecure",
     "max_bad", "compress"}
)  # fmt: skip
NEVER_KEPT = frozenset({"out", "resume"})  # they say which run


class _Value(msgspec.Struct):
    value: Any
    source: str


class _Config(msgspec.Struct):
    settings: dict[str, _Value]


def is_given(source: str) -> bool:
    """Whether a value with this source was named by a person, in this run or the run before."""
    original = source.removeprefix(f"{RUN_BEFORE}, ")
    return not original.startswith(("default", "task", "host"))


def settings_of_run(out: Path) -> Mapping[str, tuple[object, str]]:
    """{name: (value, source)} that the run in `out` hands on; nothing where there is none.

    Raises ConfigError for a file that cannot be read.
    """
    path = out / CONFIG
    try:
        config = msgspec.json.decode(path.read_bytes(), type=_Config)
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(
            f"cannot read the settings of the run in {out} from {path}: {error}. "
            "Move it away and give --resume with the flags that the run was started with"
        ) from error
    return {
        name: (each.value, f"{RUN_BEFORE}, {each.source.removeprefix(f'{RUN_BEFORE}, ')}")
        for name, each in config.settings.items()
        if name not in NEVER_KEPT and (name not in MAY_CHANGE or is_given(each.source))
    }
