"""The Slurm scripts, submitted by the commands of docs/slurm.md, on a Slurm of two nodes."""

from __future__ import annotations

import json
import re
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.lab.processes import Starter, until
from tests.deploy.slurm import NODES, Slurm, why_not
from tests.support.pages import (
    SLURM_ENVIRONMENT,
    SLURM_GENERATE,
    SLURM_KEY,
    SLURM_TRAIN,
    words,
)
from tests.support.photos import write_photos

pytestmark = pytest.mark.slow

ARRAY = "--array=0-15"
TASKS = 3  # of the array here
RUN = (
    *("--model", "smallcnn", "--patch", 32, "--patches-per-visit", 8),
    *("--batch-size", 8, "--mix-visits", 8, "--lease-bytes", "50KB", "--buffer", "1MiB"),
    *("--no-tensorboard", "--checkpoint-every", 20),
)
HALF = "--cpus-per-task=2"  # of a node, so that the trainer and three tasks fill both


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    if reason := why_not():
        pytest.skip(reason)
    with Slurm(tmp_path_factory.mktemp("slurm")) as slurm:
        yield slurm


class Site:
    """One user's folders, as a cluster's nodes share them, and the environment to submit with."""

    def __init__(self, slurm: Slurm, folder: Path, start: Starter) -> None:
        self.slurm, self.folder, self.out = slurm, folder, folder / "run"
        self.address = self.out / "address"
        start(*words(SLURM_KEY), "--keys", folder / "keys").done()
        here = {
            "$HOME/runs/cam1": self.out,
            "/data/photos": write_photos(folder / "links"),
            "=keys": f"={folder}/keys",
        }
        pairs = (word.partition("=") for word in words(SLURM_ENVIRONMENT, **here))
        self.environ = {name: value for name, _, value in pairs} | {"PYTHON": sys.executable}

    def submit(self, command: str, *flags: object, output: str, **environ: str) -> str:
        """A command of the page, with our options and flags behind its own."""
        given = words(command)
        script = next(i for i, word in enumerate(given) if word.endswith(".sbatch"))
        options = (*given[:script], HALF, f"--output={self.folder}/{output}.out")
        environ = {**self.environ, **environ}
        return self.slurm.submit(*options, *given[script:], *flags, environ=environ)

    def trainer(self, *flags: object) -> str:
        return self.submit(SLURM_TRAIN, *RUN, *flags, output="trainer")

    def generators(self, *flags: object) -> str:
        assert ARRAY in SLURM_GENERATE
        few = SLURM_GENERATE.replace(ARRAY, f"--array=1-{TASKS}")
        return self.submit(few, *flags, output="%A-%a")

    def output(self, job: str = "") -> list[str]:
        """What the trainer said, or each task of an array."""
        files = sorted(self.folder.glob(f"{job}-*.out" if job else "trainer.out"))
        return [file.read_text() for file in files]

    def working(self, array: str) -> None:
        """Wait until each task has made a lease."""

        def all_did() -> bool:
            said = self.output(array)
            return len([True for each in said if re.search(r"lease \d+: ", each)]) == TASKS

        assert until(all_did), self.output(array) + self.output()

    def report(self) -> dict[str, Any]:
        """That of a run that is complete: each sample once, from both nodes, by our key."""
        assert "Every sample was handed to fit and trained on exactly once." in self.output()[0]
        report: dict[str, Any] = json.loads((self.out / "report.json").read_text())
        for row in (row for rows in report["splits"].values() for row in rows):
            assert (row["seen"], row["duplicate"], row["missing"]) == (row["expected"], 0, 0)
        assert {row["host"] for row in report["generators"]} == set(NODES)
        assert {row["key"] for row in report["generators"]} == {"slurm"}
        return report


@pytest.fixture
def site(slurm: Slurm, tmp_path: Path) -> Iterator[Site]:
    starter = Starter(uuid.uuid4().hex)
    yield Site(slurm, tmp_path, starter)
    starter.close()


def test_an_array_on_two_nodes_feeds_a_trainer(site: Site) -> None:
    array = site.generators()  # before the trainer: they wait for its address
    trainer = site.trainer("--epochs", 1, "--patches-per-epoch", 960)
    site.slurm.wait(trainer, "COMPLETED")
    site.slurm.wait(array, "COMPLETED")
    assert len(site.report()["generators"]) == 2 * TASKS  # one for each core
    assert not site.address.exists()


def test_generators_come_and_go_and_the_trainer_is_requeued(site: Site) -> None:
    slurm, checkpoint = site.slurm, site.out / "last.keras"
    trainer = site.trainer("--epochs", 1, "--patches-per-epoch", 2560)
    first = site.generators("--log", "leases")
    assert until(checkpoint.exists), site.output()
    slurm.run("scancel", first)
    slurm.wait(first, "CANCELLED")
    again = site.generators("--log", "leases")
    site.working(again)
    before = site.address.read_text()

    slurm.run("scontrol", "requeue", trainer)
    slurm.wait(trainer, "COMPLETED")
    slurm.wait(again, "COMPLETED")
    (said,) = site.output()
    assert re.search(r"Resuming run \w+ at epoch 1, batch \d+ of 320", said)
    assert site.report()["metrics"]["resumed_at"]
    for said in site.output(again):  # the same jobs, from the one trainer to the other
        addresses = re.findall(r"found run \w+ at (\S+):", said)
        assert addresses[0] == before.strip() != addresses[-1]


def test_a_job_that_runs_out_of_time_or_is_preempted_goes_back_into_the_queue(site: Site) -> None:
    slurm, alone = site.slurm, SLURM_GENERATE.replace(ARRAY, "")
    nobody = "tcp://node-2:1"
    site.out.mkdir()
    site.address.write_text(nobody)  # as a node that failed has left it
    job = site.submit(alone, output="%j-")
    away = site.submit(alone, output="%j-", PUSHFIT_CONNECT=nobody)
    for each in (job, away):
        assert until(lambda each=each: f"no answer from {nobody}" in "".join(site.output(each)))
    slurm.run("scancel", "--batch", "--signal=USR1", away)
    slurm.wait(away, "FAILED")
    assert f"error: nobody listens at {nobody}, so this job is not begun" in site.output(away)[0]
    slurm.run("scancel", "--batch", "--signal=USR1", job)  # as --signal does
    slurm.wait(job, "PENDING")
    slurm.wait(job, "RUNNING")
    assert "the time of this job is over: back into the queue" in site.output(job)[0]
    urgent = ("--partition=urgent", "--nodes=2", "--exclusive", "--output=/dev/null")
    slurm.run("sbatch", *urgent, "--wrap=sleep 1")
    slurm.wait(job, "PENDING")
    slurm.wait(job, "RUNNING")
    assert "Restarts=2" in slurm.tasks(job)[job]
    assert "DUE TO PREEMPTION" in site.output(job)[0]
    slurm.run("scancel", job)
    slurm.wait(job, "CANCELLED")


def test_what_is_missing_is_said_in_the_output_of_the_job(site: Site) -> None:
    del site.environ["PUSHFIT_KEY"]
    array = site.generators()
    site.slurm.wait(array, "FAILED")
    for said in site.output(array):
        assert said.startswith("error: PUSHFIT_KEY is not set: make a key with")
