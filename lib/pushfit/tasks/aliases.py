"""Names that mean the same class in different data sets: `Sony-NEX-7` here, `sony_nex7` there.

Upper and lower case, spaces and punctuation do not count, so `Sony NEX 7` is the same name. A name
that is in no row stands for itself only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pushfit.errors import ConfigError

TOLD = 12  # most renamed folders that a message lists
_PUNCTUATION = re.compile(r"[\W_]+")


class Aliases:
    """The alias table. rows: each is ``"NAME=OTHER=…"``, the names of one class."""

    def __init__(self, rows: Sequence[str] = ()) -> None:
        self._first: dict[str, str] = {}
        for row in rows:
            names = row.split("=")
            if len(names) < 2 or not all(map(_plain, names)):
                raise ConfigError(f"aliases: {row!r} must be two names or more, as in NAME=OTHER")
            for name in names:
                first = self._first.setdefault(_plain(name), names[0])
                if first != names[0]:
                    raise ConfigError(
                        f"aliases: {name!r} stands for {first!r} and for {names[0]!r}: take it out "
                        "of one of the rows"
                    )

    def first(self, name: str) -> str:
        """The first name in the row of `name`, or `name` itself: equal for all names of a class."""
        return self._first.get(_plain(name), name)

    def among(self, name: str, classes: Sequence[str]) -> str:
        """The one of `classes` that `name` stands for, or `name` itself if there is none."""
        if name in classes:
            return name
        same = self.first(name)
        return next((known for known in classes if self.first(known) == same), name)


class Labels:
    """The label of each folder's name. It notes the folders that are not named like their class."""

    def __init__(self, classes: tuple[str, ...], aliases: Aliases) -> None:
        self.classes, self._aliases = classes, aliases
        self._numbers = {name: label for label, name in enumerate(classes)}
        self._renamed: dict[str, str] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._numbers or self._aliases.among(name, self.classes) in self._numbers

    def of(self, root: str, name: str) -> int | None:
        """The label of the photos in ``root/name``; None: that is not a class."""
        if name in self._numbers:
            return self._numbers[name]
        called = self._aliases.among(name, self.classes)
        if called in self._numbers:
            self._renamed[f"{root}/{name}"] = called
        return self._numbers.get(called)

    def told(self) -> str:
        """The end of a sentence that lists the renamed folders; ``""``: there are none."""
        if not self._renamed:
            return ""
        each = [f"{folder} is {called}" for folder, called in sorted(self._renamed.items())]
        more = f" and {len(each) - TOLD} more" if len(each) > TOLD else ""
        return f"; by their aliases, {', '.join(each[:TOLD])}{more}"


def _plain(name: str) -> str:
    return _PUNCTUATION.sub("", name.casefold())
