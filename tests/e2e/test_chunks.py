"""Records in chunks, by whole programs: one stream for any fleet, and few reads of each chunk."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import pushfit
from bench.lab.processes import Starter
from tests.support.own_tasks import write_task
from tests.support.reports import hashes, report_of

pytestmark = pytest.mark.slow

# The chunks of an HDF5 file, as they are stored, are the unit in which it can be read.
CHUNKS_OF_A_FILE = """
import os

import h5py
import numpy as np

from pushfit import ArraySpec, Chunk, ChunkedTask, chunked


class Patches(ChunkedTask):
    name = "patches"
    row = {"batch_size": 16, "shuffle_groups": 3}
    shared_scan = True

    def scan(self, links):
        with h5py.File(links / "all.h5") as file:
            labels, rows = file["y"][:], file["x"].chunks[0]

        def chunks(of_val):
            for number, first in enumerate(range(0, len(labels), rows)):
                some = labels[first : first + rows]  # the last chunk has fewer rows
                if (number % 5 == 3) == of_val:
                    yield Chunk(f"all.h5/{first}", len(some), some)

        return chunked(("dark", "light"), {"train": chunks(False), "val": chunks(True)})

    def read_chunk(self, links, path):
        with (links / "reads").open("a") as log:
            log.write(f"{os.getpid()} {path}\\n")
        with h5py.File(links / "all.h5") as file:
            first = int(path.rpartition("/")[2])
            rows = slice(first, first + file["x"].chunks[0])
            return list(zip(file["x"][rows], file["y"][rows]))

    def arrays(self):
        return ArraySpec("image", "uint8", (8, 8, 3)), ArraySpec("label", "int32", ())

    def sample(self, item, record, split, patch, rng):
        image = item[0][:, ::-1] if split == "train" and rng.random() < 0.5 else item[0]
        assert item[1] == record.label
        return {"image": image, "label": record.label}

    def to_fit(self, batch):
        return batch["image"], batch["label"]
"""
ROWS, A_CHUNK = 230, 12
HELD_OUT = 4 * A_CHUNK  # the last of the 20 chunks has two rows, to train on
FLAGS = ("--epochs", 2, "--hash", "--lease-bytes", 2000, "--max-bad", 20)


@pytest.fixture
def task(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (ROWS, 8, 8, 3), np.uint8)
    images[:, 0, 0, 0] = images[:, 0, -1, 0] = np.arange(ROWS)  # by which a row is known
    with h5py.File(tmp_path / "all.h5", "w") as file:
        file.create_dataset("x", data=images, chunks=(A_CHUNK, 8, 8, 3), compression="gzip")
        file["y"] = rng.integers(0, 2, ROWS)
    return write_task(tmp_path / "patches.py", CHUNKS_OF_A_FILE)


def reads(links: Path) -> Counter[tuple[str, str]]:
    """How often each process has read each chunk, since this was last asked."""
    log = links / "reads"
    process_and_chunk = [tuple(line.split()) for line in log.read_text().splitlines()]
    log.unlink()
    return Counter((process, chunk) for process, chunk in process_and_chunk)


def told_with(start: Starter, task: Path, tmp_path: Path, fleet: int) -> dict[str, Any]:
    """The report of a sink with so many generators."""
    report = tmp_path / f"{fleet}.json"
    flags = (*FLAGS, "--task", task, "--report", report, "--generators", fleet)
    start.sink(tmp_path, *flags).done()
    return report_of(report)


def test_the_stream_is_that_of_any_fleet_and_each_chunk_is_read_once_an_epoch(
    start: Starter, task: Path, tmp_path: Path
) -> None:
    streams = {}
    for fleet in (1, 2):
        found = told_with(start, task, tmp_path, fleet)
        assert [row["seen"] for row in found["splits"]["train"]] == [ROWS - HELD_OUT] * 2
        assert [row["seen"] for row in found["splits"]["val"]] == [HELD_OUT] * 2
        streams[fleet] = hashes(found)
        # Before it joins, a generator reads a chunk or two, and one may be gone when it is needed.
        assert max(reads(tmp_path).values()) <= 3
    assert streams[1] == streams[2]
    assert None not in streams[1] and len(set(streams[1])) == 3  # validation comes as it came


def test_a_loop_sees_every_row_once_and_continues_within_a_chunk(
    task: Path, tmp_path: Path
) -> None:
    def rows(stream: pushfit.BatchStream) -> list[int]:
        return [row for each in stream for b in each["train"] for row in b["image"][:, 0, 0, 0]]

    options = {"links": tmp_path, "generators": 1, "bind": "tcp://127.0.0.1:*", "mix_visits": 0}
    with pushfit.stream(task, epochs=1, shuffle_groups=1, **options) as stream:
        batches = iter(next(iter(stream))["train"])
        first = [int(row) for _ in range(3) for row in next(batches)["image"][:, 0, 0, 0]]
        state = json.loads(json.dumps(stream.state_dict()))
        came = first + [int(row) for batch in batches for row in batch["image"][:, 0, 0, 0]]
    assert len(came) == len(set(came)) == ROWS - HELD_OUT
    chunks = [row // A_CHUNK for row in came]
    assert sum(one != other for one, other in pairwise(chunks)) == 15
    with pushfit.stream(task, epochs=1, shuffle_groups=1, state=state, **options) as stream:
        assert rows(stream) == came[len(first) :]


def test_a_chunk_that_is_damaged_costs_its_rows_and_one_read(
    start: Starter, task: Path, tmp_path: Path
) -> None:
    with h5py.File(tmp_path / "all.h5") as file:
        chunk = file["x"].id.get_chunk_info(6)
    with (tmp_path / "all.h5").open("r+b") as raw:
        raw.seek(chunk.byte_offset)
        raw.write(bytes(chunk.size))
    streams = {}
    for fleet in (1, 2):
        found = told_with(start, task, tmp_path, fleet)
        assert [row["bad"] for row in found["splits"]["train"]] == [A_CHUNK] * 2
        streams[fleet] = hashes(found)
        counts = reads(tmp_path)
        assert {count for (_, chunk), count in counts.items() if chunk == "all.h5/72"} == {1}
    assert streams[1] == streams[2] and None not in streams[1]
