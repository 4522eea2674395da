"""OUT/config.json: every setting of a run or a stored stream, and where its value came from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from pushfit.errors import ConfigError
from pushfit.settings.fields import Setting
from pushfit.settings.origin import Origin

CONFIG = "config.json"


class Value(msgspec.Struct, frozen=True):
    """The value of a setting, and where it came from."""

    value: Any
    origin: Origin


class _Entry(msgspec.Struct):
    """A value in the file. source: the text of its origin."""

    value: Any
    source: str


class _Config(msgspec.Struct):
    settings: dict[str, _Entry]


def entries(values: Iterable[tuple[Setting, object, Origin]]) -> dict[str, dict[str, Any]]:
    """The entry `settings` of the file, ready for JSON."""
    return {
        setting.name: {"value": msgspec.to_builtins(value), "source": str(origin)}
        for setting, value, origin in values
    }


def read(folder: Path, what: str, advice: str) -> dict[str, Value]:
    """The settings in the file of a folder.

    what: what the folder holds, for the message.
    advice: a sentence that says what to do if the file cannot be read.
    Returns {name of a setting: its value}.
    Raises ConfigError.
    """
    path = folder / CONFIG
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Config).settings
        return {name: Value(one.value, Origin.parse(one.source)) for name, one in found.items()}
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"cannot read the settings of {what} in {folder} from {path}: {error}. {advice}"
        ) from error
