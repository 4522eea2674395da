"""Who imports whom among tests and benches: helpers lie in tests/support and bench/lab."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.lab.processes import ROOT


def imports(folder: str) -> Iterator[tuple[Path, str]]:
    """Each file below `folder`, with each module that it imports."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((path.relative_to(ROOT), alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    yield path.relative_to(ROOT), f"{node.module}.{alias.name}"


def test_no_test_imports_another() -> None:
    found = [
        (path, module)
        for path, module in imports("tests")
        if module.startswith("tests.")
        and any(part.startswith("test_") or part == "conftest" for part in module.split(".")[:-1])
    ]
    assert found == []


def test_no_bench_and_no_room_imports_from_tests() -> None:
    for folder in ("bench", "lib", "examples", "cfg"):
        assert [(p, m) for p, m in imports(folder) if m.split(".")[0] == "tests"] == []


def test_every_room_has_its_folder_of_tests() -> None:
    rooms = {path.parent.name for path in (ROOT / "lib" / "pushfit").glob("*/__init__.py")}
    tested = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()}
    assert rooms - tested == {"fleet"}  # of processes alone: tests/e2e


def test_a_server_imports_no_zeromq() -> None:
    modules = "commands.serve, serving.app, serving.server, serving.workers, training.trained_run"
    imported = "; ".join(f"import pushfit.{module}" for module in modules.split(", "))
    program = f"import sys; {imported}; print('zmq' in sys.modules)"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
