"""One measurement of `fit`, in a process of its own.

    python -m bench._fit_sides SIDE REGIME SECONDS BYTES-A-SECOND

    memory   `fit(x, y)` on numpy arrays, as Keras documents it
    beside   memory, while the same bytes a second cross a loopback connection of this machine
    fed      ready-made generators ─▶ Stream ─▶ Feed ─▶ `Fit`, all of train_zmq.py's callbacks

Model, batch and the samples' values are the same on each. Steps are counted between the ends of
batches, from WARM seconds on; what happens between two epochs of `memory` is left out of its time.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import keras
import numpy as np
import zmq

from bench._apart import beside, tell
from bench._flow import per
from bench._network import smallcnn
from bench._ready import fleet, noise
from bench.fit import REGIMES, Regime
from pushfit.fleet.local import die_with_parent
from pushfit.settings.programs.train import TrainSettings
from pushfit.settings.stream import MiB
from pushfit.tasks.camera.params import CameraParams
from pushfit.tasks.camera.task import CameraTask
from pushfit.training import backend
from pushfit.training.fit import Fit

WARM = 2.0  # seconds until the connection, the caches and TensorFlow's graph have settled
MEMORY = 384 * MiB  # of arrays for `memory`
BUFFER = 128 * MiB  # small: what was received during start-up is used up within WARM
SAMPLES = 2_000_000  # an epoch of `fed`: none ends within a measurement
PEERS = 2
LOAD_BYTES = 8_000_000  # of a message: as large as a lease


class Enough(Exception):
    """The measurement is over."""


class Stopwatch(keras.callbacks.Callback):
    """Counts steps and seconds between ends of batches. Raises Enough."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds, self.began, self.cpu = seconds, 0.0, 0.0
        self.steps, self.spent, self.used = 0, 0.0, 0.0
        self._last: tuple[int, float, float] | None = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._last = None

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        now, cpu = time.perf_counter(), time.process_time()
        self.began = self.began or now
        if self._last is not None and self._last[1] - self.began > WARM:
            step, then, used = self._last
            self.steps += batch - step
            self.spent += now - then
            self.used += cpu - used
        self._last = batch, now, cpu
        if self.spent >= self.seconds:
            raise Enough


def model(regime: Regime) -> keras.Model:
    if not regime.filters:
        return smallcnn(regime.patch, [], 2, corner=8)
    return smallcnn(regime.patch, [(regime.filters, regime.stride), (regime.filters, 2)], 2)


def task(regime: Regime) -> CameraTask:
    return CameraTask(CameraParams(patch=regime.patch))


def arrays(regime: Regime, batches: int) -> tuple[np.ndarray, np.ndarray]:
    image, label, _ = noise(task(regime).arrays(), regime.batch * batches)
    return image, label


def memory(regime: Regime, watch: Stopwatch) -> None:
    each = regime.batch * regime.patch**2 * 3
    x, y = arrays(regime, max(8, MEMORY // each))
    model(regime).fit(x, y, regime.batch, epochs=10**6, shuffle=False, verbose=0, callbacks=[watch])


def fed(regime: Regime, watch: Stopwatch) -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        model(regime).save(out / "model.keras")
        settings = TrainSettings(
            model="smallcnn", weights=str(out / "model.keras"), batch_size=regime.batch, epochs=1,
            patches_per_epoch=SAMPLES, bind="tcp://127.0.0.1:0", buffer=BUFFER, progress="lines",
        )  # fmt: skip
        with fleet(settings, CameraParams(patch=regime.patch), PEERS) as stream:
            fit = Fit(stream, settings, out, {})
            fit._callbacks.callbacks.append(watch)
            fit.run()


def _measure(side: str, regime: Regime, seconds: float) -> dict[str, float]:
    keras.utils.set_random_seed(0)
    watch = Stopwatch(seconds)
    with suppress(Enough):
        (fed if side == "fed" else memory)(regime, watch)
    return {
        "ms": 1000 * per(watch.spent, watch.steps, "steps"),
        "cpu_ms": 1000 * per(watch.used, watch.steps, "steps"),
    }


def load(rate: float) -> None:
    """A connection that `rate` bytes a second cross, as the leases of `fed` do. Never ends."""
    die_with_parent()
    context = zmq.Context(2)  # the sender's thread and the receiver's
    pull, push = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    push.connect(f"tcp://127.0.0.1:{pull.bind_to_random_port('tcp://127.0.0.1')}")
    payload = np.full(LOAD_BYTES, 7, np.uint8)
    due = time.monotonic()
    while True:
        push.send(payload.data, copy=False)
        pull.recv(copy=False)
        due += LOAD_BYTES / rate
        time.sleep(max(0.0, due - time.monotonic()))


def main(side: str, regime: str, seconds: float, rate: float) -> dict[str, float]:
    backend.start()
    with ExitStack() as stack:
        if side == "beside":
            stack.enter_context(beside("-m", "bench._fit_sides", "load", regime, 0, rate))
        return _measure(side, REGIMES[regime], seconds)


if __name__ == "__main__":
    if sys.argv[1] == "load":
        load(float(sys.argv[4]))
    tell(main)
