"""A rank whose steps wait for those of its partner, as a collective operation does.

    python -m tests.support.in_step FOLDER RANK BIND LINKS HOLD

FOLDER: where the two ranks write how far they are. HOLD: the step after which it stands still, and
can be killed there; 0: it does not.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path

import pushfit
from pushfit.runs.outputs import write_text
from pushfit.streams import lockstep

PATIENCE = 1.0  # seconds


def main(folder: Path, rank: int, bind: str, links: str, hold: int) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    lockstep.PATIENCE_SECONDS = PATIENCE
    mine, other = (folder / f"rank-{number}.json" for number in (rank, 1 - rank))
    before = json.loads(mine.read_text()) if mine.exists() else None
    step = before["step"] if before else 0
    about = {"batch_size": 8, "epochs": 1, "shards": 4, "world": 2, "rank": rank, "bind": bind}
    state = before["state"] if before else None
    with pushfit.stream("digits", links=links, splits=("train",), state=state, **about) as stream:
        for _ in stream.batches("train"):
            step += 1
            write_text(mine, json.dumps({"step": step, "state": stream.state_dict()}))
            while step == hold or steps(other) < step:
                time.sleep(0.01)
        print(f"steps: {step}")
        (row,) = stream.report()["splits"]["train"]
        print(f"missing: {row['missing']}, duplicate: {row['duplicate']}")


def steps(path: Path) -> int:
    return int(json.loads(path.read_text())["step"]) if path.exists() else 0


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5]))
