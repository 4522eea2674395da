"""Error answers: {"error": a sentence, "status", "request_id"}, whatever went wrong."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from pushfit.errors import BadRecord
from pushfit.serving.logs import request_id
from pushfit.serving.pictures import NotAPicture, TooLarge


class Refusal(Exception):
    """A request is answered with this status and sentence. again: Retry-After in seconds, or 0."""

    def __init__(self, status: int, message: str, again: int = 0) -> None:
        super().__init__(message)
        self.status, self.message, self.again = status, message, again


def of(error: BadRecord) -> Refusal:
    """The answer to an unsuitable picture."""
    status = 413 if isinstance(error, TooLarge) else 415 if isinstance(error, NotAPicture) else 422
    return Refusal(status, str(error))


def response(refusal: Refusal) -> Response:
    body = {
        "error": refusal.message,
        "status": refusal.status,
        "request_id": request_id.get(),
    }
    headers = {"Retry-After": str(refusal.again)} if refusal.again else {}
    content = msgspec.json.encode(body)
    return Response(content, refusal.status, headers, media_type="application/json")
