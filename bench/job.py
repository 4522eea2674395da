"""The whole job: photos on a disk to a trained model, PushFit against five other feeders.

    python -m bench job [--links DIR] [--sides a,b] [--samples N] [--rounds N] [--check]

Every side trains the same small model with the same batches on patches of the same photos, with
two processes or threads that make them, all on this machine. `bench/README.md` says how each was
set up; the code is in `bench/_job_sides.py` and `bench/_rivals.py`.

    vs_RIVAL_FORM         PushFit's samples a second ÷ the rival's, from a third of the run on
    vs_RIVAL_FORM_cpu     the rival's CPU seconds a sample ÷ PushFit's, all processes, likewise
    vs_RIVAL_FORM_wall    the rival's whole wall time ÷ PushFit's
    SIDE_start_s          from the start of its process to the end of its first batch
    SIDE_wall_s           everything, start included, for --samples
    SIDE_cpu_s_per_1000   CPU seconds of all its processes, from a third of the run on
    SIDE_fit_cpu_…        the part of these that the process of `fit` spent

--check: train nothing; compare the samples of the sides that run our code with PushFit's.
"""

from __future__ import annotations

import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from bench import _data
from bench._flow import per
from bench._photos import linked, usable
from bench._turns import Figures, Rounds, chosen, links_flag, parser, told
from bench._work import BATCH, Work
from pushfit.errors import PushFitError

RIVALS = ("tfdata", "service", "torch", "pydataset", "ray")
SIDES = ("pushfit", *(f"{r}_{form}" for r in RIVALS for form in ("documented", "tuned")),
         "tfdata_native")  # fmt: skip
OURS = ("pushfit", "tfdata_tuned", "torch_tuned", "pydataset_tuned", "ray_tuned")  # our code
SLOWER = 8  # the documented ways do an eighth of the samples: a photo each takes them long
LIMIT = 600.0  # seconds for a side
PATCH, PATCHES = 224, 16


def run(args: list[str]) -> dict[str, Any]:
    """Raises ConfigError, DataError."""
    flags = parser("job", __doc__, seconds=0, rounds=3)
    links_flag(flags, "--links", "folder with train/")
    flags.add_argument("--sides", default=",".join(SIDES), help="some of: " + ", ".join(SIDES))
    flags.add_argument("--samples", type=int, default=3840, help="trained on, of tuned sides")
    flags.add_argument("--patch", type=int, default=PATCH)
    flags.add_argument("--check", action="store_true", help="compare samples, train nothing")
    options = flags.parse_args(args)
    sides = chosen("--sides", options.sides, SIDES)
    links = _data.photos(options.links)
    with tempfile.TemporaryDirectory() as folder:
        photos = usable(links, options.patch)
        linked(links, (each for each in photos if each.path.lower().endswith("jpg")), Path(folder))
        work = Work(folder, _whole(options.samples), options.patch, PATCHES)
        if options.check:
            return checked([side for side in sides if side in OURS], work)
        rounds = Rounds()
        rounds.measure({side: partial(trained, side, work) for side in sides}, options.rounds)
    return rounds.result(ratios(rounds, sides))


def _whole(samples: int) -> int:
    """Whole batches on every side, and at least a few in the steady part."""
    each = BATCH * SLOWER
    return max(2, -(-samples // each)) * each


def measure(side: str, work: Work, what: str) -> dict[str, Any]:
    env = {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    words = (side, msgspec.json.encode(work).decode(), time.time(), what)
    return told("_job_sides", *words, seconds=LIMIT, env=env)


def trained(side: str, work: Work) -> Figures:
    fewer = SLOWER if side.endswith("documented") else 1
    mine = msgspec.structs.replace(work, samples=work.samples // fewer)
    row = steady(measure(side, mine, "fit"), work.samples)
    said = ", ".join(f"{name} {value:.3f}" for name, value in row.items())
    print(f"{side}: {said}", file=sys.stderr, flush=True)  # it takes minutes in all
    return row


def steady(result: dict[str, Any], samples: int) -> Figures:
    """samples: of the whole job; wall time is as if this side had made as many."""
    times, cpu = result["times"], result["cpu"]
    mark, last = min(map(int, cpu)), max(map(int, cpu))  # one more where a batch too many came
    steadily = (last - mark) * BATCH
    each = per(1.0, steadily, "batches")  # a sample's part
    (all0, fit0), (all1, fit1) = cpu[str(mark)], cpu[str(last)]
    rate = per(steadily, times[last] - times[mark], "seconds")
    return {
        "samples_per_s": rate,
        "start_s": times[0],
        "wall_s": times[last] + (samples - (last + 1) * BATCH) / rate,
        "cpu_s_per_1000": (all1 - all0) * each * 1000,
        "fit_cpu_s_per_1000": (fit1 - fit0) * each * 1000,
        "start_cpu_s": all0 - (all1 - all0) * each * BATCH * (mark + 1),
    }


def ratios(rounds: Rounds, sides: list[str]) -> Figures:
    rivals = [side for side in sides if side != "pushfit"]
    found = rounds.ratios({f"vs_{side}": ("pushfit", side) for side in rivals}, "samples_per_s")
    for what, name in (("cpu", "cpu_s_per_1000"), ("wall", "wall_s")):
        pairs = {f"vs_{side}_{what}": (side, "pushfit") for side in rivals}
        found |= rounds.ratios(pairs, name)
    return found


def checked(sides: list[str], work: Work) -> dict[str, Any]:
    """ratios: same_SIDE is 1 where its samples are PushFit's, each once."""
    results: dict[str, dict[str, Any]] = {}
    failed = []
    for side in sides:
        try:
            results[side] = measure(side, work, "check")
        except PushFitError as error:
            failed.append(f"{side}: {error}")
    ours = results.get("pushfit")
    same = {f"same_{s}": float(r == ours) for s, r in results.items() if s != "pushfit"}
    failed += [f"{name}: other samples" for name, equal in same.items() if not equal]
    figures = {f"{side}_samples": float(r["samples"]) for side, r in results.items()}
    return {"ratios": same, "figures": figures, "failed": failed}
