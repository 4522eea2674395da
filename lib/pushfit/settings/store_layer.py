"""The settings of a stored stream, as a layer between environment and run before (`--from`).

With this layer `python train_zmq.py --from DIR` trains on the samples in DIR without other flags.
The declaration of a setting says what it decides (`Decides`):

- BATCHES: the setting makes other batches of the same samples. A flag overrides the store.
- SAMPLES: the setting shapes the samples, as the parameters of the task do. A flag with another
  value is refused, since stored samples cannot change.
- MAKING: the setting has no effect without generators. A flag is refused. The environment and rows
  of HOSTS may have it, since they are for other runs as well.

The store does not decide how long to train, so `--epochs` is not taken from it.
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
    """The settings of the stored stream in `folder`.

    Raises DataError if there is no store, and ConfigError if its settings cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        # This imports numpy, which would slow down --help of programs that need no store.
        from pushfit.store import layout

        layout.read(folder)
        advice = "Put back the file that the sink wrote, or store the stream again"
        self.folder = folder
        self._values = config_file.read(folder, "the stored stream", advice)

    def get(self, setting: Setting) -> Given | None:
        if setting.decides not in (Decides.SAMPLES, Decides.BATCHES):
            return None
        known = self._values.get(setting.name)
        # A setting that is newer than the store had its default.
        value = known.value if known else setting.default
        if value is msgspec.NODEFAULT:
            return None
        where = f"{setting.name} in the {CONFIG} of the stored stream"
        return Given(value, Origin(Layer.STORE, str(self.folder)), where)

    def check(self, values: Iterable[tuple[Setting, Any, Origin]]) -> None:
        """Raise ConfigError for a flag that has no effect with a store, or contradicts this one."""
        for setting, now, origin in values:
            if setting.decides is Decides.MAKING and origin == COMMAND_LINE:
                raise ConfigError(
                    f"{setting.flag} has no effect with --from: the samples are in "
                    f"{self.folder}, and no generator makes any. Leave out {setting.flag} or "
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
            f"{self.folder} were made with {setting.shown(then) or 'none'}, which cannot be "
            f"changed any more. Leave {setting.flag} out, or store another stream: "
            f"{typed('sink')} … --out DIR"
        )
