"""Train a model on the samples of a fleet of generators. The run's files are written to --out.

    pushfit keys make node-1       once; then copy keys/node-1.key to node-1
    pushfit train --task camera --links DIR --bind tcp://0.0.0.0:12001 --keys keys
    pushfit generate --connect tcp://gpu-host:12001 --key node-1.key          on node-1

--generators N starts N generators on this machine. This command resumes a run that ended early, or
trains it for more epochs:

    pushfit train --resume --out runs/cam1

A stream that `pushfit sink` has stored needs no generator:

    pushfit train --from hdf5/cam

    fleet ─▶ LiveStream ─▶ Feed ─▶ dataset ─▶ model.fit ─▶ OUT/best.keras, report.json, …
"""

from __future__ import annotations

import time
from pathlib import Path

from pushfit import tasks
from pushfit.errors import ConfigError
from pushfit.installation import as_typed, called
from pushfit.interrupts import INTERRUPTED, end_on_signals
from pushfit.settings import models
from pushfit.settings.config_file import CONFIG
from pushfit.settings.programs.train import TrainSettings
from pushfit.settings.resolve import resolve


def main(argv: list[str]) -> int:
    resolved = resolve(TrainSettings, argv, prog=called("train"), description=as_typed(__doc__))
    settings, params = resolved.settings, resolved.params
    if settings.list_models:
        print(models.table())
        return 0
    _check_alone(settings)
    assert params is not None  # --task has a default
    end_on_signals()

    from pushfit.training import backend

    backend.check_installed()
    from pushfit.observe import console
    from pushfit.observe.audited import is_clean
    from pushfit.runs import model_file, outputs, resume
    from pushfit.runs.quarantine import Quarantine
    from pushfit.streams.choice import chosen
    from pushfit.streams.early_end import reported
    from pushfit.streams.purpose import task_of
    from pushfit.training import tracking, user_code

    if settings.mlflow:
        tracking.check(settings.mlflow)
    started = time.strftime("%Y%m%d-%H%M%S")
    out = Path(settings.out or f"runs/{tasks.load(settings.task).name}-{started}")
    fixed, before = resolved.fixed(), None
    if settings.resume:
        before = resume.find(out, fixed, resolved.defaults())
    patience = settings.early_stopping
    if before is not None and (said := resume.completed(before, settings.epochs, patience, out)):
        print(said)
        return 0
    user_code.check(resolved)
    if before is None:
        model_file.check_weights(settings.weights)
    quarantine = Quarantine(out / "quarantine.jsonl")
    stream = chosen(
        settings,
        task_of(settings, params),
        before,
        needs_data=resolved.given("links"),
        quarantine=quarantine,
        announce=out / "address",
    )
    if not settings.resume:
        outputs.take(outputs.prepare(out))
        outputs.clear(out)

    # Keras takes seconds to import, so flags, data and folder are checked before.
    print(backend.start(deterministic=settings.deterministic))
    from pushfit.training import devices, losses, optimizers, telling
    from pushfit.training.fit import Fit

    used = devices.chosen(settings.devices, settings.batch_size)
    if used.told:
        print(used.told)
    optimizers.make(settings.optimizer, settings.learning_rate, settings.arguments_of)
    code = user_code.load(resolved)
    losses.check(settings, code)

    fit: Fit | None = None
    report_file = out / outputs.REPORT
    try:
        with (
            reported(stream, [report_file], lambda: telling.report(fit, stream)),
            stream,
            used.scope(),
        ):
            fit = Fit(stream, settings, out, fixed, resolved.changed, before, code, used)
            outputs.write_json(out / CONFIG, resolved.as_json())
            fit.run()
    except KeyboardInterrupt:  # the model is saved; the fleet knows that the run may come back
        if fit is None or not fit.interrupted:
            raise
    except Exception:
        if fit is not None:
            fit.end_tracking("FAILED")
        raise
    report = telling.report(fit, stream)
    outputs.write_json(report_file, report)
    print(console.audit_table(report))
    if quarantine.count:
        print(f"Which records are bad, and why: {quarantine.path}")
    print(telling.summary(fit))
    if said := fit.end_tracking():
        print(said)
    return INTERRUPTED if fit.interrupted else 0 if is_clean(report) else 1


def _check_alone(settings: TrainSettings) -> None:
    """Raise ConfigError if a launcher or a flag says that there are several trainers."""
    from pushfit.streams.ranks import shards_of

    if shards_of(settings).several:
        raise ConfigError(
            "this command trains in one process: several trainers are started by their framework, "
            "with a script that uses pushfit.stream. docs/many-gpus.md has one for each back end"
        )
