"""Settings of predict.py."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from pushfit.errors import ConfigError
from pushfit.settings.declaration import about
from pushfit.settings.stream import Bind, FleetSettings, Generators, task_of_run


class PredictSettings(FleetSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of predict.py. Task, parameters and classes are those of the runs."""

    run: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=1)], ...],
        about(
            "Prediction", "Folder of a trained run. Several folders form an ensemble.", unit="path"
        ),
    ] = ()
    task: Annotated[str, task_of_run("Prediction")] = ""
    data: Annotated[
        str,
        about(
            "Prediction",
            "Folder of the test records.",
            unit="path",
            zero="the records are not on this host, with --generators 0",
        ),
    ] = ""
    out: Annotated[str, about("Prediction", "CSV file for the submission.", unit="path")] = (
        "submission.csv"
    )
    overwrite: Annotated[
        bool,
        about("Prediction", "Replace OUT, and the files of an unfinished prediction beside it."),
    ] = False
    samples: Annotated[
        int,
        about(
            "Prediction",
            (
                "Number of samples of each record, whose answers are averaged. The first "
                "sample is the record as it is; the others are augmented as in training."
            ),
            ge=1,
        ),
    ] = 1
    grid: Annotated[
        int,
        about(
            "Prediction",
            (
                "Crops along each side of a photo (camera task). The N x N crops are "
                "spread evenly, and their answers are averaged."
            ),
            zero="as many samples as --samples gives",
            ge=0,
            le=32,
        ),
    ] = 0
    each_manipulation: Annotated[
        bool,
        about(
            "Prediction",
            (
                "Show the model every crop of a photo also under each manipulation of the "
                "run, and average its answers (camera task)."
            ),
        ),
    ] = False
    submissions: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=1)], ...],
        about(
            "Prediction",
            (
                "Files with answers to combine, either labels or probabilities. This "
                "replaces --run and --data."
            ),
            unit="path",
        ),
    ] = ()
    combine: Annotated[
        Literal["mean", "geometric", "majority"],
        about(
            "Prediction",
            (
                "How several runs or submissions are combined: by the mean or the "
                "geometric mean of their probabilities, or by most votes."
            ),
        ),
    ] = "mean"
    equal_counts: Annotated[
        bool,
        about(
            "Prediction",
            (
                "Give each class to the same number of records, by the most probable of "
                "all such answers."
            ),
        ),
    ] = False
    proba: Annotated[
        bool, about("Prediction", "Also write the probabilities, to a second file beside OUT.")
    ] = False
    labelled: Annotated[
        bool,
        about(
            "Prediction",
            (
                "Report the accuracy for each class. The records must lie in one folder "
                "for each class, or their data must have labels."
            ),
        ),
    ] = False
    report: Annotated[
        str,
        about(
            "Prediction", "JSON file for the figures.", unit="path", zero="print the figures only"
        ),
    ] = ""
    batch_size: Annotated[
        int,
        about(
            "Prediction",
            "Samples in one call of a model. The samples of a record stay together.",
            zero="the batch size of its training",
            ge=0,
        ),
    ] = 0
    seed: Annotated[
        int,
        about("Prediction", "Seed of the random choices for --samples.", ge=0, le=2**32 - 1),
    ] = 0

    # A trainer may use the usual port.
    bind: Bind = "tcp://127.0.0.1:0"
    generators: Generators = 1

    def __post_init__(self) -> None:
        """Raise ConfigError if settings contradict each other."""
        given: dict[str, object] = {
            "--run": self.run,
            "--data": self.data,
            "--labelled": self.labelled,
        }
        given |= {"--grid": self.grid, "--each-manipulation": self.each_manipulation}
        for flag, value in given.items():
            if self.submissions and value:
                raise ConfigError(
                    f"--submissions combines existing files, and {flag} is for a prediction: "
                    "give one or the other"
                )
        if self.grid and self.samples > 1:
            raise ConfigError(
                "--grid and --samples both set the number of samples of a record: give only one"
            )
        if self.equal_counts and self.combine == "majority":
            raise ConfigError(
                "--equal-counts needs probabilities, and --combine majority gives votes: give "
                "--combine mean or geometric with it"
            )
