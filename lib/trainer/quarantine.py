"""`OUT/quarantine.jsonl`: one line for each bad record of an epoch, as it is found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib.errors import OutputError


class Quarantine:
    """Appends rows {"host", "path", "reason", "split", "epoch"}; the first makes the file."""

    def __init__(self, path: Path) -> None:
        self.path, self.count = path, 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Raises OutputError."""
        self.count += 1
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
        except OSError as error:
            raise OutputError(
                f"cannot write {self.path} ({error.strerror}): is the disk full or gone?"
            ) from error
