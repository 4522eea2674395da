"""The settings of the run in OUT, as a layer between environment and command line (`--resume`).

With this layer `python train_zmq.py --resume --out OUT` continues that run, and `sink_zmq.py` that
stream, whatever flags, environment or host it was started with. The declaration of a setting says
how a run keeps it (`Kept`):

- ALWAYS: the setting shapes the stream or the model, so its value comes from the run. A flag can
  override it only before the first checkpoint, since `pushfit/runs/resume.py` compares it with the
  checkpoint. A setting that is newer than the run has its default.
- IF_GIVEN: the setting is about this start of the program, or about the learning rate from now on.
  Its value comes from the run only if a person gave it there. So on another host its row of HOSTS
  counts.
- NEVER: the setting is not kept.
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
    """The settings of the run in the folder `out`; none if there is no run.

    Raises ConfigError if its file cannot be read.
    """

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
    """{name of a setting: its value} of the run in `out`; empty if there is no run.

    Raises ConfigError if its file cannot be read.
    """
    if not (out / CONFIG).exists():
        return {}
    advice = "Move it away, and give --resume with the flags with which the run was started"
    return config_file.read(out, "the run", advice)
