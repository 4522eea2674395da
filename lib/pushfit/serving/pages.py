"""The pages for browsers: one to draw a digit on, and the documentation of the interface."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from pathlib import Path

import fastapi_offline
import msgspec
from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from pushfit.serving import headers
from pushfit.serving.prefix import VARIES, root_of

PAGE = Path(__file__).parent / "page"
FILES = ("page.css", "page.js")
HEADERS = {
    headers.POLICY: headers.policy(
        "script-src 'self'", "style-src 'self'", "img-src data: blob:", "connect-src 'self'"
    ),
    "Cache-Control": "no-cache",
}
SWAGGER, STATIC = "swagger-ui", "static-offline-docs"  # folder of its files, path of the route


class Whole:
    """ASGI middleware that ignores ranges in requests, as HTTP allows, and sends whole files.

    The files are small, and Starlette's answer to an invalid range would not be JSON.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "range" in Headers(scope=scope):
            scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"range"]
        await self._app(scope, receive, send)


def add(app: FastAPI) -> None:
    """Add the routes of the page, of /docs and of /openapi.json, which `app` lacks."""
    app.add_middleware(Whole)
    _add_page(app)
    _add_docs(app)


def _add_page(app: FastAPI) -> None:
    page = (PAGE / "index.html").read_text(encoding="utf-8")

    @app.get("/", include_in_schema=False)
    async def index(request: Request) -> Response:
        root = root_of(request)
        based = page.replace("<head>", f'<head>\n<base href="{root}/">', 1) if root else page
        return HTMLResponse(based, headers={**HEADERS, **VARIES})

    for name in FILES:
        _add_file(app, name)


def _add_file(app: FastAPI, name: str) -> None:
    @app.get(f"/{name}", include_in_schema=False)
    async def file() -> Response:
        return FileResponse(PAGE / name, headers=HEADERS)


def _add_docs(app: FastAPI) -> None:
    static = Path(fastapi_offline.__file__).parent / "static"
    app.mount(f"/{STATIC}", StaticFiles(directory=static))

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi(request: Request) -> Response:
        # "." is the folder of this document. Without it, clients would use the root of the host.
        told = {**app.openapi(), "servers": [{"url": root_of(request) or "."}]}
        return Response(msgspec.json.encode(told), headers=VARIES, media_type="application/json")

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        start = f"{root}/" if (root := root_of(request)) else ""
        shown = get_swagger_ui_html(
            openapi_url=f"{start}openapi.json",
            title=html.escape(app.title),
            swagger_js_url=f"{start}{STATIC}/{SWAGGER}-bundle.js",
            swagger_css_url=f"{start}{STATIC}/{SWAGGER}.css",
            swagger_favicon_url=f"{start}{STATIC}/favicon.png",
        )
        shown.headers.update({headers.POLICY: _policy_of(shown), **VARIES})
        return shown


def _policy_of(shown: HTMLResponse) -> str:
    """The policy of Swagger's page, whose only script is in the page and is allowed by its hash."""
    script = re.search(rb"<script>(.*?)</script>", shown.body, re.DOTALL)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1]).digest()).decode()
    return headers.policy(
        f"script-src 'self' 'sha256-{digest}'",
        "style-src 'self' 'unsafe-inline'",  # Swagger's elements have inline styles
        "img-src 'self' data:",
        "connect-src 'self'",
    )
