"""What a task is: how to list records, read one, and draw samples from it.

A task is pure Python and numpy. It runs in every generator process and, for its names and shapes
alone, in the trainer. A visit to a record goes through four calls, in this order:

    scan(links)               the data set behind a links folder; once in each process
    read(links, record)       the bytes that `decode` takes; if it fails, another generator tries
    decode_for(data, …)       what `sample` needs; if it fails, the record is bad and substituted
    sample(item, record, …)   one sample, K times a visit; a pure function of its arguments

The stream is bit-identical for any fleet because `sample` uses no randomness but that of the random
generator it is given.

A `BlockTask` can also make many samples in one call, from arrays. docs/your-own-task.md shows how a
task is written; `checks` verifies that a task keeps to this interface.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import msgspec
import numpy as np

from pushfit import regular
from pushfit.errors import ConfigError, DataError
from pushfit.tasks.data_set import (
    TEST,
    TRAIN,
    UNKNOWN,
    VAL,
    ArraySpec,
    DataSet,
    Record,
    Unused,
    of_class,
)
from pushfit.tasks.facts import UNKNOWN as UNKNOWN_FACTS
from pushfit.tasks.facts import Fact
from pushfit.tasks.mixture import mixture

__all__ = [
    "INTERFACE",
    "TEST",
    "TRAIN",
    "UNKNOWN",
    "VAL",
    "ArraySpec",
    "BlockTask",
    "DataSet",
    "Decoded",
    "Draws",
    "NoParams",
    "Record",
    "Task",
    "Unused",
    "check_served",
    "has_partners",
    "mixture",
    "of_class",
]

INTERFACE = 1  # the version of the interface of tasks; what a task could not do before raises it
# draws(count) → (n, count) float64: for each of n samples, the numbers of its `rng.random(count)`.
Draws = Callable[[int], np.ndarray]


class Decoded(NamedTuple):
    """A record, and the item that `decode` made of it."""

    item: Any
    record: Record


class NoParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters of a task that has none."""


class Task(ABC):
    """The interface of a task. Subclass it, set `name`, and write the abstract methods.

    name: lower-case letters, digits and _. Messages and reports name the task by it.
    Params: the parameters of the task; each field is a flag, as in pushfit/settings/programs.
    row: the task's defaults for any setting. For a built-in task, a site's cfg/TASK.py overrides
        them.
    loss, metrics: as `compile` of a Keras model takes them: by name, as a configuration
        {"class_name": …, "config": …} or {output: …}; None: those for class numbers, with
        accuracy. A property may import Keras, since no generator reads it.
    submission: the columns of a submission.
    read_threads: how many reads run at once in a generator process. Raise it for slow storage (an
        object store), if `read` can be called from several threads at once.
    values: names for the numbers of a model without classes, which are columns of the file that
        predict.py writes; empty: value1, value2, …
    upright: whether pictures for `from_picture` are turned as their EXIF data says.
    crop_step: `train_zmq.py --from … --crop` cuts samples at multiples of this, in pixels.
    libraries: further packages whose versions decide samples, and so must be the same on every
        host.
    epoch: the epoch, counted from 0, of the visit that `partners`, `decode_for`, `sample` or
        `block` is called for. It is 0 in validation, which draws the same samples every epoch, and
        in prediction. The generator sets it; `read` must not use it, since it runs ahead.
    facts: those that `scan` returned (`DataSet.facts`). Before the data is known, to look one up
        raises FactsUnknown, and what asked for it is asked again later.
    interface: the version of this interface that the task needs. A PushFit that has an older one
        says so; raise it to INTERFACE when the task uses what that version has added.
    source: for a user task, the hash of its files (see `user_task`); empty for a built-in task.
    """

    name: ClassVar[str]
    Params: ClassVar[type[msgspec.Struct]] = NoParams
    row: ClassVar[Mapping[str, object]] = {}
    loss: ClassVar[Any] = None
    metrics: ClassVar[Any] = None
    submission: ClassVar[tuple[str, str]] = ("id", "label")
    libraries: ClassVar[tuple[str, ...]] = ()
    values: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = ""
    upright: ClassVar[bool] = True
    interface: ClassVar[int] = 1
    crop_step: int = 1
    epoch: int = 0
    facts: Mapping[str, Fact] = UNKNOWN_FACTS
    read_threads: ClassVar[int] = 1

    def __init__(self, params: msgspec.Struct) -> None:
        self.params = params

    @abstractmethod
    def scan(self, links: Path) -> DataSet:
        """The data set with every record behind `links`. Raises DataError, with what to do."""

    def scan_test(self, links: Path) -> DataSet:
        """The records to predict, as the only class of the split TEST, in the order of their rows.

        Sample 0 of a record must show it unchanged; other samples are augmented as in training. An
        array `label` holds the true label or UNKNOWN. Raises DataError.
        """
        raise DataError(
            f"the task {self.name} cannot predict: give it a method scan_test, which lists the "
            "test records"
        )

    def test_views(self, grid: int, manipulations: bool) -> tuple[Task, int]:
        """(the task to use instead of this one, the number of samples of each test record).

        grid: crops along each side of a record, for ``predict.py --grid``; 0: no grid.
        manipulations: also show each sample under every manipulation (``--each-manipulation``).
        Raises ConfigError if the task cannot do that.
        """
        flag = "--grid" if grid else "--each-manipulation"
        raise ConfigError(
            f"the task {self.name} has no {flag}: use --samples for several samples of a record"
        )

    def true_class(self, path: str) -> str | None:
        """The class that the path of a test record names, for ``predict.py --labelled``.

        ``""``: the record lies in no folder, so its class is unknown. None: the class is not in the
        path, but in the array `label` of the record's samples.
        """
        return None

    def same_class(self, name: str, classes: Sequence[str]) -> str:
        """The one of `classes` for which `name` is another name; `name` itself: there is none."""
        return name

    def scan_for(self, links: Path, splits: Collection[str]) -> DataSet:
        """The data set for a stream of `splits`: the test records, or all others.

        Raises DataError.
        """
        return self.scan_test(links) if TEST in splits else self.scan(links)

    def cropped(self, side: int) -> Task:
        """The same task with samples of `side` pixels, for --crop of stored samples.

        Stored arrays that are larger than those of the returned task are cut along their first two
        axes. Raises ConfigError.
        """
        raise ConfigError(
            f"the task {self.name} does not say how its samples are cropped: leave --crop out, or "
            "give the task a method cropped (pushfit/tasks/base.py says what that returns)"
        )

    def versions(self, split: str) -> int:
        """The number of consecutive samples of a visit that are versions of the same thing.

        All versions get the same randomness, that of the first. Sample number `patch` is version
        `patch % versions`. A visit has `versions` times as many samples as the settings say.
        """
        return 1

    def submission_id(self, number: int, path: str) -> str:
        """The id of a test record in a submission. number: counted from 0; path: of the record."""
        return path.rpartition("/")[2]

    def setup(self, links: Path) -> None:  # noqa: B027  # it may be overridden
        """Prepare this generator process for `read`, `decode` and `sample`: load a model, say.

        links: the links folder.

        It runs once for each run that the process works for, after `scan` and before the generator
        joins, and may take as long as it needs: `--expiry` does not apply. A trainer does not call
        it. What it raises keeps this generator from the run.
        """

    def teardown(self) -> None:  # noqa: B027  # it may be overridden
        """Release what `setup` has made, when the generator process ends.

        It is not called if `setup` raised, or if the process is killed or crashes.
        """

    @abstractmethod
    def arrays(self) -> tuple[ArraySpec, ...]:
        """The arrays of one sample, in the order in which they go over the wire."""

    def read(self, links: Path, record: Record) -> Any:
        """The record's bytes, or whatever else `decode` takes, e.g. the bytes of two files.

        It runs on `read_threads` threads. A thread whose read hangs is replaced by a new one. A
        handle that must stay in its thread (SQLite) belongs into a `threading.local`.

        Raises BadRecord if the content is wrong. Any other exception means that this host could
        not read the record, and another generator tries.
        """
        return regular.read(links / record.path, record.size)

    @abstractmethod
    def decode(self, data: bytes, record: Record) -> Any:
        """The item that samples are made of, e.g. an (H, W, 3) uint8 photo. Raises BadRecord."""

    def decode_for(
        self, data: bytes, record: Record, split: str, rngs: Iterator[np.random.Generator]
    ) -> Any:
        """`decode`, but only what the samples of one visit need. Raises BadRecord.

        rngs: for each sample, in order, a random generator in the state that `sample` will get.

        A task that can find out from them which part of a record it needs overrides this method.
        The samples, and whether the record is bad, must be the same as with `decode`.
        """
        return self.decode(data, record)

    def partners(
        self, number: int, records: Sequence[Record], split: str, rng: np.random.Generator
    ) -> Sequence[int]:
        """The numbers of further records that the samples of a visit are made of.

        number: that of the visited record within `records`.
        records: all records of `split`, sorted by label; `of_class` finds those of one label.
        rng: a random generator for this alone, the only source of randomness.

        If a task overrides this method, the item that `sample` gets is a tuple of `Decoded`: the
        visited record, then its partners in this order. Partners are read ahead and decoded with
        `decode`. A partner that is bad is replaced by the next good record of its class, as a
        visited record is.
        """
        return ()

    @abstractmethod
    def sample(
        self, item: Any, record: Record, split: str, patch: int, rng: np.random.Generator
    ) -> Mapping[str, Any]:
        """Sample number `patch` of a visit: {array name: value of the spec's dtype and shape}.

        item: what `decode_for` returned; a tuple of `Decoded` if the task has `partners`.
        record: the visited record.
        rng: the only source of randomness.
        """

    def limits(self) -> Mapping[str, tuple[float, float]]:
        """{array: (lowest, highest)}: the values that a trainer accepts, besides class numbers.

        A generator may send wrong values, by intent or through faulty memory. A value outside of
        these limits counts against the generator.
        """
        return {}

    @abstractmethod
    def to_fit(self, batch: Mapping[str, np.ndarray]) -> tuple[Any, ...]:
        """(x, y), or (x, y, sample_weight), for `model.fit`. It runs in the trainer.

        batch: {array name: array of shape (B, *shape)}.

        y may be None if the model has a loss of its own (`add_loss`, `compute_loss`, or it comes
        compiled).

        Every batch must give the same dtypes, and the same shapes but for B and for axes that are
        None in the model's Input.
        """

    def from_picture(self, picture: np.ndarray) -> Mapping[str, Any]:
        """A sample, as `sample` returns it, of a picture that somebody sent to serve.py.

        picture: (H, W, 3) uint8 of any size, transparency laid over white.

        Its label is UNKNOWN. Raises BadRecord, which says what to send instead; ConfigError if the
        task cannot be served.
        """
        raise ConfigError(
            f"the task {self.name} does not say how a picture becomes a sample, so it cannot be "
            "served: give it a method from_picture (pushfit/tasks/base.py says what that returns)"
        )

    def model_needs(self) -> Mapping[str, Any]:
        """Arguments of `training.models.build` that follow from the task. Raises ConfigError."""
        image = next((spec for spec in self.arrays() if spec.name == "image"), None)
        if image is None or image.dtype != "uint8" or len(image.shape) != 3:
            raise ConfigError(
                f"task {self.name}: --model needs an array 'image', uint8 of (H, W, channels), "
                "and there is none: give the task a method build_model (docs/your-own-task.md)"
            )
        return {"patch": image.shape}

    def build_model(self, classes: int) -> Any:
        """The task's own `keras.Model`; None: --model chooses the model.

        It runs only in the trainer, which has Keras: import Keras inside. A compiled model stays
        as it is; any other is compiled with `loss`, `metrics` and the run's settings. The method is
        also called before a saved model is loaded, so that Keras knows the classes it registers.
        """
        return None

    def pictures(self, batch: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """(B, H, W, 3) uint8 for the contact sheet; None: a sample is not a picture."""
        return batch.get("image")

    def caption(self, batch: Mapping[str, np.ndarray], i: int, classes: tuple[str, ...]) -> str:
        """The text under sample `i` of a batch on a contact sheet; ``""``: nothing."""
        return ""


class BlockTask(Task):
    """A task with samples so small that a Python call for each would cost more than the sample.

    `block` makes all samples of a lease at once. If the lease has a suspect record, or `block`
    raises, the samples are made visit by visit as for any other task, which finds the bad record.
    So both ways must give the same samples, to the bit.
    """

    @abstractmethod
    def block(
        self, links: Path, split: str, records: np.ndarray, patches: np.ndarray, draws: Draws
    ) -> Mapping[str, np.ndarray]:
        """For each i, sample number `patches[i]` of a visit to `records[i]`: {name: (n, *shape)}.

        links: the links folder, for which `scan` was called before.
        records: (n,) int64, numbers of records within `split`.
        patches: (n,) int64, numbers of samples within their visits.
        draws: the samples' random numbers; it may be called once.
        """


def has_partners(task: Task) -> bool:
    """Return whether the task's samples may be made of several records."""
    return type(task).partners is not Task.partners


def check_served(task: Task) -> None:
    """Raise ConfigError if the task cannot be served."""
    if type(task).from_picture is Task.from_picture:
        task.from_picture(np.zeros((1, 1, 3), np.uint8))  # this raises the ConfigError
