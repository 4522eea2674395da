"""What a call of `pushfit.stream` means: its settings, its position, and the stream inside."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from pushfit import tasks
from pushfit.errors import ConfigError, nearest
from pushfit.runs import checkpoint_state
from pushfit.runs.checkpoint_state import RunState
from pushfit.runs.stream_state import StreamState
from pushfit.settings.keywords import Keywords
from pushfit.settings.resolve import Resolved, resolve
from pushfit.settings.stored import StoredSettings
from pushfit.streams.choice import chosen
from pushfit.streams.purpose import task_of
from pushfit.streams.stream import Stream
from pushfit.tasks import compatibility
from pushfit.tasks.base import TRAIN, VAL, Task

CALL = "pushfit.stream()"
SPLITS = (TRAIN, VAL)
Call = Resolved[StoredSettings]


class Before(msgspec.Struct, frozen=True):
    """Where a stream continues. path: the file of the state, if it comes from one."""

    state: StreamState
    path: Path = Path()

    @property
    def run(self) -> RunState | None:
        """What training adds to the state; None: the state comes from no checkpoint."""
        return self.state if isinstance(self.state, RunState) else None


def resolved(keywords: Mapping[str, object]) -> Call:
    """The settings of the call. Raises ConfigError."""
    return resolve(StoredSettings, Keywords(keywords, CALL), prog=CALL)


def checked(splits: object) -> tuple[str, ...]:
    """The splits that are named, in the order of an epoch. Raises ConfigError."""
    if not isinstance(splits, tuple | list):
        raise ConfigError(f'splits is {splits!r}: write a tuple of names, such as ("train",)')
    for name in splits:
        if name not in SPLITS:
            raise ConfigError(
                f"there is no split {name!r}{nearest(str(name), SPLITS)} (known: train, val)"
            )
    return tuple(name for name in SPLITS if name in splits)


def before_of(state: object) -> Before | None:
    """What `state` stands for: a dict of `state_dict`, a file of `Checkpoint`, or those of ranks.

    Raises ConfigError.
    """
    if state is None:
        return None
    if isinstance(state, list | tuple):
        each = [before for one in state if (before := before_of(one)) is not None]
        whole = StreamState.of_ranks([before.state for before in each])
        return Before(whole, each[0].path)
    if isinstance(state, str | os.PathLike):
        path = Path(os.fspath(state))
        return Before(checkpoint_state.read(path), path)
    return Before(StreamState.of(state))


def task_in(call: Call) -> Task:
    """The task of the call, with its parameters. Raises TaskError."""
    assert call.params is not None  # `task` has a default
    return task_of(call.settings, call.params)


def opened_from(
    call: Call, task: Task, splits: tuple[str, ...], before: Before | None, timeout: float | None
) -> Stream:
    """The stream that the call asks for, checked and not opened yet.

    Raises ConfigError and DataError.
    """
    settings = call.settings
    at = before.state if before is not None else None
    if at is not None:
        _compare(call, task, splits, at)
    return chosen(
        settings,
        task,
        at,
        needs_data=call.given("links"),
        splits=splits,
        timeout=math.inf if timeout is None else timeout,
    )


def _compare(call: Call, task: Task, splits: tuple[str, ...], at: StreamState) -> None:
    """Raises ConfigError where `at` is a position of another stream."""
    now, defaults = call.fixed(), call.defaults()
    for name, text in now.items():
        then = at.settings.get(name, defaults.get(name))
        if name == "task" and text.endswith(tasks.ENDING) and str(then).endswith(tasks.ENDING):
            continue  # a file may move: what is in it counts
        if then != text:
            raise ConfigError(
                f"the state is of a stream with {name} = {then!r}, and this call has {text!r}: "
                "what shapes the batches cannot change within a run. Give the same value, or leave "
                "state out"
            )
    if at.splits != splits:
        there = ", ".join(at.splits) or "all splits"
        raise ConfigError(f"the state is of a stream of {there}: give the same splits")
    if compatibility.source_of(task) != at.source:
        raise ConfigError(
            f"the task {task.name}, or what it imports, is not as it was when the state was made, "
            "and may make other samples: bring that version back, or leave state out"
        )
    if at.epoch > call.settings.epochs:
        raise ConfigError(
            f"the state is in epoch {at.epoch + 1}, and epochs is {call.settings.epochs}: give at "
            "least that"
        )
