"""Files of a run, a store or a key folder with bytes changed at random: each is read, or told.

python -m tests.fuzz.files 1000000 [seed]
"""

from __future__ import annotations

import json
import logging
import random
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from pushfit.errors import PushFitError
from pushfit.feed.audit import Audited
from pushfit.runs import checkpoint_state
from pushfit.runs.checkpoint_state import MEMBER, Array, Best, HiddenState, RunState
from pushfit.runs.quarantine import Quarantine
from pushfit.settings import config_file, resume_layer
from pushfit.store import layout
from pushfit.wire import keys
from tests.fuzz.damage import mutated
from tests.support.stored import a_store

Target = tuple[bytes, Callable[[Path, bytes], object]]


def a_state() -> RunState:
    seed = Array.of(np.arange(2, dtype=np.uint32))
    python = 3, (1, 2, 3), None
    return RunState(
        run="abc", settings={"task": "camera", "seed": "7"}, source="1234", classes=("a", "b"),
        counts={"train": [3, 4]}, fingerprint="f" * 64, epoch=1, step=2, taken=9,
        resumed_at=[{"epoch": 0, "step": 1}], history={"loss": [0.5]}, best=Best(0.5, False),
        waiting=None, audited=Audited({}, [3], b"x" * 32),
        hidden_state=HiddenState([seed], [], None, python, ("MT19937", b"12", 1, 0, 0.0)),
        given_up=[("train", 3, "torn")], steps={"train": [9]},
    )  # fmt: skip


def _state(folder: Path, data: bytes) -> object:
    path = folder / "a.keras"
    with zipfile.ZipFile(path, "w") as file:
        for name in ("config.json", "model.weights.h5"):
            file.writestr(name, b"")
        file.writestr(MEMBER, data)
    return checkpoint_state.read(path)


def _archive(folder: Path, data: bytes) -> object:
    (folder / "a.keras").write_bytes(data)
    return checkpoint_state.read(folder / "a.keras")


def _store(folder: Path, data: bytes) -> object:
    (folder / layout.STORE).write_bytes(data)
    return layout.read(folder)


def _config(folder: Path, data: bytes) -> object:
    (folder / config_file.CONFIG).write_bytes(data)
    return resume_layer.values_of_run(folder)


def _quarantine(folder: Path, data: bytes) -> object:
    path = folder / "quarantine.jsonl"
    path.write_bytes(data)
    return Quarantine(path).earlier()


def _key(folder: Path, data: bytes) -> object:
    path = folder / "a.key"
    path.unlink(missing_ok=True)
    path.touch(0o600)
    path.write_bytes(data)
    return keys.read_secret(path, keys.GeneratorKey)


def targets(folder: Path) -> dict[str, Target]:
    """By name: a good file's bytes, and what reads one."""
    packed = msgspec.msgpack.encode(a_state())
    _state(folder, packed)
    pair, trainer = keys.new_pair("a"), keys.new_pair("trainer").public
    key = folder / "b.key"
    key.unlink(missing_ok=True)
    keys.write_new(key, keys.GeneratorKey("a", pair.public, pair.secret, trainer))
    row = {"host": "h", "path": "train/é\u2028", "reason": "torn", "split": "train", "epoch": 1}
    settings = {"settings": {"seed": {"value": 7, "source": "command line"}}}
    return {
        "state": (packed, _state),
        "archive": ((folder / "a.keras").read_bytes(), _archive),
        "store": (msgspec.json.encode(a_store()), _store),
        "config": (json.dumps(settings).encode(), _config),
        "quarantine": ((json.dumps(row) + "\n").encode() * 2, _quarantine),
        "key": (key.read_bytes(), _key),
    }


def fuzz(count: int, seed: int) -> Counter[str]:
    """`count` inputs for each target. Returns how many were read and told; raises what escapes."""
    rng, came = random.Random(seed), Counter[str]()
    with tempfile.TemporaryDirectory() as name:
        for target, (good, read) in targets(Path(name)).items():
            read(Path(name), good)
            for _ in range(count):
                data = mutated(good, rng)
                try:
                    read(Path(name), data)
                    came[f"{target} read"] += 1
                except PushFitError:
                    came[f"{target} told"] += 1
                except BaseException:
                    print(f"{target}: {data!r}", file=sys.stderr)
                    raise
    return came


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    each = int(sys.argv[1]) // 6
    print(fuzz(each, int(sys.argv[2]) if len(sys.argv) > 2 else 0))
