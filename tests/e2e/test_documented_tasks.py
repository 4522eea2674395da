"""The tasks that docs/your-own-task.md shows: each runs, with the same stream for any fleet."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest

from bench.lab.processes import ROOT, Starter
from tests.support.own_tasks import write_task
from tests.support.reports import hashes, report_of

pytestmark = pytest.mark.slow

IMPORTS = """
import tarfile

import msgspec
import numpy as np

import pushfit
from pushfit import Chunk, ChunkedTask, chunked
from pushfit.decoding import images
from pushfit.errors import BadRecord
from pushfit.tasks.base import ArraySpec, BlockTask, DataSet, Record, RecordTable, Task, of_class
from pushfit.tasks.labelled import LabelledImages

"""


def shown(heading: str) -> str:
    """The first block of Python below a heading."""
    page = (ROOT / "docs" / "your-own-task.md").read_text(encoding="utf-8")
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    match = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert match, heading
    return match[1]


def write_shards(photos: Path) -> None:
    """Tar files of 1, 2, 3, … photos, each with the number of its class."""
    for split, folder in (("train", "train"), ("val", "val_images")):
        classes = sorted((photos / folder).iterdir())
        labelled = [(jpeg, label) for label, each in enumerate(classes) for jpeg in each.iterdir()]
        shard = 1
        while labelled:
            with tarfile.open(photos / f"{split}-{shard}.tar", "w") as tar:
                for number, (jpeg, label) in enumerate(labelled[:shard]):
                    tar.add(jpeg, f"{number:04}.jpg")
                    info = tarfile.TarInfo(f"{number:04}.cls")
                    info.size = 1
                    tar.addfile(info, io.BytesIO(str(label).encode()))
            labelled, shard = labelled[shard:], shard + 1


@pytest.mark.parametrize(
    "heading",
    [
        "Several records in one sample",
        "What only the data knows",
        "How often a record comes",
        "A mixture of sources",
        "Slow disks and archives, read nearly in order",
        "Archives and chunks: `ChunkedTask`",
        "Millions of records",
        "Samples of several lengths",
        "A curriculum",
        "Loading a model before the first sample",
        "Thousands of small samples: `BlockTask`",
        "Decoding only what is needed: `decode_for`",
    ],
)
def test_a_task_that_the_page_shows_runs(
    start: Starter, tmp_path: Path, photos: Path, heading: str
) -> None:
    np.save(photos / "teacher.npy", np.eye(64 * 64 * 3, 2))
    np.save(photos / "rows.npy", np.arange(120, dtype=np.float32).reshape(40, 3))
    for split, folder in (("train", "train"), ("val", "val_images")):
        paths = enumerate(sorted((photos / folder).iterdir()))
        rows = [
            f"{n}\t{folder}/{each.name}/{p.name}\n"
            for n, each in paths
            for p in sorted(each.iterdir())
        ]
        (photos / f"{split}.tsv").write_text("".join(rows))
    write_shards(photos)
    for folder in (*photos.glob("train/*/"), *photos.glob("val/*/")):
        for number in range(4):
            (folder / f"{number}.txt").write_text(folder.name * (number + 1))
    task, streams = write_task(tmp_path / "mytask.py", IMPORTS + shown(heading)), {}
    for fleet in (1, 2):
        report = tmp_path / f"{fleet}.json"
        flags = ("--task", task, "--report", report, "--epochs", 2, "--generators", fleet)
        start.sink(photos, *flags).done()
        streams[fleet] = hashes(report_of(report))
    assert streams[1] == streams[2]
