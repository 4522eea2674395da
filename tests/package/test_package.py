"""The wheel and the sdist, built and installed where there is no checkout.

The generator's environment is what pip makes of the wheel. The trainer's takes TensorFlow and the
like from the environment of the tests, since they are gigabytes; PushFit is the wheel's there, too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from pathlib import Path

import pytest

import pushfit
from bench.lab.processes import LONG, ROOT, until
from pushfit import tasks
from pushfit.tasks.compatibility import source_of
from tests.package.installed import INSTALL_SECONDS, Installed, said
from tests.support.asking import DRAWN, status, upload

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MEGABYTES = 120  # at most, of a generator's packages as their wheels hold them
EXACTLY_ONCE = "Every sample was handed to fit and trained on exactly once"
# Photos a camera, and their size: few, and small.
FEW = ("--train", 8, "--val", 4, "--height", 120, "--width", 160)
SMALL = ("--size", 32, "--batch-size", 8, "--epochs", 1, "--no-tensorboard")
TYPED = """
from pushfit.tasks.base import ArraySpec, Task


def sides(task: Task) -> list[int]:
    return [spec.shape[0] for spec in task.arrays() if spec.shape]


wrong: int = ArraySpec("image", "uint8", (1,)).name  # type: ignore[assignment]
"""


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    build("--outdir", folder, ROOT)
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (path,) = dist.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def generator(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    made = Installed(tmp_path_factory.mktemp("generator"))
    made.install("--no-compile", "--constraint", ROOT / "constraints.txt", wheel)
    return made


@pytest.fixture(scope="module")
def trainer(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    packages = [path for path in sys.path if path.endswith("site-packages")]
    made = Installed(tmp_path_factory.mktemp("trainer"), packages)
    made.install("--no-deps", "--ignore-installed", wheel)
    made.run("samples", "--out", "data", *FEW)
    shutil.copy(ROOT / "examples" / "photos.py", made.folder)
    return made


@pytest.fixture(scope="module")
def trained(trainer: Installed) -> str:
    """What a training said that two generators of its own fed."""
    flags = ("--task", "photos.py", "--links", "data", *SMALL, "--out", "runs/r")
    return trainer.run("train", *flags, "--generators", 2, "--bind", "tcp://127.0.0.1:0")


def build(*words: object) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "build", *map(str, words)],
        capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def contents(wheel: Path) -> dict[str, int]:
    """{file: its checksum}"""
    with zipfile.ZipFile(wheel) as archive:
        return {each.filename: each.CRC for each in archive.infolist()}


def test_the_wheel_holds_the_whole_package(wheel: Path) -> None:
    lib = ROOT / "lib"
    files = (path for path in (lib / "pushfit").rglob("*") if path.is_file())
    ours = {str(path.relative_to(lib)) for path in files if "__pycache__" not in path.parts}
    held = {name for name in contents(wheel) if ".dist-info/" not in name}
    assert held == ours
    assert {"pushfit/py.typed", "pushfit/serving/page/index.html"} <= held


def test_the_sdist_makes_the_wheel_that_the_checkout_makes(wheel: Path, tmp_path: Path) -> None:
    build("--wheel", "--outdir", tmp_path, ROOT)
    assert contents(tmp_path / wheel.name) == contents(wheel)


def test_the_sdist_holds_the_source_and_its_texts(dist: Path) -> None:
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    rest = {name for name in names if not name.startswith("lib/pushfit/")}
    assert rest == {
        *("README.md", "LICENSE", "CHANGELOG.md", "constraints.txt", "pyproject.toml"),
        *(".gitignore", "PKG-INFO"),
    }


def test_a_generator_is_small(generator: Installed) -> None:
    files = [path for path in generator.site.rglob("*") if path.is_file()]
    compiled = [path for path in files if path.suffix == ".pyc"]
    size = sum(path.stat().st_size for path in {*files} - {*compiled}) / 1e6
    print(f"a generator's packages: {size:.1f} MB")
    assert size < MEGABYTES
    assert not any((generator.site / name).exists() for name in ("tensorflow", "keras", "h5py"))


def test_a_generator_works_in_an_empty_folder(generator: Installed) -> None:
    home = generator.ask_python("-c", "import pushfit; print(pushfit.__file__)")
    assert Path(home).is_relative_to(generator.site)
    version = f"pushfit {pushfit.__version__}"
    assert generator.run("--version") == f"{version}\n"
    assert generator.ask_python("-m", "pushfit", "--version") == version
    assert "pushfit generate --connect" in generator.run("generate", "--help")
    assert "pushfit generate … --key n1.key" in generator.run("keys", "make", "n1")
    assert "72 simulated photos" in generator.run("samples", "--out", "data", *FEW)
    assert "Row      '" in generator.run("config", "--links", "data")
    assert "72 records of 6 classes" in generator.run("config", "--links", "data")
    assert "of the default table: links=" in generator.run("config", code=2)
    assert sorted(path.name for path in generator.folder.iterdir()) == ["data", "keys"]


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (("train", "--generators", 1), "train"),
        (("predict", "--run", "x"), "train"),
        (("sink", "--null"), "train"),
        (("serve", "--run", "x"), "serve"),
        (("store", "info", "x"), "train"),
        (("samples", "digits"), "sample"),
    ],
)
def test_what_a_generator_lacks_is_named_with_its_extra(
    generator: Installed, words: tuple[str, ...], extra: str
) -> None:
    told = generator.run(*words, code=2)
    assert told.startswith("error: the package ")
    assert told.endswith(f"`{generator.python} -m pip install 'pushfit[{extra}]'`\n")


def test_a_checkout_and_the_wheel_make_the_same_samples(generator: Installed) -> None:
    """A generator of either may join a trainer of the other."""
    names = ("camera", "digits")
    ask = "from pushfit import tasks; from pushfit.tasks.compatibility import source_of; "
    ask += f"print(*(source_of(tasks.load(name)) for name in {names}))"
    ours = " ".join(source_of(tasks.load(name)) for name in names)
    assert generator.ask_python("-c", ask) == ours


def test_the_trainer_runs_the_wheel(trainer: Installed) -> None:
    shown = trainer.ask_python("-c", "import pushfit, sys; print(pushfit.__file__, *sys.path)")
    home, *path = shown.split()
    assert Path(home).is_relative_to(trainer.site)
    assert str(ROOT / "lib") not in path


def test_it_trains_on_two_generators_of_its_own(trained: str) -> None:
    assert EXACTLY_ONCE in trained
    assert "train_zmq.py" not in trained and "checkout" not in trained


def test_a_small_installation_fills_a_store_that_is_trained_from(
    trainer: Installed, generator: Installed
) -> None:
    """Two processes of an environment without TensorFlow make the samples."""
    flags = ("--task", "photos.py", "--size", 32, "--epochs", 1, "--links", "data")
    shutil.copy(ROOT / "examples" / "photos.py", generator.folder)
    with trainer.running("sink", *flags, "--out", "stored", "--bind", "tcp://127.0.0.1:0") as sink:
        address = said(sink, r"listening at (tcp://\S+:\d+)")[1]
        words = ("--connect", address, "--task", "photos.py", "--links", trainer.folder / "data")
        generator.run("generate", *words, "--processes", 2)
        assert said(sink, r"pushfit train --from stored")
        assert sink.wait(LONG) == 0
    assert "all are as they were stored" in trainer.run("store", "verify", "stored")
    from_disk = ("--from", "stored", "--batch-size", 8, "--no-tensorboard", "--out", "runs/stored")
    assert EXACTLY_ONCE in trainer.run("train", *from_disk, "--epochs", 1)


def test_a_run_is_resumed_and_predicts(trainer: Installed, trained: str) -> None:
    more = ("--resume", "--out", "runs/r", "--epochs", 2, "--generators", 1)
    assert EXACTLY_ONCE in trainer.run("train", *more)
    shutil.copytree(trainer.folder / "data" / "val_images", trainer.folder / "unseen" / "test")
    local = ("--generators", 1, "--bind", "tcp://127.0.0.1:0")
    trainer.run("predict", "--run", "runs/r", "--data", "unseen", "--out", "answers.csv", *local)
    rows = (trainer.folder / "answers.csv").read_text().splitlines()
    assert len(rows) == 1 + 24


def test_a_run_is_served_with_its_page(trainer: Installed) -> None:
    from bench._untrained import write  # a run of the digits, whose page has a sheet to draw on

    run = trainer.folder / "runs" / "digits"
    run.mkdir(parents=True)
    write(run)
    with trainer.running("serve", "--run", "runs/digits", "--port", 0, "--workers", 2) as server:
        url = said(server, r"listening at (http://\S+/)")[1]
        assert until(lambda: status(url + "healthz") == 200)
        for name in ("", "page.css", "page.js", "docs"):
            with urllib.request.urlopen(url + name, timeout=LONG) as answer:
                assert answer.read()
        assert upload(url, DRAWN.read_bytes())["model"] == "digits"


def test_a_typed_program_passes_mypy(generator: Installed) -> None:
    """py.typed is there: mypy sees our types, so that the one mistake in it is a mistake."""
    program = generator.folder.parent / "typed_program.py"
    program.write_text(TYPED)
    strict = ("--strict", "--config-file=", "--python-executable", generator.python, program)
    kept = {name: value for name, value in os.environ.items() if name != "MYPYPATH"}
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *map(str, strict)],
        cwd=program.parent, env=kept, capture_output=True, text=True, timeout=LONG, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
