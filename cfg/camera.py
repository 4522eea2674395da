"""The camera task's own defaults: any setting, or any parameter of the task (``patch``, …).

They stand between the defaults in cfg/base.py and the table of hosts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ROW: Final[Mapping[str, object]] = {
    # Decoding a 9-megapixel JPEG costs some 60 ms and cutting a patch from it a few: to use one
    # patch of each photo would waste nearly all the work.
    "patches_per_visit": 16,
}
