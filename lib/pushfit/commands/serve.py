"""Answer HTTP requests with the class of a picture, as the model of a run predicts it.

    pushfit serve --run runs/digits1
    curl -F "image=@7.png" http://127.0.0.1:8000/recognize.json

    upload ─▶ decode ─▶ the task's from_picture ─▶ batch ─▶ model ─▶ {"class": "7", …}

It listens at once, and answers 503 until the model is loaded. It has neither users nor encryption:
put a reverse proxy in front of it if other hosts may ask.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from pushfit.errors import ConfigError
from pushfit.installation import as_typed, called
from pushfit.settings.programs.serve import ServeSettings
from pushfit.settings.resolve import resolve

if TYPE_CHECKING:
    from pushfit.serving.connections import Connections
    from pushfit.serving.workers import Role
    from pushfit.training.trained_run import Run


def main(argv: list[str]) -> int:
    settings = resolve(
        ServeSettings, argv, prog=called("serve"), description=as_typed(__doc__)
    ).settings

    if not settings.sentry_test:
        _serve(settings, argv)
    from pushfit.serving import reports

    print(reports.trial(settings.sentry_dsn, Path(settings.run).name or "none"))
    return 0


def _serve(settings: ServeSettings, argv: list[str]) -> NoReturn:
    # These come first, as the packages that they need may not be installed.
    from pushfit.host import allow_many_files
    from pushfit.interrupts import end_now
    from pushfit.serving import hosts, logs, prefix, reports, server, workers
    from pushfit.serving.connections import Connections, allowed
    from pushfit.tasks.base import check_served
    from pushfit.training import backend, trained_run

    role = workers.role()
    backend.check_installed()

    if not settings.run:
        raise ConfigError("say what to serve: --run DIR, the folder that --out named in training")
    run = trained_run.find(Path(settings.run), settings.task)
    check_served(run.task)
    prefix.parse(settings.root_path)
    hosts.parse(settings.allowed_host)

    logs.start(role.number if role else 0)
    most = allowed(settings.max_connections, settings.queue, allow_many_files())
    if role is None:
        opened = server.listen(settings.host, settings.port)
        logs.log.info(f"listening at {server.address(opened)}", extra={"fields": {"run": run.name}})
    else:
        opened = socket.socket(fileno=role.socket)
    if settings.sentry_dsn:
        reports.report_errors(settings.sentry_dsn, run.name)
    if role is None and settings.workers > 1:
        code = workers.look_after(argv, opened, settings.workers)
    else:
        connections = Connections(most, settings.max_connections_per_address)
        code = _answer(run, settings, opened, role, connections)
    logs.log.info("ended")
    end_now(code)


def _answer(
    run: Run,
    settings: ServeSettings,
    opened: socket.socket,
    role: Role | None,
    connections: Connections,
) -> int:
    """Answer at `opened` until a signal; returns the exit code.

    Raises the error with which the model could not be loaded.
    """
    from pushfit.serving import app, logs, pictures, server
    from pushfit.serving.service import Forward, Service
    from pushfit.training import backend

    def load() -> Forward:
        logs.log.info(backend.start())
        from pushfit.serving.model import Net

        return Net(run, settings.max_batch)

    failure: list[BaseException] = []

    def failed(error: BaseException) -> None:
        failure.append(error)
        serving.should_exit = True

    pictures.prepare()
    number, loaded = (role.number, role.ready) if role else (0, lambda: None)
    service = Service(run.task, load, settings, failed, loaded, number)
    made = app.make(service, run, settings, late=bool(role and role.late))
    serving = server.Server(made, connections, service.metrics)
    code = serving.serve_at(opened)
    if failure:
        raise failure[0]
    return code
