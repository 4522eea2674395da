"""Several models trained on the same stream, over one fleet: which accuracy at which cost.

    python -m bench zoo [--task digits] [--models a,b,c] [--epochs 3] [--links DIR]
                        [--generators 2] [--out runs/zoo-digits] [any flag of train_zmq.py]

- The generators start once and stay; one trainer after another binds the port that they call.
- A run a model, in OUT/MODEL, with the log beside it. The same command goes on where an earlier one
  ended: runs that are complete are measured again, not trained again.
- validation: of the epoch that was best by it, which flatters. test: MNIST's t10k files in DIR; no
  figure where there are none. inference: a batch as large as in training, the median of many, in a
  process of its own. training: all epochs with their validation, as in history.csv; the imports
  and the time until the first batch are left out.
- OUT/zoo.md, zoo.csv and zoo.png hold the table and a plot, after every model.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench._apart import ROOT, printed, tie
from bench._zoo_table import write
from lib.errors import ConfigError, PushFitError
from lib.fleet.local import GRACE, PARENT
from tests.e2e.processes import free_port

MNIST = ROOT.parent / "shared" / "data" / "mnist"
MODELS = "smallcnn,squeezenet1.1,resnet18,mobilenet"
PATIENCE = 900.0  # seconds for the measurement of a trained run


def run(args: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="python -m bench zoo", allow_abbrev=False)
    parser.add_argument("--task", default="digits")
    parser.add_argument("--models", default=MODELS, help="names, as --list-models prints them")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--links", type=Path, help="folder of the data (digits: MNIST's files)")
    parser.add_argument("--generators", type=int, default=2)
    parser.add_argument("--out", type=Path, help="folder for runs and table")
    options, flags = parser.parse_known_args(args)
    models = list(dict.fromkeys(options.models.split(",")))
    links = (options.links or MNIST).resolve()
    if options.links is None and options.task != "digits":
        raise ConfigError(f"give the folder of the {options.task} data with --links DIR")
    check(models, options.task, flags)
    out = options.out or Path("runs") / f"zoo-{options.task}"
    out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    failed: list[str] = []
    with fleet(links, options.generators) as port:
        common = ["--task", options.task, "--links", str(links), "--epochs", str(options.epochs)]
        common += ["--bind", f"tcp://127.0.0.1:{port}", *flags]
        for model in models:
            print(f"{model}: its log is {out / model}.log", file=sys.stderr, flush=True)
            try:
                train(model, common, out)
                rows.append(row(model, out, links))
            except PushFitError as error:
                failed.append(f"{model}: {error}")
                continue
            title = f"{options.task}, {options.epochs} epochs {' '.join(flags)}".rstrip()
            write(rows, out, title)
    figures = {
        f"{each['model']}_{name}": float(each[name])
        for each in rows
        for name in each
        if name not in ("model", "batch") and each[name] is not None
    }
    return {"bench": "zoo", "ratios": {}, "figures": figures, "failed": failed}


def check(models: Sequence[str], task: str, flags: Sequence[str]) -> None:
    """Raises ConfigError for what the last of many trainers would refuse after hours."""
    from cfg.base import TrainSettings
    from cfg.resolve import resolve
    from lib.trainer import backend

    for own in ("--model", "--out", "--bind", "--data-port", "--generators", "--resume", "--keys"):
        if any(flag.split("=")[0] == own for flag in flags):
            raise ConfigError(f"{own} is set by the bench for each trainer: leave it out")
    resolve(TrainSettings, ["--task", task, *flags], prog="train_zmq.py")
    backend.start()
    from lib.trainer import zoo

    for model in models:
        zoo.find(model)


@contextmanager
def fleet(links: Path, count: int) -> Iterator[int]:
    """`count` generators that stay; the port at which they expect a trainer."""
    port = free_port()
    words = ["--connect", f"tcp://127.0.0.1:{port}", "--links", str(links), "--stay"]
    words += ["--processes", str(count), "--log", "warnings"]
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "generator_zmq.py"), *words],
        env={**os.environ, PARENT: str(os.getpid())},
        start_new_session=True,
    )
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
    """A run to its end, or on from where it stands. Raises PushFitError."""
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


def row(model: str, out: Path, links: Path) -> dict[str, Any]:
    """A line of the table. Raises PushFitError."""
    folder = out / model
    said = printed("-m", "bench._zoo", str(folder.resolve()), str(links), seconds=PATIENCE)
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    with (folder / "history.csv").open(newline="") as file:
        seconds = sum(float(epoch["seconds"]) for epoch in csv.DictReader(file))
    return {"model": model, **found, "training_s": seconds}
