"""The texts of docs/your-own-task.md: trained on, resumed, replayed and predicted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pushfit
from bench.lab.processes import ROOT, Starter
from pushfit.runs.checkpoint_state import LAST
from tests.support import pages
from tests.support.own_tasks import write_task
from tests.support.reports import hashes, report_of
from tests.support.run_files import variables

pytestmark = pytest.mark.slow

IMPORTS = """
import numpy as np

from pushfit.tasks.base import ArraySpec, DataSet, Record, Task

"""
# Every batch but one of zeros, from which shapes are learned, is as long as its longest text.
CUT = """\
        longest = int(batch["length"].max())
        assert not longest or batch["ids"].shape[1] == -(-longest // 16) * 16
"""
TEST = """
    def scan_test(self, links):
        paths = sorted(path.name for path in links.glob("*.txt"))
        return DataSet(("all",), {"test": tuple(Record(name) for name in paths)})
"""
TRIM = '    trimmed = {"ids": "length"}\n'
LOCAL = ("--batch-size", 8, "--bind", "tcp://127.0.0.1:0")
QUIET = ("--hash", "--deterministic", "--no-tensorboard")
LONG = 240.0  # seconds


@pytest.fixture
def links(tmp_path: Path) -> Path:
    """Two classes of texts, of 1 to 57 letters."""
    for split, count in (("train", 24), ("val", 6)):
        for letter in "ab":
            folder = tmp_path / "links" / split / letter
            folder.mkdir(parents=True)
            for number in range(count):
                length = 1 + (number * (11 if letter == "a" else 7)) % 57
                (folder / f"{number:02}.txt").write_text(letter * length)
    return tmp_path / "links"


def source() -> str:
    blocks = pages.blocks(ROOT / "docs" / "your-own-task.md", "python")
    (shown,) = (block for block in blocks if TRIM in block)
    head = "    def to_fit(self, batch):\n"
    assert head in shown
    return IMPORTS + shown.replace(head, head + CUT) + TEST


@pytest.fixture
def task(tmp_path: Path) -> Path:
    return write_task(tmp_path / "texts.py", source())


@pytest.mark.timeout(900)  # six programs that start TensorFlow
def test_trained_resumed_replayed_and_predicted_with(
    start: Starter, tmp_path: Path, links: Path, task: Path
) -> None:
    flags = ("--task", task, "--links", links, *LOCAL)
    calm, resumed, replayed = (tmp_path / name for name in ("calm", "resumed", "replayed"))
    start("train_zmq.py", *flags, *QUIET, "--epochs", 2, "--generators", 2, "--out", calm).done(
        seconds=LONG
    )
    one = (*QUIET, "--epochs", 1, "--generators", 1, "--out", resumed)
    start("train_zmq.py", *flags, *one).done(seconds=LONG)
    again = ("--resume", "--out", resumed, "--epochs", 2, "--generators", 1)
    start("train_zmq.py", *again).done(seconds=LONG)
    store = tmp_path / "store"
    start("sink_zmq.py", *flags, "--epochs", 2, "--generators", 1, "--out", store).done()
    stored = ("--from", store, "--task", task, "--epochs", 2, "--out", replayed)
    start("train_zmq.py", *stored, *QUIET).done(seconds=LONG)

    whole = write_task(tmp_path / "whole" / "texts.py", source().replace(TRIM, "").replace(CUT, ""))
    report = tmp_path / "whole.json"
    untrimmed = ("--task", whole, "--links", links, *LOCAL, "--epochs", 2, "--generators", 1)
    start("sink_zmq.py", "--null", "--hash", *untrimmed, "--report", report).done()
    expected = hashes(report_of(report))
    for out in (calm, resumed, replayed):
        assert hashes(report_of(out / "report.json")) == expected
        for ours, theirs in zip(variables(calm / LAST), variables(out / LAST), strict=True):
            np.testing.assert_array_equal(ours, theirs)

    table = tmp_path / "p.csv"
    told = ("--run", calm, "--data", links / "val" / "b", "--generators", 1, "--out", table)
    start("predict.py", *told).done(seconds=LONG)
    assert len(table.read_text().splitlines()) == 7


def test_a_loop_of_ones_own_continues_within_an_epoch(links: Path, task: Path) -> None:
    options = {"links": str(links), "batch_size": 8, "epochs": 1, "generators": 1, "hash": True}
    options |= {"bind": "tcp://127.0.0.1:*", "splits": ("train",), "timeout": 60.0}
    with pushfit.stream(str(task), **options) as stream:
        assert [spec.shape for spec in stream.arrays] == [(512,), (), ()]
        whole = [batch["ids"].copy() for batch in stream.batches()]
        expected = stream.report()["splits"]
    assert {each.shape[1] for each in whole} <= {16, 32, 48, 64}
    with pushfit.stream(str(task), **options) as stream:
        loop = stream.batches()
        got = [next(loop)["ids"].copy() for _ in range(2)]
        state = stream.state_dict()
    with pushfit.stream(str(task), **options, state=state) as stream:
        got += [batch["ids"].copy() for batch in stream.batches()]
        assert stream.report()["splits"] == expected
    assert len(got) == len(whole) == 6
    assert all(map(np.array_equal, got, whole))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('{"ids": "length"}', '{"ids": "lengths"}', "trimmed names 'lengths', did you mean 'len"),
        ("Input((None,), dtype", "Input((512,), dtype", "has 512 in axis 1, and the task trims"),
        ('"length": len(part)', '"length": 513', "the 'length' 513: a length of 'ids' is 0 to 512"),
    ],
)
def test_a_mistake_is_one_sentence(
    start: Starter, tmp_path: Path, links: Path, old: str, new: str, says: str
) -> None:
    wrong = write_task(tmp_path / "wrong.py", source().replace(old, new))
    flags = ("--task", wrong, "--links", links, *LOCAL, "--generators", 1, "--epochs", 1)
    said = start("train_zmq.py", *flags, "--no-tensorboard", "--out", tmp_path / "out").done(
        2, seconds=LONG
    )
    assert says in said
