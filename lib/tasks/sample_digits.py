"""`python -m lib.tasks.sample_digits --out data/digits`: handwritten digits, without a download.

scikit-learn ships 1,797 of them, of 8 x 8 pixels and 17 greys (the test half of UCI's "Optical
Recognition of Handwritten Digits", Alpaydin and Kaynak 1998). They are enlarged to 20 x 20 in a
frame of 28 x 28, as MNIST's are, and written as MNIST's files:

    OUT/train-images-idx3-ubyte, train-labels-idx1-ubyte    the first 1,500
    OUT/val-images-idx3-ubyte, val-labels-idx1-ubyte        the last 297, which other people wrote

They are small and few: what a model makes of them is no measure of it. Pillow enlarges them, so
each release of it may round some pixels in another way; the files of one OUT stay as they are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from lib.errors import ConfigError, OutputError, PushFitError
from lib.files import making
from lib.tasks import idx
from lib.tasks.base import TRAIN, VAL
from lib.tasks.digits import IMAGES, LABELS

HELD_OUT = 297
SIDE, INNER = 28, 20  # MNIST's frame, and what of it a digit fills
GREYS = 16.0


def make(out: Path) -> bool:
    """Make the sample `out`, or return False where it is already there. Raises PushFitError."""
    names = [f"{split}-{kind}" for split in (TRAIN, VAL) for kind in (IMAGES, LABELS)]
    if out.is_dir() and all((out / name).is_file() for name in names):
        return False
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out} holds something else: name another folder with --out")
    images, labels = _digits()
    parts = {TRAIN: slice(None, -HELD_OUT), VAL: slice(-HELD_OUT, None)}
    with making(out) as unfinished:
        for split, part in parts.items():
            for kind, values in ((IMAGES, images[part]), (LABELS, labels[part])):
                content = idx.head(*values.shape) + values.tobytes()
                (unfinished / f"{split}-{kind}").write_bytes(content)
    return True


def _digits() -> tuple[np.ndarray, np.ndarray]:
    """(images (n, SIDE, SIDE), labels (n,)), uint8. Raises ConfigError."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ConfigError(
            "the sample of digits comes with scikit-learn: pip install -r requirements-sample.txt"
        ) from error
    found = load_digits()
    images = np.zeros((len(found.images), SIDE, SIDE), np.uint8)
    edge = (SIDE - INNER) // 2
    for image, small in zip(images, found.images, strict=True):
        grey = Image.fromarray((small * (255 / GREYS)).round().astype(np.uint8))
        large = grey.resize((INNER, INNER), Image.Resampling.BICUBIC)
        image[edge : edge + INNER, edge : edge + INNER] = np.asarray(large)
    return images, found.target.astype(np.uint8)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m lib.tasks.sample_digits",
        description="Make a small data set of real handwritten digits, to try PushFit with.",
    )
    parser.add_argument("--out", type=Path, default=Path("data/digits"), help="folder to make")
    out: Path = parser.parse_args(argv).out
    try:
        made = make(out)
    except PushFitError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{out}: {'made' if made else 'already there:'} 1,797 handwritten digits, 297 held out")
    return 0


if __name__ == "__main__":
    sys.exit(main())
