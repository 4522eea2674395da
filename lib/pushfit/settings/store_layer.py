"""`--from`: the settings of a stored stream, as a layer between environment and run before.

This layer lets `python train_zmq.py --from DIR` train on what is in DIR with no other flag. The
declaration of a setting says what it decides (`Decides`), and so what becomes of it:

- BATCHES: other batches of the same samples. A flag overrides what the store says.
- SAMPLES, as are the parameters of the task: a flag that says something else is refused, since no
  sample can be made again.
- MAKING: it has nothing to do where no generator is. A flag is refused; the environment and rows
  of HOSTS, which serve other runs as well, may name it.

How long to train is not a matter of the store: `--epochs` is the trainer's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from pushfit import tasks
from pushfit.errors import ConfigError
from pushfit.installation import typed
from pushfit.settings import config_file
from pushfit.settings.config_file import CONFIG
from pushfit.settings.declaration import Decides, Placed
from pushfit.settings.fields import Setting
from pushfit.settings.layers import Given
from pushfit.settings.origin import COMMAND_LINE, Layer, Origin


class StoredStream:
    """What the stored stream in `folder` hands on. Raises DataError where there is no store, and
    ConfigError for settings that cannot be read."""

    def __init__(self, folder: Path) -> None:
        # This imports numpy, for which no other program's --help shall wait.
        from pushfit.store import layout

        layout.read(folder)
        advice = (
            "It is as the sink has written it at first: bring it back, or store the stream again"
        )
        self.folder = folder
        self._values = config_file.read(folder, "the stored stream", advice)

    def get(self, setting: Setting) -> Given | None:
        if setting.decides not in (Decides.SAMPLES, Decides.BATCHES):
            return None
        known = self._values.get(setting.name)
        # One that the store does not know, as PushFit has got it since, had its default.
        value = known.value if known else setting.default
        if value is msgspec.NODEFAULT:
            return None
        where = f"{setting.name} in the {CONFIG} of the stored stream"
        return Given(value, Origin(Layer.STORE, str(self.folder)), where)

    def check(self, values: Iterable[tuple[Setting, Any, Origin]]) -> None:
        """Raises ConfigError for flags that are not for a stored stream, or contradict this one."""
        for setting, now, origin in values:
            if setting.decides is Decides.MAKING and origin == COMMAND_LINE:
                raise ConfigError(
                    f"{setting.flag} has nothing to do with --from: the samples are in "
                    f"{self.folder}, and no generator makes any. Leave {setting.flag} out, or "
                    "--from"
                )
            stored = self.get(setting) if setting.decides is Decides.SAMPLES else None
            if stored is not None:
                self._compare(setting, now, origin, setting.read(stored.value, stored.where))

    def _compare(self, setting: Setting, now: Any, origin: Origin, then: Any) -> None:
        files = all(str(each).endswith(tasks.ENDING) for each in (now, then))
        if now == then or (setting.placed is Placed.TASK and files):  # a file may move
            return
        raise ConfigError(
            f"{setting.flag} {setting.shown(now) or 'none'} ({origin}): the samples in "
            f"{self.folder} were made with {setting.shown(then) or 'none'}, and that cannot be "
            f"changed any more. Leave {setting.flag} out, or store another stream: "
            f"{typed('sink')} … --out DIR"
        )
