"""`Reading` and `plain`: what a loop of plain arrays gets of a stream, and where it then stands."""

from __future__ import annotations

import pytest

from pushfit.adapters.reading import plain
from pushfit.errors import StreamError
from pushfit.tasks.base import TRAIN as TRAINING
from pushfit.tasks.base import VAL as VALIDATION
from tests.support.readings import EPOCHS, TRAIN, VAL, Opened, hashes, whole


def test_plain_passes_are_the_stream() -> None:
    opened, found = Opened(), {TRAINING: [], VALIDATION: []}
    for _ in range(EPOCHS):
        for split, batches in found.items():
            batches += [batch["id"].tolist() for batch in plain(opened.reading, split, "a loop")]
    assert found == whole()
    audit = opened.feed.audit()
    assert {s: [row["stream_sha256"] for row in rows] for s, rows in audit.items()} == hashes()


def test_the_position_is_that_of_the_batch_in_hand() -> None:
    opened = Opened()
    for number, batch in enumerate(plain(opened.reading, TRAINING, "a loop")):
        assert set(batch) == {"id", "twice"}
        assert opened.passes.position() == (0, TRAINING, number + 1)
    assert number + 1 == opened.reading.steps(TRAINING) == TRAIN
    assert opened.reading.steps(VALIDATION) == VAL
    assert opened.reading.steps("test") == 0


def test_a_loop_that_is_left_lets_another_begin() -> None:
    opened = Opened()
    for _ in plain(opened.reading, TRAINING, "a loop"):
        break
    held = plain(opened.reading, VALIDATION, "a loop")
    next(held)
    with pytest.raises(StreamError, match="train was asked for within the loop over val of epoch"):
        next(plain(opened.reading, TRAINING, "a loop"))
    held.close()
    assert next(plain(opened.reading, TRAINING, "a loop"))["id"].tolist() == whole()["train"][TRAIN]
    rows = opened.feed.audit()
    assert [row["skipped"] for row in rows[TRAINING]] == [35, 0]  # 39 samples, the first 4 read
