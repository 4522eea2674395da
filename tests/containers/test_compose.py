"""compose.yaml as docs/containers.md has it: keys, a fleet, one killed, more of them, the end."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.lab.hosts import Lab
from bench.lab.processes import ROOT, until
from tests.containers.engine import environment, podman, said
from tests.support.images import USER
from tests.support.pages import COMPOSE_KEYS, COMPOSE_UP

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # the first test may build the images

TRAINING = {
    "PUSHFIT_MODEL": "smallcnn",
    "PUSHFIT_PATCH": "64",
    "PUSHFIT_BATCH_SIZE": "16",
    "PUSHFIT_EPOCHS": "4",
    "PUSHFIT_RUN": "r",
}


class Compose:
    """podman-compose on one host of a lab, so that its networks and ports are nobody else's."""

    def __init__(self, lab: Lab, keys: Path, data: Path) -> None:
        self.project = f"pushfit{uuid.uuid4().hex[:8]}"
        self._inside = lab["gpu"].inside
        own = {"PUSHFIT_KEYS": keys, "PUSHFIT_DATA": data, "PUSHFIT_UID": USER, "PUSHFIT_GID": USER}
        self._environment = {**environment(), **TRAINING, **{k: str(v) for k, v in own.items()}}

    def __call__(self, command: str, *more: str) -> str:
        """Run a command of the page, `more` being added to it; returns what it said."""
        words = [*shlex.split(command.removeprefix("docker compose")), *more]
        compose = (str(Path(sys.executable).with_name("podman-compose")), "-p", self.project)
        done = subprocess.run(
            [*self._inside, *compose, *words],
            cwd=ROOT, env=self._environment, capture_output=True, text=True, timeout=300,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def containers(self, service: str, *states: str) -> list[str]:
        """Names of the containers of `service` that are in one of `states`."""
        label = f"label=com.docker.compose.service={service}"
        words = ("--filter", label, "--filter", f"label=io.podman.compose.project={self.project}")
        rows = json.loads(podman("ps", "--all", *words, "--format", "json"))
        return sorted(row["Names"][0] for row in rows if not states or row["State"] in states)

    def trainer(self) -> str:
        """What the trainer has said so far."""
        return "".join(said(name) for name in self.containers("trainer"))

    def wait_for(self, text: str, times: int = 1) -> None:
        """Wait until the trainer has said `text` so often."""

        def over() -> bool:
            return bool(self.containers("trainer", "exited"))

        until(lambda: self.trainer().count(text) >= times or over())
        others = "\n".join(f"{name}:\n{said(name)}" for name in self.containers("generator"))
        assert self.trainer().count(text) >= times, (
            f"{text!r} {times} times in:\n{self.trainer()}\n{others}"
        )


@pytest.fixture
def compose(images: tuple[str, str], lab: Lab, tmp_path: Path, data: Path) -> Iterator[Compose]:
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    os.chown(keys, USER, USER)
    made = Compose(lab, keys, data)
    yield made
    # One that `up --scale` has added would be left by `down`, and keep the network and its names.
    for name in made.containers("generator"):
        podman("rm", "--force", "--time", 5, "--ignore", name)
    made("docker compose down --volumes --timeout 5")


def test_one_is_killed_and_the_fleet_grows(compose: Compose) -> None:
    assert "made keys/compose.key" in compose(COMPOSE_KEYS)
    compose(COMPOSE_UP.replace("=4", "=2"), "--detach", "--no-build")
    compose.wait_for("joined: ", 2)

    victim = compose.containers("generator", "running")[0]
    podman("kill", victim)
    compose.wait_for("left (its connection closed)")
    compose(COMPOSE_UP, "--detach", "--no-build", "--no-recreate")
    compose.wait_for("joined: ", 5)  # the one that was killed as well

    assert until(lambda: bool(compose.containers("trainer", "exited")), 400), compose.trainer()
    assert "Every sample was handed to fit and trained on exactly once." in compose.trainer()
    assert until(lambda: len(compose.containers("generator", "exited")) == 4, 20)
    ends = [podman("inspect", "--format", "{{.State.ExitCode}}", name).strip()
            for name in compose.containers("generator")]  # fmt: skip
    assert ends == ["0"] * 4  # the run is over: nothing starts them again

    volume = podman("volume", "inspect", "--format", "{{.Mountpoint}}", f"{compose.project}_runs")
    report = json.loads((Path(volume.strip()) / "r" / "report.json").read_text())
    for row in (row for rows in report["splits"].values() for row in rows):
        assert (row["seen"], row["duplicate"], row["missing"]) == (row["expected"], 0, 0)
    assert {row["key"] for row in report["generators"]} == {"compose"}
    assert len(report["generators"]) >= 4
