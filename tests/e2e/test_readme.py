"""Every command of the README, run: its own words, with folders and hosts that exist here."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import venv
from pathlib import Path

import pytest

from bench._untrained import write
from tests.containers.test_compose import MAKE_KEYS, UP
from tests.e2e.processes import LONG, ROOT, WARNINGS, Script, Starter, free_port
from tests.tasks.idx_files import write_digits

README = (ROOT / "README.md").read_text(encoding="utf-8")
SERVE = "python serve.py --run runs/digits1"
ASK = 'curl -F "image=@7.png" http://127.0.0.1:8000/recognize.json'
INLINE = ("pip install -r requirements-generator.txt",)

TRAIN = (
    "python train_zmq.py --task camera --links DIR --bind tcp://0.0.0.0:12001 --keys keys "
    "--out runs/cam1"
)
GENERATE = (
    "python generator_zmq.py --connect tcp://gpu-host:12001 --key node-1.key --links DIR "
    "--processes auto"
)
SHARE = (  # on loopback in test_shared_fleet.py
    "python generator_zmq.py --connect tcp://gpu-a:12001 --connect tcp://gpu-b:12001 --links DIR "
    "--processes 8"
)
DIGITS = "python train_zmq.py --task digits --links DIR --model smallcnn --epochs 3 --generators 2"
MODELS = "python train_zmq.py --list-models"
ZOO = (  # shorter in tests/bench/test_zoo.py
    "python -m bench zoo --task digits --links DIR --models smallcnn,resnet18,mobilenet --epochs 3"
)
OWN = "python train_zmq.py --task examples/photos.py --links DIR --epochs 3 --generators 2"
PREDICT = "python predict.py --run runs/digits1 --data DIR --out submission.csv"
ENSEMBLE = "python predict.py --run runs/a --run runs/b --data DIR --samples 8 --report r.json"
MLFLOW = "python train_zmq.py --task digits --links DIR --generators 2 --mlflow"
KEYS = ["python -m lib.wire.keys make node-1", "python -m lib.wire.keys make node-2"]
KEYS += ["python -m lib.wire.keys list", "python -m lib.wire.keys revoke node-2"]
SLURM = [  # run in tests/deploy/test_slurm.py
    "export PUSHFIT_OUT=$HOME/runs/cam1 PUSHFIT_LINKS=/data/photos PUSHFIT_KEYS=keys "
    "PUSHFIT_KEY=keys/slurm.key",
    "python -m lib.wire.keys make slurm",
    "sbatch deploy/slurm/trainer.sbatch --task camera --epochs 20",
    "sbatch --array=0-15 deploy/slurm/generators.sbatch",
]
RESUME = "python train_zmq.py --resume --out runs/cam1"
SINK = (
    "python sink_zmq.py --null --task camera --links DIR --epochs 2 --generators 2 --report r.json"
)
STORE = "python sink_zmq.py --out hdf5/cam --task camera --links DIR --epochs 1 --generators 2"
STORE_ON = "python sink_zmq.py --resume --out hdf5/cam"
LOOK = [f"python -m lib.sinks.hdf5 {what} hdf5/cam" for what in ("info", "verify", "sheet")]
FROM = "python train_zmq.py --from hdf5/cam --epochs 20 --out runs/cam2"
FROM_BOTH = "python train_zmq.py --from hdf5/cam --val-from hdf5/held-out"
BENCHES = [path.stem.removeprefix("test_") for path in (ROOT / "tests" / "bench").glob("test_*.py")]
"""Each is run there, shorter."""
COVERED = {
    "make demo",
    "make demo-digits",
    "make test",
    TRAIN,
    GENERATE,
    SHARE,
    RESUME,
    SINK,
    STORE,
    STORE_ON,
    *LOOK,
    FROM,
    FROM_BOTH,
    SERVE,
    ASK,
    "pip install -r requirements-serve.txt",  # with requirements-dev.txt
    DIGITS,
    MODELS,
    ZOO,
    OWN,
    PREDICT,
    ENSEMBLE,
    MLFLOW,
    *KEYS,
    *SLURM,
    "python -m cfg",
    *(f"python -m bench {name}" for name in BENCHES),
    "python -m bench chaos --minutes 10 --seed 1",  # shorter in tests/faults/test_benches.py
    "python -m bench soak --minutes 10",
    "mkdir -m 700 keys",
    MAKE_KEYS,  # both in tests/containers/test_compose.py
    UP,
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
    assert "Every sample was counted exactly once." in sink.done()
    assert (tmp_path / "r.json").is_file()


@pytest.mark.slow
def test_a_stream_is_stored(start: Starter, photos: Path, tmp_path: Path) -> None:
    names = {"DIR": photos, "hdf5/cam": tmp_path / "hdf5" / "cam"}
    sink = start(*words(STORE, **names), "--patch", 32, "--bind", "tcp://127.0.0.1:0")
    assert "Every sample was stored exactly once." in sink.done()
    assert "is complete" in start(*words(STORE_ON, **names)).done()
    told = r"(?m)^all +128 ", "2 files: all are as they were stored", "drawn: .*samples.png"
    for command, pattern in zip(LOOK, told, strict=True):
        assert re.search(pattern, start(*words(command, **names)).done())
    assert (tmp_path / "hdf5" / "cam" / "samples.png").is_file()
    names["hdf5/held-out"] = names["hdf5/cam"]
    for command in (FROM, FROM_BOTH):
        short = ("--epochs", 1, "--model", "smallcnn", "--no-tensorboard")
        out = tmp_path / str(len(command))
        assert "exactly once" in start(*words(command, **names), *short, "--out", out).done()


@pytest.mark.slow
def test_digits(start: Starter, tmp_path: Path) -> None:
    named = words(DIGITS, DIR=write_digits(tmp_path / "links", 600))
    trainer = start(*named, "--bind", "tcp://127.0.0.1:0", "--out", tmp_path / "out")
    assert "exactly once" in trainer.done()
    assert (tmp_path / "out" / "best.keras").is_file()
    test, submission = write_digits(tmp_path / "t", 60, name="t10k"), tmp_path / "submission.csv"
    names = {"DIR": test, "runs/digits1": tmp_path / "out", "submission.csv": submission}
    assert "Accuracy: " in start(*words(PREDICT, **names)).done()
    assert submission.read_text().startswith("ImageId,Label\n1,")
    shutil.copytree(tmp_path / "out", tmp_path / "again")
    names = {"DIR": test, "runs/a": tmp_path / "out", "runs/b": tmp_path / "again"}
    ensemble = words(ENSEMBLE, **names, **{"r.json": tmp_path / "r.json"})
    said = start(*ensemble, "--out", tmp_path / "ensemble.csv").done()
    assert "60 records by 2 runs" in said and (tmp_path / "r.json").is_file()


@pytest.mark.slow
def test_the_models(start: Starter) -> None:
    assert "resnet18" in start(*words(MODELS)).done()


@pytest.mark.slow
def test_a_task_of_ones_own(start: Starter, photos: Path, tmp_path: Path) -> None:
    named = words(OWN, DIR=photos)
    trainer = start(*named, "--bind", "tcp://127.0.0.1:0", "--out", tmp_path / "out")
    assert "exactly once" in trainer.done()
    assert (tmp_path / "out" / "best.keras").is_file()


@pytest.mark.slow
def test_a_run_told_to_mlflow(start: Starter, tmp_path: Path) -> None:
    out, folder = tmp_path / "out", tmp_path / "mlruns"
    named = words(MLFLOW, DIR=write_digits(tmp_path / "links", 600))
    trainer = start(*named, folder, "--epochs", 1, "--bind", "tcp://127.0.0.1:0", "--out", out)
    said = trainer.done()
    assert "exactly once" in said
    assert "MLflow" not in said  # nothing to say: all has arrived
    from mlflow import MlflowClient

    looking = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    (run,) = looking.search_runs([looking.get_experiment_by_name("digits").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["model"] == "smallcnn"
    assert run.data.params["rotation"] == "10"
    assert run.data.metrics["generators"] == 2
    assert 0 <= run.data.metrics["val_accuracy"] <= 1
    kept = {path.name: path for path in (folder / "artifacts").rglob("*.*")}
    for name in ("best.keras", "samples.png", "report.json", "history.csv"):
        assert kept[name].read_bytes() == (out / name).read_bytes()


@pytest.mark.slow
def test_serving(start: Starter, tmp_path: Path) -> None:
    write(tmp_path)
    port = free_port()
    server = start(*words(SERVE, **{"runs/digits1": tmp_path}), "--port", port)
    server.wait_for('"message":"ready"')
    drawn = ROOT / "tests" / "serving" / "drawn" / "7.png"
    asked = ASK.replace("7.png", str(drawn)).replace("8000", str(port))
    assert '"probabilities"' in run(shlex.split(asked))
    server.send(signal.SIGTERM)
    server.done()


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
