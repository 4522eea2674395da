"""The settings of all programs, with one module for each program.

A field here is a flag (``--batch-size``), an environment variable (``PUSHFIT_BATCH_SIZE``), a key
of a row of HOSTS in `cfg/base.py` or of `cfg/TASK.py`, and a line of ``--help``.
`pushfit/settings/resolve.py` says which of them wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

import msgspec

from pushfit.settings.fields import settings_of
from pushfit.settings.programs.generator import GeneratorSettings
from pushfit.settings.programs.predict import PredictSettings
from pushfit.settings.programs.serve import ServeSettings
from pushfit.settings.programs.sink import SinkSettings
from pushfit.settings.programs.train import TrainSettings

# {command of `pushfit`: the settings that it takes}.
PROGRAMS: Final[Mapping[str, type[msgspec.Struct]]] = {
    "train": TrainSettings,
    "sink": SinkSettings,
    "predict": PredictSettings,
    "generate": GeneratorSettings,
    "serve": ServeSettings,
}


@cache
def names() -> frozenset[str]:
    """The names of the settings of all programs. No parameter of a task has such a name."""
    return frozenset(s.name for struct in PROGRAMS.values() for s in settings_of(struct))
