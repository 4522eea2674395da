"""Opens shards in another process first, so that a malicious index crashes only that process.

The seal of a shard is a checksum, not a signature. A person who changes the index of a file on
purpose can make a new seal, and HDF5 trusts what it reads. So a store that came from somebody else
is first opened in a separate process, and a file that crashes it is named.

    pushfit _vet DIR …
        stdin   {"whole": …, "shards": [[which DIR, split, epoch, number], …]}
        stdout  {"begun": true}, then {"wrong": a sentence or null}, for each
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from pushfit import installation
from pushfit.errors import DataError
from pushfit.store import layout
from pushfit.store.shard import Shard

SILENCE_SECONDS = 120.0  # longest time for a shard: a slow disk reads 64 MB in less
Place = tuple[Path, str, int, int]  # folder of the store, split, epoch, number


class _Order(msgspec.Struct):
    """shards: number of the folder, split, epoch, number. whole: see `vetted`."""

    whole: bool
    shards: list[tuple[int, str, int, int]]


class _Answer(msgspec.Struct, omit_defaults=True):
    """A message of the process.

    begun: it starts with the next shard. False: it has finished the shard.
    wrong: what is wrong with the finished shard; None: nothing.
    """

    begun: bool = False
    wrong: str | None = None


def vetted(
    shards: Sequence[Place], *, whole: bool = False, seen: Callable[[int, int], None] | None = None
) -> list[str]:
    """A sentence for each shard with which something is wrong.

    whole: also read the samples, not only the index.
    seen: called with (the number of shards so far, how many of these are wrong).
    """
    folders = list(dict.fromkeys(place[0] for place in shards))
    numbered = [(folders.index(folder), *rest) for folder, *rest in shards]
    wrong: list[str] = []
    done = 0
    while done < len(shards):
        order = msgspec.json.encode({"whole": whole, "shards": numbered[done:]})
        begun = False
        with _process(folders, order) as process:
            for line in _lines(process):
                answer = msgspec.json.decode(line, type=_Answer)
                begun = answer.begun
                if begun:
                    continue
                done += 1
                wrong += [answer.wrong] if answer.wrong else []
                if seen is not None:
                    seen(done, len(wrong))
        if done < len(shards):
            path = layout.shard_path(*shards[done])
            if process.returncode >= 0 or not begun:  # it was not killed by HDF5 or by us
                raise DataError(
                    f"the process that checks stored files ended with exit code "
                    f"{process.returncode} before it came to {path}: its messages above say why"
                )
            wrong.append(_deadly(path, -process.returncode))
            done += 1
    return wrong


@contextmanager
def _process(folders: Sequence[Path], order: bytes) -> Iterator[subprocess.Popen[bytes]]:
    command = installation.command("_vet", *map(os.path.abspath, folders))
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:
        try:
            assert process.stdin is not None
            process.stdin.write(order)
            process.stdin.close()
            yield process
        except BaseException:
            process.kill()
            raise


def _lines(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """The lines that it writes until it ends. It is killed after SILENCE_SECONDS without one."""
    assert process.stdout is not None
    pipe, rest = process.stdout.fileno(), b""
    while True:
        if not select.select([pipe], [], [], SILENCE_SECONDS)[0]:
            process.kill()
        data = os.read(pipe, 65536)
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        yield from lines


def _deadly(path: Path, number: int) -> str:
    died = f"crashes on its index ({signal.Signals(number).name})"
    if number == signal.SIGKILL:
        died = f"was not done with its index after {SILENCE_SECONDS:g} s"
    return (
        f"{path}: HDF5 {died}. Its seal is valid, so it was changed on purpose, not damaged by a "
        "disk: do not use files of the same origin"
    )


def main(folders: Sequence[str]) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one ends it
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=_Order)
    stores = {folder: layout.read(Path(folder)) for folder in folders}
    for number, split, epoch, file in order.shards:
        folder, wrong = folders[number], None
        _say(_Answer(begun=True))
        try:
            with Shard(Path(folder), stores[folder], split, epoch, file) as shard:
                shard.check() if order.whole else shard.paths()
        except DataError as error:
            wrong = str(error)
        _say(_Answer(wrong=wrong))
    return 0


def _say(answer: _Answer) -> None:
    os.write(1, msgspec.json.encode(answer) + b"\n")
