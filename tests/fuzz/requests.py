"""What strangers send to an HTTP server: requests that it takes, and then changed in some places.

A `Script` is what several connections do, one step after another. Scripts are made of requests, or
of another script, so that what leads further than others is where the next begin.
"""

from __future__ import annotations

import base64
import random
import re
from collections.abc import Sequence
from enum import StrEnum

import msgspec

from tests.fuzz.damage import mutated
from tests.support.clients import drawing

LONGEST = 40_000  # bytes of one step; beyond that it is cut off, but for lines that are repeated
STEPS = 12
PEERS = 3

NAMES = (b"Host", b"Content-Length", b"Transfer-Encoding", b"Content-Type", b"Connection",
         b"Expect", b"Upgrade", b"X-Request-ID", b"X-Forwarded-Prefix", b"Range", b"Origin",
         b"Content-Encoding", b"Accept", b"If-None-Match", b"TE", b"Trailer", b"Cookie",
         b"If-Modified-Since", b"Content-Disposition", b"HTTP2-Settings")  # fmt: skip
VALUES = (b"x", b"0", b"-1", b"7", b"7, 7", b"99999999999999999999", b"0x10", b"chunked",
          b"gzip, chunked", b"chunked, chunked", b"close", b"keep-alive", b"100-continue",
          b"websocket", b"h2c", b"upgrade", b"/../..", b"//evil", b"/a,/b", b"\xff\xfe", b"",
          b"bytes=0-,0-,-1", b"bytes=9-1", b"bytes=0-0,2-2,4-4", b"image/png",
          b"multipart/form-data; boundary=y", b"multipart/form-data",
          b"multipart/form-data; boundary=" + b"y" * 300, b"multipart/form-data; boundary=\"",
          b"application/json", b"application/x+json; charset=utf-16", b"evil.example:8000",
          b"127.0.0.1:8000", b"\x1b[2J", b"a" * 3000, b"[::1", b"text/html; charset=x",
          b"Thu, 01 Jan 1970 00:00:00 GMT", b"*", b'W/"1"', b'form-data; name="image"')  # fmt: skip
PATHS = (b"/", b"/healthz", b"/recognize.json", b"/recognize.json?seen=1", b"/metrics", b"/docs",
         b"/openapi.json", b"/page.js", b"/static-offline-docs/%00", b"/static-offline-docs/../x",
         b"/static-offline-docs/swagger-ui.css", b"/%ff%fe?%", b"*", b"http://evil/", b"/\xff",
         b"/" + b"a" * 4000, b"/late", b"/big", b"//", b"/model.json", b"evil:443",
         b"http://127.0.0.1:8000/healthz", b"/?" + b"a=b&" * 300, b"/.", b"/%2e%2e")  # fmt: skip
METHODS = (b"GET", b"POST", b"HEAD", b"OPTIONS", b"PUT", b"CONNECT", b"TRACE", b"G\x00T", b"",
           b"PRI", b"A" * 300)  # fmt: skip
VERSIONS = (b"HTTP/1.0", b"HTTP/2", b"HTTP/1.1", b"", b"HTTP/0.9", b"http/1.1", b"HTTP/1.11")
PICTURE = drawing(12, side=64)  # small, so that most of an input is not decoding
FORM = (
    b'--y\r\nContent-Disposition: form-data; name="image"; filename="\x1b"\r\n\r\n%b\r\n--y--\r\n'
)
BODIES = (b"", b"x", PICTURE, FORM % PICTURE, b'{"image": "AAAA"}', b'{"image": ["' * 50,
          FORM, b"3\r\nabc\r\n0\r\n\r\n", b"3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n",
          b"ffffffff\r\nx", b'{"image": "data:image/png;base64,%41"}',
          b"--y\r\n\r\n" * 20, b"[" * 3000, b'{"image": 1e999, "image": "\\ud800"}',
          b"%x\r\n" % len(PICTURE) + PICTURE + b"\r\n0\r\n\r\n",
          drawing(3, "JPEG", side=64)[:900], drawing(3, "GIF", side=64))  # fmt: skip
UPLOADS = ((b"image/png", PICTURE), (b"multipart/form-data; boundary=y", FORM % PICTURE),
           (b"application/json", b'{"image": "%b"}' % base64.b64encode(PICTURE)),
           (b"", drawing(9, "GIF", side=64)),
           (b"application/octet-stream", drawing(9, "BMP", side=64)[:3000]),
           (b"multipart/form-data; boundary=y", b'--y\r\nContent-Disposition: form-data; name="a"'
            b"\r\n\r\nb\r\n" * 12 + b"--y--"))  # fmt: skip
NUMBERS = (b"0", b"1", b"-1", b"00", b"+5", b"1_0", b" 7", b"7f", b"ffffffffffffffff", b"1e3",
           b"65536", b"2147483648", b"18446744073709551616", b"9" * 25, b"\xb2")  # fmt: skip
TOKENS = (b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\n\n", b": ", b":", b" ", b"\t", b"\0", b"\x0b",
          b"0\r\n\r\n", b"--y", b"--y--", b"\r\n--y\r\n", b";", b'"', b"\\", b"%", b"?", b"#", b",",
          b"\x16\x03\x01", b"\xef\xbb\xbf", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")  # fmt: skip


class Kind(StrEnum):
    SEND = "send"  # bytes
    END = "end"  # send no more, but read
    RESET = "reset"
    STOP_READING = "stop"
    READ = "read"  # all there is, and what comes
    WAIT = "wait"  # seconds, in its number
    SHUT_DOWN = "shutdown"  # the server ends


class Step(msgspec.Struct, frozen=True):
    """What one peer does. whole: the server has done all that it could before it."""

    peer: int
    kind: Kind = Kind.SEND
    data: bytes = b""
    seconds: float = 0.0
    whole: bool = True


class Script(msgspec.Struct, frozen=True):
    """delay: seconds that work in threads takes. real: to the application itself."""

    steps: tuple[Step, ...]
    delay: float = 0.0
    real: bool = False


def request(chance: random.Random) -> bytes:
    """One that is mostly taken."""
    if chance.random() < 0.3:
        return _upload(chance)
    body = chance.choice(BODIES)
    lines = [b"%b %b HTTP/1.1" % (chance.choice(METHODS[:4]), chance.choice(PATHS)), b"Host: x"]
    if chance.random() < 0.7:
        lines.append(b"Content-Length: %d" % len(body))
    elif chance.random() < 0.5:
        lines.append(b"Transfer-Encoding: chunked")
    if chance.random() < 0.7:
        lines.append(b"Content-Type: " + chance.choice(VALUES))
    more = range(chance.choice((0, 0, 0, 1, 2, 5)))
    lines += [chance.choice(NAMES) + b": " + chance.choice(VALUES) for _ in more]
    if chance.random() < 0.1:
        words = chance.choice(METHODS), chance.choice(PATHS), chance.choice(VERSIONS)
        lines[0] = b" ".join(words)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _upload(chance: random.Random) -> bytes:
    """One with a picture, as it should be."""
    kind, body = chance.choice(UPLOADS)
    length = b"Content-Length: %d" % len(body)
    if chance.random() < 0.3:
        length = b"Transfer-Encoding: chunked"
        cut = chance.randrange(len(body))
        parts = body[:cut] or b"\r", body[cut:]
        body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (*parts, b""))
    lines = [b"POST /recognize.json HTTP/1.1", b"Host: x", length]
    lines += [b"Content-Type: " + kind] if kind else []
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def script(chance: random.Random, found: Sequence[Script], real: bool) -> Script:
    """A new one, or one of `found` that is changed."""
    if found and chance.random() < 0.7:
        steps = [*chance.choice(found).steps]
        for _ in range(chance.choice((1, 1, 2, 4))):
            _change(chance, steps, found)
    else:
        steps = [_step(chance) for _ in range(chance.choice((1, 1, 1, 2, 4)))]
        if chance.random() < 0.5:
            _change(chance, steps, found)
    return Script(tuple(steps[:STEPS]), chance.choice((0.0, 0.0, 0.01, 3.0, 60.0)), real)


def _step(chance: random.Random) -> Step:
    peer = chance.choice((0, 0, 0, 1, 2))
    whole = chance.random() < 0.7
    if chance.random() < 0.75:
        times = chance.choice((1, 1, 1, 1, 2, 5))
        return Step(peer, data=_changed(chance, request(chance) * times), whole=whole)
    seconds = chance.choice((0.1, 1.0, 9.0, 11.0, 29.0, 40.0))
    return Step(peer, chance.choice([*Kind][1:]), seconds=seconds, whole=whole)


def _change(chance: random.Random, steps: list[Step], found: Sequence[Script]) -> None:
    """Change `steps` in one place."""
    at = chance.randrange(len(steps)) if steps else 0
    kind = chance.randrange(8) if steps else 0
    if kind == 0:
        steps.insert(at, _step(chance))
    elif kind == 1:
        del steps[at]
    elif kind == 2:
        steps.insert(chance.randrange(len(steps)), steps[at])
    elif kind == 3 and found:
        other = chance.choice(found).steps
        steps[at:] = other[chance.randrange(len(other)) if other else 0 :]
    elif kind == 4 and len(steps[at].data) > 1:
        cut = chance.randrange(len(steps[at].data))
        halves = steps[at].data[:cut], steps[at].data[cut:]
        steps[at : at + 1] = [msgspec.structs.replace(steps[at], data=half) for half in halves]
    else:
        steps[at] = msgspec.structs.replace(steps[at], data=_changed(chance, steps[at].data))


def _changed(chance: random.Random, data: bytes) -> bytes:
    """`data`, changed where it matters to a parser of HTTP, or anywhere."""
    for _ in range(chance.choice((0, 1, 1, 1, 2, 4))):
        data = chance.choice(WAYS)(chance, data)[:LONGEST]
    if chance.random() < 0.01:
        data = _endless(chance, data)
    return data


def _lines(chance: random.Random, data: bytes) -> bytes:
    """A line is taken out, doubled or moved."""
    lines = data.split(b"\r\n")
    line = lines.pop(chance.randrange(len(lines)))
    for _ in range(chance.choice((0, 1, 2))):
        lines.insert(chance.randrange(len(lines) + 1), line)
    return b"\r\n".join(lines)


def _endless(chance: random.Random, data: bytes) -> bytes:
    """A line comes thousands of times, or a byte does: more than there may be of a head."""
    lines = data.split(b"\r\n")
    at = chance.randrange(len(lines))
    lines[at : at + 1] = chance.choice(
        ([lines[at][:20]] * 5000, [lines[at] + chance.choice(TOKENS)[:1] * 70_000])
    )
    return b"\r\n".join(lines)


def _number(chance: random.Random, data: bytes) -> bytes:
    """A number, perhaps of a chunk's size, is another."""
    found = [*re.finditer(rb"\b[0-9]+\b|(?<=\r\n)[0-9a-fA-F]+(?=[;\r])", data[:4000])]
    if not found:
        return data
    one = chance.choice(found)
    return data[: one.start()] + chance.choice(NUMBERS) + data[one.end() :]


def _token(chance: random.Random, data: bytes) -> bytes:
    at = chance.randrange(len(data) + 1)
    size = chance.choice((0, 0, 1, 4))
    return data[:at] + chance.choice(TOKENS) + data[at + size :]


def _header(chance: random.Random, data: bytes) -> bytes:
    """A header is added, perhaps one that stands there with another value."""
    first, end, rest = data.partition(b"\r\n")
    line = chance.choice(NAMES) + chance.choice((b": ", b": ", b":", b" :", b"")) + _value(chance)
    return first + end + line + b"\r\n" + rest


def _value(chance: random.Random) -> bytes:
    value = chance.choice(VALUES)
    return mutated(value, chance) if chance.random() < 0.2 else value


def _chunk(chance: random.Random, data: bytes) -> bytes:
    """What follows the head comes in chunks, or ends early."""
    head, end, body = data.partition(b"\r\n\r\n")
    size = chance.choice((b"%x" % len(body), chance.choice(NUMBERS)))
    last = chance.choice(
        (b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"", b"0\r\nContent-Length: 1\r\n\r\n")
    )
    return b"%b\r\nTransfer-Encoding: chunked%b%b\r\n%b\r\n%b" % (head, end, size, body, last)


def _case(chance: random.Random, data: bytes) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + data[at : at + 40].swapcase() + data[at + 40 :]


def _ends(chance: random.Random, data: bytes) -> bytes:
    return data.replace(b"\r\n", chance.choice((b"\n", b"\r", b"\r\n ", b" \r\n")), 3)


def _swallowed(chance: random.Random, data: bytes) -> bytes:
    """Another request stands in the middle of this one."""
    at = chance.randrange(len(data) + 1)
    return data[:at] + request(chance) + data[at:]


WAYS = (_lines, _number, _token, _header, _header, _chunk, _case, _ends, _swallowed,
        lambda chance, data: mutated(data, chance))  # fmt: skip
