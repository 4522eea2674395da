"""The file in a request: found, and no larger than allowed, before it is in memory.

Up to a megabyte of it is kept in memory and the rest in a temporary file, while it arrives; bytes
are counted as they come, whatever Content-Length says.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import BinaryIO

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from cfg.fields import format_size
from lib.serving.refusals import Refusal

FIELD = "image"
PARTS = 8  # files, and as many other fields: what a browser's form may send besides
HOW = f'send the picture as a file in the field "{FIELD}", e.g. curl -F "{FIELD}=@7.png"'


@asynccontextmanager
async def picture(request: Request, most: int) -> AsyncIterator[BinaryIO]:
    """The file of the request's form. Raises Refusal (400, 413; 503 where it cannot be kept)."""
    counted = Request(request.scope, _limited(request, most))
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise Refusal(400, f"the request is no form with a file: {HOW}")
    try:
        form = await counted.form(max_files=PARTS, max_fields=PARTS, max_part_size=64 * 1024)
    except (Refusal, ClientDisconnect):
        raise
    except OSError as error:
        raise Refusal(503, f"the upload cannot be kept: {error.strerror}", again=10) from error
    except Exception as error:  # Starlette's and python-multipart's own, and what these let pass
        why = error.message if isinstance(error, MultiPartException) else str(error)
        detail = getattr(error, "detail", why) or type(error).__name__
        raise Refusal(400, f"the form cannot be read ({detail}): {HOW}") from None
    try:
        files = form.getlist(FIELD)
        if not files:
            raise Refusal(400, f"there is no file in the request: {HOW}")
        file = files[0]
        if len(files) > 1:
            raise Refusal(400, f"{len(files)} pictures in one request: send one at a time")
        if not isinstance(file, UploadFile):
            raise Refusal(
                400, f'the field "{FIELD}" is text, not a file (is the @ missing?): {HOW}'
            )
        if not file.filename and not file.size:
            raise Refusal(400, f"no file was chosen: {HOW}")
        yield file.file
    finally:
        await form.close()


def _limited(request: Request, most: int):  # type: ignore[no-untyped-def]
    """`request.receive`, which raises Refusal when more than `most` bytes came, or will."""
    refusal = Refusal(
        413, f"the request is larger than {format_size(most)}, the limit here: send less"
    )
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated[:20]) > most:
        raise refusal
    came = 0

    async def receive() -> Message:
        nonlocal came
        message = await request.receive()
        came += len(message.get("body", b""))
        if came > most:
            raise refusal
        return message

    return receive
