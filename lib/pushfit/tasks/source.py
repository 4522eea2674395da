"""Which files of PushFit decide a task's samples, and one hash that stands for them.

They are the task's module and the files of the rooms in ROOMS that it imports, directly or not;
and always the files for the order of records and the randomness, which every sample depends on.
They are found by their import statements, so the hash does not depend on what else a process has
imported. Neither a server nor the maker of simulated photos is part of it.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from pushfit import PLACES

PACKAGE = Path(__file__).resolve().parents[1]
ROOMS = ("tasks", "decoding", "plan")
ALWAYS = (PACKAGE / "plan" / "order.py", PACKAGE / "plan" / "philox.py")


@cache
def source_hash(file: str) -> str:
    """The first 16 hex digits of SHA-256 over the files of PushFit that the Python file needs.

    The file itself counts if it lies in one of ROOMS; else it is a user's file, which has its own
    hash (`user_file.digest`). Raises OSError, SyntaxError.
    """
    digest = hashlib.sha256()
    for path in sorted(files(Path(file))):
        name = path.relative_to(PACKAGE).as_posix()
        digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def files(file: Path) -> set[Path]:
    """The files of ROOMS that a Python file imports, and the file itself if it is one of them."""
    found = set(ALWAYS)
    file = file.resolve()
    to_read = [file, *ALWAYS]
    if _decides(file):
        found.add(file)
    while to_read:
        tree = ast.parse(to_read.pop().read_bytes())
        new = {path for path in _modules(imports(tree)) if _decides(path)} - found
        found |= new
        to_read += new
    return found


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module that an import may mean: for ``from a import b`` both a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            if node.module != PACKAGE.name:  # that alone stands for `import pushfit`
                yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _modules(names: Iterable[str]) -> Iterator[Path]:
    """The files of those names that are modules of PushFit."""
    for name in names:
        package, _, rest = name.partition(".")
        if package != PACKAGE.name:
            continue
        public = PLACES.values() if not rest else [PLACES.get(rest, name)]
        for module in public:
            path = PACKAGE.parent.joinpath(*module.split(".")).with_suffix(".py")
            if path.is_file():
                yield path


def _decides(path: Path) -> bool:
    return path.is_relative_to(PACKAGE) and path.relative_to(PACKAGE).parts[0] in ROOMS
