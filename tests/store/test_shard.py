"""What is written is what is read; what is not the store's own is refused, by name."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pushfit.errors import DataError
from pushfit.store import layout
from pushfit.store.filters import FILTERS
from pushfit.store.layout import Store
from pushfit.store.shard import Shard
from pushfit.tasks.base import ArraySpec
from tests.support.stored import ARRAYS, a_store, image, samples, write_shard, write_store


@pytest.mark.parametrize("compress", FILTERS)
@pytest.mark.parametrize("visits", [1, 3, 8, 23])
def test_every_sample_comes_back(tmp_path: Path, compress: str, visits: int) -> None:
    store = write_store(tmp_path, a_store(visits, compress=compress))
    assert layout.read(tmp_path) == store
    for split, form in store.splits.items():
        for epoch in range(form.epochs):
            every = samples(store, split, epoch)
            for number in range(form.shards):
                first, count = form.span(number)
                with Shard(tmp_path, store, split, epoch, number) as shard:
                    shard.check()
                    found = shard.read(first, count)
                    assert shard.bad == [first]
                    assert shard.paths()[-1] == f"train/é/{first + count - 1}.jpg"
                for array, expected in zip(found, every, strict=True):
                    rows = slice(first * form.patches, (first + count) * form.patches)
                    assert array.dtype == expected.dtype
                    assert not array.flags.writeable
                    np.testing.assert_array_equal(array, expected[rows])


@given(data=st.data())
@settings(max_examples=30)
def test_any_visits_can_be_read(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    patches, group = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 5))
    visits = data.draw(st.integers(1, 30))
    store = a_store(visits, patches, group, group * data.draw(st.integers(1, 4)))
    number = data.draw(st.integers(0, store.splits["train"].shards - 1))
    start, count = store.splits["train"].span(number)
    first = data.draw(st.integers(start, start + count - 1))
    wanted = data.draw(st.integers(1, start + count - first))
    folder = tmp_path_factory.mktemp("store")
    write_shard(folder, store, "train", 0, number)
    with Shard(folder, store, "train", 0, number) as shard:
        found = shard.read(first, wanted)
    for array, expected in zip(found, samples(store, "train", 0), strict=True):
        rows = slice(first * patches, (first + wanted) * patches)
        np.testing.assert_array_equal(array, expected[rows])  # the shard is closed


def test_within_a_group_nothing_is_copied(tmp_path: Path) -> None:
    store = write_store(tmp_path, a_store())
    with Shard(tmp_path, store, "train", 1, 1) as shard:
        array = shard.read(9, 2)[2]
        base = array
        while isinstance(base, np.ndarray):
            base = base.base  # type: ignore[assignment]
        assert array.flags.aligned
        assert type(getattr(base, "obj", base)).__name__ == "mmap"


def test_equal_samples_are_equal_files() -> None:
    for compress in FILTERS:
        store = a_store(compress=compress)
        assert image(store, "train", 0, 2).close([3]) == image(store, "train", 0, 2).close([3])


def test_visits_of_another_shard_are_not_read(tmp_path: Path) -> None:
    store = write_store(tmp_path, a_store())
    with Shard(tmp_path, store, "train", 0, 1) as shard, pytest.raises(ValueError, match="not in"):
        shard.read(7, 2)


def test_a_plain_reader_finds_what_it_expects(tmp_path: Path) -> None:
    store = a_store()
    path = write_shard(tmp_path, store, "train", 1, 0)
    with h5py.File(path) as file:
        assert sorted(file) == ["bad", "classes", "crc32", "images", "labels", "path", "weight"]
        assert file.attrs["task"] == "made"
        assert file.attrs["params"] == '{"side":6}'
        assert (file.attrs["seed"], file.attrs["epoch"]) == (7, 1)
        assert file["images"].chunks == (12, 6, 6, 3)
        names = file["classes"].asstr()[:]
        assert list(names) == ["even", "odd", "øre"]


def test_the_documents_reader_needs_h5py_alone(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "store-and-replay.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert example is not None
    store = a_store()
    (tmp_path / "hdf5" / "cam").mkdir(parents=True)
    for number in range(3):
        write_shard(tmp_path / "hdf5" / "cam", store, "train", 0, number)
    said = subprocess.run(
        [sys.executable, "-I", "-c", example[1]],  # -I: nothing of PushFit's can be imported
        cwd=tmp_path, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    lines = [line.split() for line in said.splitlines()]
    assert [line[-1] for line in lines] == [f"train/é/{visit}.jpg" for visit in range(0, 23, 4)]
    assert [line[-2] for line in lines] == [
        store.classes[n] for n in samples(store, "train", 0)[1][::12]
    ]


def test_classes_by_the_ten_thousand_have_room(tmp_path: Path) -> None:
    store = a_store()
    many = layout.msgspec.structs.replace(
        store,
        classes=tuple(f"class {n}" for n in range(10_000)),
        params={"classes": [f"class {n}" for n in range(10_000)]},
    )
    write_shard(tmp_path, many, "train", 0, 0)
    with Shard(tmp_path, many, "train", 0, 0) as shard:
        shard.check()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def _foreign(path: Path) -> None:
    path.write_text("not HDF5 at all " * 100)


def _other_hdf5(path: Path) -> None:
    path.unlink()
    with h5py.File(path, "w") as file:
        file["images"] = np.zeros(3)


def _of(other: Store) -> Callable[[Path], object]:
    """A shard of another store in its place."""
    return lambda path: path.write_bytes(image(other, "train", 0, 1).close())


def _edited(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["seed"] = 8


LARGER = ArraySpec("image", "uint8", (7, 7, 3))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (Path.unlink, r"train-0000-00001\.h5 is missing.*--resume"),
        (_cut, r"train-0000-00001\.h5 cannot be read as a stored stream: it is cut short.*remove"),
        (_foreign, "cannot be read as a stored stream: it is cut short, .*was not made by PushFit"),
        (_other_hdf5, "it is cut short, .*was not made by PushFit"),
        (_edited, "changed by another program|its index is damaged"),
        (
            _of(replace(a_store(), arrays=(LARGER,))),
            r"\(24, 7, 7, 3\), not uint8 of \(24, 6, 6, 3\)",
        ),
        (_of(replace(a_store(), arrays=ARRAYS[:1])), r"cannot be read.*labels"),
        (_of(replace(a_store(), seed=8)), r"is not of the stream in .*its seed is 8, not 7"),
        (_of(a_store(shard=4)), r"its first is 4, not 8"),
        (lambda path: path.write_bytes(b""), "cannot be read"),
    ],
)
def test_what_is_not_a_shard_of_the_store_is_refused(
    tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    store = a_store()
    spoil(write_shard(tmp_path, store, "train", 0, 1))
    with pytest.raises(DataError, match=message):
        Shard(tmp_path, store, "train", 0, 1)


def test_a_shard_under_the_name_of_another_is_refused(tmp_path: Path) -> None:
    store = a_store()
    write_shard(tmp_path, store, "train", 0, 0).rename(tmp_path / "train-0000-00001.h5")
    with pytest.raises(DataError, match="its first is 0, not 8"):
        Shard(tmp_path, store, "train", 0, 1)


@cache
def _whole(compress: str) -> bytes:
    return bytes(image(a_store(compress=compress), "train", 0, 0).close([0]))


@pytest.mark.parametrize("compress", FILTERS)
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_flipped_bit_is_found_or_harmless(
    tmp_path: Path, compress: str, where: float, bit: int
) -> None:
    store = a_store(compress=compress)
    path, held = layout.shard_path(tmp_path, "train", 0, 0), bytearray(_whole(compress))
    held[int(where * len(held))] ^= 1 << bit
    path.write_bytes(held)
    try:
        with Shard(tmp_path, store, "train", 0, 0) as shard:
            shard.check()
            found = shard.read(0, 8)
    except DataError as error:
        assert str(path) in str(error)
        return
    for array, expected in zip(found, samples(store, "train", 0), strict=True):
        np.testing.assert_array_equal(array, expected[:24])
