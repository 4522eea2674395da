"""What comes to the HTTP server, without sockets: bytes in, answers out.

    python -m tests.fuzz.http [--inputs 1000000] [--seed 1] [--into DIR]
    python -m tests.fuzz.http --replay FILE

An input is a script of tests/fuzz/requests.py. Of one that reached a line of the server or of its
parser for the first time, others are made. REAL of them go to the application, with a model of a
few lines, the rest to a few lines that answer early, late, or much. After each, time passes in
silence: the server itself must have closed every connection then, and have nothing left to do.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import CodeType, FrameType, SimpleNamespace
from typing import Any, cast
from unittest import mock

import anyio.to_thread
import msgspec
import psutil

from pushfit.serving import connections as connected
from pushfit.serving.connections import Connections
from pushfit.serving.protocol import HEAD_BYTES, SLICE, Protocol
from pushfit.serving.server import Server as Uvicorn
from tests.fuzz import answers, requests
from tests.fuzz.requests import Kind, Script, Step
from tests.fuzz.stepped import READ, Loop, Transport
from tests.support.clients import application

MOST_CONNECTIONS = 2
KEPT = HEAD_BYTES + SLICE + 2 * READ  # bytes that one connection may hold of what it was sent
UNREAD = 2 * READ  # and of what it does not read
DEADLINE = 5.0  # of a request
SILENCE = 200.0  # seconds after which nothing may be left
REAL = 0.2  # share of inputs
TRACED = 0.05  # share of inputs of which is found out what lines they reach
LIMIT_MIB = 512
LONGEST = 10.0  # seconds of one input, by the clock of this machine
HOSTS = ("10.0.0.1", "10.0.0.1", "2001:db8::1")


class Escape(AssertionError):
    """What must not happen, whatever is sent."""


class Errors(logging.Handler):
    """Any line of level error is one."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(f"{record.name}: {record.getMessage()}")


class Reached:
    """The lines of the server and of its parser that were reached."""

    PARTS = (
        "/lib/pushfit/serving/",
        "/h11/",
        "/uvicorn/protocols/",
        "/starlette/formparsers",
        "/multipart",
    )

    def __init__(self) -> None:
        self.lines: set[tuple[CodeType, int]] = set()
        self._ours: dict[CodeType, bool] = {}

    def trace(self, frame: FrameType, event: str, argument: object) -> Any:
        code = frame.f_code
        if (ours := self._ours.get(code)) is None:
            ours = any(part in code.co_filename for part in self.PARTS)
            self._ours[code] = ours
        return self._line if ours else None

    def _line(self, frame: FrameType, event: str, argument: object) -> Any:
        self.lines.add((frame.f_code, frame.f_lineno))
        return self._line


class Simple:
    """An application that answers early, late, in pieces, or after a second."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path, status = scope["path"], 408
        with suppress(TimeoutError):
            async with asyncio.timeout(DEADLINE):
                while path.startswith(("/late", "/recognize")):
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return
                    if not message["more_body"]:
                        break
                status = 200
        if path == "/docs":
            await asyncio.sleep(1)
        if scope["method"] == "CONNECT":
            status = 405
        parts = [b"x" * 40_000] * 8 if path == "/big" else [path.encode(errors="replace")]
        await send({"type": "http.response.start", "status": status, "headers": []})
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})


class Asked:
    """ASGI middleware.

    methods: of each connection's requests, by its port. two_ends: requests whose body a proxy in
    front may have taken to end elsewhere.
    """

    def __init__(self, app: Any) -> None:
        self._app, self.two_ends = app, 0
        self.methods: dict[int, list[str]] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.methods.setdefault(scope["client"][1], []).append(scope["method"])
            names = {name for name, _ in scope["headers"]}
            self.two_ends += {b"content-length", b"transfer-encoding"} <= names
        await self._app(scope, receive, send)


class Peer:
    """One connection of a script."""

    def __init__(self, loop: Loop, uvicorn: Uvicorn, host: str, port: int) -> None:
        make: Any = uvicorn.config.http_protocol_class
        state = uvicorn.server_state
        self.port = port
        self.protocol: Protocol = make(config=uvicorn.config, server_state=state, app_state={})
        self.transport = Transport(loop, self.protocol, (host, port))
        self.protocol.connection_made(self.transport)

    def do(self, step: Step) -> None:
        if step.kind is Kind.SEND:
            self.transport.send(step.data)
        elif step.kind is Kind.END:
            self.transport.end()
        elif step.kind is Kind.RESET:
            self.transport.reset()
        elif step.kind is Kind.STOP_READING:
            self.transport.reads = False
        elif step.kind is Kind.READ:
            self.transport.read()
        elif step.kind is Kind.SHUT_DOWN:
            self.protocol.shutdown()

    def check(self) -> None:
        cycle = self.protocol.cycle
        kept = len(self.protocol.conn.trailing_data[0]) + (len(cycle.body) if cycle else 0)
        if kept > KEPT or len(self.transport.unread) > UNREAD:
            raise Escape(
                f"{kept} bytes of a peer, and {len(self.transport.unread)} for it are kept"
            )


class Server:
    """The application and a simple one, in one loop, for many inputs."""

    def __enter__(self) -> Server:
        self._stack = ExitStack()
        self.loop, self._port = Loop(), 0
        asyncio._set_running_loop(self.loop)
        self._stack.callback(asyncio._set_running_loop, None)
        self._errors = Errors()
        logging.getLogger().addHandler(self._errors)
        self._stack.callback(logging.getLogger().removeHandler, self._errors)
        for name in ("pushfit.serving", "uvicorn.error", "asyncio"):
            logger = logging.getLogger(name)
            self._stack.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.ERROR)
        clock = SimpleNamespace(monotonic=self.loop.time)
        self._stack.enter_context(mock.patch.object(connected, "time", clock))
        self._stack.enter_context(
            mock.patch.object(anyio.to_thread, "run_sync", self.loop.in_thread)
        )
        app, self._service = application(deadline=DEADLINE, max_upload=64 * 1024, queue=2)
        lifespan = app.router.lifespan_context(app)
        self.loop.run(lifespan.__aenter__())
        self._stack.callback(lambda: self.loop.run(lifespan.__aexit__(None, None, None)))
        self._sides = [self._side(app), self._side(Simple())]
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _side(self, app: Any) -> tuple[Uvicorn, Connections, Asked]:
        asked = Asked(app)
        taken = Connections(MOST_CONNECTIONS, MOST_CONNECTIONS)
        uvicorn = Uvicorn(cast(Any, asked), taken, self._service.metrics)
        uvicorn.config.load()
        return uvicorn, taken, asked

    def one_input(self, script: Script) -> list[int]:
        """The status of each answer. Raises Escape where the server does what it must not."""
        began = time.perf_counter()
        uvicorn, taken, asked = self._sides[0 if script.real else 1]
        asked.methods.clear()
        self.loop.delay = script.delay
        peers: list[Peer] = []
        try:
            self._run(script, uvicorn, taken, peers)
            statuses = list[int]()
            for peer in peers:
                came, methods = bytes(peer.transport.came), asked.methods.get(peer.port, [])
                found = answers.check(came, methods, cut=True, sentences=script.real)
                statuses += found
            self._check_end(uvicorn, taken, asked)
        except Exception as error:
            raise Escape(f"{type(error).__name__}: {error}") from error
        if time.perf_counter() - began > LONGEST:
            raise Escape(f"it took {time.perf_counter() - began:.0f} s")
        return statuses

    def _run(self, script: Script, uvicorn: Uvicorn, taken: Connections, peers: list[Peer]) -> None:
        now: dict[int, Peer] = {}
        for step in script.steps:
            if step.kind is Kind.WAIT:
                self._pass(step.seconds, taken)
                continue
            peer = now.get(step.peer)
            if peer is None or peer.transport.lost:
                self._port += 1
                peer = now[step.peer] = Peer(self.loop, uvicorn, HOSTS[step.peer], self._port)
                peers.append(peer)
            peer.do(step)
            if step.whole:
                self.loop.settle()
            if len(taken) > MOST_CONNECTIONS:
                raise Escape("more connections than there may be")
            for each in peers:
                each.check()
        self._pass(SILENCE, taken)

    def _pass(self, seconds: float, taken: Connections) -> None:
        """Time passes; the server looks at its connections every second."""
        until = self.loop.now + seconds
        self.loop.settle()
        while self.loop.now < until and (len(taken) or self.loop.timers()):
            self.loop.advance(min(1.0, until - self.loop.now))
            taken.look(self.loop.now)
            self.loop.settle()

    def _check_end(self, uvicorn: Uvicorn, taken: Connections, asked: Asked) -> None:
        state = uvicorn.server_state
        left = {
            "the loop's exceptions": self.loop.broken,
            "lines of level error": self._errors.found,
            "connections": len(taken) or state.connections,
            "tasks": state.tasks,
            "timers": self.loop.timers(),
            "requests with two ends": asked.two_ends,
            "requests under way": self._service._under_way,
        }
        if any(left.values()):
            raise Escape(f"{SILENCE:.0f} s later: { {k: v for k, v in left.items() if v} }")


class Fuzzer:
    """Inputs from a seed, each of which may be made of those that led further."""

    def __init__(self, server: Server, seed: int) -> None:
        self._server, self._chance = server, random.Random(seed)
        self.found: list[Script] = []
        self.reached = Reached()
        self.last = Script(())

    def one(self) -> None:
        """Raises Escape, for `last`."""
        chance = self._chance
        self.last = requests.script(chance, self.found, chance.random() < REAL)
        if chance.random() >= TRACED:
            self._server.one_input(self.last)
            return
        before = len(self.reached.lines)
        sys.settrace(self.reached.trace)
        try:
            self._server.one_input(self.last)
        finally:
            sys.settrace(None)
        if len(self.reached.lines) > before:
            self.found.append(self.last)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.http")
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--into", type=Path, help="folder for an input that escapes")
    parser.add_argument("--replay", type=Path, help="an input that was kept: run it alone")
    options = parser.parse_args()
    with Server() as server:
        if options.replay:
            script = msgspec.msgpack.decode(options.replay.read_bytes(), type=Script)
            print(script, server.one_input(script), sep="\n")
            return
        began, fuzzer, process = time.monotonic(), Fuzzer(server, options.seed), psutil.Process()
        for done in range(1, options.inputs + 1):
            try:
                fuzzer.one()
            except Escape:
                into = options.into or Path(tempfile.mkdtemp(prefix="fuzz-"))
                into.mkdir(parents=True, exist_ok=True)
                (into / f"http-{done}").write_bytes(msgspec.msgpack.encode(fuzzer.last))
                print(f"--replay {into / f'http-{done}'}", file=sys.stderr)
                raise
            if done % 5000 == 0 or done == options.inputs:
                mib, seconds = process.memory_info().rss / 2**20, time.monotonic() - began
                reached = f"{len(fuzzer.reached.lines):,} lines by {len(fuzzer.found):,} of them"
                print(f"{done:,} inputs in {seconds:,.0f} s: {reached}, {mib:.0f} MiB", flush=True)
                if mib > LIMIT_MIB:
                    raise Escape(f"{mib:.0f} MiB")
    print(f"{options.inputs:,} inputs, no escape")


if __name__ == "__main__":
    main()
