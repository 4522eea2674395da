"""Settings of train_zmq.py."""

from __future__ import annotations

from typing import Annotated

import msgspec

from pushfit.errors import ConfigError
from pushfit.settings import code, devices, interval, models
from pushfit.settings.declaration import Kept, Placed, about
from pushfit.settings.fields import refuse_idle
from pushfit.settings.learning import LearningSettings


class TrainSettings(LearningSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of train_zmq.py."""

    model: Annotated[
        str,
        about(
            "Model",
            f"Network that is trained: {models.named()}. Other spellings, such as mobilenet_v2, "
            "are understood. hub:PRESET is a model of keras-hub; FILE.py:NAME or MODULE:NAME, a "
            "function of your own that returns a model.",
            unit="name or path",
            placed=Placed.FILE,
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

    devices: Annotated[
        str,
        about(
            "Training",
            "Devices of this host that train one model together: all, the first N, or those with "
            "the numbers 0,2. They share each batch. They are GPUs, or CPUs where there is none.",
            kept=Kept.IF_GIVEN,
            suggested=(devices.ALL,),
        ),
    ] = "1"

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
        super().__post_init__()
        models.check_weights(self.weights)
        wanted = devices.parse(self.devices)
        msgspec.structs.force_setattr(self, "devices", wanted.text)
        if wanted.count is not None:
            devices.check_batch(self.batch_size, wanted.count)
        if models.is_listed(self.model):
            self._check_listed()
        if self.interval != interval.Interval() and not self.exact:
            raise ConfigError(
                "--checkpoint-every needs --order exact: in order of arrival the batches of an "
                "epoch differ each time, so a run can be resumed only at the start of an epoch"
            )
        refuse_idle(self)
        if self.resume and not self.out:
            raise ConfigError("--resume needs the folder of the run to continue: give --out")

    def _check_listed(self) -> None:
        known = models.find(self.model)
        # One spelling from here on: a run that is resumed is compared by it.
        msgspec.structs.force_setattr(self, "model", known.name)
        if self.weights == "imagenet" and not known.imagenet:
            raise ConfigError(f"{self.model} has no ImageNet weights: use --weights none")
        if self.freeze_body and (self.weights == "none" or not (self.has_file or known.imagenet)):
            raise ConfigError(
                f"--freeze-body needs a trained body, and that of {self.model} would be random: "
                "give --weights FILE, or --weights imagenet with a model of Keras"
            )

    def named_code(self) -> list[tuple[str, str]]:
        model = [("--model", self.model)] if code.names_code(self.model) else []
        return [*model, *super().named_code()]

    @property
    def has_file(self) -> bool:
        """Return whether `weights` is the path of a file."""
        return self.weights not in models.STARTS

    @property
    def interval(self) -> interval.Interval:
        """`checkpoint_every` as an interval. Raises ConfigError."""
        return interval.parse(self.checkpoint_every)
