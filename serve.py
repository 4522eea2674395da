"""The server: answers which class is in a picture, by the model of a run.

    python serve.py --run runs/digits1
    curl -F "image=@7.png" http://127.0.0.1:8000/recognize.json

    upload ─▶ decode ─▶ the task's from_picture ─▶ batch ─▶ model ─▶ {"class": "7", …}

It listens at once and says 503 until the model is loaded. It knows no users and no encryption: for
others than this host, put a reverse proxy in front of it.
"""

from __future__ import annotations

from pathlib import Path

from cfg.base import ServeSettings
from cfg.resolve import resolve
from lib.entry import enter
from lib.errors import ConfigError


def main(argv: list[str]) -> int:
    settings = resolve(ServeSettings, argv, prog="serve.py", description=__doc__).settings

    from lib.tasks.base import check_served
    from lib.trainer import runs

    if not settings.run:
        raise ConfigError("say what to serve: --run DIR, the folder that --out named in training")
    run = runs.find(Path(settings.run))
    check_served(run.task)
    try:
        from lib.interrupts import end_now
        from lib.serving import app, logs, pictures, server
        from lib.serving.service import Forward, Service
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"serving needs {error.name}: pip install -r requirements-serve.txt"
        ) from error

    def load() -> Forward:
        from lib.trainer import backend

        logs.log.info(backend.start())
        from lib.serving.net import Net

        return Net(run, settings.max_batch)

    failure: list[BaseException] = []

    def failed(error: BaseException) -> None:
        failure.append(error)
        serving.should_exit = True

    opened = server.listen(settings.host, settings.port)
    logs.start()
    if settings.sentry_dsn:
        server.report_errors(settings.sentry_dsn, run.name)
    pictures.prepare()
    serving = server.Server(app.make(Service(run.task, load, settings, failed), run, settings))
    host, port = opened.getsockname()[:2]
    where = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
    logs.log.info(f"listening at {where}", extra={"fields": {"run": run.name}})
    code = serving.serve_at(opened)
    if failure:
        raise failure[0]
    logs.log.info("ended")
    end_now(code)


if __name__ == "__main__":
    enter(main)
