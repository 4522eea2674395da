"""`pushfit health`: a check of the processes of a container, or of a server."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from pushfit.health import ask, check
from pushfit.text import one_line

USAGE = """\
usage: pushfit health FOLDER|URL

FOLDER is the folder that --health names for generators and trainers. URL is the /healthz of a
server. The exit code is 0 if they work, and 1 if they do not."""


def main(argv: list[str]) -> int:
    helped = argv in (["-h"], ["--help"])
    if helped or len(argv) != 1 or argv[0].startswith("-"):
        print(USAGE, file=sys.stdout if helped else sys.stderr)
        return 0 if helped else 2
    well, said = ask(argv[0]) if "://" in argv[0] else check(Path(argv[0]), time.time())
    print(one_line(said))
    return 0 if well else 1
