"""The order of classes: as it is given, or natural, so that class2 comes before class10."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

from pushfit.errors import DataError, alike, nearest

_NUMBER = re.compile(r"([0-9]+)")
NaturalKey = tuple[tuple[tuple[int, str], ...], str]


def natural(name: str) -> NaturalKey:
    """A key that sorts names by their numbers, where they have some, and else by code points."""
    parts = _NUMBER.split(name)
    numbers = {index: int(part) for index, part in enumerate(parts) if index % 2}
    return tuple((numbers.get(i, -1), "" if i % 2 else part) for i, part in enumerate(parts)), name


def in_order(
    found: Collection[str],
    listed: Sequence[str],
    where: str,
    order: Callable[[str], Any] = natural,
) -> tuple[str, ...]:
    """The classes that data is labelled with, in their order.

    found: the names in the data.
    listed: the classes in their order; empty: those of the data, sorted by `order`.
    where: what the names stand in, for messages.
    order: a key that sorts names.
    Raises DataError if the two differ, or if there are fewer than two classes.
    """
    classes = tuple(listed) or tuple(sorted(found, key=order))
    wanted = set(classes)
    for name in classes:
        if name not in wanted:
            raise DataError(f"classes: {name!r} is listed twice: name it once")
        wanted.remove(name)
        if name not in found:
            raise DataError(
                f"classes: {name!r} has no photo to train on in {where}{_meant(name, found)}; "
                "take the class off the list"
            )
    for name in sorted(set(found).difference(classes), key=natural):
        raise DataError(
            f"{where} has the class {name!r}, which is not among the {len(listed)} listed"
            f"{_meant(name, listed)}; add it to classes"
        )
    if len(classes) == 1:
        raise DataError(f"only one class, {classes[0]!r}, in {where}: a classifier needs two")
    return classes


def _meant(name: str, known: Collection[str]) -> str:
    return alike(name, known) or nearest(name, known)
