"""Predict the classes of new records with trained runs, and write a file as Kaggle wants it.

    pushfit predict --run runs/digits1 --data DIR --out submission.csv
    pushfit predict --run runs/a --run runs/b --data DIR --combine majority --samples 8
    pushfit predict --submissions a.proba.csv,b.proba.csv --combine geometric --out c.csv

The records come through the same stream as in training, each once and in order. With --bind,
generators on other hosts can make them. After an interruption the same command continues.

    test records ─▶ LiveStream ─▶ the runs' models ─▶ OUT.part ─▶ OUT
    files of answers ─▶ submissions.merge ─▶ OUT
"""

from __future__ import annotations

from pathlib import Path

from pushfit.installation import as_typed, called
from pushfit.interrupts import end_on_signals, interrupted
from pushfit.settings.programs.predict import PredictSettings
from pushfit.settings.resolve import resolve
from pushfit.text import as_lines


def main(argv: list[str]) -> int:
    settings = resolve(
        PredictSettings, argv, prog=called("predict"), description=as_typed(__doc__)
    ).settings
    end_on_signals()
    if settings.submissions:
        return combine_files(settings)

    from pushfit.training import backend

    backend.check_installed()
    from pushfit.predicting import ensemble
    from pushfit.predicting.journal import Journal
    from pushfit.predicting.output_files import OutputFiles
    from pushfit.predicting.prediction import GO_ON, Prediction, origin
    from pushfit.runs.outputs import prepare_file, write_json

    runs = ensemble.find(settings.run, settings.task)
    groups = ensemble.groups(
        runs,
        settings.samples,
        settings.batch_size,
        grid=settings.grid,
        manipulations=settings.each_manipulation,
    )
    output_files = OutputFiles(Path(settings.out), overwrite=settings.overwrite)
    report_file = prepare_file(Path(settings.report)) if settings.report else None
    with Journal(
        output_files.part,
        origin(settings, runs, groups),
        [group.numbers for group in groups],
        overwrite=settings.overwrite,
    ) as journal:
        prediction = Prediction(settings, groups, journal)
        try:
            for number, group in enumerate(groups):
                if journal.is_complete(number):
                    continue
                stream = prediction.open(number)  # its errors come before Keras is started
                print(backend.start())
                models = [run.model() for run in group.runs]
                with stream:
                    prediction.predict(number, stream, models)
        except BaseException:
            if interrupted.is_set():
                print(f"Interrupted{GO_ON}")
            raise
        report = prediction.write(output_files, runs)
        journal.remove()
    if report_file is not None:
        write_json(report_file, report)
    print(as_lines(prediction.summary(report, output_files)))
    return 1 if report["bad"] else 0


def combine_files(settings: PredictSettings) -> int:
    """Combine files of answers. This needs no run, no data and no Keras."""
    from pushfit.predicting import submissions
    from pushfit.runs.outputs import prepare_file, write_json

    output_files = submissions.output_files(settings)
    report_file = prepare_file(Path(settings.report)) if settings.report else None
    report = submissions.write(settings, output_files)
    if report_file is not None:
        write_json(report_file, report)
    print(as_lines(submissions.summary(report, output_files)))
    return 0
