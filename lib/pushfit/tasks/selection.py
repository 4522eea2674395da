"""Which records train: `--only FILE`, `--without FILE` list photos, `--held-out` is a share.

An entry is a photo's path below the links folder, ``train/iPhone-6/1.jpg``, or the same without its
first folder, ``iPhone-6/1.jpg``. A folder stands for all photos in it. An entry in quotes is a JSON
string.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, TypeAlias

from msgspec import Meta

Only: TypeAlias = Annotated[
    tuple[str, ...],
    Meta(
        description="File with the only photos to use, one path a line, as in train/CLASS/1.jpg.",
        extra={"unit": "lines", "zero": "all"},
    ),
]
Without: TypeAlias = Annotated[
    tuple[str, ...],
    Meta(
        description="File with photos to leave out, one path a line, as in train/CLASS/1.jpg.",
        extra={"unit": "lines", "zero": "none"},
    ),
]
HeldOut: TypeAlias = Annotated[
    float,
    Meta(
        ge=0,
        le=0.9,
        description="Share of each class held out for validation where no data is for that.",
    ),
]


class Selection:
    """The photos that are used.

    only: entries of photos to use; empty: all photos.
    without: entries of photos to leave out, even if `only` has them.
    """

    def __init__(self, only: Iterable[str] = (), without: Iterable[str] = ()) -> None:
        self._only, self._without = _List("--only", only), _List("--without", without)

    @property
    def is_everything(self) -> bool:
        return not (self._only.entries or self._without.entries)

    def refuses(self, path: str) -> str:
        """Why the photo at `path` is not used; ``""``: it is used."""
        listed, refused = self._only.has(path), self._without.has(path)
        if refused:
            return "listed in --without"
        return "not listed in --only" if self._only.entries and not listed else ""

    def unmatched(self) -> Iterator[tuple[str, str]]:
        """(entry, what is wrong with it) for each entry that no photo has matched so far."""
        for each in (self._only, self._without):
            for entry in each.entries - each.matched:
                yield entry, f"an entry of {each.flag} that no photo matches"


class _List:
    def __init__(self, flag: str, entries: Iterable[str]) -> None:
        self.flag = flag
        self.entries = {_plain(entry) for entry in entries}
        self.matched = set[str]()

    def has(self, path: str) -> bool:
        """Return whether an entry matches the photo at `path`, and note all that do."""
        if not self.entries:
            return False
        found = self.entries.intersection(_names(path))
        self.matched |= found
        return bool(found)


def _names(path: str) -> Iterator[str]:
    """The photo's path and those of the folders that it is in, with and without the first one."""
    parts = path.split("/")
    for first in (0, 1):
        for last in range(first + 1, len(parts) + 1):
            yield "/".join(parts[first:last])


def _plain(entry: str) -> str:
    return entry.replace("\\", "/").removeprefix("./").rstrip("/")
