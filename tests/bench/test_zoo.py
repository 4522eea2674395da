"""`bench zoo` as short as it goes: two models over one fleet, and the table that comes of it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from bench import _zoo_table, zoo
from bench.lab.processes import PLAIN
from pushfit.errors import ConfigError
from tests.support.idx_files import write_digits

ROW: dict[str, Any] = {
    "model": "smallcnn", "validation": 0.98765, "test": None, "inference_ms": 12.345, "batch": 128,
    "parameters": 871210, "training_s": 1234.5,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(900)  # five starts of TensorFlow
def test_two_models_over_one_fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PLAIN))  # each of them is slow enough
    links, out = write_digits(tmp_path / "links", 300), tmp_path / "zoo"
    write_digits(links, 50, name="t10k")
    words = ["--links", str(links), "--models", "smallcnn,squeezenet1_1", "--epochs", "1"]
    words += ["--out", str(out), "--generators", "1", "--no-tensorboard", "--schedule", "cosine"]
    result = zoo.run(words)
    assert result["failed"] == []
    with (out / "zoo.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["model"] for row in rows] == ["smallcnn", "squeezenet1.1", "ensemble"]
    ensemble = rows.pop()
    assert ensemble["validation"] == "" and 0 <= float(ensemble["test"]) <= 1
    assert int(ensemble["parameters"]) == sum(int(row["parameters"]) for row in rows)
    assert float(ensemble["training_s"]) == pytest.approx(sum(float(r["training_s"]) for r in rows))
    assert float(ensemble["inference_ms"]) > 0
    for row in rows:
        assert 0 <= float(row["test"]) <= 1 and 0 <= float(row["validation"]) <= 1
        assert float(row["inference_ms"]) > 0 and float(row["training_s"]) > 0
        config = json.loads((out / row["model"] / "config.json").read_text())["settings"]
        assert config["schedule"]["value"] == "cosine"
        assert config["generators"]["value"] == 0  # the samples came from the one fleet
    assert int(rows[0]["parameters"]) == 871_210
    assert (out / "zoo.md").read_text().count("\n| ") == 5
    assert (out / "zoo.png").read_bytes().startswith(b"\x89PNG")

    trained = (out / "smallcnn" / "last.keras").stat().st_mtime_ns
    words[words.index("--models") + 1] = "smallcnn"
    again = zoo.run(words)  # what is complete is measured only
    assert again["figures"]["smallcnn_test"] == result["figures"]["smallcnn_test"]
    assert (out / "smallcnn" / "last.keras").stat().st_mtime_ns == trained


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--models", "smallcn"], "unknown model 'smallcn', did you mean 'smallcnn'"),
        (["--epoch-s", "3"], "--epoch-s is not a flag of train_zmq.py"),
        (["--bind=tcp://*:1"], "--bind is set by the bench"),
        (["--task", "hdf5"], "give the folder of the hdf5 data with --links"),
    ],
)
def test_what_a_trainer_would_refuse_is_refused_before_any_starts(
    tmp_path: Path, words: list[str], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        zoo.run([*words, "--out", str(tmp_path / "zoo")])
    assert not (tmp_path / "zoo").exists()


@pytest.mark.slow  # matplotlib comes with the rivals
def test_a_figure_that_there_is_not_is_left_empty(tmp_path: Path) -> None:
    assert _zoo_table.markdown([ROW]).splitlines()[-1] == (
        "| smallcnn | 98.77% |  | 12.3 | 128 | 871,210 | 1,234 |"
    )
    _zoo_table.write([ROW], tmp_path, "digits")
    assert (tmp_path / "zoo.csv").read_text().splitlines()[1].startswith("smallcnn,0.98765,,12.345")
    assert (tmp_path / "zoo.png").stat().st_size > 0
