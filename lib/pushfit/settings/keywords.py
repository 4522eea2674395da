"""Keywords of a call as the highest layer of settings, where a program has its command line.

    pushfit.stream("photos.py", batch_size=64, keys="keys", size=224)

A keyword has its flag's name, with `_` for `-`; one that Python reserves ends in `_`, as `from_`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from keyword import iskeyword

from pushfit.errors import ConfigError, nearest
from pushfit.settings.fields import Setting
from pushfit.settings.layers import Given
from pushfit.settings.origin import COMMAND_LINE


class Keywords:
    """values: {keyword: value}, which is text as on a command line, or a value already.

    call: how the person wrote the call, for messages.
    """

    asks_for_help = False

    def __init__(self, values: Mapping[str, object], call: str) -> None:
        self.call = call
        self._values = dict(values)

    def get(self, setting: Setting) -> Given | None:
        """What the call gives `setting`."""
        name = spelt(setting)
        if name not in self._values:
            return None
        value = self._values[name]
        if isinstance(value, os.PathLike):
            value = os.fspath(value)
        elif isinstance(value, list | tuple):
            value = [os.fspath(each) if isinstance(each, os.PathLike) else each for each in value]
        return Given(value, COMMAND_LINE, f"{name} in the call of {self.call}")

    def check(self, settings: Collection[Setting]) -> None:
        """Raises ConfigError for the first keyword that names none of `settings`."""
        known = sorted(spelt(setting) for setting in settings)
        for name in self._values:
            if name not in known:
                raise ConfigError(
                    f"{name!r} is not a keyword of {self.call}"
                    f"{nearest(name, known) or '; `pushfit sink --help` lists most of them'}"
                )


def spelt(setting: Setting) -> str:
    """The keyword of `setting`."""
    return setting.name + "_" if iskeyword(setting.name) else setting.name
