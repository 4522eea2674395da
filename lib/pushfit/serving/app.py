"""The routes of the server: what a client may ask, and what it gets.

POST /recognize.json   a picture, in a form, in JSON or as the body ─▶ class, probabilities
GET  /                 a page to draw a digit on; /model.json describes the model to it
GET  /healthz          200 when the model answers, 503 while it is loaded
GET  /metrics          for Prometheus
GET  /docs             this interface as OpenAPI; nothing is loaded from other hosts
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pushfit.serving import hosts, pages, prefix, refusals, uploads
from pushfit.serving.logs import request_id
from pushfit.serving.middleware import PATH_SHOWN, Guard
from pushfit.serving.refusals import Refusal
from pushfit.serving.service import Service
from pushfit.settings.programs.serve import ServeSettings
from pushfit.text import printable
from pushfit.training.trained_run import Run

DIGITS = frozenset("0123456789")


class Answer(BaseModel):
    """The answer of the model to a picture."""

    class_: str = Field(alias="class", description="The most probable class.")
    digit: int | None = Field(None, description="The class as a number, if all classes are digits.")
    probability: float = Field(description="Its probability.")
    probabilities: dict[str, float] = Field(
        description="{class: probability}, in the model's order."
    )
    model: str = Field(description="The run that is served.")
    milliseconds: float = Field(description="Time from the request's start to this answer.")
    request_id: str = Field(
        description="Id of the request, also in the header X-Request-ID and the log."
    )
    seen: str | None = Field(None, description="With seen=1: the model's input, as a PNG data URL.")


class Problem(BaseModel):
    """The reason why there is no answer."""

    error: str
    status: int
    request_id: str


WHY = {
    400: "The request has no picture, or one that cannot be extracted.",
    408: "The request did not arrive in time.",
    413: "The request has too many bytes, or the picture too many pixels.",
    415: "The file is not a picture, or the media type of the body is not supported.",
    421: "The request names another host than this server: see --allowed-host.",
    422: "Nothing is drawn, or the picture is smaller than the model needs.",
    503: "The server is not ready, or too busy: try again after Retry-After seconds.",
}


def _object(image: dict[str, str]) -> dict[str, Any]:
    return {"type": "object", "required": [uploads.FIELD], "properties": {uploads.FIELD: image}}


_BINARY = {"type": "string", "format": "binary"}
_TEXT = {
    "type": "string",
    "format": "byte",
    "description": "The file in base64, or a data: URL with it.",
}
BODY = {
    "requestBody": {
        "required": True,
        "description": "A PNG, JPEG, GIF, WebP, BMP or TIFF, in one of these forms.",
        "content": {
            "multipart/form-data": {"schema": _object(_BINARY)},
            "application/json": {"schema": _object(_TEXT)},
            "image/*": {"schema": _BINARY},
            "application/octet-stream": {"schema": _BINARY},
        },
    },
    "parameters": [
        {
            "name": "seen",
            "in": "query",
            "schema": {"type": "integer", "enum": [0, 1], "default": 0},
            "description": "1: also return the model's input.",
        }
    ],
}


def make(service: Service, run: Run, settings: ServeSettings, *, late: bool = False) -> FastAPI:
    """The application; it starts and stops `service`.

    late: accept requests only when the model is loaded, since other processes do so until then.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        if late:
            await service.settled()
        yield
        await service.stop()

    app = FastAPI(
        openapi_url=None,  # pushfit/serving/pages.py serves it, and the page that shows it
        redirect_slashes=False,  # such a redirection names the host without a proxy's path
        title=f"PushFit: {run.name}",
        description="Tells the class of a picture, with a model that was trained with PushFit.",
        version="1",
        lifespan=lifespan,
    )
    pages.add(app)
    app.add_middleware(prefix.Prefix, own=prefix.parse(settings.root_path))
    app.add_middleware(hosts.Hosts, names=hosts.parse(settings.allowed_host))
    app.add_middleware(Guard, metrics=service.metrics)  # the outermost
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _refused)
    _add_recognize(app, service, run, settings)
    _add_others(app, service, run)
    return app


async def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):  # there is no such path or method
        error = Refusal(error.status_code, f"{request.method} {_shown(request)}: {error.detail}")
    assert isinstance(error, Refusal)
    request.scope["fields"]["error"] = error.message
    return refusals.response(error)


def _shown(request: Request) -> str:
    path: str = request.scope["path"]
    return printable(path[:PATH_SHOWN])


def _add_recognize(app: FastAPI, service: Service, run: Run, settings: ServeSettings) -> None:
    responses: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem, "description": why} for status, why in WHY.items()
    }

    digits = all(name in DIGITS for name in run.classes)

    @app.post(
        "/recognize.json",
        response_model=Answer,
        responses=responses,
        openapi_extra=BODY,
        summary="Which class is in this picture?",
    )
    async def recognize(request: Request) -> Response:
        started, arrived = time.perf_counter(), False
        try:
            async with asyncio.timeout(settings.deadline):
                with service.admitted():
                    async with uploads.picture(request, settings.max_upload) as file:
                        arrived = True
                        seen = request.query_params.get("seen") == "1"
                        row, url = await service.recognize(file, seen)
        except TimeoutError:
            if arrived:
                raise Refusal(503, "the model is too busy: try again later", again=5) from None
            limit = f"{settings.deadline:g} s"
            raise Refusal(408, f"the request did not arrive within {limit}") from None
        best = run.classes[int(row.argmax())]
        service.metrics.answers.labels(best).inc()
        request.scope["fields"]["class"] = best
        answer: dict[str, Any] = {
            "class": best,
            **({"digit": int(best)} if digits else {}),
            "probability": float(row.max()),
            "probabilities": dict(zip(run.classes, row.tolist(), strict=True)),
            "model": run.name,
            "milliseconds": round((time.perf_counter() - started) * 1e3, 2),
            "request_id": request_id.get(),
        }
        return _json(answer | ({"seen": url} if url else {}))


def _add_others(app: FastAPI, service: Service, run: Run) -> None:
    @app.get("/healthz", summary="Does the model answer?", responses={503: {"model": Problem}})
    async def healthz() -> Response:
        if not service.ready:
            raise Refusal(503, "the model is being loaded: try again in a few seconds", again=5)
        return _json({"status": "ready", "model": run.name})

    @app.get("/metrics", summary="Figures for Prometheus.")
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/model.json", summary="What is served.")
    async def model() -> Response:
        told = {"model": run.name, "task": run.task.name, "classes": run.classes}
        return _json({**told, "ready": service.ready})


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
