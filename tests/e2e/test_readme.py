"""Every command of the README, run: its own words, with folders and hosts that exist here."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import venv
from pathlib import Path

import pytest

from tests.e2e.processes import LONG, ROOT, WARNINGS, Script, Starter, free_port
from tests.tasks.idx_files import write_digits

README = (ROOT / "README.md").read_text(encoding="utf-8")
INLINE = ("pip install -r requirements-generator.txt",)

TRAIN = (
    "python train_zmq.py --task camera --links DIR --bind tcp://0.0.0.0:12001 --keys keys "
    "--out runs/cam1"
)
GENERATE = (
    "python generator_zmq.py --connect tcp://gpu-host:12001 --key node-1.key --links DIR "
    "--processes auto"
)
DIGITS = "python train_zmq.py --task digits --links DIR --model smallcnn --epochs 3 --generators 2"
KEYS = ["python -m lib.wire.keys make node-1", "python -m lib.wire.keys make node-2"]
KEYS += ["python -m lib.wire.keys list", "python -m lib.wire.keys revoke node-2"]
RESUME = "python train_zmq.py --resume --out runs/cam1"
SINK = (
    "python sink_zmq.py --null --task camera --links DIR --epochs 2 --generators 2 --report r.json"
)
BENCHES = [path.stem.removeprefix("test_") for path in (ROOT / "tests" / "bench").glob("test_*.py")]
"""Each is run there, shorter."""
COVERED = {
    "make demo",
    "make demo-digits",
    "make test",
    TRAIN,
    GENERATE,
    RESUME,
    SINK,
    DIGITS,
    *KEYS,
    "python -m cfg",
    *(f"python -m bench {name}" for name in BENCHES),
    "python -m bench chaos --minutes 10 --seed 1",  # shorter in tests/faults/test_benches.py
    "python -m bench soak --minutes 10",
}


def commands() -> set[str]:
    """The lines of every shell block, without their comments."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = [line.partition(" #")[0].strip() for block in blocks for line in block.splitlines()]
    return {line for line in lines if line}


def words(command: str, **stand_ins: object) -> list[str]:
    """The arguments of a `python …` command, names replaced by what exists here."""
    for name, value in stand_ins.items():
        command = command.replace(name, str(value))
    return shlex.split(command)[1:]


def run(arguments: list[str], cwd: Path = ROOT) -> str:
    ended = subprocess.run(
        arguments, cwd=cwd, capture_output=True, text=True, timeout=4 * LONG, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_every_command_of_the_readme_is_run_by_a_test_below() -> None:
    assert commands() == COVERED
    for command in INLINE:
        assert f"`{command}`" in README


def test_make_test_runs_every_check() -> None:
    plan = run(["make", "--dry-run", "test"])
    for tool in ("ruff check", "ruff format --check", "mypy", "lint-imports", "pytest"):
        assert tool in plan


@pytest.mark.slow
def test_make_demo(tmp_path: Path) -> None:
    short = "--epochs 1 --patches-per-epoch 320 --bind tcp://127.0.0.1:0"
    output = run(["make", "demo", f"OUT={tmp_path}/demo", f"DEMO={short}"])
    assert "Every sample was handed to fit exactly once." in output
    assert (tmp_path / "demo" / "samples.png").is_file()


@pytest.mark.slow
def test_make_demo_digits(tmp_path: Path) -> None:
    short = "--epochs 1 --bind tcp://127.0.0.1:0"
    output = run(["make", "demo-digits", f"OUT={tmp_path}/demo", f"DEMO={short}"])
    assert "1,797 handwritten digits, 297 held out" in output
    assert "Every sample was handed to fit exactly once." in output
    assert (tmp_path / "demo" / "samples.png").is_file()


@pytest.mark.slow
def test_a_trainer_and_generators_on_two_hosts(
    start: Starter, photos: Path, tmp_path: Path
) -> None:
    port, out, folder = free_port(), tmp_path / "cam1", tmp_path / "keys"
    for command in KEYS:
        start(*words(command), "--keys", folder).done()
    named = {"12001": port, "--keys keys": f"--keys {folder}", "runs/cam1": out, "DIR": photos}
    trainer = start(*words(TRAIN, **named), *("--model", "smallcnn", "--patch", 32, "--epochs", 1))
    (tmp_path / "node-1.key").write_bytes((folder / "node-1.key").read_bytes())
    there = {"gpu-host:12001": f"127.0.0.1:{port}", "node-1.key": tmp_path / "node-1.key"}
    refused = start(*words(GENERATE, **there, DIR=photos))
    assert f"chmod 600 {tmp_path / 'node-1.key'}" in refused.done(2)
    (tmp_path / "node-1.key").chmod(0o600)
    fleet = start(*words(GENERATE, **there, DIR=photos))
    assert "exactly once" in trainer.done()
    fleet.done()
    assert (out / "best.keras").is_file()
    resumed = start(*words(RESUME, **{"runs/cam1": out}))
    assert "is complete" in resumed.done()
    longer = start(*words(RESUME, **{"runs/cam1": out}), "--epochs", 2)
    fleet = start(*words(GENERATE, **there, DIR=photos))
    assert "at epoch 2, batch 1 of 4" in longer.done()
    fleet.done()


@pytest.mark.slow
def test_a_sink(start: Starter, photos: Path, tmp_path: Path) -> None:
    named = words(SINK, **{"DIR": photos, "r.json": tmp_path / "r.json"})
    sink = start(*named, "--patch", 32, "--bind", "tcp://127.0.0.1:0")
    assert "exactly once" in sink.done()
    assert (tmp_path / "r.json").is_file()


@pytest.mark.slow
def test_digits(start: Starter, tmp_path: Path) -> None:
    named = words(DIGITS, DIR=write_digits(tmp_path / "links", 600))
    trainer = start(*named, "--bind", "tcp://127.0.0.1:0", "--out", tmp_path / "out")
    assert "exactly once" in trainer.done()
    assert (tmp_path / "out" / "best.keras").is_file()


def test_the_report_on_this_host(start: Starter) -> None:
    report: Script = start(*words("python -m cfg"))
    assert report.finish() in (0, 2)  # 2: this machine has nothing behind its links
    assert "links" in report.output and "train" in report.output


@pytest.mark.slow
def test_a_generator_runs_on_its_own_requirements_alone(
    start: Starter, photos: Path, tmp_path: Path
) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    run([str(python), "-m", *shlex.split(INLINE[0])])
    sink = start.sink(photos, "--patch", 32, "--epochs", 1)
    generator = [str(python), *WARNINGS, "generator_zmq.py", "--links", str(photos)]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    ended = subprocess.run(
        [*generator, "--connect", f"tcp://127.0.0.1:{sink.port}"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LONG, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "exactly once" in sink.done()
