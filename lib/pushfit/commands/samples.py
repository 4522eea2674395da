"""`pushfit samples`: makes small data sets to try PushFit with.

pushfit samples                makes simulated photos in data/sample
pushfit samples --large        makes a few photos of 12 megapixels in data/sample-large
pushfit samples digits         makes scikit-learn's handwritten digits in data/digits
"""

from __future__ import annotations

import argparse
import time
from dataclasses import fields, replace
from pathlib import Path

from pushfit.commands.parser import Parser
from pushfit.errors import ConfigError
from pushfit.host import typed_path
from pushfit.samples.cameras import CAMERAS
from pushfit.samples.photos import LARGE, WHAT, Plan, make


def parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="pushfit samples",
        description="Make a small data set to try PushFit with. The photos are simulated: accuracy "
        "on them says nothing about real cameras.",
    )
    parser.add_argument(
        "what", nargs="?", choices=("photos", "digits"), default="photos",
        help="the data set to make (photos)",
    )  # fmt: skip
    parser.add_argument(
        "--out",
        type=typed_path,
        metavar="DIR",
        help="the folder to make (data/sample; with --large data/sample-large; for digits "
        "data/digits)",
    )
    parser.add_argument(
        "--large",
        action="store_true",
        help=f"make fewer photos, of {LARGE.megapixels:.0f} megapixels, for measurements",
    )
    for field in fields(Plan):
        both = f"{WHAT[field.name]} ({field.default}; with --large {getattr(LARGE, field.name)})"
        parser.add_argument(f"--{field.name}", type=int, help=both)
    return parser


def main(argv: list[str]) -> int:
    options = vars(parser().parse_args(argv))
    out, what, large = options.pop("out"), options.pop("what"), options.pop("large")
    numbers = {name: number for name, number in options.items() if number is not None}
    if what == "photos":
        usual = Path("data/sample-large" if large else "data/sample")
        return _photos(out or usual, replace(LARGE if large else Plan(), **numbers))
    if large or numbers:
        flag = "--large" if large else f"--{next(iter(numbers))}"
        raise ConfigError(f"{flag} is for photos: leave it out, since digits are a fixed data set")
    return _digits(out or Path("data/digits"))


def _photos(out: Path, plan: Plan) -> int:
    start = time.monotonic()
    made = make(out, plan)
    what = f"{plan.photos} simulated photos by {len(CAMERAS)} cameras"
    if made:
        print(f"{out}: made {what} in {time.monotonic() - start:.0f} s")
    else:
        print(f"{out}: the {what} are already there")
    return 0


def _digits(out: Path) -> int:
    from pushfit.samples import digits

    made = digits.make(out)
    found = "made" if made else "already there:"
    print(f"{out}: {found} 1,797 handwritten digits, 297 held out")
    return 0
