"""An optimizer of Keras by the name that the settings know it by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from pushfit.errors import ConfigError
from pushfit.settings.optimizers import OPTIMIZERS, find
from pushfit.training import schedules


def make(
    name: str, rate: schedules.Rate, arguments: Mapping[str, Any] | None = None
) -> keras.optimizers.Optimizer:
    """The optimizer `name`, in any spelling. arguments: others than its rate, as Keras calls them.

    Raises ConfigError for a name that is unknown, or an argument that Keras refuses.
    """
    known = OPTIMIZERS[find(name)]
    kind = getattr(keras.optimizers, known.name, None)
    if kind is None:
        raise ConfigError(
            f"--optimizer {name}: Keras {keras.__version__} has no {known.name}: install a newer "
            "Keras, or choose another optimizer"
        )
    try:
        return kind(rate, **(arguments or {}))
    except (ValueError, TypeError) as error:
        given = ",".join(f"{key}={value}" for key, value in (arguments or {}).items())
        reason = " ".join(str(error).split())
        raise ConfigError(f"--optimizer {name} with {given}: Keras says {reason}") from error
