"""What docs/platforms.md says: the Procfile's line answers at PORT; the requirements exist."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench._untrained import write
from bench.lab.processes import LONG, ROOT, Starter, free_port, until
from pushfit import requirements
from pushfit.settings.fields import settings_of
from pushfit.settings.programs.serve import ServeSettings
from tests.support.asking import DRAWN, status, upload

PAGE = (ROOT / "docs" / "platforms.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def start() -> Iterator[Starter]:
    starter = Starter(uuid.uuid4().hex)
    yield starter
    starter.close()


@pytest.mark.slow
def test_the_procfile_serves_the_copied_model_at_port(
    start: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "runs" / "digits1"
    run.mkdir(parents=True)
    write(run)
    (run / "last.keras").rename(run / "best.keras")
    subprocess.run(["sh", "-ec", BLOCKS[0].replace("git add", ": ")], cwd=tmp_path, check=True)
    port = free_port()
    monkeypatch.setenv("PORT", str(port))
    monkeypatch.setenv("PUSHFIT_RUN", str(tmp_path / "models" / "digits1"))
    line = (ROOT / "Procfile").read_text().removeprefix("web: ")
    python, *words = shlex.split(line.replace("0.0.0.0", "127.0.0.1"))
    assert python == "python" and line.strip() in PAGE
    server = start(*words)
    url = f"http://127.0.0.1:{port}/"
    server.wait_for(f"listening at {url}")
    assert until(lambda: status(url + "healthz") == 200)
    assert upload(url, DRAWN.read_bytes())["model"] == "digits1"
    server.send(signal.SIGTERM)
    server.done(0)


@pytest.mark.slow
def test_the_requirements_of_the_branch_that_is_deployed(tmp_path: Path) -> None:
    for file in (ROOT / "requirements.txt", ROOT / "constraints.txt"):
        shutil.copy(file, tmp_path)
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}
    for name in ("AUTHOR", "COMMITTER"):
        env |= {f"GIT_{name}_NAME": "x", f"GIT_{name}_EMAIL": "x@localhost"}
    for command in ("git init -q . && git add . && git commit -qm x", f"set -e\n{BLOCKS[1]}"):
        subprocess.run(["sh", "-c", command], cwd=tmp_path, env=env, check=True, timeout=LONG)
    lines = (tmp_path / "requirements.txt").read_text().splitlines()
    assert lines == ["-e .[serve]", "-c constraints.txt"]
    assert {"tensorflow", "fastapi", "uvicorn", "h5py"} <= set(requirements.listed("serve"))


def test_every_setting_and_file_of_the_page_exists() -> None:
    known = {setting.variable for setting in settings_of(ServeSettings)}
    flags = {setting.flag for setting in settings_of(ServeSettings)} | {"--task"}
    assert set(re.findall(r"PUSHFIT_[A-Z_]+", PAGE)) <= known
    told = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
    assert set(re.findall(r"`(--[a-z-]+)`", told)) <= flags
    for link in re.findall(r"\]\(([^)]+)\)", PAGE):
        assert (ROOT / "docs" / link).is_file()
