"""What `bench job` trains, and its stopwatch.

- `model` is small on purpose: feeding it is the work, as it is on a GPU.
- `watch` stamps the ends of batches, with the CPU time that this process and all that it started
  have used by then.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench._network import smallcnn
from bench._work import SEED


def model(patch: int, classes: int) -> Any:
    import keras

    keras.utils.set_random_seed(SEED)
    return smallcnn(patch, [(8, 4), (16, 2), (32, 2)], classes)


def cpu_of_tree() -> float:
    """CPU seconds of this process and all that descend from it, those that ended included."""
    return max(_cpu_of_tree() for _ in range(2))  # one may miss a process that ends meanwhile


def _cpu_of_tree() -> float:
    used, parents = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                used[int(entry.name)] = sum(map(int, fields[11:15]))  # its own, and its children's
                parents[int(entry.name)] = int(fields[1])
    total = 0
    for process in used:
        above: int | None = process
        while above is not None and above != os.getpid():
            above = parents.get(above)
        total += used[process] if above is not None else 0
    return total / os.sysconf("SC_CLK_TCK")


def watch(began: float, marks: set[int]) -> Any:
    """A callback that notes when each batch ends, in seconds since `began`.

    marks: batches at whose ends it also notes the CPU seconds of all and of this process.
    """
    import keras

    class Watch(keras.callbacks.Callback):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.times: list[float] = []
            self.cpu: dict[int, tuple[float, float]] = {}

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.times.append(time.time() - began)
            if batch in marks:
                self.cpu[batch] = cpu_of_tree(), time.process_time()

        def on_train_end(self, logs: Any = None) -> None:
            # Workers of tf.data service drop what does not fill a batch, each: some may be missing.
            last = len(self.times) - 1
            if last not in self.cpu:
                self.cpu[last] = cpu_of_tree(), time.process_time()

    return Watch()
