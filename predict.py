"""Predict: what trained runs say of records that they have not seen, as a file for Kaggle.

    python predict.py --run runs/digits1 --data DIR --out submission.csv
    python predict.py --run runs/a --run runs/b --data DIR --combine majority --samples 8

Records come through the same stream as in training, each once and in order; --bind lets generators
on other hosts make them. After an interruption the same command goes on.

    test records ─▶ PredictStream ─▶ the runs' models ─▶ OUT.part ─▶ OUT
"""

from __future__ import annotations

from pathlib import Path

from cfg.base import PredictSettings
from cfg.resolve import resolve
from lib.entry import enter
from lib.interrupts import end_on_signals, interrupted


def main(argv: list[str]) -> int:
    settings = resolve(PredictSettings, argv, prog="predict.py", description=__doc__).settings
    end_on_signals()

    from lib.predicting import ensemble
    from lib.predicting.forms import Forms
    from lib.predicting.partial import Partial
    from lib.predicting.prediction import GO_ON, Prediction, origin
    from lib.trainer import backend
    from lib.trainer.outputs import prepare_file, write_json

    runs = ensemble.find(settings.run)
    groups = ensemble.groups(runs, settings.samples, settings.batch_size)
    forms = Forms(Path(settings.out), overwrite=settings.overwrite)
    report_file = prepare_file(Path(settings.report)) if settings.report else None
    with Partial(
        forms.part,
        origin(settings, runs, groups),
        [group.numbers for group in groups],
        len(runs[0].classes),
        overwrite=settings.overwrite,
    ) as partial:
        prediction = Prediction(settings, groups, partial)
        try:
            for number, group in enumerate(groups):
                if partial.is_complete(number):
                    continue
                stream = prediction.open(number)  # its errors come before Keras takes its seconds
                print(backend.start())
                models = [run.model() for run in group.runs]
                with stream:
                    prediction.predict(number, stream, models)
        except BaseException:
            if interrupted.is_set():
                print(f"Interrupted{GO_ON}")
            raise
        report = prediction.write(forms, runs)
        partial.remove()
    if report_file is not None:
        write_json(report_file, report)
    print("\n".join(prediction.summary(report, forms)))
    return 1 if report["bad"] else 0


if __name__ == "__main__":
    enter(main)
