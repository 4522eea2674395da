"""The trainer: `pushfit train`, run from this checkout whatever is installed.

The flags and what it does: `python train_zmq.py --help`, and pushfit/commands/train.py.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))

from pushfit.__main__ import run

if __name__ == "__main__":
    run("train", sys.argv[1:])
