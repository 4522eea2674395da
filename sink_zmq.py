"""A sink: takes the stream that a trainer would take, and counts, hashes and measures it.

    python sink_zmq.py --null --task camera --links DIR --epochs 2 --generators 2 --report r.json

It binds as a trainer does, so the same generators serve it. Two sinks with the same settings and
data print the same SHA-256, whatever generators fed them.
"""

from __future__ import annotations

from pathlib import Path

from cfg.base import SinkSettings
from cfg.resolve import resolve
from lib.entry import enter
from lib.errors import ConfigError
from lib.interrupts import end_on_signals


def main(argv: list[str]) -> int:
    resolved = resolve(SinkSettings, argv, prog="sink_zmq.py", description=__doc__)
    settings = resolved.settings
    if not settings.null:
        raise ConfigError("say what to do with the stream: --null counts and hashes it")
    end_on_signals()

    from lib.observe import console
    from lib.sinks.null import drain, note_bad
    from lib.trainer.outputs import prepare_file, write_json
    from lib.trainer.stream import Stream

    assert resolved.params is not None  # --task has a default
    report_file = prepare_file(Path(settings.report)) if settings.report else None
    needs_data = resolved.given("links")
    with Stream(settings, resolved.params, needs_data=needs_data, quarantine=note_bad) as stream:
        metrics = drain(stream, console.Live(style=settings.progress))
    report = stream.report(metrics)
    print(console.audit_table(report))
    print(report["advice"])
    if report_file is not None:
        write_json(report_file, report)
        print(f"report: {report_file}")
    return 0 if console.is_clean(report) else 1


if __name__ == "__main__":
    enter(main)
