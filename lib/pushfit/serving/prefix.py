"""The path under which a reverse proxy shows this server: `/digits` of https://host/digits/.

All links are relative, so most proxies need not name the path. If `--root-path` or the header
X-Forwarded-Prefix names it, links begin with it. Then the page also works at its path without a
slash at the end, and openapi.json names its server.
"""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from pushfit.errors import ConfigError

HEADER = "X-Forwarded-Prefix"
VARIES = {"Vary": HEADER}  # for answers with links in them
_PATH = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*")  # nothing that could leave this host


def parse(text: str) -> str:
    """`--root-path` without a slash at its end; "": there is none. Raises ConfigError."""
    path = text.rstrip("/")
    if not _PATH.fullmatch(path):
        raise ConfigError(
            f"--root-path {text!r} is not valid: give the path under which a proxy shows this "
            "server, such as /digits, with slashes, letters, digits and any of . _ ~ -"
        )
    return path


def root_of(request: Request) -> str:
    """What links begin with, before their slash; "": they must be relative."""
    root: str = request.scope.get("root_path", "")
    return root


class Prefix:
    """ASGI middleware that removes the prefix from paths.

    own: the prefix from `parse`; "": the one that each request names, if any.

    A proxy may have removed the prefix from the path already.
    """

    def __init__(self, app: ASGIApp, own: str) -> None:
        self._app, self._own = app, own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (root := self._own or _forwarded(Headers(scope=scope))):
            path = scope["path"]
            if not f"{path}/".startswith(f"{root}/"):
                path = root + path
            scope["root_path"], scope["path"] = root, f"{root}/" if path == root else path
        await self._app(scope, receive, send)


def _forwarded(headers: Headers) -> str:
    """The prefix of the outermost proxy: each proxy appends its own to the header."""
    parts = [part.strip().rstrip("/") for part in ",".join(headers.getlist(HEADER)).split(",")]
    path = "".join(parts)
    return path if _PATH.fullmatch(path) else ""
