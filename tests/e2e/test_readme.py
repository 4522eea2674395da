"""Every command of README.md, CONTRIBUTING.md and docs/ is run: here, or by the test named here."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from bench._untrained import write
from bench.lab.processes import LONG, ROOT, WARNINGS, Script, Starter, free_port
from tests.support import pages
from tests.support.hdf5_made import write_hdf5
from tests.support.idx_files import write_digits
from tests.support.pages import PAGES, words

README = ROOT / "README.md"
URL = "http://127.0.0.1:8000/recognize.json"
INSTALL = [
    "python3 -m venv .venv && . .venv/bin/activate",
    "pip install -e . -c constraints.txt",
]
TRAIN = (
    "pushfit train --task camera --links DIR --bind tcp://0.0.0.0:12001 --keys keys --out runs/cam1"
)
GENERATE = (
    "pushfit generate --connect tcp://gpu-host:12001 --key node-1.key --links DIR --processes auto"
)
PETS = "pushfit train --task pets.py --links DIR --generators 2"
DIGITS = "pushfit train --task digits --links DIR --model smallcnn --epochs 3 --generators 2"
HDF5 = "pushfit train --task hdf5 --links DIR --shape 96,96,3 --epochs 3 --generators 2"
HDF5_NAMED = "pushfit train --task hdf5 --links DIR --shape 96,96,3 --images data --labels y"
MODELS = "pushfit train --list-models"
PREDICT = "pushfit predict --run runs/digits1 --data DIR --out submission.csv"
ENSEMBLE = "pushfit predict --run runs/a --run runs/b --data DIR --samples 8 --report r.json"
COMBINE = "pushfit predict --submissions a.proba.csv,b.proba.csv --combine geometric --out c.csv"
VOTE = "pushfit predict --submissions a.csv,b.csv,c.csv --combine majority --out d.csv"
MLFLOW = "pushfit train --task digits --links DIR --generators 2 --mlflow"
KEYS = ["pushfit keys make node-1", "pushfit keys make node-2"]
KEYS += ["pushfit keys list", "pushfit keys revoke node-2"]
RESUME = "pushfit train --resume --out runs/cam1"
SINK = "pushfit sink --null --task camera --links DIR --epochs 2 --generators 2 --report r.json"
STORE = "pushfit sink --out hdf5/cam --task camera --links DIR --epochs 1 --generators 2"
STORE_ON = "pushfit sink --resume --out hdf5/cam"
LOOK = [f"pushfit store {what} hdf5/cam" for what in ("info", "verify", "sheet")]
FROM = "pushfit train --from hdf5/cam --epochs 20 --out runs/cam2"
FROM_BOTH = "pushfit train --from hdf5/cam --val-from hdf5/held-out"
SERVE = "pushfit serve --run runs/digits1"
ASK = [
    f'curl -F "image=@7.png" {URL}',
    f'curl -H "Content-Type: image/png" --data-binary @7.png {URL}',
    """echo '{"image": "'$(base64 < 7.png)'"}' | """
    f'curl -H "Content-Type: application/json" -d @- {URL}',
]
LINK = "ln -sfn /disk/photos/train nvmelinks/train"
HERE = [
    *("make demo", "make demo-digits", "make test", "make setup", "make check"),
    *(*INSTALL, *KEYS, TRAIN, GENERATE, RESUME, PETS, DIGITS, HDF5, HDF5_NAMED, MODELS),
    *(PREDICT, ENSEMBLE, COMBINE, VOTE, MLFLOW, SINK, STORE, STORE_ON, *LOOK, FROM, FROM_BOTH),
    *(SERVE, *ASK, LINK, "pushfit config"),
]
"""Run by a test of this module."""

ELSEWHERE = {
    "tests/e2e/test_shared_fleet.py": [
        "pushfit generate --connect tcp://gpu-a:12001 --connect tcp://gpu-b:12001 --links DIR "
        "--processes 8",
    ],
    "tests/e2e/test_own_task.py": [
        "pushfit train --task path/to/mytask.py --links DIR --generators 2",
        "pushfit train --task examples/clicks.py --links DIR --generators 2",
        "pushfit generate --connect tcp://gpu-host:12001 --key node-1.key --links DIR "
        "--task mytask.py",
    ],
    "tests/e2e/test_training_page.py": [*pages.ADDED, pages.OWN_MODEL],
    "tests/e2e/test_devices.py": [*pages.DEVICES, pages.CPU_PARTS],
    "tests/e2e/test_replay.py": [
        "pushfit sink --out hdf5/all --task camera --links DIR --versions all "
        "--patches-per-visit 2 --epochs 1 --generators 2",
    ],
    "tests/bench/test_zoo.py": [
        "python -m bench zoo",
        "python -m bench zoo --task digits --links DIR --models smallcnn,resnet18,mobilenet "
        "--epochs 3",
    ],
    "tests/faults/test_benches.py": [
        "python -m bench chaos --minutes 10 --seed 1",
        "python -m bench soak --minutes 10",
    ],
    **{
        f"tests/bench/test_{name}.py": [f"python -m bench {name}"]
        for name in (
            *("transport", "order", "generate", "digits", "fit", "job", "remote", "scale"),
            *("start", "scan", "serve", "store", "replay", "compress", "ranks", "images"),
        )
    },
    "tests/e2e/test_images.py": [pages.IMAGES],
    "tests/e2e/test_rank_examples.py": [pages.TWO_RANKS],
    "tests/deploy/test_slurm.py": [
        pages.SLURM_ENVIRONMENT,
        pages.SLURM_TRAIN,
        pages.SLURM_GENERATE,
        ".venv/bin/pushfit keys make slurm",
        "export PUSHFIT_CONNECT=tcp://gpu-box:12001 PUSHFIT_KEY=$HOME/slurm.key "
        "PUSHFIT_LINKS=/data/photos",
    ],
    "tests/deploy/test_platforms.py": [
        "mkdir -p models/digits1",
        "cp runs/digits1/best.keras models/digits1/",
        "git add models/digits1/best.keras",
        "echo '-e .[serve]' > requirements.txt",
        "echo '-c constraints.txt' >> requirements.txt",
        "echo 3.11 > .python-version",
        "git add requirements.txt .python-version",
        'git commit --message "What the platform installs"',
    ],
    "tests/containers/test_compose.py": [
        "printf 'PUSHFIT_DATA=/photos\\nPUSHFIT_UID=%s\\nPUSHFIT_GID=%s\\n' "
        "$(id -u) $(id -g) > .env",
        "mkdir -m 700 keys",
        pages.COMPOSE_KEYS,
        pages.COMPOSE_UP,
        "docker compose cp trainer:/pushfit/runs/compose .",
    ],
}
"""Run by other tests, with folders, hosts and engines that these have."""

CONTAINERS = "docs/containers.md"
IMAGES = "tests/containers/test_images.py"
"""Its images are built and run there, by podman; those for a GPU nowhere."""
NOT_RUN = {
    "a copy of the environment that `make setup` makes": [
        ". .venv/bin/activate",
        "python3 -m venv .venv",
        "pip install -e '.[train]' -c constraints.txt",
        ".venv/bin/pip install -e '.[train]' -c constraints.txt",
        "pip install -e '.[serve]' -c constraints.txt",
        "pip install -e '.[hdf5]' -c constraints.txt",
    ],
    "an account at Kaggle": [
        "kaggle competitions download -c digit-recognizer",
        "unzip digit-recognizer.zip -d DIR",
    ],
    "an image of the user's own model": [
        "docker build --tag digits --file Dockerfile.digits .",
        "docker run --rm --read-only --tmpfs /tmp -e PORT=5000 -p 127.0.0.1:5000:5000 digits",
    ],
}
"""What each would need. The extras that they name are held to pyproject.toml."""


def of_images(page: Path) -> set[str]:
    """The page's commands of docker and podman that build or run an image by hand."""
    by_hand = ("docker build", "docker run", "docker network", "podman ", "docker compose -f")
    return {line for line in pages.commands(page) if line.startswith(by_hand)}


def run(arguments: list[str], cwd: Path = ROOT) -> str:
    ended = subprocess.run(
        arguments, cwd=cwd, capture_output=True, text=True, timeout=4 * LONG, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_every_command_of_the_pages_is_run_by_a_test() -> None:
    told = {line: pages.name(page) for page in PAGES for line in pages.commands(page)}
    listed = [
        *HERE,
        *(line for lines in (*ELSEWHERE.values(), *NOT_RUN.values()) for line in lines),
    ]
    listed += of_images(ROOT / CONTAINERS)
    assert [line for line, times in Counter(listed).items() if times > 1] == []
    assert {line: page for line, page in told.items() if line not in listed} == {}
    assert set(listed) - set(told) == set()
    for module in (*ELSEWHERE, IMAGES):
        assert (ROOT / module).is_file(), module


def test_every_extra_that_a_page_names_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for page in PAGES:
        for named in re.findall(r"'\.\[([a-z,]+)\]'", page.read_text(encoding="utf-8")):
            assert set(named.split(",")) <= set(project["optional-dependencies"]), pages.name(page)


def test_the_environment_is_where_the_readme_says() -> None:
    plan = run(["make", "--dry-run", "--always-make", "setup"])
    assert "-m venv .venv" in plan and "--editable '.[train]'" in plan
    assert "--constraint constraints.txt" in plan


def test_make_test_runs_every_check() -> None:
    plan = run(["make", "--dry-run", "test"])
    for tool in ("ruff check", "ruff format --check", "mypy", "lint-imports", "pytest"):
        assert tool in plan


def test_a_link_is_changed_as_the_page_says(tmp_path: Path) -> None:
    (tmp_path / "nvmelinks").mkdir()
    for _ in range(2):  # again over what is there
        run(["sh", "-c", LINK], cwd=tmp_path)
    assert (tmp_path / "nvmelinks" / "train").readlink() == Path("/disk/photos/train")


@pytest.mark.slow
def test_ten_lines_of_a_task(start: Starter, photos: Path, tmp_path: Path) -> None:
    """The README's file, word for word; that of docs/your-own-task.md is the same class."""
    lines = next(block for block in pages.blocks(README, "python") if "class Pets" in block)
    assert lines == pages.blocks(ROOT / "docs" / "your-own-task.md", "python")[0]
    (tmp_path / "pets.py").write_text(lines, encoding="utf-8")
    named = words(PETS, **{"DIR": photos, "pets.py": tmp_path / "pets.py"})
    trainer = start(*named, "--epochs", 1, "--bind", "tcp://127.0.0.1:0", "--out", tmp_path / "out")
    assert "exactly once" in trainer.done()
    assert (tmp_path / "out" / "samples.png").is_file()


@pytest.mark.slow
def test_make_demo(tmp_path: Path) -> None:
    short = "--epochs 1 --patches-per-epoch 320 --bind tcp://127.0.0.1:0"
    output = run(["make", "demo", f"OUT={tmp_path}/demo", f"DEMO={short}"])
    assert "Every sample was handed to fit and trained on exactly once." in output
    assert (tmp_path / "demo" / "samples.png").is_file()


@pytest.mark.slow
def test_make_demo_digits(tmp_path: Path) -> None:
    short = "--epochs 1 --bind tcp://127.0.0.1:0"
    output = run(["make", "demo-digits", f"OUT={tmp_path}/demo", f"DEMO={short}"])
    assert "1,797 handwritten digits, 297 held out" in output
    assert "Every sample was handed to fit and trained on exactly once." in output
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
def test_files_of_answers_combined(start: Starter, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.proba.csv").write_text("fname,x,y\n1.jpg,0.3,0.7\n2.jpg,0.9,0.1\n")
        (tmp_path / f"{name}.csv").write_text("fname,camera\n1.jpg,x\n2.jpg,x\n")
    here = {f"{name}.csv": tmp_path / f"{name}.csv" for name in "abcd"}
    proba = {f"{name}.proba.csv": tmp_path / f"{name}.proba.csv" for name in "ab"}
    named = words(COMBINE, **proba, **{"c.csv": here["c.csv"]})
    assert "2 records of 2 files" in start(*named).done()
    assert here["c.csv"].read_text() == "fname,camera\n1.jpg,y\n2.jpg,x\n"
    assert "2 records of 3 files" in start(*words(VOTE, **here)).done()
    assert here["d.csv"].read_text() == "fname,camera\n1.jpg,x\n2.jpg,x\n"


@pytest.mark.slow
def test_hdf5_files(start: Starter, tmp_path: Path) -> None:
    write_hdf5(tmp_path / "data", 60, 96)
    flags = ("--batch-size", 20, "--bind", "tcp://127.0.0.1:0", "--out", tmp_path / "out")
    script = start(*words(HDF5, DIR=tmp_path / "data"), *flags)
    assert "Every sample was handed to fit and trained on exactly once" in script.done()
    flags = ("--epochs", 1, "--generators", 1, *flags[:-1], tmp_path / "named")
    script = start(*words(HDF5_NAMED, DIR=tmp_path / "data"), *flags)
    assert "Every sample was handed to fit and trained on exactly once" in script.done()


@pytest.mark.slow
def test_the_models(start: Starter) -> None:
    assert "resnet18" in start(*words(MODELS)).done()


@pytest.mark.slow
def test_a_run_told_to_mlflow(start: Starter, tmp_path: Path) -> None:
    out, folder = tmp_path / "out", tmp_path / "mlruns"
    named = words(MLFLOW, DIR=write_digits(tmp_path / "links", 600))
    trainer = start(*named, folder, "--epochs", 1, "--bind", "tcp://127.0.0.1:0", "--out", out)
    said = trainer.done()
    assert "exactly once" in said
    assert "MLflow" not in said  # it would tell what has not arrived
    assert f"mlflow ui --backend-store-uri sqlite:///{folder}/mlflow.db" in said
    from mlflow import MlflowClient

    looking = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    (run,) = looking.search_runs([looking.get_experiment_by_name("digits").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["model"] == "smallcnn"
    assert run.data.params["rotation"] == "10"
    assert run.data.metrics["generators"] == 2
    assert run.data.metrics["held_out_accuracy"] == run.data.metrics["val_accuracy"] <= 1
    assert run.data.metrics["inference_ms_per_batch"] > 0
    kept = {path.name: path for path in (folder / "artifacts").rglob("*.*")}
    assert "MLmodel" in {path.name for path in (folder / "artifacts").rglob("model/*")}
    for name in ("best.keras", "samples.png", "report.json", "history.csv"):
        assert kept[name].read_bytes() == (out / name).read_bytes()


@pytest.mark.slow
def test_serving(start: Starter, tmp_path: Path) -> None:
    write(tmp_path)
    port = free_port()
    server = start(*words(SERVE, **{"runs/digits1": tmp_path}), "--port", port)
    server.wait_for('"message":"ready"')
    drawn = ROOT / "tests" / "support" / "drawn" / "7.png"
    for command in ASK:
        asked = command.replace("7.png", str(drawn)).replace("8000", str(port))
        assert '"probabilities"' in run(["sh", "-c", asked])
    server.send(signal.SIGTERM)
    server.done()


def test_the_report_on_this_host(start: Starter) -> None:
    report: Script = start(*words("pushfit config"))
    assert report.finish() in (0, 2)  # 2: this machine has nothing behind its links
    assert "links" in report.output and "train" in report.output


@pytest.mark.slow
def test_a_generator_runs_on_its_own_requirements_alone(
    start: Starter, photos: Path, tmp_path: Path
) -> None:
    make, install = (command.replace(".venv", str(tmp_path / "venv")) for command in INSTALL)
    run(["bash", "-c", f"{make} && {install}"])
    python = tmp_path / "venv" / "bin" / "python"
    sink = start.sink(photos, "--patch", 32, "--epochs", 1)
    generator = [str(python), *WARNINGS, "generator_zmq.py", "--links", str(photos)]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    ended = subprocess.run(
        [*generator, "--connect", f"tcp://127.0.0.1:{sink.port}"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LONG, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "exactly once" in sink.done()
