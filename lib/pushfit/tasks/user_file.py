"""A Python file that a person has named: what is in it, and how it runs.

- `digest` is a hash of the file and of every file beside it that it imports, directly or not, with
  their names. They are found by their import statements, so the hash does not depend on what else a
  process has imported.
- The file's folder is last on the import path and stays there. So the modules beside the file can
  be imported at any time, and none of them replaces a library.
- No bytecode is written or read, so that the code that runs is the code that was hashed.

what: the setting that names the file; messages begin with it.
"""

from __future__ import annotations

import ast
import hashlib
import os
import sys
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import msgspec

from pushfit.errors import ConfigError, nearest, raised

OURS = ("pushfit",)  # `source.source_hash` covers this package


def source(path: Path, what: str = "task") -> str:
    """The first 16 hex digits of `digest`."""
    return digest(path, what).hex()[:16]


def digest(path: Path, what: str = "task") -> bytes:
    """SHA-256 over the file and what it imports from its folder, without running them.

    Raises ConfigError.
    """
    folder, files, to_read = path.parent, dict[str, bytes](), [path]
    while to_read:
        file = to_read.pop()
        name = "" if file == path else file.relative_to(folder).as_posix()
        if name not in files:
            files[name], imported = _read(file, what)
            to_read += [each for module in imported for each in _beside(folder, module)]
    whole = hashlib.sha256()
    for name, data in sorted(files.items()):
        whole.update(msgspec.msgpack.encode((name, data)))
    return whole.digest()


def _read(file: Path, what: str) -> tuple[bytes, list[str]]:
    """The file's bytes, and the top-level names of what it imports. Raises ConfigError."""
    try:
        data = file.read_bytes()
    except OSError as error:
        _refuse_path(file, error, what)
    try:
        return data, list(_imports(ast.parse(data, str(file))))
    except SyntaxError as error:
        line = f" line {error.lineno}" if error.lineno else ""
        raise ConfigError(f"{what}: {file}{line} is not Python: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(f"{what}: {file} is not Python: {error}") from None


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _beside(folder: Path, module: str) -> list[Path]:
    """The files of `module` if it lies in `folder`; else none."""
    if module in OURS:
        return []
    if (folder / module).is_dir():
        return sorted((folder / module).rglob("*.py"))
    file = folder / f"{module}.py"
    return [file] if file.is_file() else []


def _refuse_path(path: Path, error: OSError, what: str) -> NoReturn:
    if path.is_dir():
        raise ConfigError(f"{what}: {path} is a folder, not a Python file") from None
    if isinstance(error, FileNotFoundError):
        there = [each.name for each in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise ConfigError(f"{what}: there is no file {path}{nearest(path.name, there)}") from None
    raise ConfigError(f"{what}: cannot read {path}: {error.strerror or error}") from None


def module(path: Path, what: str) -> ModuleType:
    """The module in the file `path`, which runs once in a process. Raises ConfigError."""
    path = Path(os.path.abspath(path))  # noqa: PTH100  # links stay: they are names
    found = source(path, what)
    return sys.modules.get(_name(path, found)) or run(path, found, what)


def _name(path: Path, source: str) -> str:
    return f"pushfit_task_{path.stem}_{source}"


class _Loader(SourceFileLoader):
    def path_stats(self, path: str) -> Any:
        raise OSError  # this tells Python that there is no bytecode


def run(path: Path, source: str, what: str = "task") -> ModuleType:
    """The module, executed. Raises ConfigError for any exception of its code."""
    name = _name(path, source)
    spec = spec_from_file_location(name, path, loader=_Loader(name, str(path)))
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        advice = ""
        if isinstance(error, ModuleNotFoundError):
            advice = ": install it here and on every host of the fleet, or put it beside the file"
        raise ConfigError(f"{what}: {path}: {raised(error, str(path))}{advice}") from error
    return module
