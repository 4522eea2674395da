"""The server: `pushfit serve`, run from this checkout whatever is installed.

The flags and what it does: `python serve.py --help`, and pushfit/commands/serve.py.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))

from pushfit.__main__ import run

if __name__ == "__main__":
    run("serve", sys.argv[1:])
