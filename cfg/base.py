"""Every setting of every program, and the table of hosts.

A field here is at once a flag (``--batch-size``), an environment variable
(``PUSHFIT_BATCH_SIZE``), a key of a row of HOSTS or of `cfg/TASK.py`, and a line of ``--help``.
`cfg/resolve.py` says which of them wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec

from cfg import hosts, interval
from cfg.stream import Bind, FleetSettings, Generators, Health, MiB, StreamSettings, about
from lib.errors import ConfigError


class TrainSettings(StreamSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """train_zmq.py"""

    from_: Annotated[
        str,
        about(
            "Data",
            "Folder of a stored stream (sink_zmq.py --out) to train from.",
            unit="path",
            zero="none: generators make the samples",
        ),
    ] = msgspec.field(default="", name="from")
    val_from: Annotated[
        str,
        about(
            "Data",
            "Another one, to validate on: its val split, or the train split where it has none.",
            unit="path",
            zero="the one of --from",
        ),
    ] = ""

    model: Annotated[
        str, about("Model", "Body of the network: a name that --list-models prints.")
    ] = "mobilenet"
    list_models: Annotated[
        bool, about("Model", "Print them, with their size and least input, and exit.")
    ] = False
    weights: Annotated[
        str, about("Model", "What the body starts from: none, imagenet, or a file of weights.")
    ] = "none"
    dense1: Annotated[int, about("Model", "Units of the head's first layer.", ge=1)] = 512
    dropout: Annotated[
        float, about("Model", "Share of them dropped in training.", zero="off", ge=0, lt=1)
    ] = 0.3
    dense2: Annotated[int, about("Model", "Units of the head's second layer.", ge=1)] = 128
    highpass: Annotated[
        bool, about("Model", "Show the model each pixel less the mean around it: traces, no scene.")
    ] = False

    optimizer: Annotated[Literal["adam", "sgd"], about("Training", "What moves the weights.")] = (
        "adam"
    )
    learning_rate: Annotated[float, about("Training", "Rate that training starts at.", gt=0)] = 1e-3
    schedule: Annotated[
        Literal["constant", "cosine"],
        about("Training", "constant: until a plateau; cosine: down to 0 over all the epochs."),
    ] = "constant"
    warmup: Annotated[
        float,
        about(
            "Training",
            "Share of a cosine run in which the rate climbs to --learning-rate first.",
            zero="none",
            ge=0,
            lt=1,
        ),
    ] = 0.0
    plateau_patience: Annotated[
        int,
        about(
            "Training",
            "Epochs without progress before a constant rate drops.",
            zero="never",
            ge=0,
        ),
    ] = 3
    plateau_factor: Annotated[
        float, about("Training", "What the rate is then multiplied by.", gt=0, lt=1)
    ] = 0.5
    mixed_precision: Annotated[
        bool, about("Training", "Compute in 16 bits where that is safe; needs a recent GPU.")
    ] = False

    deterministic: Annotated[
        bool, about("Training", "Same stream, same weights, bit for bit on this machine; slower.")
    ] = False

    out: Annotated[
        str,
        about("Run", "Folder for all that the run writes.", unit="path", zero="runs/TASK-TIME"),
    ] = ""
    resume: Annotated[
        bool, about("Run", "Go on with the run in OUT, at the batch after its last checkpoint.")
    ] = False
    checkpoint_every: Annotated[
        str,
        about(
            "Run",
            "Save within an epoch, too: every so many batches (500) or minutes (10min).",
            zero="at the end of each epoch only",
        ),
    ] = ""
    tensorboard: Annotated[bool, about("Run", "Write TensorBoard logs to OUT.")] = True
    mlflow: Annotated[
        str,
        about(
            "Run",
            "MLflow server or database to tell of the run, or a folder for both.",
            zero="none",
            bare="mlruns",
        ),
    ] = ""

    def __post_init__(self) -> None:
        if self.val_from and not self.from_:
            raise ConfigError(
                "--val-from is for a run that trains from a stored stream: give --from, too"
            )
        if self.interval != interval.Interval() and self.order == "arrival":
            raise ConfigError(
                "--checkpoint-every needs --order exact: in order of arrival the batches of an "
                "epoch are others each time, so only its start is a place to go on from"
            )
        if self.warmup and self.schedule == "constant":
            raise ConfigError("--warmup is the beginning of --schedule cosine: give both, or none")
        if self.resume and not self.out:
            raise ConfigError("--resume needs the folder of the run to go on with: give --out")

    @property
    def interval(self) -> interval.Interval:
        """`checkpoint_every`, read. Raises ConfigError."""
        return interval.parse(self.checkpoint_every)


class SinkSettings(StreamSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """sink_zmq.py"""

    null: Annotated[bool, about("Sink", "Count and hash the stream, keep nothing.")] = False
    out: Annotated[
        str,
        about(
            "Sink", "Folder to store the stream in, as HDF5 files.", unit="path", zero="no folder"
        ),
    ] = ""
    resume: Annotated[
        bool, about("Sink", "Go on with storing in OUT, after the last file that is whole.")
    ] = False
    hdf5_filter: Annotated[
        Literal["none", "lz4", "blosc", "zstd"],
        about("Sink", "How the files are packed, without loss; reading is fastest with none."),
    ] = "none"
    report: Annotated[
        str,
        about("Sink", "File for the report, in JSON.", unit="path", zero="print a summary only"),
    ] = ""
    hash: Annotated[
        bool, about("Stream", "SHA-256 of the batches as they arrive: half a second a GB.")
    ] = True

    def __post_init__(self) -> None:
        if self.resume and not self.out:
            raise ConfigError("--resume needs the folder of the stream to go on with: give --out")
        if self.out and self.order == "arrival":
            raise ConfigError(
                "--out needs --order exact: in order of arrival nobody could tell later which "
                "sample is which"
            )
        if self.hdf5_filter != "none" and not self.out:
            raise ConfigError("--hdf5-filter is for what is stored: give --out, too")


class PredictSettings(FleetSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """predict.py: task, parameters and classes are those of the runs."""

    run: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=1)], ...],
        about("Prediction", "Folder of a trained run; several make an ensemble.", unit="path"),
    ] = ()
    data: Annotated[
        str,
        about(
            "Prediction",
            "Folder of the test records.",
            unit="path",
            zero="not on this host, with --generators 0",
        ),
    ] = ""
    out: Annotated[str, about("Prediction", "File for the submission, in CSV.", unit="path")] = (
        "submission.csv"
    )
    overwrite: Annotated[
        bool, about("Prediction", "Replace OUT, and what an unfinished prediction left of it.")
    ] = False
    samples: Annotated[
        int,
        about("Prediction", "Samples of a record, averaged: as it is, then as in training.", ge=1),
    ] = 1
    combine: Annotated[
        Literal["mean", "majority"],
        about("Prediction", "Of several runs: the mean probability decides, or most votes."),
    ] = "mean"
    proba: Annotated[bool, about("Prediction", "Write the probabilities, too, beside OUT.")] = False
    report: Annotated[
        str,
        about("Prediction", "File for figures, in JSON.", unit="path", zero="print them only"),
    ] = ""
    batch_size: Annotated[
        int,
        about(
            "Prediction",
            "Samples in one call of a model, of whole records.",
            zero="as it was trained with",
            ge=0,
        ),
    ] = 0
    seed: Annotated[
        int,
        about("Prediction", "Fixes what --samples draws.", ge=0, le=2**32 - 1),
    ] = 0

    # A trainer may be at work on the usual port.
    bind: Bind = "tcp://127.0.0.1:0"
    generators: Generators = 1


class GeneratorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """generator_zmq.py: it learns everything else from the trainer."""

    connect: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=1)], ...],
        about(
            "Generator",
            "Address of the trainer: its --bind, by name. Several are served by turns.",
            unit="connect",
        ),
    ] = ("tcp://127.0.0.1:12001",)
    links: Annotated[
        str,
        about("Generator", "Folder of symbolic links to the data on this host.", unit="path"),
    ] = "nvmelinks"
    task: Annotated[
        str,
        about(
            "Generator",
            "FILE.py, where the trainer runs that; it has to be the same file.",
            zero="the trainer's, which is built in",
        ),
    ] = ""
    key: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=1)], ...],
        about(
            "Generator",
            "This host's key file, made at the trainer, with whose public key it is. Of several "
            "trainers: one file where they share a folder of keys, else one for each, in order; "
            "none for one without keys.",
            unit="path",
            zero="none: the trainer is on this host, or insecure",
        ),
    ] = ()
    processes: Annotated[
        Annotated[int, msgspec.Meta(ge=1)] | Literal["auto"],
        about("Generator", "Processes to run; auto: one a core."),
    ] = 1
    stint: Annotated[
        float,
        about(
            "Generator",
            "With fewer processes than runs: how long one stays while another run has none.",
            unit="seconds",
            gt=0,
        ),
    ] = 10.0
    stay: Annotated[
        bool, about("Generator", "After the run, wait for the next one instead of ending.")
    ] = False
    health: Health = ""
    log: Annotated[
        Literal["warnings", "info", "leases"],
        about("Generator", "What to print: warnings, also comings and goings, also every lease."),
    ] = "info"

    def __post_init__(self) -> None:
        for address in self.connect:
            if self.connect.count(address) > 1:
                raise ConfigError(f"--connect names {address} twice: give each trainer once")
        if not self.connect:
            raise ConfigError("--connect names no trainer: give the address of one")
        if len(self.key) not in (0, 1, len(self.connect)):
            raise ConfigError(
                f"--connect names {_count(self.connect, 'address')} and --key "
                f"{_count(self.key, 'file')}: give one file for each, in the order of the "
                "addresses (none for a trainer without keys), or one for all where the trainers "
                "share a folder of keys"
            )

    @property
    def keys(self) -> tuple[str, ...]:
        """The key file for each address; "": none."""
        each = self.key * len(self.connect) if len(self.key) == 1 else self.key
        return tuple("" if key == "none" else key for key in each) or ("",) * len(self.connect)

    @property
    def process_count(self) -> int:
        """`processes`, with auto counted on this machine."""
        return hosts.cores() if self.processes == "auto" else self.processes


def _count(words: tuple[str, ...], noun: str) -> str:
    ending = "" if len(words) == 1 else "es" if noun.endswith("s") else "s"
    return f"{len(words)} {noun}{ending}"


class ServeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """serve.py: task, classes and model are those of the run."""

    run: Annotated[
        str,
        about(
            "Model",
            "The run to serve: its folder, or a .keras file of it.",
            unit="path",
            zero="must be given",
        ),
    ] = ""
    max_batch: Annotated[
        int, about("Model", "Most pictures in one call of the model.", ge=1, le=1024)
    ] = 32
    batch_wait: Annotated[
        float,
        about(
            "Model",
            "How long the first picture of a batch waits for others.",
            unit="seconds",
            ge=0,
            le=1,
        ),
    ] = 0.0

    host: Annotated[
        str, about("Server", "Address to listen at; 0.0.0.0: whoever reaches it may ask.")
    ] = "127.0.0.1"
    port: Annotated[
        int, about("Server", "Port to listen at.", zero="any free one", ge=0, le=65_535)
    ] = 8000
    max_upload: Annotated[
        int, about("Server", "Most bytes of a request.", unit="bytes", ge=1024)
    ] = 10 * MiB
    max_pixels: Annotated[
        int, about("Server", "Most pixels of a picture, in millions.", ge=1, le=256)
    ] = 50
    queue: Annotated[
        int, about("Server", "Most requests under way; more are told to come again (503).", ge=1)
    ] = 128
    deadline: Annotated[
        float,
        about("Server", "A request that takes longer is given up.", unit="seconds", gt=0),
    ] = 10.0
    sentry_dsn: Annotated[
        str, about("Server", "Where to report errors: a DSN of Sentry.", zero="nowhere")
    ] = ""


PROGRAMS: Final[Mapping[str, type[msgspec.Struct]]] = {
    "train_zmq.py": TrainSettings,
    "sink_zmq.py": SinkSettings,
    "predict.py": PredictSettings,
    "generator_zmq.py": GeneratorSettings,
    "serve.py": ServeSettings,
}


class Host(msgspec.Struct, frozen=True):
    """One row: hosts whose name matches `pattern` (as in a shell: * ? [ab]) get `settings`."""

    pattern: str
    settings: Mapping[str, object]


CONTAINER: Final = "container"  # the pattern of the row that every container matches

# As in ~/.ssh/config, the first row that matches and names a setting gives its value: put special
# rows above general ones. A row may name any setting, e.g. for nodes that only run generators:
#     Host("node-*", {"links": "/scratch/links", "connect": "tcp://gpu-box:12001"}),
# (several trainers: ("tcp://gpu-box:12001", "tcp://other:12001"), or one text with a comma).
HOSTS: Final = (
    Host(CONTAINER, {"links": "dockerlinks"}),
    Host("*", {"links": "nvmelinks"}),
)
