"""The site of the pages builds without a warning, and has what they promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.lab.processes import LONG, ROOT


def test_make_docs_builds_it_strictly() -> None:
    plan = subprocess.run(["make", "--dry-run", "docs"], cwd=ROOT, capture_output=True, text=True)
    assert "mkdocs build --strict" in plan.stdout


@pytest.mark.slow
def test_mkdocs_has_nothing_to_say(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, timeout=LONG)
    assert done.returncode == 0, done.stdout + done.stderr
    reference = (tmp_path / "api.html").read_text(encoding="utf-8")
    for name in ("Task", "BlockTask", "LabelledImages", "BadRecord"):
        assert 'id="pushfit.' in reference and f".{name}" in reference
    first = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert 'href="remote.html"' in first and 'href="repository/CHANGELOG.html"' in first
    assert 'src="pushfit.svg"' in first
    assert (tmp_path / "repository" / "examples" / "photos.py").is_file()
