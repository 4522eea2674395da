"""`pushfit samples digits --out data/digits`: handwritten digits, without a download.

scikit-learn contains 1,797 digits of 8 x 8 pixels and 17 greys (the test half of UCI's "Optical
Recognition of Handwritten Digits", Alpaydin and Kaynak 1998). They are enlarged to 20 x 20 in a
frame of 28 x 28, as in MNIST, and written as MNIST's files:

    OUT/train-images-idx3-ubyte, train-labels-idx1-ubyte    the first 1,500
    OUT/val-images-idx3-ubyte, val-labels-idx1-ubyte        the last 297, which other people wrote

They are small and few, so a model's accuracy on them says little about it. Pillow enlarges them,
and each release of it may round some pixels in another way; the files of an OUT do not change.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from pushfit.errors import ConfigError, OutputError
from pushfit.files import making
from pushfit.requirements import advice
from pushfit.tasks.base import TRAIN, VAL
from pushfit.tasks.digits import idx
from pushfit.tasks.digits.task import IMAGES, LABELS

HELD_OUT = 297
SIDE, INNER = 28, 20  # sides of MNIST's frame and of the digit in it
GREYS = 16.0


def make(out: Path) -> bool:
    """Make the sample `out`. Returns False if it is already there. Raises PushFitError."""
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
        raise ConfigError(advice(["scikit-learn"], "sample")) from error
    found = load_digits()
    images = np.zeros((len(found.images), SIDE, SIDE), np.uint8)
    edge = (SIDE - INNER) // 2
    for image, small in zip(images, found.images, strict=True):
        grey = Image.fromarray((small * (255 / GREYS)).round().astype(np.uint8))
        large = grey.resize((INNER, INNER), Image.Resampling.BICUBIC)
        image[edge : edge + INNER, edge : edge + INNER] = np.asarray(large)
    return images, found.target.astype(np.uint8)
