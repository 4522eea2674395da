"""The command line: what ``--help`` shows, and how a slip is answered."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from bench.lab.processes import ROOT
from pushfit import tasks
from pushfit.errors import ConfigError
from pushfit.settings import help_page
from pushfit.settings.fields import parameters_of, settings_of
from pushfit.settings.programs import PROGRAMS
from pushfit.settings.resolve import resolve


def ask(*argv: str, command: str = "train", **layers: Any) -> Any:
    layers = {"environ": {}, "prog": "train_zmq.py", **layers}
    return resolve(PROGRAMS[command], argv, description="Words.", **layers)


def shown(capsys: pytest.CaptureFixture[str], *argv: str, **layers: Any) -> str:
    with pytest.raises(SystemExit) as caught:
        ask(*argv, **layers)
    assert caught.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("command", PROGRAMS)
def test_help_shows_every_flag_its_default_and_its_limits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = shown(capsys, "--help", command=command)
    assert max(map(len, text.splitlines())) < columns
    flat = " ".join(text.split())
    own = settings_of(PROGRAMS[command])
    if any(setting.name == "task" and setting.default for setting in own):
        taken = {s.name for struct in PROGRAMS.values() for s in settings_of(struct)}
        own += parameters_of("camera", tasks.load("camera").Params, taken)
    for setting in own:
        assert f" {setting.flag} " in flat or f" {setting.flag}, " in flat
        assert " ".join(help_page.help_text(setting, None).split())[:-1] in flat


def test_help_reads_from_data_to_run(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "-h")
    titles = [line[:-1] for line in text.splitlines() if line.endswith(":") and line[0] != " "]
    assert titles == [
        "Data", "Camera task", "Stream", "Model", "Training", "Fleet", "Run", "Help",
    ]  # fmt: skip


def test_a_list_may_be_given_a_part_at_a_time() -> None:
    asked = ask("--run", "a,b", "--run=c", command="predict")
    assert asked.settings.run == ("a", "b", "c") and asked.params is None
    assert ask("--manipulations=jpeg70", "--manipulations", "jpeg90").params.manipulations == (
        "jpeg70", "jpeg90",
    )  # fmt: skip
    with pytest.raises(ConfigError, match="--run on the command line: 'a,' is not valid"):
        ask("--run=a,", command="predict")


def test_help_shows_what_holds_on_this_host(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "--help", environ={"PUSHFIT_EPOCHS": "77"})
    assert "here 77, from environment PUSHFIT_EPOCHS" in " ".join(text.split())


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--epcohs", "3"], "--epcohs is not a flag of train_zmq.py, did you mean '--epochs'?"),
        (["--batch", "3"], "did you mean '--batch-size'?"),
        (["--batch_size=3"], "did you mean '--batch-size'?"),
        (["--zzz"], "--zzz is not a flag of train_zmq.py; python train_zmq.py --help lists them"),
        (["--epochs"], "--epochs on the command line has no value: it must be a whole number"),
        (["--epochs", "--seed"], "--epochs on the command line has no value"),
        (["--task"], "--task on the command line has no value"),
        (["--flips=3"], "write --flips or --no-flips"),
        (["--manipulations", "jpeg70", "jpeg90,"], "commas and no spaces"),
        (["lost"], "'lost' is not expected here: train_zmq.py takes flags only"),
        (["--epochs", "-1"], "--epochs on the command line: '-1' is not valid"),
        (["--manipulations=jpeg7"], "did you mean 'jpeg70'?"),
        (["--task=camra"], "did you mean 'camera'?"),
    ],
)
def test_a_slip_is_answered_in_a_sentence(
    capsys: pytest.CaptureFixture[str], argv: list[str], says: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        ask(*argv)
    assert says in str(caught.value)
    assert caught.value.exit_code == 2
    assert capsys.readouterr() == ("", "")


def test_the_last_of_a_repeated_flag_counts() -> None:
    assert ask("--epochs=3", "--epochs", "4", "--balance", "--no-balance").settings.epochs == 4


def test_settings_import_nothing_heavy() -> None:
    heavy = "{'numpy', 'cv2', 'PIL', 'zmq'}"
    code = f"import sys, pushfit.settings.resolve; print(*{heavy} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


SHOW = """
import runpy, sys
sys.argv[1:] = sys.argv[2:]
try:
    runpy.run_module("pushfit", run_name="__main__")
except SystemExit as end:
    print(end.code, *sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.mark.parametrize(
    ("command", "heavy"),
    [
        # The parameters of a task stand beside its code, which needs numpy.
        ("train", {"zmq", "keras", "tensorflow", "PIL", "h5py", "asyncio"}),
        ("generate", {"numpy", "zmq", "keras", "tensorflow", "PIL", "h5py", "asyncio"}),
        ("serve", {"numpy", "zmq", "keras", "tensorflow", "PIL", "h5py", "asyncio"}),
    ],
)
def test_help_waits_for_nothing_heavy(command: str, heavy: set[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHOW, "-", command, "--help"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "lib")},
        capture_output=True,
        text=True,
        check=True,
    )
    code, *loaded = done.stdout.splitlines()[-1].split()
    assert code == "0" and "msgspec" in loaded
    assert not heavy & set(loaded)


def test_a_flag_may_have_a_meaning_without_a_value() -> None:
    assert ask().settings.mlflow == ""
    assert ask("--mlflow").settings.mlflow == "mlruns"
    assert ask("--mlflow", "--epochs", "3").settings.mlflow == "mlruns"
    assert ask("--mlflow", "http://host:5000").settings.mlflow == "http://host:5000"
