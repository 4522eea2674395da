"""The digits task as a user runs it: one stream for any fleet, and wrong files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.lab.processes import Starter
from tests.support.idx_files import write_digits, write_idx
from tests.support.reports import hashes, report_of

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@pytest.mark.slow
def test_the_stream_is_the_same_for_any_fleet(start: Starter, tmp_path: Path) -> None:
    links, streams = write_digits(tmp_path / "links", 2000), {}
    for fleet in (1, 2, 4):
        report = tmp_path / f"{fleet}.json"
        bent = ("--shear", 0.2, "--elastic", 0.1)
        flags = ("--task", "digits", *bent, "--lease-bytes", "40KB", "--report", report)
        start.sink(links, *flags, "--epochs", 2, "--generators", fleet).done()
        streams[fleet] = hashes(report_of(report))
    assert streams[1] == streams[2] == streams[4]
    assert len(set(streams[1])) == 3  # training images move anew each epoch, the others stay


def other_magic(links: Path) -> None:
    (links / IMAGES).write_bytes(b"<html>" + (links / IMAGES).read_bytes())


def truncate(links: Path) -> None:
    (links / IMAGES).write_bytes((links / IMAGES).read_bytes()[:-100])


def shorten_labels(links: Path) -> None:
    write_idx(links / LABELS, np.arange(39) % 10)


def remove_labels(links: Path) -> None:
    (links / LABELS).unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (other_magic, f"{IMAGES} begins with 3c 68 74 6d, not with 00 00 08 03 as IDX images do"),
        (
            truncate,
            f"{IMAGES} should have 31,376 bytes by its header, and is shorter: copy it again",
        ),
        (shorten_labels, f"{LABELS} holds 39 labels, and {IMAGES} 40 images"),
        (remove_labels, f"{IMAGES} is there without {LABELS}"),
    ],
)
def test_files_that_cannot_serve(
    start: Starter, tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    links = write_digits(tmp_path / "links")
    spoil(links)
    script = start.trainer(links, "--task", "digits", "--generators", 1, "--out", tmp_path / "out")
    script.done(2)
    assert script.wait_for(f"^error: .*{message}")
    assert len(script.lines) == 1  # and before Keras is imported
    assert not (tmp_path / "out").exists()
