"""Finds the picture in a request, with a limit that holds while it arrives.

    multipart/form-data                  a file in the field "image"
    application/json                     {"image": base64, or a data: URL}
    image/…, application/octet-stream    the body is the picture, as it is without a media type

While it arrives, up to a megabyte is kept in memory and the rest in a temporary file. Bytes are
counted as they come, whatever Content-Length says.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, TypeAlias, cast

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from pushfit.serving import encoded
from pushfit.serving.refusals import Refusal
from pushfit.settings.fields import format_size
from pushfit.text import printable

Picture: TypeAlias = Callable[[], bytes]
"""Returns the bytes of the picture. It reads a file, so the pool calls it. Raises Refusal (400)."""

FIELD = "image"
PARTS = 8  # most files, and most other fields, that a form may have
IN_MEMORY = 2**20  # bytes of a body that are kept in memory
FORM = f'send the picture as a file in the field "{FIELD}", e.g. curl -F "{FIELD}=@7.png"'
HOW = f"{FORM}; or as the body, with its media type (image/png); or as JSON, {encoded.SHAPE}"


@asynccontextmanager
async def picture(request: Request, most: int) -> AsyncIterator[Picture]:
    """Receive the request, and yield its picture.

    most: most bytes of the request.
    Raises Refusal (400, 413, 415; 503 if it cannot be stored).
    """
    counted = Request(request.scope, _limited(request, most))
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    packed = request.headers.get("content-encoding", "identity").strip().lower()
    if packed != "identity":
        raise Refusal(
            415,
            f"a body of Content-Encoding {_shown(packed)} is not supported: send it uncompressed",
        )
    if kind == "multipart/form-data":
        async with _of_form(counted) as file:
            yield file
    elif kind == "application/json" or kind.endswith("+json"):
        async with _body(counted) as file:
            yield lambda: encoded.decode(file())
    elif kind in ("", "application/octet-stream") or kind.startswith("image/"):
        async with _body(counted, named=bool(kind)) as file:
            yield file
    else:
        raise Refusal(415, f"a body of the type {_shown(kind)} is not supported: {HOW}")


@asynccontextmanager
async def _body(request: Request, *, named: bool = True) -> AsyncIterator[Picture]:
    """The whole body as a picture. named: the request names its type, so it may be empty."""
    with SpooledTemporaryFile(max_size=IN_MEMORY) as kept:
        file = UploadFile(cast(BinaryIO, kept), size=0)  # a thread writes it to the disk
        try:
            async for part in request.stream():
                await file.write(part)
        except OSError as error:
            raise _not_kept(error) from error
        if not file.size and not named:
            raise Refusal(400, f"there is no picture in the request: {HOW}")
        yield lambda: _all_of(file)


@asynccontextmanager
async def _of_form(request: Request) -> AsyncIterator[Picture]:
    try:
        form = await request.form(max_files=PARTS, max_fields=PARTS, max_part_size=64 * 1024)
    except (Refusal, ClientDisconnect):
        raise
    except OSError as error:
        raise _not_kept(error) from error
    except Exception as error:  # errors of Starlette and python-multipart, and others they raise
        why = error.message if isinstance(error, MultiPartException) else str(error)
        detail = getattr(error, "detail", why) or type(error).__name__
        raise Refusal(400, f"the form cannot be read ({detail}): {FORM}") from None
    try:
        files = form.getlist(FIELD)
        if not files:
            raise Refusal(400, f"there is no file in the request: {FORM}")
        file = files[0]
        if len(files) > 1:
            raise Refusal(400, f"{len(files)} pictures in one request: send one at a time")
        if not isinstance(file, UploadFile):
            raise Refusal(
                400, f'the field "{FIELD}" is text, not a file (is the @ missing?): {FORM}'
            )
        if not file.filename and not file.size:
            raise Refusal(400, f"no file was chosen: {FORM}")
        yield lambda: _all_of(file)
    finally:
        await form.close()


def _all_of(file: UploadFile) -> bytes:
    file.file.seek(0)
    return file.file.read()


def _not_kept(error: OSError) -> Refusal:
    return Refusal(503, f"the upload cannot be stored: {error.strerror}", again=10)


def _shown(word: str) -> str:
    return printable(word[:60])


def _limited(request: Request, most: int):  # type: ignore[no-untyped-def]
    """`request.receive`, which raises Refusal if more than `most` bytes came or are announced."""
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
