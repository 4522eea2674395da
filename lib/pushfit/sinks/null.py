"""How a sink that stores nothing reports bad records."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

log = logging.getLogger("pushfit.sink")


def note_bad(row: Mapping[str, Any]) -> None:
    """Log a bad record: a sink that stores nothing has no quarantine list.

    row: as `BadRecords` writes it.
    """
    if redrawn := row.get("redrawn"):
        samples = "1 sample" if redrawn == 1 else f"{redrawn} samples"
        told = f"{samples} of {row['path']} on {row['host']} had to be drawn anew"
    else:
        told = f"{row['path']} on {row['host']} is bad"
    log.warning("%s: %s", told, row["reason"])
