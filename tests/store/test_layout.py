"""A store.json that no sink has written is told, before anything is computed from it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pushfit.errors import DataError
from pushfit.store import layout
from tests.support.stored import a_store


def change(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda store: store.update(fields)


def of_train(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda store: store["splits"]["train"].update(fields)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (of_train(group=0), "Expected `int` >= 1"),
        (of_train(shard=0), "Expected `int` >= 1"),
        (of_train(visits=-3), "Expected `int` >= 1"),
        (of_train(epochs=2**60), "Expected `int` <= "),
        (of_train(group=3), r"shard \(8\) is not a multiple of group \(3\)"),
        (of_train(group=2**38, shard=2**38), "a group of train would have more than"),
        (change(arrays=[]), "it has no arrays"),
        (change(classes=[]), "no classes"),
        (change(splits={}), "no splits"),
        (change(arrays=[["image", "object", [2]]]), "the array 'image' is object"),
        (change(arrays=[["image", "nonsense", [2]]]), "the array 'image' is nonsense"),
        (change(arrays=[["image", "uint8", [-1]]]), "the array 'image' is uint8"),
        (change(version=99), "version 99 of the format"),
    ],
)
def test_what_no_sink_has_written(
    tmp_path: Path, wrong: Callable[[dict[str, Any]], None], says: str
) -> None:
    layout.write(tmp_path, a_store())
    path = tmp_path / layout.STORE
    store = json.loads(path.read_text())
    wrong(store)
    path.write_text(json.dumps(store))
    with pytest.raises(DataError, match=says):
        layout.read(tmp_path)


def test_nested_without_end(tmp_path: Path) -> None:
    (tmp_path / layout.STORE).write_text('{"params":' * 100_000)
    with pytest.raises(DataError, match="cannot read"):
        layout.read(tmp_path)


def test_a_store_of_data_without_weights_says_nothing_of_them(tmp_path: Path) -> None:
    plain = a_store()
    layout.write(tmp_path, plain)
    assert b"visiting" not in (tmp_path / layout.STORE).read_bytes()
    layout.write(tmp_path, replace(plain, visiting="d" * 64))
    assert layout.read(tmp_path).visiting == "d" * 64
