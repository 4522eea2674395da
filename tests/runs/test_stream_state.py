"""States that no stream has written get a sentence, before anything uses them."""

from __future__ import annotations

from typing import Any

import pytest

from pushfit.errors import ConfigError
from pushfit.feed.audit import Audited
from pushfit.plan.shards import Shards
from pushfit.runs.stream_state import COUNTS, StreamState

ROW: dict[str, Any] = {**dict.fromkeys(COUNTS, 0), "stream_sha256": None}


def state(row: dict[str, Any]) -> dict[str, Any]:
    made = StreamState(
        run="r", settings={}, source="", classes=(), counts={}, fingerprint="", epoch=1, step=0,
        audited=Audited({"train": [ROW]}),
    ).as_dict()  # fmt: skip
    made["audited"]["rows"]["train"] = [row]
    return made


def test_a_row_that_is_whole() -> None:
    assert StreamState.of(state(ROW)).audited.rows == {"train": [ROW]}


@pytest.mark.parametrize(
    "row",
    [
        {},
        {**ROW, "epoch": "1"},
        {**ROW, "seen": None},
        {**ROW, "duplicate": True},
        {name: value for name, value in ROW.items() if name != "missing"},
    ],
)
def test_a_row_that_is_not(row: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"not what state_dict.. of a stream returns: .* audit"):
        StreamState.of(state(row))


@pytest.mark.parametrize(
    "shards",
    [7, [7], [{}], [{"shard": 0}], [{**dict.fromkeys(COUNTS, 0), "shard": "0"}], None],
)
def test_entries_of_shards_that_no_audit_has_written_are_not_known(shards: Any) -> None:
    audited = StreamState.of(state({**ROW, "shards": shards})).audited
    assert audited.rows_of(Shards(2, 2, 0)) == {"train": []}
    assert Audited.of_ranks([audited, audited]).rows == {"train": []}
