"""Whether what a server wrote is answers of HTTP/1.1, in the order of the requests, and no more."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

_STATUS = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) [ -~]*")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([^\0\r\n]*)")
_SIZE = re.compile(rb"([0-9a-f]+)\r\n")
NO_BODY = (204, 304)


class Wrong(AssertionError):
    """No client could read this."""


def check(came: bytes, methods: Sequence[str], *, cut: bool, sentences: bool) -> list[int]:
    """The status of each answer in `came`. Raises Wrong.

    methods: of the requests, in their order. cut: the connection may have ended within an answer.
    sentences: each answer of 400 and above is JSON with a sentence.
    """
    at, statuses = 0, list[int]()
    closed = False
    while at < len(came):
        if closed:
            raise Wrong(f"something follows the last answer: {came[at : at + 200]!r}")
        end = came.find(b"\r\n\r\n", at)
        if end < 0:
            return _cut(statuses, cut, "a head")
        status, fields = _head(came[at:end])
        at = end + 4
        if status == 100:
            continue
        number = len(statuses)
        statuses.append(status)
        closed = fields.get("connection") == "close"
        if status >= 500 and status != 503:
            raise Wrong(f"an answer of status {status}")
        if number >= len(methods):  # of what is no request: the last
            if number > len(methods) or status not in (400, 414, 431, 503) or not closed:
                raise Wrong(
                    f"{number + 1} answers to {len(methods)} requests, the last is {status}"
                )
            method = ""
        else:
            method = methods[number]
        if method == "HEAD" or status in NO_BODY:
            continue
        body, at, whole = _body(came, at, fields)
        if not whole:
            return _cut(statuses, cut, "a body")
        if status >= 400 and (sentences or not method):
            _sentence(body, status)
    return statuses


def _cut(statuses: list[int], cut: bool, what: str) -> list[int]:
    if not cut:
        raise Wrong(f"{what} is not whole, and the connection is open")
    return statuses


def _head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.split(b"\r\n")
    if (found := _STATUS.fullmatch(first)) is None:
        raise Wrong(f"not the first line of an answer: {first[:200]!r}")
    fields: dict[str, str] = {}
    for line in lines:
        if (field := _FIELD.fullmatch(line)) is None:
            raise Wrong(f"not a header: {line[:200]!r}")
        name = field[1].decode().lower()
        if name in fields and name in ("content-length", "transfer-encoding", "connection"):
            raise Wrong(f"{name} stands there twice")
        fields[name] = field[2].decode("latin-1").strip().lower()
    return int(found[1]), fields


def _body(came: bytes, at: int, fields: dict[str, str]) -> tuple[bytes, int, bool]:
    """The body, where it ends, and whether it is there as a whole."""
    if fields.get("transfer-encoding") == "chunked":
        body = b""
        while (size := _SIZE.match(came, at)) is not None:
            count = int(size[1], 16)
            at = size.end() + count + 2
            body += came[size.end() : at - 2]
            if came[at - 2 : at] not in (b"\r\n", b"\r", b""):
                raise Wrong("a chunk is longer than it says")
            if count == 0:
                return body, at, at <= len(came)
        if at < len(came) and b"\r\n" in came[at:]:
            raise Wrong(f"not a chunk: {came[at : at + 200]!r}")
        return body, len(came), False
    if (length := fields.get("content-length")) is not None:
        end = at + int(length)
        return came[at:end], end, end <= len(came)
    if fields.get("connection") != "close":
        raise Wrong("an answer without a length, and the connection goes on")
    return came[at:], len(came), True


def _sentence(body: bytes, status: int) -> None:
    try:
        said = json.loads(body)
        right = said["status"] == status and " " in said["error"] and "\n" not in said["error"]
    except (ValueError, TypeError, KeyError):
        right = False
    if not right:
        raise Wrong(f"an answer of status {status} that is not a sentence: {body[:300]!r}")
