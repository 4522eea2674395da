"""The trainer: takes the fleet's samples into `model.fit`, and keeps all that the run writes.

    python -m lib.wire.keys make node-1       once; then copy keys/node-1.key to that host
    python train_zmq.py --task camera --links DIR --bind tcp://0.0.0.0:12001 --keys keys
    python generator_zmq.py --connect tcp://gpu-host:12001 --key node-1.key          there

Or all on one machine: add --generators N. To go on with a run that ended early, or to train it on:

    python train_zmq.py --resume --out runs/cam1

From what sink_zmq.py has stored, without any generator:

    python train_zmq.py --from hdf5/cam

    fleet ─▶ Stream ─▶ Feed ─▶ dataset ─▶ model.fit ─▶ OUT/best.keras, last.keras, report.json, …
"""

from __future__ import annotations

import time
from pathlib import Path

from cfg.again import CONFIG
from cfg.base import TrainSettings
from cfg.resolve import resolve
from lib import tasks
from lib.entry import enter
from lib.interrupts import INTERRUPTED, end_on_signals


def main(argv: list[str]) -> int:
    resolved = resolve(TrainSettings, argv, prog="train_zmq.py", description=__doc__)
    settings, params = resolved.settings, resolved.params
    if settings.list_models:
        return list_models()
    assert params is not None  # --task has a default
    end_on_signals()

    from lib.observe import console
    from lib.trainer import backend, outputs, resume, tracking
    from lib.trainer.opened import Opened
    from lib.trainer.quarantine import Quarantine
    from lib.trainer.stored import StoredStream
    from lib.trainer.stream import Stream

    if settings.mlflow:
        tracking.check(settings.mlflow)
    started = time.strftime("%Y%m%d-%H%M%S")
    out = Path(settings.out or f"runs/{tasks.load(settings.task).name}-{started}")
    before = resume.find(out, resolved.texts()) if settings.resume else None
    if before is not None and resume.is_complete(before, settings.epochs, out):
        print(f"Run {before.run} is complete: {before.epoch} epoch(s). --epochs N trains it on.")
        return 0
    quarantine = Quarantine(out / "quarantine.jsonl")
    stream: Opened
    if settings.from_:
        stream = StoredStream(settings, params, before)
    else:
        stream = Stream(
            settings,
            params,
            needs_data=resolved.given("links"),
            before=before,
            quarantine=quarantine.add,
            earlier=quarantine.earlier(),
            listed=str(quarantine.path),
            announce=out / "address",
        )
    if not settings.resume:
        outputs.take(outputs.prepare(out))

    # Keras takes seconds to import: not before flags, data and folder are known to be right.
    print(backend.start(deterministic=settings.deterministic))
    from lib.trainer import zoo
    from lib.trainer.fit import Fit

    zoo.find(settings.model)
    fit: Fit | None = None
    try:
        with stream:
            fit = Fit(stream, settings, out, resume.fixed(resolved.texts()))
            outputs.write_json(out / CONFIG, resolved.as_json())
            fit.run()
    except KeyboardInterrupt:  # the model is saved; the fleet knows that the run may come back
        if fit is None or not fit.interrupted:
            raise
    report = stream.report(fit.metrics())
    outputs.write_json(out / "report.json", report)
    print(console.audit_table(report, over=not fit.interrupted))
    if quarantine.count:
        print(f"Which records are bad, and why: {quarantine.path}")
    print(fit.summary())
    if missing := fit.end_tracking():
        print(missing)
    return INTERRUPTED if fit.interrupted else 0 if console.is_clean(report) else 1


def list_models() -> int:
    from lib.trainer import backend

    backend.start()  # quietly
    from lib.trainer.zoo import listing

    print(listing.table())
    return 0


if __name__ == "__main__":
    enter(main)
