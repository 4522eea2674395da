"""Early stopping: its count, over epochs and over a resume."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pushfit.runs.checkpoint_state import Waiting
from pushfit.training.early_stopping import EarlyStopping


def after(values: list[dict[str, float]], patience: int, before: Waiting | None = None) -> Any:
    found = EarlyStopping("val_accuracy", patience, before)
    found.set_model(SimpleNamespace(stop_training=False))
    for epoch, logs in enumerate(values):
        found.on_epoch_end(epoch, logs)
    return found


def of(*values: float) -> list[dict[str, float]]:
    return [{"val_accuracy": value, "accuracy": 1.0} for value in values]


def test_it_stops_after_so_many_epochs_in_a_row_that_were_not_better() -> None:
    assert not after(of(0.5, 0.4, 0.6, 0.6), 2).stopped
    found = after(of(0.5, 0.4, 0.6, 0.6, 0.5), 2)
    assert found.stopped and found.model.stop_training
    assert found.state() == Waiting(0.6, 2)


@pytest.mark.parametrize("cut", range(5))
def test_a_run_that_is_resumed_counts_on(cut: int) -> None:
    values = of(0.5, 0.6, 0.4, 0.6, 0.5)
    first = after(values[:cut], 3)
    second = after(values[cut:], 3, first.state())
    assert second.state() == after(values, 3).state()
    assert second.stopped and not first.stopped


def test_no_number_is_not_better_and_no_figure_does_not_count() -> None:
    assert after(of(0.5, float("nan")), 0).state() == Waiting(0.5, 1)
    assert after([{"val_accuracy": 0.5}, {"loss": 1.0}], 1).state() == Waiting(0.5, 0)
    assert after([{"accuracy": 0.5}, {"accuracy": 0.4}], 1).stopped  # nothing is validated


def test_off_it_only_counts() -> None:
    found = after(of(*[0.5] * 9), 0)
    assert not found.stopped and found.state() == Waiting(0.5, 8)


def test_a_loss_is_better_when_it_is_smaller() -> None:
    found = EarlyStopping("val_loss", 1)
    found.set_model(SimpleNamespace(stop_training=False))
    for loss in (2.0, 1.0, 1.5):
        assert not found.stopped
        found.on_epoch_end(0, {"val_loss": loss})
    assert found.stopped
