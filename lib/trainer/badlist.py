"""The bad records of a run: each told once an epoch, all counted against `--max-bad`.

A record counts once, however often it is visited. Rows of a run that is resumed count as well, and
are not told again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from lib.errors import ConfigError, DataError

SHOWN = 5  # records named in the message that ends a run
_NUMBER = re.compile(r"(\d{1,12})|(\d{1,3}(?:\.\d{1,9})?)\s*%", re.ASCII)


class Limit(msgspec.Struct, frozen=True):
    """How many records may be bad: a number, or a share (0 to 1) of the data set; None: all."""

    text: str = ""
    number: int | None = None
    share: float | None = None

    @staticmethod
    def parse(text: str) -> Limit:
        """``"20"``, ``"1%"`` or ``""``. Raises ConfigError."""
        if not text.strip():
            return Limit()
        match = _NUMBER.fullmatch(text.strip())
        if match is None or float(match[2] or 0) > 100:
            raise ConfigError(
                f"--max-bad: {text!r} will not do, it must be a number of records, such as 20, or "
                "a share of the data set from 0% to 100%, such as 1%"
            )
        if match[1]:
            return Limit(text, number=int(match[1]))
        return Limit(text, share=float(match[2]) / 100)

    def of(self, records: int) -> int:
        """The most bad ones among so many records."""
        if self.number is not None:
            return self.number
        return records if self.share is None else int(self.share * records)


class BadList:
    """`write(row)` gets {"host", "path", "reason", "split", "epoch"} and, for code, "traceback".

    earlier: rows of the same run before it was resumed; listed: where to find them all, in words.
    """

    def __init__(
        self,
        write: Callable[[Mapping[str, Any]], None] | None = None,
        limit: Limit | None = None,
        *,
        earlier: Iterable[Mapping[str, Any]] = (),
        listed: str = "",
    ) -> None:
        self._write, self._limit, self._listed = write, limit or Limit(), listed
        self._told: set[tuple[str, str, int]] = set()
        self._records: dict[tuple[str, str], str] = {}  # (split, path) → host and reason
        for row in earlier:
            self._add(row)

    def _add(self, row: Mapping[str, Any]) -> bool:
        """Whether the row is new."""
        key = row["split"], row["path"], row["epoch"]
        if key in self._told:
            return False
        self._told.add(key)
        self._records.setdefault(key[:2], f"{row['reason']} (on {row['host']})")
        return True

    def note(self, row: Mapping[str, Any], records: int) -> None:
        """A record of a data set of `records` is bad. Raises DataError when it is one too many."""
        if not self._add(row):
            return
        if self._write is not None:
            self._write(row)
        if len(self._records) > (allowed := self._limit.of(records)):
            first = [f"{path}: {why}" for (_, path), why in self._records.items()][:SHOWN]
            where = f"; all of them: {self._listed}" if self._listed else ""
            raise DataError(
                f"{len(self._records):,} bad records of {records:,}, and --max-bad "
                f"{self._limit.text} allows {allowed:,}. Mend or remove them, or allow more. The "
                f"first{where}\n  " + "\n  ".join(first)
            )
