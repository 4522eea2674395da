"""Bad records named in the log, where no file of a run lists them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

log = logging.getLogger("pushfit.trainer")


def note_bad(row: Mapping[str, Any]) -> None:
    """Log a bad record, where no list of them is kept.

    row: as `BadRecords` writes it.
    """
    if redrawn := row.get("redrawn"):
        samples = "1 sample" if redrawn == 1 else f"{redrawn} samples"
        told = f"{samples} of {row['path']} on {row['host']} had to be drawn again"
    else:
        told = f"{row['path']} on {row['host']} is bad"
    log.warning("%s: %s", told, row["reason"])
