"""Where a stream stands: all that another process needs to continue it at the next batch.

`StreamState` holds plain values only, so it can be stored as JSON, as msgpack, or beside a model
(`checkpoint_state.RunState`).
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from pushfit.errors import ConfigError
from pushfit.feed.audit import Audited
from pushfit.plan.order import TRAIN
from pushfit.tasks.facts import Fact

FORMAT = 1


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
