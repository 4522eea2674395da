"""The Slurm scripts without a Slurm: what shellcheck says, and what they say of a bad environment.

On a Slurm: test_slurm.py.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from bench.lab.processes import LONG, ROOT
from pushfit.runs import outputs
from pushfit.settings.fields import PREFIX

SCRIPTS = ROOT / "deploy" / "slurm"
SET = {
    "PYTHON": sys.executable, "PUSHFIT_OUT": "nowhere", "PUSHFIT_KEYS": "keys",
    "PUSHFIT_KEY": "slurm.key", "WAIT_MINUTES": "0",
}  # fmt: skip


def run(name: str, cwd: Path = ROOT, without: Iterable[str] = (), **environ: str) -> str:
    """What `name` says of an environment with SET less `without` in it; it has to refuse it."""
    given = {**SET, **environ}
    ended = subprocess.run(
        ["bash", SCRIPTS / f"{name}.sbatch"],
        cwd=cwd,
        env={
            **{key: value for key, value in os.environ.items() if not key.startswith(PREFIX)},
            **{key: value for key, value in given.items() if key not in without},
        },
        capture_output=True,
        text=True,
        timeout=LONG,
    )
    assert ended.returncode == 2, ended.stdout + ended.stderr
    return ended.stderr


def test_shellcheck_finds_nothing() -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")
    files = [*SCRIPTS.iterdir(), ROOT / ".ci" / "run"]
    done = subprocess.run(
        [shellcheck, "--external-sources", *files], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["trainer", "generators"])
def test_away_from_the_repository(name: str, tmp_path: Path) -> None:
    said = run(name, cwd=tmp_path)
    assert said.startswith(f"error: {tmp_path} is not PushFit's folder: submit from there, or with")


@pytest.mark.parametrize("name", ["trainer", "generators"])
def test_without_python(name: str) -> None:
    what = {"trainer": ".[train]", "generators": "."}[name]
    said = run(name, PYTHON="/nowhere/python")
    assert said.startswith("error: there is no /nowhere/python on ")
    assert f"pip install -e '{what}' -c constraints.txt`" in said


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("trainer", "PUSHFIT_OUT"),
        ("trainer", "PUSHFIT_KEYS"),
        ("generators", "PUSHFIT_OUT"),
        ("generators", "PUSHFIT_KEY"),
    ],
)
def test_what_is_not_set_is_named(name: str, missing: str) -> None:
    said = run(name, without=[missing])
    assert re.match(rf"error: (neither )?{missing} is (not )?set", said), said
    assert "export " in said


def test_a_job_of_several_nodes() -> None:
    said = run("generators", SLURM_JOB_NUM_NODES="4")
    assert said.startswith("error: this job has 4 nodes and would use the first of them: leave out")


def test_generators_give_up_waiting_for_a_trainer() -> None:
    assert "no trainer for 0 minutes: nowhere/address is not there. Is its job" in run("generators")
    said = run("generators", WAIT_MINUTES="ten")
    assert said == "error: WAIT_MINUTES=ten is not a number of minutes\n"


def test_the_programs_see_what_is_wrong_with_what_is_set(tmp_path: Path) -> None:
    """Their own messages stand in the job's output, and the job fails."""
    said = run("generators", PUSHFIT_CONNECT="gpu-host", PUSHFIT_KEY=str(tmp_path))
    assert "PUSHFIT_CONNECT in the environment: 'gpu-host' is not an address" in said


def test_the_address_of_a_trainer_that_was_killed_goes_away_but_not_anothers(
    tmp_path: Path,
) -> None:
    (tmp_path / "address").write_text("tcp://node-1:1\n")
    given = {"PUSHFIT_OUT": str(tmp_path), "PUSHFIT_KEYS": str(tmp_path / "none")}
    at_work = outputs.take(tmp_path)
    assert "another program is at work in" in run("trainer", **given)
    assert (tmp_path / "address").exists()
    os.close(at_work)
    assert "there are no keys in" in run("trainer", **given)
    assert not (tmp_path / "address").exists()
