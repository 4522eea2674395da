"""`--resume`: the settings of the run in OUT, as a layer between environment and command line.

This layer lets `python train_zmq.py --resume --out OUT` continue that run, and `sink_zmq.py` that
stream, whatever flags, environment or host it was started with. The declaration of a setting says
how a run keeps it (`Kept`):

- ALWAYS: it shapes the stream or the model, and comes from the run. A flag can override it only
  while there is no checkpoint yet: `pushfit/runs/resume.py` compares it with what is in that. A
  setting that the run does not know yet, as PushFit has got it since, has its default.
- IF_GIVEN: it is about this start of the program, or about how fast it learns from here on. It
  comes from the run only where a person had given it there, so that another host's row of HOSTS
  still counts.
- NEVER: it is given anew each time.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec.structs import replace

from pushfit.settings import config_file
from pushfit.settings.config_file import CONFIG, Value
from pushfit.settings.declaration import Kept
from pushfit.settings.fields import Setting
from pushfit.settings.layers import Given
from pushfit.settings.origin import BEFORE, DEFAULT


class RunBefore:
    """What the run in the folder `out` hands on: nothing where there is none. Raises ConfigError
    for a file that cannot be read."""

    def __init__(self, out: Path) -> None:
        self._values = values_of_run(out)

    def get(self, setting: Setting) -> Given | None:
        known = self._values.get(setting.name)
        if setting.kept is Kept.NEVER or not self._values:
            return None
        if setting.kept is Kept.IF_GIVEN and not (known and known.origin.is_given):
            return None
        if known is None:
            known = Value(setting.default, DEFAULT)
        if known.value is msgspec.NODEFAULT:
            return None
        where = f"{setting.name} in the {CONFIG} of the {BEFORE}"
        return Given(known.value, replace(known.origin, before=True), where)


def values_of_run(out: Path) -> dict[str, Value]:
    """{name of a setting: its value} in the run in `out`; empty where there is none.

    Raises ConfigError for a file that cannot be read.
    """
    if not (out / CONFIG).exists():
        return {}
    advice = "Move it away and give --resume with the flags that the run was started with"
    return config_file.read(out, "the run", advice)
