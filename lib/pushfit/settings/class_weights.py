"""`--class-weight`: the word balanced, or a JSON object {class: weight}."""

from __future__ import annotations

import json
import math
from pathlib import Path

from pushfit.errors import ConfigError, nearest, trouble

BALANCED = "balanced"


def canonical(text: str) -> str:
    """`text` in the one form that a run keeps: "", BALANCED, or the object itself as JSON.

    The content of a file takes the place of its name, so a run can be resumed without the file.
    Raises ConfigError.
    """
    if text in ("", BALANCED):
        return text
    source = "--class-weight"
    if not text.lstrip().startswith("{"):
        if not text.endswith(".json"):
            raise ConfigError(
                f"--class-weight {text}{nearest(text, [BALANCED]) or ':'} give {BALANCED}, or a "
                "FILE.json that holds {class: weight}"
            )
        source, text = f"--class-weight {text}", _content(text)
    return json.dumps(_weights(text, source), sort_keys=True)


def parse(text: str) -> dict[str, float]:
    """{class: weight} of the canonical form of an object."""
    found: dict[str, float] = json.loads(text)
    return found


def _content(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"--class-weight {trouble(error)}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"--class-weight {path} is not a text file in UTF-8: {error}") from error


def _weights(text: str, source: str) -> dict[str, float]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{source} is not JSON: {error}") from error
    if not isinstance(found, dict) or not found:
        raise ConfigError(f'{source} must be an object such as {{"cat": 1.0, "dog": 2.5}}')
    for name, weight in found.items():
        number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not number or not math.isfinite(weight) or weight < 0:
            raise ConfigError(
                f"{source}: the weight of {name!r} is {weight!r}, and must be a number of 0 or more"
            )
    if not any(found.values()):
        raise ConfigError(f"{source}: one weight at least must be above 0")
    return {name: float(weight) for name, weight in found.items()}
