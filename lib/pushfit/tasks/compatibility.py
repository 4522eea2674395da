"""What makes two processes draw the same pixels: the libraries, the source, the data.

Generators and the trainer compute these; the dispatcher rejects a generator that differs.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from pushfit import __version__
from pushfit.errors import look
from pushfit.tasks.base import DataSet, Task
from pushfit.tasks.source import source_hash

# Libraries whose version may change the bytes of samples. simplejpeg and Pillow each have their own
# libjpeg-turbo. If cykooz-resizer is not installed, Pillow resizes.
LIBRARIES = ("numpy", "pillow", "simplejpeg", "cykooz-resizer")
NONE = "none"
FILES = "with the files "
SHOWN = 3  # most differences that a message names


@cache
def libraries(more: tuple[str, ...] = ()) -> dict[str, str]:
    """{distribution: version, or "none"} of every library that decides pixels.

    more: further ones that a task names, by the name of the distribution or of the module.
    """
    return {name: _version(name) for name in (*LIBRARIES, *more)}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        pass
    return _files(name) if name.isidentifier() else NONE


def _files(module: str) -> str:
    """A hash of the module's files, which identifies a module of no distribution."""
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        return NONE
    if spec is None or spec.origin is None:
        return NONE
    origin = Path(spec.origin)
    paths = sorted(origin.parent.rglob("*.py")) if spec.submodule_search_locations else [origin]
    digest = hashlib.sha256()
    for path in paths:
        name = path.relative_to(origin.parent).as_posix()
        digest.update(name.encode() + b"\0" + path.read_bytes())
    return FILES + digest.hexdigest()[:16]


def source_of(task: Task | type[Task]) -> str:
    """The hash of the code that draws the task's samples: ``"OURS"`` or ``"OURS+OWN"``.

    OURS: `source.source_hash` of the files of PushFit that the task's file needs.
    OWN: for a user task, `digest` of its file and of what that imports from its folder.
    """
    module = sys.modules[task.__module__]
    assert module.__file__ is not None
    ours = source_hash(module.__file__)
    return f"{ours}+{task.source}" if task.source else ours


def compare_sources(theirs: str, ours: str) -> str:
    """A sentence that says how the code of two hosts differs, or ``""``."""
    (their, _, their_own), (our, _, our_own) = theirs.partition("+"), ours.partition("+")
    if their != our:
        return (
            f"its source code of the task ({their}) is not this run's ({our}), though the version "
            f"of PushFit is the same, {__version__}: install the trainer's copy there as well"
        )
    if their_own != our_own:
        return (
            f"its file of the task ({their_own or 'none'}) is not this run's "
            f"({our_own or 'none'}): "
            "copy the trainer's there, with what it imports from its folder"
        )
    return ""


def compare_versions(theirs: str) -> str:
    """A sentence that says how the versions of PushFit differ, or ``""``."""
    if theirs == __version__:
        return ""
    return f"PushFit {__version__} here, {theirs} there: install the same version on both"


def listing(data: DataSet) -> Iterator[str]:
    """A line "path<TAB>size" for each record, in the order in which records are numbered."""
    return (f"{r.path}\t{r.size}" for split in sorted(data.splits) for r in data.splits[split])


def compare_libraries(theirs: dict[str, str], ours: dict[str, str]) -> str:
    """A sentence that says which versions differ and how to correct it, or ``""``.

    A generator reports the packages that a task names besides LIBRARIES only if it has the task.
    """
    differ = [
        name
        for name in ours
        if theirs.get(name, NONE if name in LIBRARIES else ours[name]) != ours[name]
    ]
    if not differ:
        return ""
    wrong = ", ".join(f"{name} {theirs.get(name, NONE)}" for name in differ)
    copied = [name for name in differ if ours[name].startswith(FILES)]
    right = [
        f"{name}=={ours[name]}" for name in differ if ours[name] != NONE and name not in copied
    ]
    extra = [name for name in differ if ours[name] == NONE]
    commands = [
        f"run `pip {verb} {' '.join(names)}`"
        for verb, names in (("install", right), ("uninstall", extra))
        if names
    ]
    commands += [f"copy {name} from this run's trainer" for name in copied]
    return (
        f"it has {wrong}, and other versions may draw other samples: {' and '.join(commands)} there"
    )


def compare_listings(theirs: Sequence[str], ours: Sequence[str]) -> str:
    """A sentence that says what differs between two hosts' records."""
    there, here = set(theirs), set(ours)
    paths_there = {line.partition("\t")[0] for line in there}
    paths_here = {line.partition("\t")[0] for line in here}
    parts = [f"{len(ours):,} records in this run, {len(theirs):,} there"]
    only_there = paths_there - paths_here
    if missing := sorted(paths_here - paths_there):
        parts.append(f"{len(missing):,} missing, first {_some(missing)}")
    if extra := sorted(only_there):
        parts.append(f"{len(extra):,} too many, first {_some(extra)}")
    if same := look_alikes(only_there, paths_here):
        parts.append(same)
    both = paths_here & paths_there
    if other := sorted({p for p, _, _ in (x.partition("\t") for x in here ^ there) if p in both}):
        parts.append(f"{len(other):,} of another size, first {_some(other)}")
    return "; ".join(parts)


def look_alikes(theirs: Iterable[str], ours: Iterable[str]) -> str:
    """A sentence about the first of `theirs` that only looks like one of `ours`; ``""``: none."""
    looks = {look(name): name for name in ours}
    for name in sorted(theirs):
        mine = looks.get(look(name), name)
        if mine != name:
            return (
                f"{name!r} looks the same on both and is not: {name!a} there, {mine!a} "
                "in this run. They are other forms of Unicode (a Mac writes NFD, others NFC) or "
                "other kinds of spaces: rename it on one of them, e.g. with convmv"
            )
    return ""


def _some(paths: Sequence[str]) -> str:
    return ", ".join(paths[:SHOWN])
