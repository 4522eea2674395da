"""Who imports whom among tests and benches: helpers lie in tests/support and bench/lab."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import pushfit
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


def file_of(module: str) -> Path | None:
    """The file of one of our modules; None: it is another's."""
    place = ROOT / "lib" / Path(*module.split("."))
    files = place.with_suffix(".py"), place / "__init__.py"
    return next((file for file in files if file.is_file()), None)


@cache
def names_in(file: Path) -> set[str]:
    """The names that a module defines, assigns or imports, and those of what lies below it."""
    names = {path.stem for path in file.parent.iterdir()} if file.stem == "__init__" else set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Import() | ast.ImportFrom():
                names |= {(each.asname or each.name).split(".")[0] for each in node.names}
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
    return names | set(pushfit.PLACES if file.parent.name == "pushfit" else ())


def missing_in(tree: ast.Module) -> Iterator[str]:
    """What a file takes from our modules, and they do not have."""
    modules: dict[str, Path] = {}
    own = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module), names=names) if module.startswith("pushfit"):
                origin = file_of(module)
                for each in names:
                    if below := file_of(f"{module}.{each.name}"):
                        modules[each.asname or each.name] = below
                    elif origin is None or each.name not in names_in(origin):
                        yield f"{module}.{each.name}"
            case ast.Name(id=name, ctx=ast.Store()):
                own.add(name)  # a variable may hide the module
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name in modules.keys() - own:
                if not attr.startswith("__") and attr not in names_in(modules[name]):
                    yield f"{name}.{attr} in line {node.lineno}"


@pytest.mark.parametrize("folder", ["bench", "examples", "tests"])
def test_what_others_take_from_a_module_is_there(folder: str) -> None:
    """mypy looks at the package and the benches, and what runs seldom would keep an old name."""
    missing = [
        f"{file.relative_to(ROOT)}: {what}"
        for file in sorted((ROOT / folder).rglob("*.py"))
        for what in missing_in(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert missing == []
