"""Asks a server at a rate that does not depend on its answers, and says how long these took.

    python -m bench._load rate PORT DIGITS RATE SECONDS    open loop: requests at times set before
    python -m bench._load malformed PORT COUNT             spoilt uploads, on eight lines
    python -m bench._load closed PORT recognize|healthz DIGITS LINES SECONDS    one behind the other

- Requests of the open loop come at random times (a Poisson process, seeded), as from many people
  who know nothing of each other; each is timed from when it was due, so one that waits for a free
  connection of ours, or for the server, is as late as it would be for its sender.
- The client is written to cost little: raw HTTP/1.1 on LINES connections that stay open.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

LINES = 128
SIDE = 28
BOUNDARY = b"pushfit"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: bench\r\n\r\n"
PATIENCE = 30.0  # seconds for an answer


def digits(folder: Path, count: int = 500) -> list[bytes]:
    """PNG files of MNIST's test digits (or training, where those are not there)."""
    for name in ("t10k", "val", "train"):
        for path in sorted(folder.glob(f"{name}-images-idx3-ubyte*")):
            data = path.read_bytes()
            data = gzip.decompress(data) if path.suffix == ".gz" else data
            size = SIDE * SIDE
            pixels = [
                data[16 + n * size :][:size] for n in range(min(count, len(data[16:]) // size))
            ]
            return [png(Image.frombytes("L", (SIDE, SIDE), each)) for each in pixels]
    raise SystemExit(f"no MNIST files in {folder}")


def png(image: Image.Image, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def post(body: bytes, kind: bytes = b"multipart/form-data; boundary=" + BOUNDARY) -> bytes:
    return (
        b"POST /recognize.json HTTP/1.1\r\nHost: bench\r\nContent-Type: %b\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (kind, len(body), body)
    )


def form(file: bytes, head: bytes = b'form-data; name="image"; filename="7.png"') -> bytes:
    return b"--%b\r\nContent-Disposition: %b\r\n\r\n%b\r\n--%b--\r\n" % (
        BOUNDARY, head, file, BOUNDARY,
    )  # fmt: skip


class Line:
    """One connection; a request at a time."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._pair: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> int:
        """The status of the answer; 0 where the connection broke or nothing came in time."""
        try:
            return await asyncio.wait_for(self._ask(request), PATIENCE)
        except (OSError, EOFError, TimeoutError, ValueError):
            self.close()
            return 0

    async def _ask(self, request: bytes) -> int:
        if self._pair is None:
            self._pair = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self._pair
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        low = head.lower()
        at = low.index(b"content-length:") + 15
        await reader.readexactly(int(low[at : low.index(b"\r\n", at)]))
        if b"connection: close" in low:
            self.close()
        return int(head[9:12])

    def close(self) -> None:
        if self._pair is not None:
            self._pair[1].close()
        self._pair = None


async def at_rate(port: int, requests: list[bytes], rate: float, seconds: float) -> dict[str, Any]:
    rng = random.Random(1)
    free: asyncio.Queue[Line] = asyncio.Queue()
    lines = [Line(port) for _ in range(LINES)]
    for line in lines:
        free.put_nowait(line)
    late: list[float] = []
    statuses: Counter[int] = Counter()

    async def one(due: float, request: bytes) -> None:
        line = await free.get()
        statuses[await line.ask(request)] += 1
        free.put_nowait(line)
        late.append(time.perf_counter() - due)

    tasks = []
    due = start = time.perf_counter() + 0.05
    while due < start + seconds:
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(one(due, rng.choice(requests))))
        due += rng.expovariate(rate)
    await asyncio.gather(*tasks)
    for line in lines:
        line.close()
    late.sort()
    return {
        "p50_ms": 1e3 * late[len(late) // 2],
        "p99_ms": 1e3 * late[int(len(late) * 0.99)],
        "asked": len(late),
        "failed": len(late) - statuses[200],
    }


async def closed(port: int, requests: list[bytes], lines: int, seconds: float) -> dict[str, Any]:
    """Each of `lines` asks again as soon as it was answered."""
    statuses: Counter[int] = Counter()
    start = time.perf_counter()

    async def one(rng: random.Random) -> None:
        line = Line(port)
        while time.perf_counter() - start < seconds:
            statuses[await line.ask(rng.choice(requests))] += 1
        line.close()

    await asyncio.gather(*(one(random.Random(number)) for number in range(lines)))
    asked = sum(statuses.values())
    taken = time.perf_counter() - start
    return {"asked": asked, "failed": asked - statuses[200], "seconds": taken}


def spoil(rng: random.Random, good: list[bytes]) -> bytes:
    """A request whose upload is damaged, hostile or nonsense in one of many ways."""
    file = bytearray(rng.choice(good))
    ways: list[Callable[[], bytes]] = [
        lambda: form(bytes(file[: rng.randrange(len(file))])),  # cut short
        lambda: form(_flipped(rng, file)),
        lambda: form(_flipped(rng, file)),
        lambda: form(rng.randbytes(rng.randrange(4000))),
        lambda: form(bytes(file[:8]) + rng.randbytes(rng.randrange(4000))),  # the magic alone
        lambda: form(b"hello" * rng.randrange(200)),
        lambda: form(bytes(file), b"form-data; name=" + rng.randbytes(9)),
        lambda: form(bytes(file), b'form-data; name="other"; filename="a"'),
        lambda: form(bytes(file))[: -rng.randrange(1, 40)],  # the end is missing
        lambda: _flipped(rng, bytearray(form(bytes(file)))),
        lambda: rng.randbytes(rng.randrange(2000)),
        lambda: b"",
        lambda: form(b"x") * 20,
        lambda: form(_huge(rng)),
        lambda: form(png(Image.new("L", (rng.randrange(1, 40), rng.randrange(1, 40)), 9))),  # blank
    ]  # fmt: skip
    body = rng.choice(ways)()
    kinds = [b"multipart/form-data; boundary=" + BOUNDARY] * 8
    kinds += [b"multipart/form-data", b"image/png", b"multipart/form-data; boundary="]
    return post(body, rng.choice(kinds))


def _flipped(rng: random.Random, data: bytearray) -> bytes:
    for _ in range(rng.choice((1, 1, 3, 30))):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def _huge(rng: random.Random) -> bytes:
    """A GIF whose header claims up to 4 thousand million pixels."""
    sides = [rng.randrange(1, 65_536) for _ in range(2)]
    return b"GIF89a" + b"".join(side.to_bytes(2, "little") for side in sides) + rng.randbytes(40)


async def malformed(port: int, count: int) -> dict[str, Any]:
    rng = random.Random(1)
    picture = Image.radial_gradient("L").convert("RGB")
    good = [png(picture, kind) for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")]
    statuses: Counter[int] = Counter()
    left = iter(range(count))

    async def line() -> None:
        opened = Line(port)
        for _ in left:
            statuses[await opened.ask(spoil(rng, good))] += 1
        opened.close()

    await asyncio.gather(*(line() for _ in range(8)))
    return {"statuses": {str(status): number for status, number in sorted(statuses.items())}}


def _recognize(folder: str) -> list[bytes]:
    return [post(form(each)) for each in digits(Path(folder))]


def main(kind: str, port: int, *rest: str) -> dict[str, Any]:
    if kind == "rate":
        folder, rate, seconds = rest
        return asyncio.run(at_rate(port, _recognize(folder), float(rate), float(seconds)))
    if kind == "closed":
        asked, folder, lines, seconds = rest
        requests = _recognize(folder) if asked == "recognize" else [HEALTH]
        return asyncio.run(closed(port, requests, int(lines), float(seconds)))
    return asyncio.run(malformed(port, int(rest[0])))


if __name__ == "__main__":
    KIND, PORT, *REST = sys.argv[1:]
    print(json.dumps(main(KIND, int(PORT), *REST)))
