"""`OUT/quarantine.jsonl`: one line for each bad record of an epoch, as it is found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pushfit.errors import OutputError
from pushfit.text import json_line

FIELDS = ("host", "path", "reason", "split", "epoch")


class Quarantine:
    """Appends rows {"host", "path", "reason", "split", "epoch"}; the first makes the file.

    Code that raised has its "traceback" in the row, too.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.count = path, 0

    def earlier(self) -> list[dict[str, Any]]:
        """Rows that stand there already: those of a run that is resumed. Raises OutputError.

        A line that a kill cut short is passed over, and ended so that the next one starts afresh.
        """
        try:
            text = self.path.read_text(encoding="utf-8", errors="replace")
            if text and not text.endswith("\n"):
                self._append("\n")
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise OutputError(f"cannot read {self.path}: {error.strerror}") from error
        rows = []
        for line in text.split("\n"):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):  # of no use, whoever wrote it
                continue
            if isinstance(row, dict) and all(field in row for field in FIELDS):
                rows.append(row)
        self.count = len(rows)
        return rows

    def add(self, row: Mapping[str, Any]) -> None:
        """Raises OutputError."""
        self.count += 1
        self._append(json_line(row))

    def _append(self, text: str) -> None:
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise OutputError(
                f"cannot write {self.path} ({error.strerror}): is the disk full or gone?"
            ) from error
