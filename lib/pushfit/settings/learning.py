"""The settings of how a model learns: the optimizer and its rate, the loss, and what ends it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from pushfit.errors import ConfigError
from pushfit.settings import class_weights, code, optimizers
from pushfit.settings.declaration import Kept, Placed, about
from pushfit.settings.fields import settings_of
from pushfit.settings.optimizers import MOMENTUM
from pushfit.settings.stored import StoredSettings


class LearningSettings(StoredSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a training adds to the stream, but for its model and its folder."""

    optimizer: Annotated[
        str,
        about(
            "Training",
            f"Rule that updates the weights: {', '.join(optimizers.OPTIMIZERS)}.",
            suggested=tuple(optimizers.OPTIMIZERS),
        ),
    ] = "adam"
    optimizer_args: Annotated[
        tuple[str, ...],
        about(
            "Training",
            "Further arguments of the optimizer as Keras calls them, such as "
            "weight_decay=0.05,clipnorm=1 or use_ema=true,ema_momentum=0.99 or "
            "gradient_accumulation_steps=4.",
            zero="those of Keras",
        ),
    ] = ()
    momentum: Annotated[
        Literal["auto"] | Annotated[float, msgspec.Meta(ge=0, lt=1)],
        about("Training", "Momentum of sgd and rmsprop; auto: 0.9 for sgd, 0 for rmsprop."),
    ] = "auto"
    learning_rate: Annotated[
        float, about("Training", "Initial learning rate.", kept=Kept.IF_GIVEN, gt=0)
    ] = 1e-3
    schedule: Annotated[
        Literal["constant", "cosine", "exponential", "cyclic"],
        about(
            "Training",
            (
                "Course of the learning rate. constant: unchanged until a plateau; "
                "cosine: down to 0 over the whole run; exponential: multiplied by --decay "
                "in each epoch; cyclic: down to 0 over --cycle-epochs, repeatedly."
            ),
            kept=Kept.IF_GIVEN,
        ),
    ] = "constant"
    warmup: Annotated[
        float,
        about(
            "Training",
            ("Share of the run at its start in which the learning rate rises from 0 (cosine)."),
            zero="none",
            kept=Kept.IF_GIVEN,
            only_with=("schedule", "cosine"),
            ge=0,
            lt=1,
        ),
    ] = 0.0
    decay: Annotated[
        float,
        about(
            "Training",
            (
                "Factor for the learning rate over each epoch, applied a little in each "
                "step (exponential)."
            ),
            kept=Kept.IF_GIVEN,
            only_with=("schedule", "exponential"),
            gt=0,
            lt=1,
        ),
    ] = 0.95
    cycle_epochs: Annotated[
        int,
        about(
            "Training",
            "Epochs in a cycle, each of which starts at --learning-rate (cyclic).",
            kept=Kept.IF_GIVEN,
            only_with=("schedule", "cyclic"),
            ge=1,
        ),
    ] = 10
    plateau_patience: Annotated[
        int,
        about(
            "Training",
            "Epochs without progress after which the learning rate drops (constant).",
            zero="never",
            kept=Kept.IF_GIVEN,
            ge=0,
        ),
    ] = 3
    plateau_factor: Annotated[
        float,
        about(
            "Training",
            "Factor for the learning rate at a plateau (constant).",
            kept=Kept.IF_GIVEN,
            gt=0,
            lt=1,
        ),
    ] = 0.5
    mixed_precision: Annotated[
        bool, about("Training", "Compute in 16 bits where that is safe; needs a recent GPU.")
    ] = False

    on_nan: Annotated[
        Literal["stop", "continue"],
        about("Training", "What to do when the loss becomes NaN or infinite.", kept=Kept.IF_GIVEN),
    ] = "stop"
    deterministic: Annotated[
        bool,
        about(
            "Training",
            (
                "Make the same stream give the same weights, bit for bit on this machine. "
                "This is slower."
            ),
        ),
    ] = False

    loss: Annotated[
        str,
        about(
            "Training",
            "Loss that is minimised: a name of Keras's, or code as FILE.py:NAME or MODULE:NAME.",
            unit="name or path",
            zero="that of the task",
            placed=Placed.FILE,
        ),
    ] = ""
    metrics: Annotated[
        tuple[str, ...],
        about(
            "Training",
            "Metrics that are shown: names of Keras's, or code as FILE.py:NAME or MODULE:NAME.",
            unit="name or path",
            zero="those of the task",
            placed=Placed.FILE,
        ),
    ] = ()
    label_smoothing: Annotated[
        float,
        about(
            "Training",
            "Share of each target that is spread evenly over all classes.",
            zero="off",
            ge=0,
            lt=1,
        ),
    ] = 0.0
    class_weight: Annotated[
        str,
        about(
            "Training",
            "Weights of the classes in the training loss: balanced (the rarer a class, the more "
            "it weighs), or a FILE.json that holds {class: weight}.",
            unit="name or path",
            zero="all alike",
            placed=Placed.FILE,
            suggested=(class_weights.BALANCED,),
        ),
    ] = ""
    mixup: Annotated[
        float,
        about(
            "Training",
            "MixUp: each image is blended with another of its batch, in a share drawn from "
            "Beta(X, X). 0.2 to 0.4 are usual.",
            zero="off",
            ge=0,
            le=100,
        ),
    ] = 0.0
    cutmix: Annotated[
        float,
        about(
            "Training",
            "CutMix: a rectangle of each image comes from another of its batch, of a share drawn "
            "from Beta(X, X). 1 is usual. With --mixup as well, each batch gets one of the two.",
            zero="off",
            ge=0,
            le=100,
        ),
    ] = 0.0
    callback: Annotated[
        tuple[str, ...],
        about(
            "Training",
            "Callbacks of Keras that are called after PushFit's own, as FILE.py:NAME or "
            "MODULE:NAME: classes or functions that are called without arguments.",
            unit="name or path",
            zero="none",
            kept=Kept.IF_GIVEN,
            placed=Placed.FILE,
        ),
    ] = ()
    early_stopping: Annotated[
        int,
        about(
            "Training",
            "Epochs in a row without a better value of the followed metric after which the run is "
            "complete.",
            zero="train all epochs",
            kept=Kept.IF_GIVEN,
            ge=0,
        ),
    ] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        # One spelling from here on: a run that is resumed is compared by it.
        msgspec.structs.force_setattr(self, "optimizer", optimizers.find(self.optimizer))
        weights = class_weights.canonical(self.class_weight)
        msgspec.structs.force_setattr(self, "class_weight", weights)
        if self.momentum != "auto" and self.optimizer not in MOMENTUM:
            raise ConfigError(
                f"--momentum is for the optimizers {' and '.join(MOMENTUM)}, and this is "
                f"{self.optimizer}: leave --momentum out, or set it to auto"
            )
        optimizers.arguments(self.optimizer, self.optimizer_args)
        if self.class_weight == class_weights.BALANCED and self.balance:
            raise ConfigError(
                "--class-weight balanced and --balance both make rare classes count as much as "
                "others, and together too much: leave one of them out"
            )
        for flag, text in self.named_code():
            code.parse(text, flag)

    @property
    def momentum_of(self) -> dict[str, float]:
        """What the optimizer is told of its momentum: nothing where it has none."""
        if self.optimizer not in MOMENTUM:
            return {}
        given = self.momentum
        return {"momentum": MOMENTUM[self.optimizer] if given == "auto" else float(given)}

    @property
    def arguments_of(self) -> dict[str, optimizers.Argument]:
        """The optimizer's arguments, without its learning rate."""
        return {**self.momentum_of, **optimizers.arguments(self.optimizer, self.optimizer_args)}

    @property
    def mixes(self) -> bool:
        """Whether images of a batch are mixed, and so their labels."""
        return bool(self.mixup or self.cutmix)

    def named_code(self) -> list[tuple[str, str]]:
        """(flag, text) of each setting that names code. All callbacks do."""
        found = [("--loss", self.loss), *(("--metrics", each) for each in self.metrics)]
        named = [(flag, text) for flag, text in found if code.names_code(text)]
        return [*named, *(("--callback", text) for text in self.callback)]


def of_rate() -> frozenset[str]:
    """The names of the settings that decide the learning rate over the run."""
    given = (
        s.name for s in settings_of(LearningSettings) if s.only_with and "schedule" in s.only_with
    )
    return frozenset({"learning_rate", "schedule", *given})
