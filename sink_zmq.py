"""A sink: `pushfit sink`, run from this checkout whatever is installed.

The flags and what it does: `python sink_zmq.py --help`, and pushfit/commands/sink.py.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))

from pushfit.__main__ import run

if __name__ == "__main__":
    run("sink", sys.argv[1:])
