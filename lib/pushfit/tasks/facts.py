"""Facts of a data set: what `scan` found that `arrays`, `to_fit` or `build_model` need to know.

A trainer may be without the data, so facts travel: a generator sends those of its scan, and the
trainer gives them to its task before it calls `arrays`. They are a small mapping of plain values.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NoReturn, TypeAlias

import msgspec

from pushfit.errors import TaskError

MOST, MOST_BYTES = 1000, 2**20  # of the facts of a data set; a vocabulary of 50,000 words fits
LONGEST_NAME = 200

Plain: TypeAlias = bool | int | float | str
Fact: TypeAlias = Plain | tuple[Plain, ...]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_NAME)]
Facts: TypeAlias = Annotated[dict[Name, Fact], msgspec.Meta(max_length=MOST)]


class FactsUnknown(TaskError):
    """The task asked for facts before they were known."""


class Unknown(Mapping[str, Fact]):
    """The facts of a task that has not seen a data set. To ask for one raises FactsUnknown."""

    def _raise(self, *_: object) -> NoReturn:
        raise FactsUnknown("the facts of the data are not known before it was scanned")

    def __getitem__(self, name: str) -> Fact:
        self._raise()

    def __contains__(self, name: object) -> bool:
        self._raise()

    def __iter__(self) -> Iterator[str]:
        self._raise()

    def __len__(self) -> int:
        self._raise()


UNKNOWN = Unknown()


def known(facts: Mapping[str, Fact]) -> dict[str, Fact]:
    """`facts` as far as they are known."""
    return {} if isinstance(facts, Unknown) else dict(facts)


def plain(facts: Mapping[str, Any]) -> dict[str, Fact]:
    """`facts` with tuples for lists, as they come over the wire."""
    return {name: tuple(v) if isinstance(v, list) else v for name, v in facts.items()}


def complaint(facts: Any) -> str:
    """Why `facts`, as a scan or another host gave them, cannot be used; ``""``: they can."""
    if not isinstance(facts, Mapping):
        return "facts must be a dict of plain values"
    if len(facts) > MOST:
        return f"it has {len(facts):,} facts, and {MOST:,} are allowed"
    for name, value in facts.items():
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
            return f"the name of a fact must be text of up to {LONGEST_NAME} characters"
        values = value if isinstance(value, tuple | list) else (value,)
        for each in values:
            if wrong := _complaint(each):
                return f"the fact {name!r} {wrong}"
    size = len(msgspec.msgpack.encode(dict(facts)))
    if size > MOST_BYTES:
        return f"its facts take {size:,} bytes, and {MOST_BYTES:,} are allowed"
    return ""


def _complaint(value: Any) -> str:
    if type(value) not in (bool, int, float, str):
        kind = type(value).__name__
        return f"is or holds a value of type {kind}: it must be a bool, int, float, text or a tuple"
    if type(value) is int and not -(2**63) <= value < 2**63:
        return "is or holds a number of more than 64 bits"
    if type(value) is float and not math.isfinite(value):
        return "is or holds a number that is not finite"
    if type(value) is str:
        try:
            value.encode()
        except UnicodeEncodeError:
            return "is or holds text that is not Unicode"
    return ""


def difference(theirs: Mapping[str, Fact], ours: Mapping[str, Fact]) -> str:
    """In words, the first fact that differs between two hosts; ``""``: none does."""
    for name in sorted({*theirs, *ours}):
        there, here = (_shown(facts, name) for facts in (theirs, ours))
        if there != here:
            return f"the fact {name!r} is {there} there, {here} in this run"
    return ""


def _shown(facts: Mapping[str, Fact], name: str) -> str:
    text = repr(facts[name]) if name in facts else "missing"
    return text if len(text) <= 80 else f"{text[:60]}… ({len(text):,} characters)"
