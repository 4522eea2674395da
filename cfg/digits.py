"""The digits task's own defaults: any setting, or any parameter of the task (``rotation``, …).

They stand between the defaults in cfg/base.py and the table of hosts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ROW: Final[Mapping[str, object]] = {
    # An image is there as soon as it is asked for: nothing is shared by several samples of it.
    "patches_per_visit": 1,
    "batch_size": 128,
    "model": "smallcnn",
}
