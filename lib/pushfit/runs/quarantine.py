"""`OUT/quarantine.jsonl`: a line for each bad record, written when it is found in an epoch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pushfit.errors import OutputError
from pushfit.text import json_line

FIELDS = ("host", "path", "reason", "split", "epoch")


class Quarantine:
    """Appends rows {"host", "path", "reason", "split", "epoch"} to the file `path`.

    The first row creates the file. If code raised, the row also has its "traceback".
    """

    def __init__(self, path: Path) -> None:
        self.path, self.count = path, 0

    def earlier(self) -> list[dict[str, Any]]:
        """The rows that the file has already, if a run is resumed. Raises OutputError.

        A line that a kill cut short is ignored, and gets a line end so that the next row is valid.
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
            except (ValueError, RecursionError):  # the line is not valid JSON
                continue
            if isinstance(row, dict) and all(field in row for field in FIELDS):
                rows.append(row)
        self.count = len(rows)
        return rows

    def add(self, row: Mapping[str, Any]) -> None:
        """Append a row. Raises OutputError."""
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
