"""Where a stream stands: all that another process needs to continue it at the next batch.

`StreamState` holds plain values only, so it can be stored as JSON, as msgpack, or beside a model
(`checkpoint_state.RunState`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from pushfit.errors import ConfigError
from pushfit.feed.audit import Audited
from pushfit.plan.order import TRAIN
from pushfit.tasks.facts import Fact
from pushfit.text import counted

FORMAT = 1
COUNTS = {"epoch", "expected", "seen", "duplicate", "missing", "bad"}  # of a row of the audit


class StreamState(msgspec.Struct, frozen=True, kw_only=True):
    """A stream at a position.

    format: of this structure.
    run: name of the run, the same over restarts.
    settings: {name: text} of those that shape the stream, parameters of the task among them.
    source: `compatibility.source_of` the task.
    classes, counts, fingerprint: of the data set, as `Reference` has them.
    epoch, split, step: `step` batches of `split` in `epoch` (from 0) were used, and every batch of
        the run before them was used or skipped.
    facts: what the task knows of the data set (`DataSet.facts`).
    visiting: the digest of its weights and groups (`tasks.visiting`); UNSET: it has none. A trainer
        without the data gets the numbers from a generator.
    audited: the audit at the position.
    given_up: (split, record, why) of the records that no generator could read.
    splits: those that the stream makes; empty: every split that there is.
    """

    format: int = FORMAT
    run: str
    settings: dict[str, str]
    source: str
    classes: tuple[str, ...]
    counts: dict[str, list[int]]
    fingerprint: str
    epoch: int
    split: str = TRAIN
    step: int
    audited: Audited = Audited()
    given_up: list[tuple[str, int, str]] = []
    splits: tuple[str, ...] = ()
    facts: dict[str, Fact] = {}
    visiting: str | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Raise ValueError for rows that no audit has written."""
        for row in (row for rows in self.audited.rows.values() for row in rows):
            if not row.keys() >= COUNTS or not all(type(row[name]) is int for name in COUNTS):
                raise ValueError(f"a row of its audit lacks a number: {sorted(row)[:9]}")

    @classmethod
    def of_ranks(cls, states: Sequence[StreamState]) -> StreamState:
        """The state of a run of several trainers, from those of its ranks. Raises ConfigError."""
        if not states:
            raise ConfigError("state is an empty list: give the states of the run's ranks")
        first, *others = states
        for other in others:
            for name in sorted({*first.settings, *other.settings}):
                then, now = first.settings.get(name), other.settings.get(name)
                if then != now:
                    raise ConfigError(
                        f"the states are not of one run: {name} is {then!r} in the first and "
                        f"{now!r} in another"
                    )
            if first.fingerprint != other.fingerprint:
                raise ConfigError("the states are not of one run: they are of different data sets")
            if first.position != other.position:
                raise ConfigError(
                    f"the states of the ranks are of different positions: {first.place} and "
                    f"{other.place}. Give those that were saved after the same batch"
                )
        given_up = {(split, record): why for one in states for split, record, why in one.given_up}
        return msgspec.structs.replace(
            first,
            audited=Audited.of_ranks([one.audited for one in states]),
            given_up=[(*record, why) for record, why in sorted(given_up.items())],
        )

    @property
    def position(self) -> tuple[int, str, int]:
        return self.epoch, self.split, self.step

    @property
    def place(self) -> str:
        """The position for people, who count from 1."""
        return f"epoch {self.epoch + 1}, {counted(self.step, 'batch')} of {self.split}"

    def as_dict(self) -> dict[str, Any]:
        """The state as plain values that `json.dumps` takes."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    @classmethod
    def of(cls, values: object) -> StreamState:
        """The state that `as_dict` has written. Raises ConfigError for anything else."""
        if isinstance(values, dict) and values.get("format", FORMAT) != FORMAT:
            raise ConfigError(
                f"the state is of format {values['format']!r}, and this PushFit reads {FORMAT}: "
                "use the version that wrote it"
            )
        try:
            return msgspec.convert(values, cls)
        except (msgspec.ValidationError, TypeError) as error:
            raise ConfigError(
                f"the state is not what state_dict() of a stream returns: {error}"
            ) from None
