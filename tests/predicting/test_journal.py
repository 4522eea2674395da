"""What was predicted is there after a kill at any byte, and is never taken for something else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushfit.errors import DataError, OutputError
from pushfit.feed.source import Reference
from pushfit.predicting.journal import Bad, Journal
from pushfit.tasks.base import TEST
from tests.support.names import UTF8

ORIGIN = {"runs": "a,b,c", "--samples": "1"}
NUMBERS = [(0, 2), (1,)]  # two groups of runs
RECORDS, CLASSES = 10, 3
BROKEN = Bad(7, "test/7.jpg", "host", "truncated")
SAID = np.random.default_rng(0).random((3, RECORDS, CLASSES), np.float32)
TRUTH = np.arange(RECORDS)


def reference(records: int = RECORDS) -> Reference:
    listing = [f"test/{number}.jpg\t{number}" for number in range(records)]
    return Reference(("unlabelled",), {TEST: [RECORDS]}, "print", listing, "somebody")


def opened(path: Path, **different: Any) -> Journal:
    return Journal(path, **{"origin": ORIGIN, "numbers": NUMBERS} | different)


def go_on(journal: Journal) -> None:
    """All that is still missing, four records at a time."""
    journal.begin(reference())
    for group, numbers in enumerate(NUMBERS):
        while not journal.is_complete(group):
            rows = slice(journal.done(group), journal.done(group) + 4)
            bad = [BROKEN] if rows.start <= BROKEN.record < rows.stop else []
            journal.add(group, [SAID[run, rows] for run in numbers], TRUTH[rows], bad)


def assert_whole(journal: Journal) -> None:
    assert (journal.said() == SAID).all()
    assert (journal.truth == TRUTH).all()
    assert journal.bad == {BROKEN.record: BROKEN}
    assert journal.head is not None and journal.head.paths[3] == "test/3.jpg"


def test_cut_short_anywhere_it_goes_on_to_the_same_end(tmp_path: Path) -> None:
    path = tmp_path / "out.csv.part"
    with opened(path) as journal:
        go_on(journal)
        assert_whole(journal)
    whole = path.read_bytes()
    done = -1
    for length in (*range(0, len(whole), 7), len(whole)):
        path.write_bytes(whole[:length])
        with opened(path) as journal:
            now = sum(journal.done(group) for group in range(2))
            assert now >= done  # never less for a longer file
            done = now
            go_on(journal)
            assert_whole(journal)
        assert path.read_bytes() == whole
    assert done == 2 * RECORDS


@given(st.lists(UTF8, min_size=1, max_size=4))
def test_whatever_names_hold_they_are_read_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    path = tmp_path_factory.mktemp("part") / "out.csv.part"
    listing = [f"{name}\t{size}" for size, name in enumerate(names)]
    broken = [Bad(0, names[0], names[-1], names[0])]
    known = Reference(tuple(names), {TEST: [len(names)]}, "print", listing, "somebody")
    said = np.zeros((len(names), CLASSES), np.float32)
    with opened(path, numbers=[[0]]) as journal:
        journal.begin(known)
        journal.add(0, [said], np.zeros(len(names)), broken)
    with opened(path, numbers=[[0]]) as again:
        assert again.head is not None and again.head.paths == names
        assert again.head.classes == tuple(names) and again.bad == {0: broken[0]}


@pytest.mark.parametrize("damage", [b"\0" * 30, b"\xff" * 30])
def test_what_the_disk_lost_counts_as_not_done(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "out.csv.part"
    with opened(path) as journal:
        go_on(journal)
    whole = path.read_bytes()
    for at in range(22, len(whole) - 30, 7):
        path.write_bytes(whole[:at] + damage + whole[at + 30 :])
        with opened(path) as journal:
            go_on(journal)
            assert_whole(journal)


def test_the_data_set_is_known_without_the_data(tmp_path: Path) -> None:
    with opened(tmp_path / "part") as journal:
        assert journal.head is None and journal.records == 0 and not journal.is_complete(0)
        journal.begin(reference())
    with opened(tmp_path / "part") as journal:
        assert journal.head is not None
        known = journal.head.reference()
    assert (known.fingerprint, known.counts, known.listing) == (
        "print", {TEST: [RECORDS]}, reference().listing,
    )  # fmt: skip


def test_another_prediction_is_refused_by_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "out.csv.part"
    with opened(path) as journal:
        go_on(journal)
    other = {**ORIGIN, "--samples": "4"}
    with pytest.raises(OutputError, match=r"not the same --samples\. .*--overwrite"):
        opened(path, origin=other)
    with opened(path) as journal:
        assert_whole(journal)  # nothing was lost
    with opened(path, overwrite=True) as journal:
        assert_whole(journal)  # the same one goes on all the same
    with opened(path, origin=other, overwrite=True) as journal:
        assert journal.head is None
        go_on(journal)
        assert_whole(journal)


def test_a_file_of_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "out.csv.part"
    path.write_text("my notes")
    with pytest.raises(OutputError, match="is not the journal of a prediction"):
        opened(path)
    assert path.read_text() == "my notes"


def test_one_process_at_a_time(tmp_path: Path) -> None:
    told = pytest.raises(OutputError, match=r"another prediction is at work")
    with opened(tmp_path / "part"), told:
        opened(tmp_path / "part")
    with opened(tmp_path / "part"):
        pass
    assert not list(tmp_path.iterdir())  # nothing came of it


def test_records_without_names_are_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "part") as journal, pytest.raises(DataError, match="give --data"):
        journal.begin(reference(0))


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="the folder is gone"):
        opened(tmp_path / "gone" / "part")
