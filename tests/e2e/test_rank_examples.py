"""The examples of runs of several trainers: as one trainer, with any framework, and resumed."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from bench.lab.processes import Script, Starter, free_port
from tests.support.idx_files import write_idx

pytestmark = pytest.mark.slow

EXAMPLES = Path("examples", "ranks")
EPOCHS = 3  # of 29 batches


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,800 training images, of which each class is bright in two rows, so that all can be learnt.

    (What is trained on noise goes apart by rounding.)
    """
    folder = tmp_path_factory.mktemp("digits")
    labels = np.arange(2_000) % 10
    images = np.random.default_rng(0).integers(0, 25, (2_000, 28, 28))
    for row in range(2):
        images[np.arange(2_000), 2 * labels + row] += 100
    write_idx(folder / "train-images-idx3-ubyte", images)
    write_idx(folder / "train-labels-idx1-ubyte", labels)
    return folder


@pytest.fixture(autouse=True)
def anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHFIT_BIND", "tcp://127.0.0.1:*")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def begun(start: Starter, name: str, links: Path, file: Path, world: int) -> list[Script]:
    """The processes of a run with `world` trainers, and a fleet for them; the first one tells."""
    port = free_port()
    words = (EXAMPLES / f"{name}.py", links, file)
    if name == "torch_ddp":
        launch = ("-m", "torch.distributed.run", "--nproc-per-node", world, "--master-port", port)
        scripts = [start(*launch, *words)]
    elif name == "jax_keras":
        scripts = [start(*words, f"localhost:{port}", world, rank) for rank in range(world)]
    else:
        workers = ",".join(f"localhost:{free_port()}" for _ in range(world))
        scripts = [start(*words, workers, rank) for rank in range(world)]
    addresses = []
    for rank in range(world):
        tells = scripts[0] if name == "torch_ddp" else scripts[rank]
        addresses.append(tells.wait_for(rf"rank {rank} listens at (\S+)", 200)[1])
    start("generator_zmq.py", *(f"--connect={each}" for each in addresses), "--links", links)
    return scripts


def losses(said: str) -> list[float]:
    """The losses of each epoch: of training, and of validation if there is one."""
    lines = re.findall(r"^epoch \d+: loss (.*)$", said, re.MULTILINE)
    return [float(number) for line in lines for number in line.split(", ")]


def needs(name: str) -> None:
    framework = name.partition("_")[0]
    if find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed")


@pytest.mark.parametrize("name", ["torch_ddp", "jax_keras", "tensorflow_loop"])
def test_two_trainers_are_as_one(start: Starter, digits: Path, tmp_path: Path, name: str) -> None:
    needs(name)
    each = []
    for world in (1, 2):
        scripts = begun(start, name, digits, tmp_path / f"{world}.keras", world)
        each.append(losses("\n".join(script.done(seconds=200) for script in scripts)))
    one, two = each
    assert len(one) == EPOCHS * (2 if name == "jax_keras" else 1)
    assert two == pytest.approx(one, rel=1e-5)
    assert one[-1] < one[0]


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [("torch_ddp", 2, 1), ("torch_ddp", 1, 2), ("jax_keras", 2, 1), ("tensorflow_loop", 2, 1)],
)
def test_a_run_that_was_killed_continues_on_another_number_of_trainers(
    start: Starter, digits: Path, tmp_path: Path, name: str, before: int, after: int
) -> None:
    needs(name)
    end = {"torch_ddp": "pt", "jax_keras": "keras", "tensorflow_loop": "npz"}[name]
    alone = begun(start, name, digits, tmp_path / f"alone.{end}", 1)[0]
    whole = losses(alone.done(seconds=200))
    killed = begun(start, name, digits, tmp_path / f"run.{end}", before)
    killed[0].wait_for("epoch 1: loss", 200)
    for script in killed:
        for process in [*script.children(), script.process]:
            process.kill()
        script.process.wait()
    again = begun(start, name, digits, tmp_path / f"run.{end}", after)
    rest = losses("\n".join(script.done(seconds=200) for script in again))
    assert 1 <= len(rest) < len(whole)
    assert rest == pytest.approx(whole[-len(rest) :], rel=1e-5)
