"""Random faults, drawn from a seed, over a live fleet: the stream must not show them.

    python -m bench chaos [--minutes 10] [--seed 0] [--links DIR] [--expiry 5] [--silence 2]

- First a calm run: a local generator for each core, nothing happens. Then the same run with a fleet
  on three hosts (network namespaces, where this is root; else three groups on loopback, and no
  faults of a host's network or photos), each with a key, and with a copy of the photos, of its own.
  It is struck by what `_schedule` draws: kinds and lengths stand there, what each does in `_havoc`.
- The run is a sink's. While there are faults, it takes batches at `--load` times the speed that the
  cores allow: so it lasts for M minutes, leases are always under way, and the calm run, at full
  speed, takes about that share of M. The buffer is small, so that stock hides nothing.
- **Recovery**, for each fault: the seconds from its strike until every visit that was granted at
  that moment had been received, without a gap before it. What struck in the meantime counts
  against it, and so does the time that this work takes on a calm day (`recovery_calm_s`, the same
  measure at random moments of the calm run). From the end of the fault, not its strike, counts
  what leaves nothing that could recover before: the trainer stopped (until it continues), the fleet
  down to nobody (until the next generator is started). A liar, and photos that are not what they
  were, strike what is granted while they are on: it is the worst of many moments until their end.
- **Growth**: resident memory of the trainer, the median of the last quarter of the run less that of
  the second one (the first is warm-up).

It fails, with exit code 1, when a sample is missing or double, the hash differs, a record is given
up (every photo can be read on some host at any time), a liar is not put out, a fault is never
recovered from, recovery takes longer than the expiry and five seconds, or the trainer grows.

A trainer that is killed and resumes would be one more `do_KIND` of `_havoc`: `_watched` runs
train_zmq.py as well, its visits are counted over a restart, and Script can be started again.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections import Counter, defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import _data, _schedule
from bench._apart import free_port
from bench._copies import Copy, why_none_hangs
from bench._flow import per
from bench._havoc import PER_HOST, Fleet, Place, Strike
from bench._turns import links_flag, parser
from bench._watched import Progress
from bench.lab import hosts
from bench.lab.processes import Script, Starter
from pushfit.errors import PushFitError
from pushfit.wire.keys import KeyFolder

HOSTS = ("cpu-a", "cpu-b", "cpu-c")
BATCH, PER_VISIT = 32, 8
WORKERS = min(os.cpu_count() or 1, len(HOSTS) * PER_HOST)  # as many as can work at a time
PORT = 12001
TICK = 0.05
LOOK = 0.2  # seconds between two moments of a fault that strikes until its end
GRACE = 5.0  # seconds that recovery may take beyond the expiry
GROWTH_MIB = 16.0  # more is a leak; heaps breathe
PATIENCE = 600.0  # seconds for what is left of a run when the faults are over


class Run:
    """The stream that both runs make, and the folder for what they leave."""

    def __init__(self, options: argparse.Namespace, start: Starter, folder: Path) -> None:
        self.options, self.start, self.folder = options, start, folder
        self.links = options.links
        self.epochs, self.patches, self.seconds_a_batch = 1, 50 * PER_VISIT, 0.0

    def sink(self, name: str, *words: object, inside: tuple[str, ...] = ()) -> Script:
        options, into = self.options, self.folder / name
        into.mkdir()
        stream = (
            *("--links", self.links, "--seed", options.seed, "--hash", "--patch", 64),
            *("--patches-per-visit", PER_VISIT, "--batch-size", BATCH, "--mix-visits", 16),
            *("--patches-per-epoch", self.patches, "--epochs", self.epochs),
            *("--lease-bytes", "200KB", "--buffer", "4MiB", "--progress", "lines"),
            *("--silence", options.silence, "--expiry", options.expiry),
        )
        watched = ("-m", "bench._watched", into / "progress", into / "pace", "sink_zmq.py")
        report = ("--null", "--report", into / "report.json")
        return self.start(*watched, *report, *stream, *words, inside=inside)

    def report(self, name: str) -> dict[str, Any]:
        report: dict[str, Any] = json.loads((self.folder / name / "report.json").read_text())
        return report

    def calm(self, name: str) -> dict[str, Any]:
        """The report of a run without faults."""
        loopback = ("--bind", "tcp://127.0.0.1:0", "--generators", WORKERS)
        self.sink(name, *loopback).done(seconds=self.options.minutes * 60 + PATIENCE)
        return self.report(name)

    def measure(self) -> None:
        """Choose the length of the run by what a patch costs here."""
        report = self.calm("probe")
        patches = sum(row["patches"] for row in report["generators"])
        spent = sum(report["stages_s"][stage] for stage in ("decode", "transform", "wait"))
        self.seconds_a_batch = BATCH * per(spent, patches, "patches") / WORKERS / self.options.load
        batches = per(self.options.minutes * 60, self.seconds_a_batch, "seconds of work")
        self.epochs = max(2, round(2 * self.options.minutes))
        self.patches = max(PER_VISIT, round(batches * BATCH / self.epochs))

    def chaos(self, lab: hosts.Lab | None) -> tuple[list[Strike], list[str]]:
        """Run the stream under faults. Returns what struck, and what each liar ended with."""
        options = self.options
        host = lab["gpu"].address if lab else "127.0.0.1"
        port = PORT if lab else free_port()
        keys = KeyFolder(self.folder / "keys", make=True)
        bind = ("--bind", f"tcp://{host}:{port}", "--keys", keys.path)
        trainer = self.sink("chaos", *bind, inside=lab["gpu"].inside if lab else ())
        pace = self.folder / "chaos" / "pace"
        pace.write_text(str(self.seconds_a_batch))
        places = [
            Place(
                lab[name] if lab else None,
                self.folder / f"links-{name}",
                Copy(self.folder / f"photos-{name}", self.links),
                keys.make(name),
            )
            for name in HOSTS
        ]
        fleet = Fleet(self.start, places, trainer, (host, port), keys)
        fleet.settle()
        trainer.wait_for("joined: 3 generators")
        if reason := why_none_hangs(self.folder):
            _say(f"no file that hangs: {reason}")
        seconds, begun = options.minutes * 60, time.monotonic()
        about = options.seed, seconds, options.expiry
        for event in _schedule.draw(*about, apart=lab is not None, hangs=not reason):
            self._until(fleet, begun + event.at)
            struck = fleet.strike(event)
            _say(f"{event.at:6.1f} s  {event.kind}{'' if struck else ': nobody to strike'}")
        self._until(fleet, begun + seconds)
        fleet.settle()
        pace.unlink()
        _say("no more faults: the rest of the run at full speed")
        self._until(fleet, time.monotonic() + PATIENCE, to_the_end=True)
        trainer.done()
        return fleet.strikes, [self._last_words(liar) for liar in fleet.liars]

    @staticmethod
    def _last_words(liar: Script) -> str:
        """What it ended with, where it was not put out; else ``""``."""
        return "" if liar.finish() == 0 else liar.output or "no word"

    @staticmethod
    def _until(fleet: Fleet, when: float, *, to_the_end: bool = False) -> None:
        while (now := time.monotonic()) < when:
            if fleet.trainer.process.poll() is not None:
                if to_the_end:
                    return
                raise PushFitError(f"the trainer ended before its time:\n{fleet.trainer.output}")
            fleet.tick(now)
            time.sleep(TICK)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def percentile(values: list[float], share: float) -> float:
    """The smallest of `values` that at least `share` of them do not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


def growth(progress: Progress) -> float:
    """MiB by which the trainer grew, see the module's docstring."""
    resident = [moment.resident / 2**20 for moment in progress.moments]
    quarter = len(resident) // 4
    return statistics.median(resident[3 * quarter :]) - statistics.median(
        resident[quarter : 2 * quarter]
    )


def recovery(progress: Progress, strike: Strike) -> float | None:
    """Seconds that it took to get over the fault, or None, see the module's docstring."""
    counted = strike.struck if strike.counted is None else strike.counted
    worst = progress.recovery(strike.struck, counted)
    at = strike.struck
    while worst is not None and strike.until is not None and (at := at + LOOK) < strike.until:
        later = progress.recovery(at, at)
        worst = None if later is None else max(worst, later)
    return worst


def result(
    run: Run, strikes: list[Strike], liars: list[str], calm: dict[str, Any]
) -> dict[str, Any]:
    struck = run.report("chaos")
    rows = [row for each in struck["splits"].values() for row in each]
    equal = struck["splits"] == calm["splits"]
    progress = Progress(run.folder / "chaos" / "progress")
    took: dict[str, list[float]] = defaultdict(list)
    never: Counter[str] = Counter()
    for strike in strikes:
        recovered = recovery(progress, strike)
        if recovered is None:
            never[strike.kind] += 1
        else:
            took[strike.kind].append(recovered)
    every = [seconds for each in took.values() for seconds in each]
    still = Progress(run.folder / "calm" / "progress")
    moments = [moment.seconds for moment in still.moments[:: max(1, len(still.moments) // 200)]]
    quiet = [s for t in moments if (s := still.recovery(t, t)) is not None]
    figures: dict[str, float] = {
        "faults": len(strikes),
        "missing": sum(row["missing"] for row in rows),
        "duplicate": sum(row["duplicate"] for row in rows),
        "samples": sum(row["expected"] for row in rows),
        "generators_seen": len(struck["generators"]),
        "recovery_p50_s": percentile(every, 0.5),
        "recovery_p99_s": percentile(every, 0.99),
        "recovery_worst_s": max(every),
        "recovery_calm_s": statistics.median(quiet),
        "trainer_growth_mib": growth(progress),
    }
    for kind, seconds in sorted(took.items()):
        figures[f"{kind}_faults"] = len(seconds)
        figures[f"{kind}_p50_s"] = percentile(seconds, 0.5)
        figures[f"{kind}_p99_s"] = percentile(seconds, 0.99)
        figures[f"{kind}_worst_s"] = max(seconds)
    figures |= {f"counted_{name}": count for name, count in struck["faults"].items()}
    limit = run.options.expiry + GRACE
    stayed = [words for words in liars if words]
    wrong = {
        "samples are missing or double": figures["missing"] + figures["duplicate"] > 0,
        "the stream is not the calm run's": not equal,
        "a record was given up": struck["faults"].get("given_up", 0) > 0,
        f"not put out: {stayed}": bool(stayed),
        f"never recovered from: {dict(never)}": bool(never),
        f"recovery took longer than {limit:.0f} s": figures["recovery_worst_s"] > limit,
        "the trainer's memory grew": figures["trainer_growth_mib"] > GROWTH_MIB,
    }
    return {
        "ratios": {"hash_equal": int(equal)},
        "figures": figures,
        "failed": [what for what, so in wrong.items() if so],
    }


def run(args: list[str]) -> dict[str, Any]:
    flags = parser("chaos", __doc__)
    flags.add_argument("--minutes", type=float, default=10.0)
    flags.add_argument("--seed", type=int, default=0)
    links_flag(flags, "--links", "photos")
    flags.add_argument("--expiry", type=float, default=5.0)
    flags.add_argument("--silence", type=float, default=2.0)
    flags.add_argument("--load", type=float, default=0.6, help="of what the cores can make")
    options = flags.parse_args(args)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pushfit-chaos-")))
        options.links = _data.small_photos(options.links, folder).resolve()
        lab = None
        if reason := hosts.why_not():
            _say(f"no faults of a host's network or photos: {reason}")
        else:
            lab = stack.enter_context(hosts.Lab("gpu", *HOSTS))
        starter = Starter(uuid.uuid4().hex)
        stack.callback(starter.close)
        one = Run(options, starter, folder)
        one.measure()
        _say(f"{one.epochs} epochs of {one.patches} patches: the calm run first")
        calm = one.calm("calm")
        strikes, liars = one.chaos(lab)
        return result(one, strikes, liars, calm)
