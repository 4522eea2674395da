"""Coverage-guided fuzzing of the trainer's two receive paths, and of every decoder.

    python -m tests.fuzz [--inputs 1000000] [--seed 1] [--into DIR] [--keep]

Each input is a sequence of messages on both sockets (tests/fuzz/machine.py). It starts from
corpus.msgpack; what it finds of interest goes to DIR, and a crash is written there as well. With
--keep, what is in DIR already becomes the corpus, and nothing is fuzzed.
Memory above LIMIT_MIB, an input of more than ten seconds and any exception end it.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

import atheris
import msgspec

with atheris.instrument_imports(include=["pushfit.dispatch", "pushfit.plan", "pushfit.wire"]):
    from tests.fuzz import machine

LIMIT_MIB = 512


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--into", default=tempfile.mkdtemp(prefix="fuzz-"))
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    into = Path(options.into)
    if options.keep:
        found = {path.read_bytes() for path in into.rglob("*") if path.is_file()}
        machine.CORPUS.write_bytes(msgspec.msgpack.encode(sorted(found)))
        return
    logging.disable(logging.CRITICAL)
    into.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(machine.corpus()):
        (into / f"kept-{number:04}").write_bytes(data)
    started, inputs, messages = time.monotonic(), 0, 0

    def one(data: bytes) -> None:
        nonlocal inputs, messages
        inputs += 1
        messages += machine.one_input(data)
        if inputs >= options.inputs or inputs % 20_000 == 0:
            seconds = time.monotonic() - started
            print(f"{inputs:,} inputs, {messages:,} messages in {seconds:,.0f} s", flush=True)
        if inputs >= options.inputs:
            os._exit(0)  # libFuzzer has no other end that is a success

    arguments = [sys.argv[0], options.into]
    arguments += [f"-seed={options.seed}", f"-rss_limit_mb={LIMIT_MIB}", "-max_len=400"]
    arguments += ["-timeout=10", "-print_final_stats=1", f"-artifact_prefix={options.into}/"]
    atheris.Setup(arguments, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
