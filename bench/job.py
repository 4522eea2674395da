"""The whole job: photos on a disk to a trained model, PushFit against five other feeders.

    python -m bench job [--links DIR] [--sides a,b] [--samples N] [--rounds N] [--check]

Every side trains the same small model with the same batches on patches of the same photos, with
two processes or threads that make them, all on this machine. docs: `bench/README.md` says how each
was set up, `bench/_job_sides.py` is how.

    vs_RIVAL_FORM         PushFit's samples a second ÷ the rival's, from a third of the run on
    vs_RIVAL_FORM_cpu     the rival's CPU seconds a sample ÷ PushFit's, all processes, likewise
    vs_RIVAL_FORM_wall    the rival's whole wall time ÷ PushFit's
    SIDE_start_s          from the start of its process to the end of its first batch
    SIDE_wall_s           everything, start included, for --samples
    SIDE_cpu_s_per_1000   CPU seconds of all its processes, from a third of the run on
    SIDE_fit_cpu_…        of those, what the process spent that runs `fit`

--check: instead, whether the sides that run our code train on PushFit's very samples.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from bench._job_work import BATCH, Work
from lib.errors import BadRecord, ConfigError, DataError, nearest
from lib.tasks.base import TRAIN
from lib.tasks.camera import CameraParams, CameraTask

PHOTOS = Path(__file__).resolve().parents[2] / "shared" / "data" / "cameras"
RIVALS = ("tfdata", "service", "torch", "pydataset", "ray")
SIDES = ("pushfit", *(f"{r}_{form}" for r in RIVALS for form in ("documented", "tuned")),
         "tfdata_native")  # fmt: skip
OURS = ("pushfit", "tfdata_tuned", "torch_tuned", "pydataset_tuned", "ray_tuned")  # our code
NEEDS = {"torch": "torch", "ray": "ray", "service": "tensorflow", "tfdata": "tensorflow"}
SLOWER = 8  # the documented ways do an eighth of the samples: a photo each takes them long
LIMIT = 600.0  # seconds for a side
PATCH, PATCHES = 224, 16


def run(args: list[str]) -> dict[str, Any]:
    """{"bench", "ratios", "figures", "failed"}. Raises ConfigError, DataError."""
    parser = argparse.ArgumentParser(prog="python -m bench job", description=__doc__)
    parser.add_argument("--links", type=Path, default=PHOTOS, help="folder that holds train/")
    parser.add_argument("--sides", default=",".join(SIDES), help="some of: " + ", ".join(SIDES))
    parser.add_argument("--samples", type=int, default=3840, help="trained on, of tuned sides")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--patch", type=int, default=PATCH)
    parser.add_argument("--check", action="store_true", help="compare samples, train nothing")
    options = parser.parse_args(args)
    sides = options.sides.split(",")
    for side in sides:
        if side not in SIDES:
            raise ConfigError(f"--sides: there is no {side!r}{nearest(side, SIDES)}")
    with tempfile.TemporaryDirectory() as folder:
        links = usable(options.links, Path(folder), options.patch)
        work = Work(str(links), _whole(options.samples), options.patch, PATCHES)
        if options.check:
            return checked([side for side in sides if side in OURS], work)
        measured, failed = rounds(sides, work, options.rounds)
    ratios, figures = compared(measured)
    return {"bench": "job", "ratios": ratios, "figures": figures, "failed": failed}


def _whole(samples: int) -> int:
    """Whole batches on every side, and at least a few in the steady part."""
    each = BATCH * SLOWER
    return max(2, -(-samples // each)) * each


def usable(links: Path, folder: Path, patch: int) -> Path:
    """A folder of links to the training photos that every side can use: no validation, no bad one,
    none too small for every manipulation. Raises DataError."""
    task = CameraTask(CameraParams(patch=patch))
    for record in task.scan(links).splits[TRAIN]:
        with suppress(BadRecord):
            photo = task.decode(task.read(links, record), record)
            if min(photo.shape[:2]) >= 2 * patch and record.path.lower().endswith("jpg"):
                link = folder / record.path
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to((links / record.path).resolve())
    if not (folder / TRAIN).is_dir():
        raise DataError(f"no JPEG in {links} is at least {2 * patch} px a side")
    return folder


def measure(side: str, work: Work, what: str) -> tuple[dict[str, Any] | None, str]:
    """What the side's process printed; or None, and why."""
    library = NEEDS.get(side.partition("_")[0])
    if library and not _installed(library):
        return None, (
            f"{side} was left out: {library} is not installed. "
            "pip install -r bench/requirements.txt"
        )
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    words = [side, msgspec.json.encode(work).decode(), str(time.time()), what]
    done = subprocess.Popen(
        [sys.executable, "-m", "bench._job_sides", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
    )  # fmt: skip
    try:
        out, err = done.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        done.kill()
        done.communicate()
        return None, f"{side} was not done after {LIMIT:.0f} s"
    if done.returncode:
        last = err.strip().splitlines() or ["it said nothing"]
        return None, f"{side} ended with code {done.returncode}: {last[-1]}"
    return json.loads(out.strip().splitlines()[-1]), ""


def _installed(library: str) -> bool:
    from importlib.util import find_spec

    return find_spec(library) is not None


def rounds(
    sides: list[str], work: Work, count: int
) -> tuple[dict[str, list[dict[str, float]]], list[str]]:
    """{side: [figures of a round]}, and sentences about what failed."""
    measured: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    failed: list[str] = []
    for turn in range(count):
        first = turn % len(sides)  # whoever follows whom, nobody gains by it
        for side in (*sides[first:], *sides[:first]):
            fewer = SLOWER if side.endswith("documented") else 1
            mine = msgspec.structs.replace(work, samples=work.samples // fewer)
            result, why = measure(side, mine, "fit")
            if result is None:
                failed += [why] if why not in failed else []
                continue
            measured[side].append(steady(result, work.samples))
            row = ", ".join(f"{name} {value:.3f}" for name, value in measured[side][-1].items())
            print(f"{side}: {row}", file=sys.stderr, flush=True)  # it takes minutes in all
    return {side: each for side, each in measured.items() if each}, failed


def steady(result: dict[str, Any], samples: int) -> dict[str, float]:
    """samples: of the whole job; wall time is as if this side had made as many."""
    times, cpu = result["times"], result["cpu"]
    mark, last = min(map(int, cpu)), max(map(int, cpu))  # one more where a batch too many came
    steadily = (last - mark) * BATCH
    (all0, fit0), (all1, fit1) = cpu[str(mark)], cpu[str(last)]
    rate = steadily / (times[last] - times[mark])
    return {
        "samples_per_s": rate,
        "start_s": times[0],
        "wall_s": times[last] + (samples - (last + 1) * BATCH) / rate,
        "cpu_s_per_1000": (all1 - all0) / steadily * 1000,
        "fit_cpu_s_per_1000": (fit1 - fit0) / steadily * 1000,
        "start_cpu_s": all0 - (all1 - all0) / (last - mark) * (mark + 1),
    }


def compared(
    measured: dict[str, list[dict[str, float]]],
) -> tuple[dict[str, float], dict[str, float]]:
    figures = {
        f"{side}_{name}": statistics.median(each[name] for each in rows)
        for side, rows in measured.items()
        for name in rows[0]
    }
    ratios: dict[str, float] = {}
    for side, rows in measured.items():
        ours = measured.get("pushfit")
        if side == "pushfit" or ours is None:
            continue
        pairs = list(zip(ours, rows, strict=False))
        ratios[f"vs_{side}"] = statistics.median(
            mine["samples_per_s"] / theirs["samples_per_s"] for mine, theirs in pairs
        )
        ratios[f"vs_{side}_cpu"] = statistics.median(
            theirs["cpu_s_per_1000"] / mine["cpu_s_per_1000"] for mine, theirs in pairs
        )
        ratios[f"vs_{side}_wall"] = statistics.median(
            theirs["wall_s"] / mine["wall_s"] for mine, theirs in pairs
        )
    return ratios, figures


def checked(sides: list[str], work: Work) -> dict[str, Any]:
    """ratios: same_SIDE is 1 where its samples are PushFit's, each once."""
    results: dict[str, dict[str, Any]] = {}
    failed = []
    for side in sides:
        result, why = measure(side, work, "check")
        if result is None:
            failed.append(why)
        else:
            results[side] = result
    ours = results.get("pushfit")
    ratios = {f"same_{s}": float(r == ours) for s, r in results.items() if s != "pushfit"}
    failed += [f"{name}: other samples" for name, same in ratios.items() if not same]
    figures = {f"{side}_samples": float(r["samples"]) for side, r in results.items()}
    return {"bench": "job", "ratios": ratios, "figures": figures, "failed": failed}
