"""The optimizers that `--optimizer` names, known without Keras: their names and arguments.

They are those of `keras.optimizers`. A test compares them with the Keras that is installed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from types import MappingProxyType

import msgspec

from pushfit.errors import ConfigError, nearest

# What every optimizer of Keras takes, besides its learning rate and its name.
COMMON = (
    "weight_decay", "clipnorm", "clipvalue", "global_clipnorm", "use_ema", "ema_momentum",
    "ema_overwrite_frequency", "loss_scale_factor", "gradient_accumulation_steps",
)  # fmt: skip
MOMENTUM = {"sgd": 0.9, "rmsprop": 0.0}  # by default, of those that --momentum is for
_WORDS = {"true": True, "yes": True, "false": False, "no": False, "none": None}

Argument = bool | int | float | None


class Optimizer(msgspec.Struct, frozen=True):
    """name: of the class in `keras.optimizers`. own: its arguments besides COMMON, that are
    numbers or yes and no."""

    name: str
    own: tuple[str, ...] = ()

    @property
    def arguments(self) -> tuple[str, ...]:
        """What `--optimizer-args` may name: --learning-rate and --momentum are settings."""
        return tuple(
            name
            for name in (*self.own, *COMMON)
            if name != "momentum" or self.name.lower() not in MOMENTUM
        )


_BETAS = ("beta_1", "beta_2", "epsilon")
OPTIMIZERS = MappingProxyType({
    each.name.lower(): each
    for each in (
        Optimizer("Adam", (*_BETAS, "amsgrad")),
        Optimizer("SGD", ("momentum", "nesterov")),
        Optimizer("RMSprop", ("rho", "momentum", "epsilon", "centered")),
        Optimizer("AdamW", (*_BETAS, "amsgrad")),
        Optimizer("Adadelta", ("rho", "epsilon")),
        Optimizer(
            "Adafactor",
            ("beta_2_decay", "epsilon_1", "epsilon_2", "clip_threshold", "relative_step"),
        ),
        Optimizer("Adagrad", ("initial_accumulator_value", "epsilon")),
        Optimizer("Adamax", _BETAS),
        Optimizer(
            "Ftrl",
            (
                "learning_rate_power", "initial_accumulator_value", "l1_regularization_strength",
                "l2_regularization_strength", "l2_shrinkage_regularization_strength", "beta",
            ),
        ),
        Optimizer("Lamb", _BETAS),
        Optimizer("Lion", ("beta_1", "beta_2")),
        Optimizer(
            "Muon",
            (
                "adam_beta_1", "adam_beta_2", "adam_weight_decay", "epsilon", "exclude_embeddings",
                "muon_a", "muon_b", "muon_c", "adam_lr_ratio", "momentum", "ns_steps", "nesterov",
                "rms_rate",
            ),
        ),
        Optimizer("Nadam", _BETAS),
        Optimizer("ScheduleFreeAdamW", (*_BETAS, "warmup_steps")),
    )
})  # fmt: skip


def find(name: str) -> str:
    """The key in OPTIMIZERS for `name` in any spelling: adam_w, AdamW. Raises ConfigError."""
    plain = re.sub("[-_ ]", "", name.lower())
    if plain in OPTIMIZERS:
        return plain
    raise ConfigError(
        f"unknown optimizer {name!r}{nearest(plain, OPTIMIZERS)}; known are {', '.join(OPTIMIZERS)}"
    )


def arguments(optimizer: str, given: Iterable[str]) -> dict[str, Argument]:
    """The arguments in `given`, each of them "name=value". Raises ConfigError.

    optimizer: a key of OPTIMIZERS.
    """
    known = OPTIMIZERS[optimizer].arguments
    found: dict[str, Argument] = {}
    for item in given:
        name, equals, text = (part.strip() for part in item.partition("="))
        where = f"--optimizer-args {item}"
        if not equals:
            raise ConfigError(f"{where}: write name=value, such as weight_decay=0.01")
        if name == "learning_rate":
            raise ConfigError(f"{where}: give --learning-rate {text} instead")
        if name == "momentum" and optimizer in MOMENTUM:
            raise ConfigError(f"{where}: give --momentum {text} instead")
        if name not in known:
            raise ConfigError(
                f"{where}: {OPTIMIZERS[optimizer].name} has no argument {name!r}"
                f"{nearest(name, known) or ';'} it takes {', '.join(known)}"
            )
        if name in found:
            raise ConfigError(f"{where}: {name} is given twice")
        found[name] = _value(text, where)
    return found


def _value(text: str, where: str) -> Argument:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if math.isfinite(value):
            return value
    raise ConfigError(f"{where}: the value must be a number, true, false or none")
