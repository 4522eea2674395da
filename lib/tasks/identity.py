"""What makes two processes draw the same pixels: the libraries, the source, the data.

Generator and trainer both compute these; the dispatcher compares them and rejects what differs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lib.tasks.base import DataSet

# Whoever changes a sample's bytes when its version changes. simplejpeg and Pillow each bring their
# own libjpeg-turbo; where cykooz-resizer is not there, Pillow resizes.
LIBRARIES = ("numpy", "pillow", "simplejpeg", "cykooz-resizer")
NONE = "none"
SHOWN = 3  # differences named in a message


@cache
def libraries() -> dict[str, str]:
    """{distribution: version, or "none"} of every library that decides pixels."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = NONE
    return found


@cache
def source_hash() -> str:
    """SHA-256 over the source of the tasks, of the order and of the randomness."""
    lib = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    plan = [lib / "plan" / "order.py", lib / "plan" / "philox.py"]
    for path in [*sorted((lib / "tasks").glob("*.py")), *plan]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def source_with(own: str) -> str:
    """`source_hash`, and beside it the `source` of a task that is not built in, if it is one."""
    return f"{source_hash()}+{own}" if own else source_hash()


def listing(data: DataSet) -> list[str]:
    """One line a record, "path<TAB>size", in the order in which records are numbered."""
    return [f"{r.path}\t{r.size}" for split in sorted(data.splits) for r in data.splits[split]]


def compare_libraries(theirs: dict[str, str], ours: dict[str, str]) -> str:
    """A sentence that says which versions differ and how to mend it, or ``""``."""
    differ = [name for name in ours if theirs.get(name) != ours[name]]
    if not differ:
        return ""
    wrong = ", ".join(f"{name} {theirs.get(name, NONE)}" for name in differ)
    right = [f"{name}=={ours[name]}" for name in differ if ours[name] != NONE]
    extra = [name for name in differ if ours[name] == NONE]
    commands = [
        f"`pip {verb} {' '.join(names)}`"
        for verb, names in (("install", right), ("uninstall", extra))
        if names
    ]
    return (
        f"it has {wrong}, and other versions may draw other pixels: run "
        f"{' and '.join(commands)} there"
    )


def compare_listings(theirs: Sequence[str], ours: Sequence[str]) -> str:
    """A sentence that says what differs between two hosts' records."""
    there, here = set(theirs), set(ours)
    paths_there = {line.partition("\t")[0] for line in there}
    paths_here = {line.partition("\t")[0] for line in here}
    parts = [f"{len(ours):,} records in this run, {len(theirs):,} there"]
    if missing := sorted(paths_here - paths_there):
        parts.append(f"{len(missing):,} missing, first {_some(missing)}")
    if extra := sorted(paths_there - paths_here):
        parts.append(f"{len(extra):,} too many, first {_some(extra)}")
    both = paths_here & paths_there
    if other := sorted({p for p, _, _ in (x.partition("\t") for x in here ^ there) if p in both}):
        parts.append(f"{len(other):,} of another size, first {_some(other)}")
    return "; ".join(parts)


def _some(paths: Sequence[str]) -> str:
    return ", ".join(paths[:SHOWN])
