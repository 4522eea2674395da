"""The routes: what may be asked of a model that is served, and what is answered.

POST /recognize.json   a picture in the form's field "image" ─▶ class, probabilities
GET  /                 a page to draw a digit on; /model.json tells it what is served
GET  /healthz          200 when the model answers, 503 while it is loaded
GET  /metrics          for Prometheus
GET  /docs             the same as OpenAPI; nothing is loaded from elsewhere
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from cfg.base import ServeSettings
from lib.serving import refusals, uploads
from lib.serving.guard import Guard
from lib.serving.logs import request_id
from lib.serving.refusals import Refusal
from lib.serving.service import Service
from lib.trainer.runs import Run

PAGE = Path(__file__).parent / "page"
FILES = {"/": "index.html", "/page.css": "page.css", "/page.js": "page.js"}
POLICY = (  # nothing from elsewhere, and nobody's frame
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Answer(BaseModel):
    """What the model makes of a picture."""

    class_: str = Field(alias="class", description="The most probable class.")
    probability: float = Field(description="Its probability.")
    probabilities: dict[str, float] = Field(description="Of every class, in the model's order.")
    model: str = Field(description="The run that is served.")
    milliseconds: float = Field(description="From the request's start to this answer.")
    request_id: str = Field(description="As in the header X-Request-ID, and in the log.")
    seen: str | None = Field(None, description="With seen=1: what the model saw, a PNG data URL.")


class Problem(BaseModel):
    """Why there is no answer."""

    error: str
    status: int
    request_id: str


WHY = {
    400: "No file in the request.",
    408: "The request did not arrive in time.",
    413: "Too many bytes, or pixels.",
    415: "Not a picture.",
    422: "Nothing drawn; or smaller than the model needs.",
    503: "Not ready yet, or too many requests are waiting: come again after Retry-After seconds.",
}
FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [uploads.FIELD],
                    "properties": {uploads.FIELD: {"type": "string", "format": "binary"}},
                }
            }
        },
    },
    "parameters": [
        {
            "name": "seen",
            "in": "query",
            "schema": {"type": "integer", "enum": [0, 1], "default": 0},
            "description": "1: return what the model saw, too.",
        }
    ],
}


def make(service: Service, run: Run, settings: ServeSettings) -> FastAPI:
    """The application; it starts and stops `service`."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        await service.stop()

    app = FastAPIOffline(
        redoc_url=None,
        title=f"PushFit: {run.name}",
        description="Which class is it? A model that was trained with PushFit, served.",
        version="1",
        lifespan=lifespan,
    )
    app.add_middleware(Guard, metrics=service.metrics)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _refused)
    _add_recognize(app, service, run, settings)
    _add_others(app, service, run)
    return app


async def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):  # no such path, no such method
        error = Refusal(error.status_code, f"{request.method} {request.url.path}: {error.detail}")
    assert isinstance(error, Refusal)
    request.scope["fields"]["error"] = error.message
    return refusals.response(error)


def _add_recognize(app: FastAPI, service: Service, run: Run, settings: ServeSettings) -> None:
    responses: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem, "description": why} for status, why in WHY.items()
    }

    @app.post(
        "/recognize.json",
        response_model=Answer,
        responses=responses,
        openapi_extra=FORM,
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
                raise Refusal(503, "the model is too busy: come again", again=5) from None
            limit = f"{settings.deadline:g} s"
            raise Refusal(408, f"the request did not arrive within {limit}") from None
        best = run.classes[int(row.argmax())]
        service.metrics.answers.labels(best).inc()
        request.scope["fields"]["class"] = best
        answer: dict[str, Any] = {
            "class": best,
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
            raise Refusal(503, "the model is being loaded: come again in some seconds", again=5)
        return _json({"status": "ready", "model": run.name})

    @app.get("/metrics", summary="Figures for Prometheus.")
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/model.json", summary="What is served.")
    async def model() -> Response:
        told = {"model": run.name, "task": run.task.name, "classes": run.classes}
        return _json({**told, "ready": service.ready})

    for path, name in FILES.items():
        _add_file(app, path, PAGE / name)


def _add_file(app: FastAPI, path: str, file: Path) -> None:
    @app.get(path, include_in_schema=False)
    async def page() -> Response:
        headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
        return FileResponse(file, headers={**headers, "Cache-Control": "no-cache"})


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
