"""Take the stream that a trainer would take, and measure or store it.

    pushfit sink --null --task camera --links DIR --epochs 2 --generators 2 --report r.json
    pushfit sink --out hdf5/cam --task camera --links DIR --epochs 1 --generators 2

It listens as a trainer does, so the same generators serve it. Two sinks with the same settings and
data print the same SHA-256, whichever generators made the samples. `pushfit train --from hdf5/cam`
trains on the stored stream. This command resumes a sink that was interrupted:

    pushfit sink --resume --out hdf5/cam
"""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path

from pushfit.errors import ConfigError
from pushfit.installation import as_typed, called, typed
from pushfit.interrupts import INTERRUPTED, end_on_signals
from pushfit.settings.config_file import CONFIG
from pushfit.settings.programs.sink import SinkSettings
from pushfit.settings.resolve import Resolved, resolve


def main(argv: list[str]) -> int:
    resolved = resolve(SinkSettings, argv, prog=called("sink"), description=as_typed(__doc__))
    settings = resolved.settings
    if settings.null == bool(settings.out):
        raise ConfigError(
            "say what to do with the stream: --null counts and hashes it, --out DIR stores it"
        )
    end_on_signals()
    return measure(resolved) if settings.null else store(resolved)


def measure(resolved: Resolved[SinkSettings]) -> int:
    from pushfit.dispatch.bad_records import BadRecords, Limit
    from pushfit.dispatch.named_bad_records import note_bad
    from pushfit.observe import console
    from pushfit.observe.audited import is_clean
    from pushfit.runs.outputs import prepare_file, write_json
    from pushfit.sinks.drain import drain
    from pushfit.streams.early_end import reported
    from pushfit.streams.live import LiveStream
    from pushfit.streams.purpose import for_sink, task_of

    settings = resolved.settings
    assert resolved.params is not None  # --task has a default
    report_file = prepare_file(Path(settings.report)) if settings.report else None
    task = task_of(settings, resolved.params)
    purpose = for_sink(settings, task, needs_data=resolved.given("links"))
    bad = BadRecords(note_bad, Limit.parse(settings.max_bad))
    stream = LiveStream(settings, task, purpose, bad=bad)
    with reported(stream, [report_file], lambda: stream.report({})), stream:
        metrics = drain(stream, console.Live(style=settings.progress))
    report = stream.report(metrics)
    print(console.audit_table(report, became="counted"))
    print(report["advice"])
    if report_file is not None:
        write_json(report_file, report)
        print(f"report: {report_file}")
    return 0 if is_clean(report) else 1


def store(resolved: Resolved[SinkSettings]) -> int:
    from pushfit.observe import console
    from pushfit.observe.audited import is_clean
    from pushfit.runs import outputs
    from pushfit.sinks.drain import drain
    from pushfit.sinks.hdf5 import resume as resume_store
    from pushfit.sinks.hdf5.storage import Storage
    from pushfit.streams.early_end import reported
    from pushfit.streams.live import LiveStream
    from pushfit.streams.purpose import task_of

    settings, out = resolved.settings, Path(resolved.settings.out)
    assert resolved.params is not None
    report_file = outputs.prepare_file(Path(settings.report)) if settings.report else None
    fixed, before = resolved.fixed(), None
    if settings.resume:
        before = resume_store.find(out, fixed, resolved.defaults(), settings.epochs)
    if before is not None and before.complete:
        print(f"{out} is complete: {settings.epochs} epoch(s). To store more, give --epochs N.")
        return 0
    task = task_of(settings, resolved.params)
    storage = Storage(settings, task, out, fixed, before)
    purpose = storage.purpose(needs_data=resolved.given("links"))
    stream = LiveStream(settings, task, purpose, bad=storage.bad_records())
    if not settings.resume:
        outputs.take(outputs.prepare(out))
        outputs.clear(out)
    outputs.write_json(out / CONFIG, resolved.as_json())
    files = [out / resume_store.REPORT, report_file]
    try:
        with reported(stream, files, lambda: storage.report(stream, {})), stream:
            storing = storage.storing(stream)
            metrics = drain(stream, console.Live(style=settings.progress), storing.took)
            report = storage.report(stream, metrics)
            for path in filter(None, files):
                storage.patience(partial(outputs.write_json, path, report))
    except KeyboardInterrupt:
        print(f"Interrupted: {storage.nbytes() / 1e9:.2f} GB are stored. To resume it:")
        print(f"  {typed('sink')} --resume --out {shlex.quote(str(out))}")
        return INTERRUPTED
    print(console.audit_table(report, became="stored"))
    print(report["advice"])
    if len(storage.bad):
        print(f"Which records are bad, and why: {storage.bad.path}")
    print(f"Stored: {storage.nbytes() / 1e9:.2f} GB in {out}. To train from it:")
    print(f"  {typed('train')} --from {shlex.quote(str(out))}")
    return 0 if is_clean(report) else 1
