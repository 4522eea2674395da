"""Settings of train_zmq.py."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from pushfit.errors import ConfigError
from pushfit.settings import interval, models
from pushfit.settings.declaration import Kept, about
from pushfit.settings.fields import refuse_idle, settings_of
from pushfit.settings.stored import StoredSettings

MOMENTUM = {"sgd": 0.9, "rmsprop": 0.0}  # default momentum of each optimizer


class TrainSettings(StoredSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of train_zmq.py."""

    model: Annotated[
        str,
        about(
            "Model",
            f"Network that is trained: {models.named()}. Other spellings, such as mobilenet_v2, "
            "are understood.",
            suggested=tuple(models.MODELS),
        ),
    ] = "mobilenet"
    list_models: Annotated[
        bool,
        about(
            "Model",
            "Print all models with their size and smallest input, and exit.",
            kept=Kept.NEVER,
        ),
    ] = False
    weights: Annotated[
        str,
        about(
            "Model",
            (
                "Weights that the body starts with: imagenet, none (random), a FILE "
                "(.keras or .weights.h5), or auto: those of imagenet if they are on this "
                "host or can be fetched within seconds, else random ones."
            ),
            unit="name or path",
            suggested=models.STARTS,
            kept=Kept.IF_GIVEN,
        ),
    ] = "auto"
    freeze_body: Annotated[
        bool,
        about("Model", "Train the head only, on the features of a body that is already trained."),
    ] = False
    summary: Annotated[
        bool, about("Model", "Print the layers of the model at the start.", kept=Kept.IF_GIVEN)
    ] = False
    dense1: Annotated[int, about("Model", "Units of the head's first layer.", ge=1)] = 512
    dropout: Annotated[
        float,
        about(
            "Model",
            "Share of the units of the first layer that are dropped in training.",
            zero="off",
            ge=0,
            lt=1,
        ),
    ] = 0.3
    dense2: Annotated[int, about("Model", "Units of the head's second layer.", ge=1)] = 128
    highpass: Annotated[
        bool,
        about(
            "Model",
            (
                "Subtract from each pixel the mean around it, so that the model sees the "
                "traces of the camera and little of the scene."
            ),
        ),
    ] = False

    optimizer: Annotated[
        Literal["adam", "sgd", "rmsprop"], about("Training", "Rule that updates the weights.")
    ] = "adam"
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

    out: Annotated[
        str,
        about(
            "Run",
            "Folder for all files of the run.",
            unit="path",
            zero="runs/TASK-TIME",
            kept=Kept.NEVER,
            early=True,
        ),
    ] = ""
    resume: Annotated[
        bool,
        about(
            "Run",
            "Resume the run in OUT, at the batch after its last checkpoint.",
            kept=Kept.NEVER,
            early=True,
        ),
    ] = False
    checkpoint_every: Annotated[
        str,
        about(
            "Run",
            (
                "Interval of further checkpoints within an epoch, in batches (500) or "
                "minutes (10min)."
            ),
            zero="at the end of each epoch only",
            kept=Kept.IF_GIVEN,
        ),
    ] = ""
    keep_better: Annotated[
        bool,
        about(
            "Run",
            ("Keep the model of each epoch N that is better than all before, as better-N.keras."),
            kept=Kept.IF_GIVEN,
        ),
    ] = False
    tensorboard: Annotated[
        bool, about("Run", "Write TensorBoard logs to OUT.", kept=Kept.IF_GIVEN)
    ] = True
    mlflow: Annotated[
        str,
        about(
            "Run",
            "MLflow server or database that records the run, or a folder for both.",
            unit="name or path",
            zero="none",
            bare="mlruns",
            kept=Kept.IF_GIVEN,
        ),
    ] = ""

    def __post_init__(self) -> None:
        # One spelling from here on: a run that is resumed is compared by it.
        msgspec.structs.force_setattr(self, "model", models.find(self.model).name)
        models.check_weights(self.weights)
        imagenet = models.find(self.model).imagenet
        if self.weights == "imagenet" and not imagenet:
            raise ConfigError(f"{self.model} has no ImageNet weights: use --weights none")
        if self.freeze_body and (self.weights == "none" or not (self.has_file or imagenet)):
            raise ConfigError(
                f"--freeze-body needs a trained body, and that of {self.model} would be random: "
                "give --weights FILE, or --weights imagenet with a model of Keras"
            )
        self.check_stored()
        if self.interval != interval.Interval() and not self.exact:
            raise ConfigError(
                "--checkpoint-every needs --order exact: in order of arrival the batches of an "
                "epoch differ each time, so a run can be resumed only at the start of an epoch"
            )
        refuse_idle(self)
        if self.momentum != "auto" and self.optimizer not in MOMENTUM:
            raise ConfigError(
                f"--momentum is for the optimizers {' and '.join(MOMENTUM)}, and this is "
                f"{self.optimizer}: leave --momentum out, or set it to auto"
            )
        if self.resume and not self.out:
            raise ConfigError("--resume needs the folder of the run to continue: give --out")

    @property
    def has_file(self) -> bool:
        """Return whether `weights` is the path of a file."""
        return self.weights not in models.STARTS

    @property
    def momentum_of(self) -> dict[str, float]:
        """The argument `momentum` of the optimizer; empty if the optimizer has none."""
        if self.optimizer not in MOMENTUM:
            return {}
        given = self.momentum
        return {"momentum": MOMENTUM[self.optimizer] if given == "auto" else float(given)}

    @property
    def interval(self) -> interval.Interval:
        """`checkpoint_every` as an interval. Raises ConfigError."""
        return interval.parse(self.checkpoint_every)


def of_rate() -> frozenset[str]:
    """The names of the settings that decide the learning rate over the run."""
    given = (
        s.name for s in settings_of(TrainSettings) if s.only_with and "schedule" in s.only_with
    )
    return frozenset({"learning_rate", "schedule", *given})
