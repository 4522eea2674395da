"""The sample of digits: what scikit-learn ships, as MNIST's files."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from pushfit.errors import ConfigError, OutputError
from pushfit.samples import digits
from pushfit.tasks.base import TRAIN, VAL
from pushfit.tasks.digits.task import DigitsParams, DigitsTask


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """As scikit-learn's, where that is not installed: the demo's own test has the real ones."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 17, (1797, 8, 8)).astype(np.float64)

    class Datasets:
        @staticmethod
        def load_digits() -> object:
            return type("Bunch", (), {"images": images, "target": np.arange(1797) % 10})

    monkeypatch.setitem(sys.modules, "sklearn", Datasets)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", Datasets)


def test_it_is_what_the_digits_task_reads(tmp_path: Path, shipped: None) -> None:
    out = tmp_path / "data" / "digits"
    assert digits.make(out)
    assert not digits.make(out)  # it is there
    task = DigitsTask(DigitsParams())
    data = task.scan(out)
    assert [len(data.splits[split]) for split in (TRAIN, VAL)] == [1500, 297]
    assert data.classes == tuple("0123456789")
    image = np.frombuffer(task.read(out, data.splits[VAL][0]), np.uint8).reshape(28, 28)
    assert not image[:4].any() and not image[:, -4:].any() and image.max() > 128
    assert [path.name for path in out.parent.iterdir()] == ["digits"]


def test_what_stands_in_its_way(tmp_path: Path, shipped: None) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(OutputError, match="holds something else"):
        digits.make(tmp_path)
    with pytest.raises(OutputError, match="holds something else"):
        digits.make(tmp_path / "mine")


def test_without_scikit_learn_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ConfigError, match=r"\.\[sample\]"):
        digits.make(tmp_path / "digits")
