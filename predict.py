"""Predictions: `pushfit predict`, run from this checkout whatever is installed.

The flags and what it does: `python predict.py --help`, and pushfit/commands/predict.py.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))

from pushfit.__main__ import run

if __name__ == "__main__":
    run("predict", sys.argv[1:])
