"""A user task: the one task class in a Python file.

    load(Path("mytask.py")) ─▶ its class, with `source` set

- Only a person names a file, with --task. A name that came over the wire never gets here, and one
  in a run's folder or a store only through `trusted`.
- `source` is a hash of the file and of every file beside it that it imports, directly or not, with
  their names. They are found by their import statements, so the hash does not depend on what else a
  process has imported.
- The file's folder is last on the import path and stays there. So the modules beside the file can
  be imported at any time, and none of them replaces a library.
- No bytecode is written or read, so that the code that runs is the code that was hashed.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import os
import re
import sys
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import msgspec

from pushfit import __version__
from pushfit.errors import ConfigError, nearest, raised
from pushfit.tasks import TASKS, compatibility
from pushfit.tasks.base import INTERFACE, Task

OURS = ("pushfit",)  # `source.source_hash` covers this package
_NAME = re.compile(r"[a-z][a-z0-9_]{0,60}", re.ASCII)
_loaded: dict[Path, type[Task]] = {}


def load(path: Path) -> type[Task]:
    """The task in the file `path`: the same class for each call. Raises ConfigError."""
    path = Path(os.path.abspath(path))  # noqa: PTH100  # links stay: they are names
    if path not in _loaded:
        source = _source(path)
        task = _task(path, _run(path, source))
        task.source = source
        _loaded[path] = task
    return _loaded[path]


# -- the files of a task ----------------------------------------------------------------------


def _source(path: Path) -> str:
    """The first 16 hex digits of `digest`."""
    return digest(path).hex()[:16]


def digest(path: Path) -> bytes:
    """SHA-256 over the file and what it imports from its folder, without running them.

    Raises ConfigError.
    """
    folder, files, to_read = path.parent, dict[str, bytes](), [path]
    while to_read:
        file = to_read.pop()
        name = "" if file == path else file.relative_to(folder).as_posix()
        if name not in files:
            files[name], imported = _read(file)
            to_read += [each for module in imported for each in _beside(folder, module)]
    whole = hashlib.sha256()
    for name, data in sorted(files.items()):
        whole.update(msgspec.msgpack.encode((name, data)))
    return whole.digest()


def _read(file: Path) -> tuple[bytes, list[str]]:
    """The file's bytes, and the top-level names of what it imports. Raises ConfigError."""
    try:
        data = file.read_bytes()
    except OSError as error:
        _refuse_path(file, error)
    try:
        return data, list(_imports(ast.parse(data, str(file))))
    except SyntaxError as error:
        line = f" line {error.lineno}" if error.lineno else ""
        raise ConfigError(f"task: {file}{line} is not Python: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(f"task: {file} is not Python: {error}") from None


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


def _refuse_path(path: Path, error: OSError) -> NoReturn:
    if path.is_dir():
        raise ConfigError(f"task: {path} is a folder, not a Python file") from None
    if isinstance(error, FileNotFoundError):
        there = [each.name for each in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise ConfigError(f"task: there is no file {path}{nearest(path.name, there)}") from None
    raise ConfigError(f"task: cannot read {path}: {error.strerror or error}") from None


# -- the class in the file --------------------------------------------------------------------


class _Loader(SourceFileLoader):
    def path_stats(self, path: str) -> Any:
        raise OSError  # this tells Python that there is no bytecode


def _run(path: Path, source: str) -> ModuleType:
    """The module, executed. Raises ConfigError for any exception of its code."""
    name = f"pushfit_task_{path.stem}_{source}"
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
        raise ConfigError(f"task: {path}: {raised(error, str(path))}{advice}") from error
    return module


def _task(path: Path, module: ModuleType) -> type[Task]:
    tasks = [
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Task) and each.__module__ == module.__name__
    ]
    tasks = list(dict.fromkeys(tasks))  # a class may have two names
    whole = [task for task in tasks if not inspect.isabstract(task)]
    if len(whole) > 1:
        names = ", ".join(task.__name__ for task in whole)
        raise ConfigError(f"task: {path} holds {len(whole)} tasks ({names}): one file, one task")
    if not whole and tasks:
        lacks = ", ".join(sorted(tasks[0].__abstractmethods__))
        raise ConfigError(f"task: {tasks[0].__name__} in {path} lacks {lacks}")
    if not whole:
        raise ConfigError(
            f"task: {path} holds no task: no class in it derives from Task "
            "(pushfit.tasks.base) or LabelledImages (pushfit.tasks.labelled)"
        )
    _check(whole[0], f"task: {whole[0].__name__} in {path}")
    return whole[0]


def _check(task: type[Task], where: str) -> None:
    name, params, needs = getattr(task, "name", None), task.Params, task.interface
    if type(needs) is not int or needs < 1:
        raise ConfigError(f"{where}: interface is {needs!r}, it must be a whole number from 1 on")
    if needs > INTERFACE:
        raise ConfigError(
            f"{where} is written for version {needs} of the interface of tasks, and this PushFit "
            f"({__version__}) has version {INTERFACE}: install a newer one, here and on every host "
            "of the fleet"
        )
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        found = "has no name" if name is None else f"has the name {name!r}"
        raise ConfigError(
            f"{where} {found}: give it one of lower-case letters, digits and _, e.g. "
            f'name = "{re.sub("[^a-z0-9_]", "", task.__name__.lower()) or "mine"}"'
        )
    if name in TASKS:
        raise ConfigError(
            f"{where} has the name {name!r}, which is that of a built-in task: choose another"
        )
    if not (isinstance(params, type) and issubclass(params, msgspec.Struct)):
        raise ConfigError(f"{where}: Params is {params!r}, it must be a class of msgspec.Struct")
    libraries = task.libraries
    if not isinstance(libraries, tuple) or not all(isinstance(each, str) for each in libraries):
        raise ConfigError(
            f"{where}: libraries is {libraries!r}, it must be a tuple of names of packages, e.g. "
            'libraries = ("albumentations",)'
        )
    for name in libraries:
        if compatibility.libraries((name,))[name] == compatibility.NONE:
            raise ConfigError(
                f"{where}: libraries names {name!r}, which is not installed here: install it, or "
                "correct its name"
            )
    for field in params.__struct_fields__:
        if not _NAME.fullmatch(field) or field == "help" or field.startswith("no_"):
            raise ConfigError(
                f"{where}: a parameter cannot be called {field!r}: use lower-case letters, digits "
                "and _, but not 'help' or a name that begins with 'no_'"
            )
