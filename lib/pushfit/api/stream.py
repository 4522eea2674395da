"""`pushfit.stream`: the stream of batches in a script of the user's own.

    stream(task, …) ─▶ BatchStream ─▶ for epoch in stream: for batch in epoch["train"]: …
                                      .keras("train")  .tf("train")  .torch("train")  .jax("train")

It takes the settings of `pushfit train` that are about the stream, and makes the same batches. It
changes nothing in the process: no signal handler, no logging, no random state.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from msgspec import UNSET

from pushfit.adapters.reading import Reading, plain
from pushfit.api import opening
from pushfit.api.opening import Before, Call
from pushfit.api.task_named import name_of
from pushfit.errors import ConfigError, StreamError
from pushfit.feed.passes import Ahead, Pass, Passes
from pushfit.runs.stream_state import StreamState
from pushfit.streams.stream import Stream
from pushfit.tasks import compatibility
from pushfit.tasks.base import TRAIN, ArraySpec

if TYPE_CHECKING:
    import jax
    import tensorflow as tf

    from pushfit.adapters.to_fit import ToFit
    from pushfit.adapters.torch import Batches
    from pushfit.runs.checkpoint_state import RunState

State = Mapping[str, Any] | str | os.PathLike[str]
LOOP = "a plain loop"


def stream(
    task: object = None,
    *,
    splits: tuple[str, ...] | list[str] = (),
    state: State | Sequence[State] | None = None,
    timeout: float | None = None,
    **settings: Any,
) -> BatchStream:
    """A stream of batches, made by generators on this machine and on others. Use it with `with`.

    Args:
        task: name of a built-in task, path of a Python file with a task, or a class from such a
            file. None: what `cfg/` or the environment names.
        splits: the splits that are made, of "train" and "val". Empty: both, where the data has
            records to validate on.
        state: what `state_dict()` of an earlier stream returned, or the path of a file that
            `Checkpoint` has written; the stream continues at the next batch. A list of those of all
            ranks, where the run has several trainers. None: from the start.
        timeout: seconds without a batch after which a wait for one raises StreamTimeout. None: it
            waits, and after ten seconds logs a warning that says for what.
        **settings: any setting of the stream and any parameter of the task, by its flag's name with
            `_` for `-`: links, batch_size, epochs, seed, generators, bind, keys, buffer, order, …
            `pushfit sink --help` describes them; `from_` names a stored stream.

    Returns:
        The stream. All settings and the data set have been checked; no socket is open yet.

    Raises:
        ConfigError: a setting, the task or the state is wrong.
        DataError: the data set cannot be used.
    """
    wanted = opening.checked(splits)
    if timeout is not None and not timeout > 0:
        raise ConfigError(f"timeout is {timeout!r}: give seconds, or None to wait for ever")
    if task is not None:
        settings["task"] = name_of(task)
    return BatchStream(opening.resolved(settings), wanted, opening.before_of(state), timeout)


class Epoch:
    """One epoch of a stream: `epoch["train"]` gives its batches.

    number: counted from 0.
    """

    def __init__(self, owner: BatchStream, number: int) -> None:
        self._owner, self.number = owner, number

    def __getitem__(self, split: str) -> Iterator[dict[str, np.ndarray]]:
        """Those batches of `split` that were not read yet, as {array name: array (B, *shape)}."""
        return plain(self._owner.reading(self.number), split, LOOP)

    def __repr__(self) -> str:
        return f"<epoch {self.number + 1} of a pushfit.BatchStream>"


class BatchStream:
    """Batches of samples, in an order that no generator can change. `pushfit.stream` makes one.

    A batch is {array name: array of shape (B, *shape)}, with the dtypes and shapes of `arrays`; B
    is the batch size, or less in the last batch of a split, unless `drop_last` leaves that out of
    training. An array that the task trims is cut to
    the longest sample of its batch. An array is the caller's for as long as it is held; its memory
    is used again afterwards.

    Only one loop reads a stream at a time. A split that a loop passes over is made and dropped, and
    the audit counts it as skipped; name `splits` to have only some made.

    batch_size, epochs: as the settings say. Of several trainers, each has its part of a batch.
    """

    def __init__(
        self, call: Call, splits: tuple[str, ...], before: Before | None, timeout: float | None
    ) -> None:
        self.batch_size, self.epochs = call.settings.batch_size, call.settings.epochs
        self._call, self._splits, self._timeout = call, splits, timeout
        self._task = opening.task_in(call)
        self._before = before
        self._inner = self._made()
        self._passes: Passes | None = None  # while the stream is open
        self._state: StreamState | None = None  # since it was closed
        self._is_closed = False

    def _made(self) -> Stream:
        return opening.opened_from(
            self._call, self._task, self._splits, self._before, self._timeout
        )

    # -- open and close ---------------------------------------------------------------------------

    def open(self) -> Self:
        """Listen for generators, start those of this machine, and wait for the data set.

        `with` does so. Raises StreamTimeout, DataError and ConfigError.
        """
        if self._is_closed:
            raise StreamError(
                "the stream was closed: make another with pushfit.stream(…, "
                "state=stream.state_dict())"
            )
        if self._passes is None:
            self._inner.__enter__()
            self._passes = Passes(self._inner.feed)
        return self

    def close(self) -> None:
        """End the run for its generators; what was not read is dropped. It may be called twice."""
        self._close(done=True)

    def _close(self, *, done: bool) -> None:
        if self._passes is not None:
            try:
                self._state = self._now(self._passes)
            except StreamError:
                self._state = None
            self._end(done=done)
        self._is_closed = True

    def _end(self, *, done: bool) -> None:
        self._passes = None
        reason = "the run is over" if done else "the run was interrupted"
        self._inner.close(done=done, reason=reason)

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close(done=kind is None)

    # -- what there is ----------------------------------------------------------------------------

    @property
    def arrays(self) -> tuple[ArraySpec, ...]:
        """(name, dtype, declared shape) of each array of a sample, in the order of the task."""
        return self._open.feed.specs if self._passes is not None else self._task.arrays()

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes; the number of a class is its index."""
        _ = self._open
        return self._inner.classes

    @property
    def address(self) -> str:
        """Where generators connect to; ``""`` for a stored stream, which has none."""
        _ = self._open
        return self._inner.address

    def steps(self, split: str) -> int:
        """Batches in an epoch of `split`; 0 where the stream has no such split."""
        return self._open.feed.steps(split)

    @property
    def rank(self) -> int:
        """The number of this trainer in its run, from 0."""
        return self._inner.shards.rank

    @property
    def epoch(self) -> int:
        """The epoch (from 0) that training is in: `initial_epoch` of a Keras fit."""
        return self._open.training_epoch

    def report(self) -> dict[str, Any]:
        """Audit, rates, generators and advice so far, as docs/architecture.md describes them."""
        _ = self._begun
        return self._inner.report({})

    def advice(self) -> str:
        """What limits the stream now and what would help, in a sentence."""
        _ = self._begun
        return str(self._inner.adviser.report()["advice"])

    # -- batches ----------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Epoch]:
        """The epochs that are left."""
        if self._open.epoch >= self.epochs:
            raise StreamError(
                f"the stream is over, its {self.epochs} epochs have been read: make another with "
                "pushfit.stream"
            )
        for number in range(self._open.epoch, self.epochs):
            yield Epoch(self, number)

    def batches(self, split: str = TRAIN) -> Iterator[dict[str, np.ndarray]]:
        """The next pass over `split`, as {array name: array (B, *shape)}."""
        return plain(self.reading(), split, LOOP)

    def keras(self, split: str = TRAIN) -> Any:
        """What `model.fit` takes as `x` or `validation_data`: batches as `to_fit` makes them.

        None where the stream has no `split`. Give `fit` no `steps_per_epoch`.
        """
        from pushfit.adapters import keras

        return keras.dataset(self.reading(), self.to_fit, split)

    def tf(self, split: str = TRAIN) -> tf.data.Dataset:
        """A `tf.data.Dataset`; each iteration is the next pass: {array name: tensor (B, *shape)}"""
        from pushfit.adapters import tensorflow

        return tensorflow.dataset(self.reading(), split)

    def torch(self, split: str = TRAIN) -> Batches:
        """An `IterableDataset` of whole batches, for `DataLoader(…, batch_size=None)`."""
        from pushfit.adapters.torch import Batches

        return Batches(self.reading(), split)

    def jax(
        self, split: str = TRAIN, *, sharding: Any = None, in_flight: int = 2
    ) -> Iterator[dict[str, jax.Array]]:
        """The next pass over `split` as arrays on the device.

        sharding: where they lie, as `jax.device_put` takes it; None: the default device.
        in_flight: batches whose transfer has begun before they are wanted; at least 1.
        """
        from pushfit.adapters import jax

        return jax.batches(self.reading(), split, sharding=sharding, in_flight=in_flight)

    @property
    def to_fit(self) -> ToFit:
        """What makes (x, y) or (x, y, sample_weight) of a batch, by the task's `to_fit`."""
        from pushfit.adapters.to_fit import ToFit

        return ToFit(self._task, self.arrays)

    def reading(self, epoch: int | None = None) -> Reading:
        """How an adapter reads the stream. epoch: the one to read; None: the next one."""

        def begin(split: str, by: str, ahead: Ahead) -> Pass:
            if self._open.failed:  # an interruption of a wait has ended what makes batches
                self.load_state_dict(self.state_dict())
            return self._open.begin(split, by, ahead, epoch=epoch)

        return Reading(
            begin=begin,
            used=lambda batch: self._open.used_batch(batch),
            steps=self.steps,
            left=lambda split: self._open.left(split),
            sizes=lambda split: self._open.feed.batch_sizes(split),
            counted=lambda: self._open.counted,
            arrays=self.arrays,
            shapes=self._open.feed.shapes,
        )

    # -- the position -----------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands, as values that `json.dumps` takes: after the last batch used.

        Raises StreamError while a framework reads ahead and nobody tells what it has used.
        """
        if self._passes is not None:
            return self._now(self._passes).as_dict()
        if self._state is None:
            raise StreamError(
                "the stream was closed while a framework was reading ahead, so nobody knows its "
                "position: give fit the callback pushfit.Checkpoint(stream, FILE)"
                if self._is_closed
                else "the stream is not open: its position is that of `state`, or the start"
            )
        return self._state.as_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue at the position of `state`, which `state_dict` returned.

        An open stream starts its generators again; what they have made is dropped.
        Raises ConfigError where it is a state of another stream.
        """
        if self._is_closed:
            raise StreamError("the stream was closed: make another with pushfit.stream")
        inner, before = self._inner, self._before
        self._before = opening.before_of(state)
        try:
            self._inner = self._made()
        except BaseException:
            self._before = before
            raise
        if self._passes is not None:
            counted = self._passes.counted
            self._passes = None
            inner.close(done=False, reason="the stream continues at another position")
            self.open().counts_use(counted)

    def counts_use(self, counted: bool = True) -> None:
        """Say whether somebody calls `used` for a framework that reads ahead."""
        self._open.counted = counted

    def used(self, epoch: int, split: str, step: int) -> None:
        """`step` batches of `split` in `epoch` (from 0) were used by a framework."""
        self._open.used(epoch, split, step)

    @property
    def next_training(self) -> tuple[int, int]:
        """(epoch from 0, step) of the training batch that comes next."""
        epoch, split, step = self._open.position()
        return (epoch, step) if epoch == self.epoch and split == TRAIN else (self.epoch, 0)

    @property
    def resumed(self) -> RunState | None:
        """What the checkpoint holds that the stream continues from; None: it is from none."""
        return self._before.run if self._before is not None else None

    @property
    def resumed_from(self) -> Path:
        """The file of `resumed`."""
        return self._before.path if self._before else Path()

    def _now(self, passes: Passes) -> StreamState:
        epoch, split, step = passes.position()
        return self.state_at(epoch, step, split)

    def state_at(self, epoch: int, step: int, split: str = TRAIN) -> StreamState:
        """The state when `step` batches of `split` in `epoch` (from 0) were used."""
        inner = self._begun
        reference = inner.reference
        return StreamState(
            run=inner.run,
            settings=self._call.fixed(),
            source=compatibility.source_of(self._task),
            classes=reference.classes,
            counts=reference.counts,
            fingerprint=reference.fingerprint,
            epoch=epoch,
            split=split,
            step=step,
            audited=inner.feed.audited(epoch, step, split),
            given_up=inner.given_up,
            splits=self._splits,
            facts=reference.facts,
            visiting=reference.visiting.digest or UNSET,
        )

    @property
    def _open(self) -> Passes:
        if self._passes is None:
            raise StreamError(
                "the stream was closed: make another with pushfit.stream"
                if self._is_closed
                else "the stream is not open: use it within `with pushfit.stream(…) as stream:`"
            )
        return self._passes

    @property
    def _begun(self) -> Stream:
        if not self._inner.was_opened:
            raise StreamError("the stream was never open: there is nothing to report")
        return self._inner
