"""The camera task's own defaults: any setting, or any parameter of the task (``patch``, …)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ROW: Final[Mapping[str, object]] = {
    # To decode a 9-megapixel JPEG takes about 60 ms, to cut a patch from it only a few: with one
    # patch for each decoded photo nearly all the work would be wasted.
    "patches_per_visit": 16,
    # Each row is one camera: first Kaggle's name for its folder, then the names in other data sets.
    "aliases": (
        "HTC-1-M7=htc_m7",
        "iPhone-4s=iphone_4s",
        "iPhone-6=iphone_6",
        "LG-Nexus-5x=nexus_5x",
        "Motorola-Droid-Maxx=moto_maxx",
        "Motorola-Nexus-6=nexus_6",
        "Motorola-X=moto_x",
        "Samsung-Galaxy-Note3=samsung_note3",
        "Samsung-Galaxy-S4=samsung_s4",
        "Sony-NEX-7=sony_nex7",
    ),
}
