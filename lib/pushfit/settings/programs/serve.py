"""Settings of serve.py."""

from __future__ import annotations

from typing import Annotated

import msgspec

from pushfit.settings.declaration import about
from pushfit.settings.stream import MiB, task_of_run


class ServeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of serve.py. Task, classes and model are those of the run."""

    run: Annotated[
        str,
        about(
            "Model",
            "Folder of the run to serve, or a .keras file of it.",
            unit="path",
            zero="must be given",
        ),
    ] = ""
    task: Annotated[str, task_of_run("Model")] = ""
    max_batch: Annotated[
        int, about("Model", "Maximum number of pictures in one call of the model.", ge=1, le=1024)
    ] = 32
    batch_wait: Annotated[
        float,
        about(
            "Model",
            "Time for which the first picture of a batch waits for others.",
            unit="seconds",
            ge=0,
            le=1,
        ),
    ] = 0.0

    host: Annotated[
        str,
        about(
            "Server",
            "Address to listen at. With 0.0.0.0, every host that reaches it may send requests.",
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        about("Server", "Port to listen at.", zero="any free port", also="PORT", ge=0, le=65_535),
    ] = 8000
    workers: Annotated[
        int,
        about("Server", "Processes that answer requests. Each loads the model.", ge=1, le=64),
    ] = 1
    root_path: Annotated[
        str,
        about(
            "Server",
            "URL prefix under which a reverse proxy shows this server, such as /digits.",
            zero="the prefix in a header of the proxy, or relative links",
        ),
    ] = ""
    allowed_host: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=1)], ...],
        about(
            "Server",
            (
                "Host names that requests may address, such as digits.example.org or "
                "*.example.org; *: any name. IP addresses and localhost are always "
                "allowed."
            ),
            zero="any name, except a public name with the port of this server",
        ),
    ] = ()
    max_upload: Annotated[
        int,
        about(
            "Server",
            "Maximum size of a request. In base64 a picture takes 4/3 of its size.",
            unit="bytes",
            ge=1024,
        ),
    ] = 10 * MiB
    max_pixels: Annotated[
        int, about("Server", "Maximum size of a picture, in millions of pixels.", ge=1, le=256)
    ] = 50
    queue: Annotated[
        int,
        about(
            "Server",
            (
                "Maximum number of requests that a process works on at a time; any "
                "further request is answered with 503 (try again later)."
            ),
            ge=1,
        ),
    ] = 128
    max_connections: Annotated[
        int,
        about(
            "Server",
            (
                "Maximum number of open connections of a process. At the limit, each new "
                "connection closes the one that has been silent for longest."
            ),
            ge=2,
        ),
    ] = 1024
    max_connections_per_address: Annotated[
        int,
        about(
            "Server",
            (
                "Maximum number of open connections from one address. A reverse proxy is "
                "one address."
            ),
            ge=1,
        ),
    ] = 256
    deadline: Annotated[
        float,
        about("Server", "Time after which an unanswered request is aborted.", unit="seconds", gt=0),
    ] = 10.0
    sentry_dsn: Annotated[
        str, about("Server", "DSN of Sentry that errors are reported to.", zero="nowhere")
    ] = ""
    sentry_test: Annotated[
        bool,
        about("Server", "Send a test error to --sentry-dsn, print whether it arrived, and exit."),
    ] = False
