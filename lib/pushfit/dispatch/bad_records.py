"""The bad records of a run: each is reported once an epoch, and all count against `--max-bad`.

A record counts once, however often it is visited. The rows of a run that is resumed count as well,
and are not reported again. Without `--max-bad` a twentieth of the records may be bad, and of a
small data set a few: a run whose code or disk is broken must not train on substitutes unnoticed.

A sample that had to be drawn again, since the task raised an exception at the first try, does not
make its record bad. It is reported once an epoch for each record. In each epoch such samples count
against the same share, of the samples.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from pushfit.errors import ConfigError, DataError
from pushfit.text import one_line

SHOWN = 5  # most records that the message that ends a run names
_NUMBER = re.compile(r"(\d{1,12})|(\d{1,3}(?:\.\d{1,9})?)\s*%", re.ASCII)


SHARE, LEAST = 0.05, 5  # without --max-bad, this share may be bad, or this number if it is more


class Limit(msgspec.Struct, frozen=True):
    """How many records may be bad: a number, or a share of the data set.

    text: what was typed as `--max-bad`.
    number: the number; None: it is not limited by a number.
    share: the share, from 0 to 1; None: it is not limited by a share.

    Without both, SHARE of the data set may be bad, or LEAST records if that is more.
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
                f"--max-bad: {text!r} cannot be used: give a number of records, such as 20, or a "
                "share of the data set from 0% to 100%, such as 1%"
            )
        if match[1]:
            return Limit(text, number=int(match[1]))
        return Limit(text, share=float(match[2]) / 100)

    def of(self, records: int) -> int:
        """The number of bad records that are allowed among so many `records`."""
        if self.number is not None:
            return self.number
        if self.share is None:
            return max(LEAST, int(SHARE * records))
        return int(self.share * records)


class BadRecords:
    """Reports bad records, and ends a run that has too many.

    write: called with each new row {"host", "path", "reason", "split", "epoch"}; it also has
        "traceback" if code raised, and "redrawn" if samples were drawn again. None: nothing is
        written.
    limit: how many records may be bad; None: the default.
    earlier: the rows of this run before it was resumed.
    listed: where all rows can be found, in words; ``""``: nowhere.
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
        self._records: dict[tuple[str, str], str] = {}  # {(split, path): host and reason}
        self._redrawn: Counter[tuple[str, int]] = Counter()  # {(split, epoch): samples}
        for row in earlier:
            if "redrawn" not in row:
                self._add(row)

    def _add(self, row: Mapping[str, Any]) -> bool:
        """Add a row. Returns whether it is new."""
        key = row["split"], row["path"], row["epoch"]
        if key in self._told:
            return False
        self._told.add(key)
        self._records.setdefault(key[:2], f"{row['reason']} (on {row['host']})")
        return True

    def has(self, split: str, path: str) -> bool:
        """Return whether the record at `path` is known to be bad."""
        return (split, path) in self._records

    def note(self, row: Mapping[str, Any], records: int) -> None:
        """Note a bad record of a data set of `records`. Raises DataError if it is one too many."""
        if not self._add(row):
            return
        if self._write is not None:
            self._write(row)
        if len(self._records) > (allowed := self._limit.of(records)):
            first = [one_line(f"{path}: {why}") for (_, path), why in self._records.items()][:SHOWN]
            raise DataError(
                f"{len(self._records):,} bad records of {records:,}, and {self._given(allowed)}. "
                "Correct or remove them, or allow more (--max-bad 100%: any number). These are the "
                f"first{self._all_of_them}\n  " + "\n  ".join(first)
            )

    def note_redrawn(self, row: Mapping[str, Any], samples: int) -> None:
        """Note that row["redrawn"] samples of a visit were drawn again, in an epoch of `samples`.

        Raises DataError if they are too many.
        """
        split, epoch, redrawn = row["split"], row["epoch"], row["redrawn"]
        key = split, f"drawn again: {row['path']}", epoch
        if key not in self._told:
            self._told.add(key)
            if self._write is not None:
                self._write(row)
        self._redrawn[split, epoch] += redrawn
        last = one_line(f"{row['path']}: {row['reason']}")
        if (count := self._redrawn[split, epoch]) > (allowed := self._limit.of(samples)):
            raise DataError(
                f"{count:,} of the {samples:,} samples of {split} epoch {epoch} had to be drawn "
                "again, since the task raised an exception at the first try, and "
                f"{self._given(allowed)}. Correct the task's code or the records that it looks up, "
                "or allow more (--max-bad 100%: any number). This is the "
                f"last{self._all_of_them}\n  {last}"
            )

    def _given(self, allowed: int) -> str:
        """How many are allowed, and by which setting."""
        if self._limit.text:
            return f"--max-bad {self._limit.text} allows {allowed:,}"
        return f"{allowed:,} are allowed without --max-bad ({SHARE:.0%}, and at least {LEAST})"

    @property
    def _all_of_them(self) -> str:
        return f"; all of them: {self._listed}" if self._listed else ""
