"""One measurement of `bench store`: python -m bench._stored KIND FILTER FILE.npz MB FOLDER"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from bench._apart import tell
from bench._replay_store import empty
from bench.store import KINDS
from pushfit.store.layout import SHARD_BYTES, Store, shard_paths
from pushfit.store.shard import Shard
from pushfit.store.writer import Writer, put
from pushfit.tasks.base import TRAIN

LEASE_BYTES = 8 * 2**20


def measure(kind: str, name: str, file: Path, mb: float, folder: Path) -> dict[str, float]:
    with np.load(file) as held:
        arrays = [held[key] for key in held.files]
    with tempfile.TemporaryDirectory(dir=folder) as into:
        return measured(kind, name, arrays, mb * 1e6, Path(into))


def a_store(kind: str, name: str, nbytes: float) -> Store:
    task, params, _, patches = KINDS[kind]
    return replace(empty(task, params, patches, 32, nbytes), compress=name)


def measured(
    kind: str, name: str, arrays: list[np.ndarray], nbytes: float, folder: Path
) -> dict[str, float]:
    store = a_store(kind, name, nbytes)
    form = store.splits[TRAIN]
    samples, drawn = form.visits * form.patches, len(arrays[0]) // form.patches
    mb = samples * store.sample_bytes / 1e6
    lease = max(1, LEASE_BYTES // (form.patches * store.sample_bytes))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, cpu = time.perf_counter(), time.process_time()
    writer, done = Writer(folder, store, TRAIN, 0, 0, put), 0
    while done < form.visits:
        start = done % drawn
        count = min(lease, form.visits - done, drawn - start)
        rows = slice(start * form.patches, (start + count) * form.patches)
        writer.add([array[rows] for array in arrays], ["train/a/000000.jpg"] * count, [])
        done += count
    wrote, spent = time.perf_counter() - began, time.process_time() - cpu
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    size = sum(path.stat().st_size for path in shard_paths(folder))
    groups = [(first // form.shard, first) for first in range(0, form.visits, form.group)]
    plain = _plain(folder, size)
    in_order = _read(folder, store, groups, arrays)
    shuffled = [groups[n] for n in np.random.default_rng(0).permutation(len(groups))]
    any_order = _read(folder, store, shuffled, arrays)
    return {
        "size": size / (mb * 1e6),
        "write_vs_plain": plain / wrote,
        "write_mb_s": mb / wrote,
        "write_cpu_s_gb": spent / mb * 1e3,
        "write_memory_mib": grown,
        "read_mb_s": mb / in_order[0],
        "read_cpu_s_gb": in_order[1] / mb * 1e3,
        "shuffled_mb_s": mb / any_order[0],
        "shuffled_cpu_s_gb": any_order[1] / mb * 1e3,
        "right": in_order[2] and any_order[2],
    }


def _plain(folder: Path, size: int) -> float:
    """Seconds to put as many bytes as the shards have onto the same disk, in files as large."""
    piece = memoryview(np.random.default_rng(0).bytes(SHARD_BYTES))
    began, done = time.perf_counter(), 0
    while done < size:
        put(folder / f"{done}.plain", piece[: size - done])
        done += len(piece)
    return time.perf_counter() - began


def _read(
    folder: Path, store: Store, groups: list[tuple[int, int]], arrays: list[np.ndarray]
) -> tuple[float, float, bool]:
    """Seconds, and of a core, to copy all groups out, as a batch would; and whether each began as
    it was stored."""
    form = store.splits[TRAIN]
    rows = form.group * form.patches
    into = [np.zeros((rows, *spec.shape), spec.dtype) for spec in store.arrays]
    right, began, cpu = True, time.perf_counter(), time.process_time()
    shards = [Shard(folder, store, TRAIN, 0, number) for number in range(form.shards)]
    for number, first in groups:
        shard = shards[number]
        count = min(form.group, shard.first + shard.count - first)
        for batch, array in zip(into, shard.read(first, count), strict=True):
            batch[: len(array)] = array
        row = first * form.patches % len(arrays[0])
        right = right and bool((into[0][0] == arrays[0][row]).all())
    seconds, spent = time.perf_counter() - began, time.process_time() - cpu
    for shard in shards:
        shard.close()
    return seconds, spent, right


if __name__ == "__main__":
    tell(measure)
