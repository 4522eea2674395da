"""Files of a stranger: what brings HDF5 down ends another process, and is named."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from pushfit.store import layout, seal, vetting
from pushfit.store.layout import Store
from pushfit.store.vetting import vetted
from tests.support.stored import a_store, write_store

ROOT = Path(__file__).parents[2]


def resealed(path: Path, changes: dict[int, int]) -> None:
    """Change bytes of the index, and make the seal anew, as somebody does on purpose."""
    whole = path.read_bytes()
    count = seal._END.unpack(whole[-seal._END.size :])[0]
    end = len(whole) - seal._END.size - count * seal._REGION.size
    regions = list(seal._REGION.iter_unpack(whole[end : -seal._END.size]))
    body = bytearray(whole[:end])
    for at, value in changes.items():
        body[at] = value
    path.write_bytes(bytes(body) + seal.seal(memoryview(body), regions))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return write_store(tmp_path, a_store(8))


def test_whole_files_pass_and_others_are_told_each_by_its_name(
    tmp_path: Path, store: Store
) -> None:
    places = [(tmp_path, "train", epoch, 0) for epoch in range(2)] + [(tmp_path, "val", 0, 0)]
    told: list[tuple[int, int]] = []
    assert vetted(places, whole=True, seen=lambda *counts: told.append(counts)) == []
    assert told == [(1, 0), (2, 0), (3, 0)]
    layout.shard_path(tmp_path, "train", 1, 0).unlink()
    (wrong,) = vetted(places)
    assert "train-0001-00000.h5 is missing" in wrong


def test_an_index_that_brings_hdf5_down_is_named_and_ends_nothing_here(
    tmp_path: Path, store: Store
) -> None:
    """The first of these made HDF5 2.0 end with a segmentation fault."""
    path = layout.shard_path(tmp_path, "train", 0, 0)
    places = [(tmp_path, "train", epoch, 0) for epoch in range(2)]
    good, rng = path.read_bytes(), random.Random(0)
    for changes in ({5097: 246}, *({rng.randrange(len(good) // 2): 255} for _ in range(3))):
        path.write_bytes(good)
        resealed(path, changes)
        wrong = vetted(places)
        assert all(str(path) in each for each in wrong), wrong
        assert 5097 not in changes or len(wrong) == 1
    path.write_bytes(good)
    assert vetted(places) == []


def test_an_index_without_an_end_is_given_up(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change made HDF5 2.0 go round for ever."""
    monkeypatch.setattr(vetting, "SILENCE_SECONDS", 3.0)
    path = layout.shard_path(tmp_path, "train", 0, 0)
    resealed(path, {1000: 206})
    (wrong,) = vetted([(tmp_path, "train", 0, 0)])
    assert str(path) in wrong


CUT = """
import sys
from pathlib import Path
from pushfit.store import layout
from pushfit.store.shard import Shard

folder = Path(sys.argv[1])
store = layout.read(folder)
shard = Shard(folder, store, "train", 0, 0)
arrays = shard.read(0, 8)
with open(shard.path, "r+b") as file:
    file.truncate(100)
print(sum(int(array.astype("int64").sum()) for array in arrays))
"""


def test_a_file_that_is_cut_short_while_it_is_mapped_is_named(tmp_path: Path, store: Store) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CUT, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2, done
    path = layout.shard_path(tmp_path, "train", 0, 0)
    assert f"error: {path} was cut short while it was read" in done.stderr
