"""What Keras leaves out of a `.keras` file, taken out of a model and put back.

The seeds of layers such as Dropout are variables, but `.keras` files do not hold them (Keras 3.15):
a loaded model draws others. Nor do they hold the metrics of the epoch that is under way.
On PyTorch such layers draw from the generators of PyTorch.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras.src.backend.common import global_state  # no public way leads to it
from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR, global_seed_generator

from pushfit.errors import ConfigError
from pushfit.runs.checkpoint_state import Array, HiddenState


def arrays(variables: Sequence[Any]) -> list[Array]:
    return [Array.of(np.asarray(keras.ops.convert_to_numpy(each))) for each in variables]


def take(model: keras.Model, metrics: list[Array], torch: list[Array] | None = None) -> HiddenState:
    """What there is now.

    metrics: see `arrays`; of the epoch under way, empty between epochs.
    torch: the states of PyTorch to keep; None: as they are now.
    """
    made = global_state.get_global_attribute(GLOBAL_SEED_GENERATOR)
    kind, keys, at, has_gauss, gauss = np.random.get_state(legacy=True)
    return HiddenState(
        seeds=arrays(_seeds(model)),
        metrics=metrics,
        global_seed=arrays([made.state])[0] if made is not None else None,
        python=random.getstate(),
        numpy=(str(kind), np.asarray(keys).tobytes(), int(at), int(has_gauss), float(gauss)),
        torch=torch_states() if torch is None else torch,
    )


def put(model: keras.Model, hidden: HiddenState, path: Path) -> None:
    """Everything but the metrics. Raises ConfigError, naming `path`, for what does not fit."""
    _assign(_seeds(model), hidden.seeds, path)
    if hidden.global_seed is not None:
        _assign([global_seed_generator().state], [hidden.global_seed], path)
    try:
        random.setstate(hidden.python)
        kind, keys, at, has_gauss, cached = hidden.numpy
        np.random.set_state((kind, np.frombuffer(keys, np.uint32), at, has_gauss, cached))
        if hidden.torch and keras.backend.backend() == "torch":
            put_torch(hidden.torch)
    except (ValueError, TypeError) as error:
        raise _misfit(path, f"random state: {error}") from error


def torch_states() -> list[Array]:
    """The states of PyTorch's own generators, from which Keras's Dropout draws there."""
    if keras.backend.backend() != "torch":
        return []
    import torch

    states = [torch.get_rng_state(), *torch.cuda.get_rng_state_all()]
    return [Array.of(np.asarray(state)) for state in states]


def put_torch(states: Sequence[Array]) -> None:
    """Put back what `torch_states` gave. Raises ValueError, TypeError."""
    import torch

    first, *others = [torch.from_numpy(state.value().copy()) for state in states]
    torch.set_rng_state(first)
    if len(others) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(others)


def put_metrics(model: keras.Model, metrics: list[Array], path: Path) -> None:
    """Raises ConfigError as `put` does. The model must have been run once."""
    _assign(model.metrics_variables, metrics, path)


def _seeds(model: keras.Model) -> list[Any]:
    weights = {id(weight) for weight in model.non_trainable_weights}
    return [each for each in model.non_trainable_variables if id(each) not in weights]


def _assign(variables: Sequence[Any], values: Sequence[Array], path: Path) -> None:
    if len(variables) != len(values):
        raise _misfit(path, f"{len(values)} variables for {len(variables)} of the model")
    for variable, value in zip(variables, values, strict=True):
        try:
            variable.assign(value.value())
        except (ValueError, TypeError) as error:
            raise _misfit(path, f"{variable.path}: {error}") from error


def _misfit(path: Path, what: str) -> ConfigError:
    return ConfigError(
        f"the state in the checkpoint {path} does not fit its model ({what}): "
        "was it written by another version of Keras?"
    )
