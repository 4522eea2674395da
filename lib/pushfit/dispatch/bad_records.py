"""The bad records of a run: each told once an epoch, all counted against `--max-bad`.

A record counts once, however often it is visited. Rows of a run that is resumed count as well, and
are not told again. Where nobody says how many may be bad, a twentieth of the data may, or a handful
of a small one: a run whose code or disk is broken must not train on substitutes unnoticed.

Samples that had to be drawn anew, as the task raised over their first try, charge no record. They
are told once an epoch for each record, and count, by epochs, against the same share of the samples.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from pushfit.errors import ConfigError, DataError
from pushfit.text import one_line

SHOWN = 5  # records named in the message that ends a run
_NUMBER = re.compile(r"(\d{1,12})|(\d{1,3}(?:\.\d{1,9})?)\s*%", re.ASCII)


SHARE, LEAST = 0.05, 5  # of the records that may be bad unless somebody says otherwise


class Limit(msgspec.Struct, frozen=True):
    """How many records may be bad: a number, or a share (0 to 1) of the data set.

    Neither: SHARE of it, or LEAST where that is more.
    """

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
        if self.share is None:
            return max(LEAST, int(SHARE * records))
        return int(self.share * records)


class BadRecords:
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
        self._redrawn: Counter[tuple[str, int]] = Counter()  # (split, epoch) → samples
        for row in earlier:
            if "redrawn" not in row:
                self._add(row)

    def _add(self, row: Mapping[str, Any]) -> bool:
        """Whether the row is new."""
        key = row["split"], row["path"], row["epoch"]
        if key in self._told:
            return False
        self._told.add(key)
        self._records.setdefault(key[:2], f"{row['reason']} (on {row['host']})")
        return True

    def has(self, split: str, path: str) -> bool:
        """Whether that record is known to be bad."""
        return (split, path) in self._records

    def note(self, row: Mapping[str, Any], records: int) -> None:
        """A record of a data set of `records` is bad. Raises DataError when it is one too many."""
        if not self._add(row):
            return
        if self._write is not None:
            self._write(row)
        if len(self._records) > (allowed := self._limit.of(records)):
            first = [one_line(f"{path}: {why}") for (_, path), why in self._records.items()][:SHOWN]
            raise DataError(
                f"{len(self._records):,} bad records of {records:,}, and {self._given(allowed)}. "
                "Mend or remove them, or allow more (--max-bad 100%: any number). The "
                f"first{self._all_of_them}\n  " + "\n  ".join(first)
            )

    def note_redrawn(self, row: Mapping[str, Any], samples: int) -> None:
        """row["redrawn"] samples of a visit were drawn anew, in an epoch of `samples`.

        Raises DataError when they are too many.
        """
        split, epoch, redrawn = row["split"], row["epoch"], row["redrawn"]
        key = split, f"drawn anew: {row['path']}", epoch
        if key not in self._told:
            self._told.add(key)
            if self._write is not None:
                self._write(row)
        self._redrawn[split, epoch] += redrawn
        last = one_line(f"{row['path']}: {row['reason']}")
        if (count := self._redrawn[split, epoch]) > (allowed := self._limit.of(samples)):
            raise DataError(
                f"{count:,} of the {samples:,} samples of {split} epoch {epoch} had to be drawn "
                f"anew, as the task raised over their first try, and {self._given(allowed)}. Mend "
                "the task's code or the records that it looks up, or allow more (--max-bad 100%: "
                f"any number). The last{self._all_of_them}\n  {last}"
            )

    def _given(self, allowed: int) -> str:
        """How many are allowed, by whose word."""
        if self._limit.text:
            return f"--max-bad {self._limit.text} allows {allowed:,}"
        return f"without --max-bad {SHARE:.0%} are allowed, or {LEAST}: {allowed:,}"

    @property
    def _all_of_them(self) -> str:
        return f"; all of them: {self._listed}" if self._listed else ""
