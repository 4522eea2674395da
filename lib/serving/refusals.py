"""Answers that say no: {"error": a sentence, "status", "request_id"}, whatever went wrong."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from lib.errors import BadRecord
from lib.serving.logs import request_id
from lib.serving.pictures import NotAPicture, TooLarge


class Refusal(Exception):
    """A request that is answered with this status and sentence. again: seconds to wait, or 0."""

    def __init__(self, status: int, message: str, again: int = 0) -> None:
        super().__init__(message)
        self.status, self.message, self.again = status, message, again


def of(error: BadRecord) -> Refusal:
    """What a picture that will not do is answered with."""
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
