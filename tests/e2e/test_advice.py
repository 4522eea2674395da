"""The advisor names the limit that was made on purpose, and counts the generators that are missing.

What limits is a sleep, so its rate is known: neither the test nor the machine's speed sets it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bench.lab.processes import Script, Starter
from tests.support.limits import limit

pytestmark = pytest.mark.slow

K, BATCH = 4, 8
FLAGS = (
    *("--patch", 16, "--patches-per-visit", K, "--batch-size", BATCH, "--mix-visits", 4),
    *("--manipulated", 0, "--no-tensorboard", "--progress", "lines"),
    *("--lease-bytes", "4KB", "--buffer", "80KiB"),
)


def train(start: Starter, photos: Path, out: Path, generators: int, patches: int) -> Script:
    size = ("--generators", generators, "--patches-per-epoch", patches, "--epochs", 2)
    return start.trainer(photos, "--out", out, *FLAGS, *size)


def report(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "report.json").read_text())
    return found


def test_too_few_generators_are_counted_and_that_many_more_are_enough(
    start: Starter, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A generator makes 4 patches in 0.5 s, the model takes 8 in 0.2 s: five keep it busy."""
    limit(monkeypatch, tmp_path / "limits", decode=0.5, step=0.2)
    said = train(start, photos, tmp_path / "few", 2, 160).done()
    told = report(tmp_path / "few")
    assert told["advice_figures"]["limit"] == "generators"
    needed = told["advice_figures"]["generators_needed"]
    assert 5 * 0.75 <= needed <= 5 * 1.25
    sentence = (
        r"The model waits \d\d % of the time. 2 generators deliver \d\d patches/s; the model can "
        r"take \d+: about \d more generators? on hosts like these."
    ).replace(" %", "%")
    assert re.search(rf"^{sentence}$", said, re.MULTILINE), said
    assert re.fullmatch(sentence, told["advice"])

    train(start, photos, tmp_path / "enough", int(needed) + 1, 240).done()
    figures = report(tmp_path / "enough")["advice_figures"]
    assert figures["model_wait_share"] < told["advice_figures"]["model_wait_share"] / 2


def test_a_slow_model(
    start: Starter, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, tmp_path / "limits", decode=0.02, step=0.2)
    train(start, photos, tmp_path / "run", 2, 240).done()
    told = report(tmp_path / "run")
    assert told["advice_figures"]["limit"] == "model", told
    assert "more generators will not help" in told["advice"]


def test_a_slow_disk(
    start: Starter, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, tmp_path / "limits", read=1.0, step=0.01)
    train(start, photos, tmp_path / "run", 2, 160).done()
    told = report(tmp_path / "run")
    assert told["advice_figures"]["limit"] == "reading", told
    assert "Reading is the limit on" in told["advice"]


def test_a_slow_trainer(
    start: Starter, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Making a batch takes longer than to train on it."""
    limit(monkeypatch, tmp_path / "limits", mix=0.1, step=0.02)
    train(start, photos, tmp_path / "run", 2, 400).done()
    told = report(tmp_path / "run")
    assert told["advice_figures"]["limit"] == "trainer", told


def test_a_sink_tells_what_limits_it(
    start: Starter, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, tmp_path / "limits", decode=0.1)
    into = tmp_path / "report.json"
    size = ("--generators", 2, "--patches-per-epoch", 200, "--epochs", 2, "--report", into)
    stream = [flag for flag in FLAGS if flag not in ("--no-tensorboard", "--progress", "lines")]
    said = start.sink(photos, *stream, *size).done()
    told = json.loads(into.read_text())
    assert told["advice_figures"]["limit"] == "generators", told
    assert told["advice"] in said
    assert "more generators will deliver more" in told["advice"]
