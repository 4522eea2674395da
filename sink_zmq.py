"""A sink: takes the stream that a trainer would take, and measures it, or stores it.

    python sink_zmq.py --null --task camera --links DIR --epochs 2 --generators 2 --report r.json
    python sink_zmq.py --out hdf5/cam --task camera --links DIR --epochs 1 --generators 2

It binds as a trainer does, so the same generators serve it. Two sinks with the same settings and
data print the same SHA-256, whatever generators fed them. What was stored is trained from with
`python train_zmq.py --from hdf5/cam`; to go on with storing that was interrupted:

    python sink_zmq.py --resume --out hdf5/cam
"""

from __future__ import annotations

import shlex
from pathlib import Path

from cfg.again import CONFIG
from cfg.base import SinkSettings
from cfg.resolve import Resolved, resolve
from lib.entry import enter
from lib.errors import ConfigError
from lib.interrupts import INTERRUPTED, end_on_signals


def main(argv: list[str]) -> int:
    resolved = resolve(SinkSettings, argv, prog="sink_zmq.py", description=__doc__)
    settings = resolved.settings
    if settings.null == bool(settings.out):
        raise ConfigError(
            "say what to do with the stream: --null counts and hashes it, or --out DIR stores it"
        )
    end_on_signals()
    return measure(resolved) if settings.null else store(resolved)


def measure(resolved: Resolved[SinkSettings]) -> int:
    from lib.observe import console
    from lib.sinks.drain import drain
    from lib.sinks.null import note_bad
    from lib.trainer.outputs import prepare_file, write_json
    from lib.trainer.stream import Stream

    settings = resolved.settings
    assert resolved.params is not None  # --task has a default
    report_file = prepare_file(Path(settings.report)) if settings.report else None
    needs_data = resolved.given("links")
    with Stream(settings, resolved.params, needs_data=needs_data, quarantine=note_bad) as stream:
        metrics = drain(stream, console.Live(style=settings.progress))
    report = stream.report(metrics)
    print(console.audit_table(report, became="counted"))
    print(report["advice"])
    if report_file is not None:
        write_json(report_file, report)
        print(f"report: {report_file}")
    return 0 if console.is_clean(report) else 1


def store(resolved: Resolved[SinkSettings]) -> int:
    from lib.observe import console
    from lib.sinks.drain import drain
    from lib.sinks.hdf5 import begun
    from lib.sinks.hdf5.stream import StoringStream
    from lib.trainer import outputs, resume

    settings, out = resolved.settings, Path(resolved.settings.out)
    assert resolved.params is not None
    report_file = outputs.prepare_file(Path(settings.report)) if settings.report else None
    before = begun.find(out, resolved.texts(), settings.epochs) if settings.resume else None
    if before is not None and before.complete:
        print(f"{out} is complete: {settings.epochs} epoch(s). --epochs N stores more.")
        return 0
    fixed, needs_data = resume.fixed(resolved.texts()), resolved.given("links")
    stream = StoringStream(settings, resolved.params, out, fixed, before, needs_data=needs_data)
    if not settings.resume:
        outputs.take(outputs.prepare(out))
    outputs.write_json(out / CONFIG, resolved.as_json())
    try:
        with stream:
            assert stream.storing is not None
            metrics = drain(stream, console.Live(style=settings.progress), stream.storing.took)
            report = stream.report(metrics | stream.storing.figures())
            for path in filter(None, (out / begun.REPORT, report_file)):
                stream.patience(lambda path=path: outputs.write_json(path, report))
    except KeyboardInterrupt:
        print(f"Interrupted: {stream.stored_bytes() / 1e9:.2f} GB are stored. To go on:")
        print(f"  python sink_zmq.py --resume --out {shlex.quote(str(out))}")
        return INTERRUPTED
    print(console.audit_table(report, became="stored"))
    print(report["advice"])
    if len(stream.bad):
        print(f"Which records are bad, and why: {stream.bad.path}")
    print(f"Stored: {stream.stored_bytes() / 1e9:.2f} GB in {out}. To train from it:")
    print(f"  python train_zmq.py --from {shlex.quote(str(out))}")
    return 0 if console.is_clean(report) else 1


if __name__ == "__main__":
    enter(main)
