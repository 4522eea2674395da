"""However visits come, the files are the same; where a stream goes on is what the files say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pushfit.errors import DataError, OutputError
from pushfit.store import layout, progress
from pushfit.store.layout import shard_path, shard_paths
from pushfit.store.progress import Progress, before, position
from pushfit.store.shard import Shard
from pushfit.store.writer import Writer, put
from tests.support.names import NAMES
from tests.support.stored import a_store, samples, write_shard, write_store


@given(data=st.data())
@settings(max_examples=20)
def test_leases_of_any_size_make_the_same_files(data: st.DataObject) -> None:
    visits, patches = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 3))
    group = data.draw(st.integers(1, 5))
    store = a_store(visits, patches, group, group * data.draw(st.integers(1, 3)))
    number = data.draw(st.integers(0, store.splits["train"].shards - 1))
    first, every = store.splits["train"].span(number)[0], samples(store, "train", 1)
    bad = sorted(data.draw(st.sets(st.integers(first, visits - 1), max_size=4)))

    def written(sizes: st.SearchStrategy[int]) -> dict[Path, bytes]:
        saved: dict[Path, bytes] = {}
        writer = Writer(
            Path("out"), store, "train", 1, number,
            lambda path, image: saved.__setitem__(path, bytes(image)),
        )  # fmt: skip
        start = first
        while start < visits:
            stop = min(visits, start + data.draw(sizes))
            rows = slice(start * patches, stop * patches)
            paths = [f"{visit}.jpg" for visit in range(start, stop)]
            mine = [visit for visit in bad if start <= visit < stop]
            writer.add([array[rows] for array in every], paths, mine)
            start = stop
        return saved

    whole = written(st.just(visits))
    assert list(whole) == [
        shard_path(Path("out"), "train", 1, n) for n in range(number, store.splits["train"].shards)
    ]
    assert written(st.integers(1, 9)) == whole


def test_what_a_writer_wrote_is_read(tmp_path: Path) -> None:
    store = a_store()
    writer = Writer(tmp_path, store, "train", 0, 0, put)
    every = samples(store, "train", 0)
    writer.add(every, [f"{visit}.jpg" for visit in range(23)], [7, 8, 22])
    assert [path.name[6:-3] for path in shard_paths(tmp_path)] == [
        "0000-00000", "0000-00001", "0000-00002",
    ]  # fmt: skip
    bad: list[int] = []
    for number in range(3):
        with Shard(tmp_path, store, "train", 0, number) as shard:
            shard.check()
            bad += shard.bad
            found = shard.read(shard.first, shard.count)
            rows = slice(shard.first * 3, (shard.first + shard.count) * 3)
            np.testing.assert_array_equal(found[0], every[0][rows])
    assert bad == [7, 8, 22]


def test_names_that_are_no_utf_8_can_be_stored(tmp_path: Path) -> None:
    store = a_store(visits=1, patches=1)
    every = samples(store, "train", 0)
    Writer(tmp_path, store, "train", 0, 0, put).add(every, ["caf\udce9.jpg"], [])
    with Shard(tmp_path, store, "train", 0, 0) as shard:
        assert shard.paths() == ["caf?.jpg"]
    progress.write_records(tmp_path, ["caf\udce9.jpg\t12", "new\nline\t3"])
    assert progress.read_records(tmp_path) == ["caf\udce9.jpg\t12", "new\nline\t3"]


@given(st.lists(NAMES))
def test_the_list_of_records_is_read_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("list")
    listing = [f"{name}\t{size}" for size, name in enumerate(names)]
    progress.write_records(folder, listing)
    assert progress.read_records(folder) == listing


ROWS = [{"epoch": 0}, {"epoch": 1}]


@pytest.mark.parametrize(
    ("rows", "missing", "expected"),
    [
        ({}, ["train-0000-00000"], (0, 0)),
        ({}, ["train-0000-00002"], (0, 16)),
        ({}, ["train-0000-00001"], (0, 8)),
        ({}, [], (0, 23)),  # all of an epoch, and it was killed before the row was written
        ({"train": ROWS[:1]}, [], (1, 3)),
        ({"train": ROWS[:1]}, ["val-0000-00000"], (1, 0)),
        ({"train": ROWS[:1]}, ["train-0000-00001"], (0, 8)),  # removed since
        ({"train": ROWS[:1], "val": ROWS[:1]}, ["train-0001-00001"], (2, 8)),
        ({"train": ROWS, "val": ROWS[:1]}, [], (3, 0)),  # validation is stored once
        ({"train": ROWS, "val": ROWS}, [], (4, 0)),
        ({"train": ROWS, "val": ROWS}, ["val-0000-00000"], (1, 0)),
    ],
)
def test_where_it_goes_on(
    tmp_path: Path, rows: progress.Rows, missing: list[str], expected: tuple[int, int]
) -> None:
    store = write_store(tmp_path, a_store())
    for name in missing:
        (tmp_path / f"{name}.h5").unlink()
    assert position(tmp_path, store, rows) == expected
    kept = before(rows, store, expected[0])
    assert sum(map(len, kept.values())) == expected[0]


def test_progress_is_read_as_it_was_written(tmp_path: Path) -> None:
    kept = Progress(settings={"seed": "1"}, source="ab", given_up=[("train", 3, "it hangs")])
    progress.write(tmp_path, kept)
    assert progress.read(tmp_path) == kept
    (tmp_path / "progress.json").write_text("{")
    with pytest.raises(DataError, match=r"progress\.json: .*put it back"):
        progress.read(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "holds no stored stream, as it has no store.json: make one with"),
        ("{}", "cannot read .*store.json: .*missing required field"),
        ("[", "cannot read .*store.json"),
    ],
)
def test_a_folder_that_is_no_store(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / layout.STORE).write_text(text)
    with pytest.raises(DataError, match=message):
        layout.read(tmp_path)


def test_a_store_of_another_version(tmp_path: Path) -> None:
    layout.write(tmp_path, layout.msgspec.structs.replace(a_store(), version=2))
    with pytest.raises(DataError, match="version 2 of the format, but this PushFit has version 1"):
        layout.read(tmp_path)


def test_a_shard_is_put_whole_or_not_at_all(tmp_path: Path) -> None:
    path = write_shard(tmp_path, a_store(), "train", 0, 0)
    held = path.read_bytes()
    with pytest.raises(OutputError, match="the folder is gone"):
        put(tmp_path / "gone" / "x.h5", memoryview(held))
    put(path, memoryview(b"new"))
    assert path.read_bytes() == b"new"
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
