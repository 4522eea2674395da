"""Several models trained on the same stream, over one fleet: which accuracy at which cost.

    python -m bench zoo [--task digits] [--models a,b,c] [--epochs 3] [--links DIR]
                        [--generators 2] [--out runs/zoo-digits] [any flag of train_zmq.py]

- The generators start once and stay; one trainer after another binds the port that they call.
- Each model has a run in OUT/MODEL, with the log beside it. The same command continues where an
  earlier one ended: runs that are complete are measured again, not trained again.
- validation: of the epoch that was best by it, which flatters. test: MNIST's t10k files in DIR; no
  figure where there are none. inference: a batch as large as in training, the median of many, in a
  process of its own. training: all epochs with their validation, as in history.csv; the imports
  and the time until the first batch are left out.
- `--models torchvision` stands for the eleven models of pushfit/settings/models.py's TORCHVISION.
- The last row, `ensemble`, is of all models together, by their mean probabilities, as
  `predict.py --run A --run B` does it: its parameters and times are the sums.
- OUT/zoo.md, zoo.csv and zoo.png hold the table and a plot, after every model.
"""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import _data
from bench._apart import ROOT, child, free_port, printed, tie
from bench._turns import links_flag, parser
from bench._zoo_table import no_plot, write
from pushfit.errors import ConfigError, PushFitError
from pushfit.fleet.local import GRACE
from pushfit.host import typed_path
from pushfit.settings.models import TORCHVISION, find

ENSEMBLE = "ensemble"  # name of the row of all models together
MODELS = "smallcnn,squeezenet1.1,resnet18,mobilenet"
PATIENCE = 900.0  # seconds for the measurement of a trained run


def run(args: list[str]) -> dict[str, Any]:
    known = parser("zoo", __doc__, allow_abbrev=False)
    known.add_argument("--task", default="digits")
    known.add_argument(
        "--models", default=MODELS, help="names that --list-models prints, or torchvision"
    )
    known.add_argument("--epochs", type=int, default=3)
    links_flag(known, "--links", "the data")
    known.add_argument("--generators", type=int, default=2)
    known.add_argument("--out", type=typed_path, help="folder for runs and table")
    options, flags = known.parse_known_args(args)
    named = TORCHVISION if options.models == "torchvision" else options.models.split(",")
    models = list(dict.fromkeys(find(name).name for name in named))
    check(options.task, flags)
    links = _data.of_task(options.task, options.links).resolve()
    out = options.out or Path("runs") / f"zoo-{options.task}"
    out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    failed: list[str] = []
    title = f"{options.task}, {options.epochs} epochs {' '.join(flags)}".rstrip()
    if said := no_plot():
        print(said, file=sys.stderr, flush=True)
    with fleet(links, options.generators) as port:
        common = ["--task", options.task, "--links", str(links), "--epochs", str(options.epochs)]
        common += ["--bind", f"tcp://127.0.0.1:{port}", *flags]
        for model in models:
            print(f"{model}: its log is {out / model}.log", file=sys.stderr, flush=True)
            try:
                train(model, common, out)
                rows.append(row(model, [model], out, links))
            except PushFitError as error:
                failed.append(f"{model}: {error}")
                continue
            write(rows, out, title)
    if len(rows) > 1:
        try:
            rows.append(row(ENSEMBLE, [each["model"] for each in rows], out, links))
            write(rows, out, title)
        except PushFitError as error:
            failed.append(f"{ENSEMBLE}: {error}")
    figures = {
        f"{each['model']}_{name}": float(each[name])
        for each in rows
        for name in each
        if name not in ("model", "batch") and each[name] is not None
    }
    return {"ratios": {}, "figures": figures, "failed": failed}


def check(task: str, flags: Sequence[str]) -> None:
    """Raises ConfigError for what the last of many trainers would refuse after hours."""
    from pushfit.settings.programs.train import TrainSettings
    from pushfit.settings.resolve import resolve

    for own in ("--model", "--out", "--bind", "--data-port", "--generators", "--resume", "--keys"):
        if any(flag.split("=")[0] == own for flag in flags):
            raise ConfigError(f"{own} is set by the bench for each trainer: leave it out")
    resolve(TrainSettings, ["--task", task, *flags], prog="train_zmq.py")


@contextmanager
def fleet(links: Path, count: int) -> Iterator[int]:
    """`count` generators that stay; the port at which they expect a trainer."""
    port = free_port()
    words = ["--connect", f"tcp://127.0.0.1:{port}", "--links", str(links), "--stay"]
    words += ["--processes", str(count), "--log", "warnings"]
    process = child("generator_zmq.py", *words, start_new_session=True)
    try:
        yield port
    finally:
        process.terminate()
        try:
            process.wait(2 * GRACE)
        except subprocess.TimeoutExpired:
            process.kill()  # its children go with it
            process.wait()


def train(model: str, common: Sequence[str], out: Path) -> None:
    """Train a run to its end, from where it stands. Raises PushFitError."""
    words = ["--model", model, "--out", str(out / model), "--resume", "--progress", "lines"]
    log = out / f"{model}.log"
    with log.open("a") as file:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "train_zmq.py"), *common, *words],
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches us, and we pass it on
            preexec_fn=tie,
        )
        try:
            code = process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)  # it keeps its model for the next time
            process.wait()
            raise
    if code:
        said = log.read_text(errors="replace").strip().splitlines()
        errors = [line for line in said if line.startswith("error: ")]
        raise PushFitError((errors or said or [f"exit code {code}"])[-1].removeprefix("error: "))


def row(name: str, models: Sequence[str], out: Path, links: Path) -> dict[str, Any]:
    """A line of the table, called `name`, of the trained `models`. Raises PushFitError."""
    folders = [(out / model).resolve() for model in models]
    words = ["-m", "bench._zoo", str(links), *map(str, folders)]
    found: dict[str, Any] = json.loads(
        printed(*words, seconds=PATIENCE * len(models)).splitlines()[-1]
    )
    return {"model": name, **found, "training_s": sum(map(training_seconds, folders))}


def training_seconds(folder: Path) -> float:
    with (folder / "history.csv").open(newline="") as file:
        return sum(float(epoch["seconds"]) for epoch in csv.DictReader(file))
