"""Every bench has data: what was named, or what the project makes; and says which."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench import __main__ as benches
from bench import _data
from bench.lab.processes import ROOT
from pushfit.samples import photos as sample_photos
from pushfit.tasks import folders
from pushfit.tasks.base import TRAIN, VAL
from pushfit.tasks.digits import idx


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The checkout's folder for data, empty; photos as small as they may be."""
    small = sample_photos.Plan(train=1, val=1, height=64, width=96)
    monkeypatch.setattr(_data, "ROOT", tmp_path)
    monkeypatch.setattr(_data, "_used", [])
    monkeypatch.setattr(sample_photos, "LARGE", small)
    return tmp_path


def test_what_is_not_named_is_made(empty: Path) -> None:
    found = folders.scan(_data.photos(None))
    assert len(found.splits[TRAIN]) == len(found.splits[VAL]) == 6
    assert _data.photos(None) == empty / "data" / "sample-large"
    assert idx.find(_data.digits(None), "train-images-idx3-ubyte")
    assert _data.used() == (
        "12 simulated photos of 0 megapixels; scikit-learn's 1,797 digits, enlarged to 28 x 28"
    )


def test_what_is_named_is_taken(empty: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    assert _data.photos(mine) == _data.digits(mine) == mine
    assert not (empty / "data").exists()
    assert _data.used() == str(mine)


@pytest.mark.parametrize("name", benches.names())
def test_every_bench_tells_its_flags(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", name, "--help"],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"usage: python -m bench {name}" in done.stdout


def test_nothing_outside_of_the_checkout_is_looked_for() -> None:
    """A figure, or a test's result, must not depend on a folder that only one machine has."""
    for folder in ("bench", "tests", "lib", "cfg"):
        for path in (ROOT / folder).rglob("*.py"):
            if path != Path(__file__):
                assert '"shared" /' not in path.read_text(encoding="utf-8"), path
