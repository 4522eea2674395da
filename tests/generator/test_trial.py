"""A task is tried before it works: the same sample drawn twice, and what is passed over."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pushfit.errors import TaskError
from pushfit.generator.trial import trial
from pushfit.tasks.base import BlockTask, Draws, Record
from tests.support.fakes import NumberParams, NumberTask, write_numbers


class Drawn(NumberTask):
    """Its samples are what `draw` gives."""

    def __init__(self, draw: Callable[[np.random.Generator], Any]) -> None:
        super().__init__(NumberParams())
        self.draw = draw

    def sample(
        self, item: str, record: Record, split: str, patch: int, rng: np.random.Generator
    ) -> Mapping[str, Any]:
        if item == "raise":
            raise KeyError(item)
        image = np.asarray(self.draw(rng), np.float32)
        return {"image": image, "label": record.label}


def tried(task: NumberTask, links: Path) -> None:
    data = task.scan(links)
    trial(task, data, links, lambda split, n: task.read(links, data.splits[split][n]))


def test_what_follows_from_the_rng_alone_passes(tmp_path: Path) -> None:
    tried(Drawn(lambda rng: rng.random((4, 4))), write_numbers(tmp_path))
    tried(Drawn(lambda rng: np.full((4, 4), np.nan)), tmp_path)


@pytest.mark.parametrize(
    "chance", [lambda _: np.random.rand(4, 4), lambda _: np.full((4, 4), random.random())]
)
def test_chance_of_another_kind_is_told_with_where_the_samples_differ(
    tmp_path: Path, chance: Callable[[np.random.Generator], Any]
) -> None:
    says = (
        r"task number: sample\(\) of train/even/000.txt gave two different samples for the same "
        r"rng: 'image' differs at \[0, 0\] \(\d\S* and \d\S*\)\. .* none from random, np\.random"
    )
    with pytest.raises(TaskError, match=says):
        tried(Drawn(chance), write_numbers(tmp_path))


def test_records_that_give_no_sample_are_passed_over(tmp_path: Path) -> None:
    links = write_numbers(tmp_path)
    (links / "train/even/000.txt").write_text("raise")
    with pytest.raises(TaskError, match=r"sample\(\) of train/even/0(?!00)"):
        tried(Drawn(lambda _: np.random.rand(4, 4)), links)
    for path in links.rglob("*.txt"):
        path.write_text("raise")
    tried(Drawn(lambda _: np.random.rand(4, 4)), links)  # told when samples are made
    tried(Drawn(lambda _: np.zeros((9, 9))), write_numbers(links))  # nor is a wrong shape its job


def test_generators_are_tried_on_different_records_each_named_first(tmp_path: Path) -> None:
    task, begun = Drawn(lambda _: np.zeros((4, 4))), set()
    data = task.scan(write_numbers(tmp_path))
    for place in range(7):
        named: list[str] = []

        def read(split: str, number: int, named: list[str] = named) -> bytes:
            assert named[-1] == data.splits[split][number].path
            return b"1"

        trial(task, data, tmp_path, read, named.append, place)
        begun.add(named[0])
    assert len(begun) == 5


class Blocks(Drawn, BlockTask):
    def block(
        self, links: Path, split: str, records: np.ndarray, patches: np.ndarray, draws: Draws
    ) -> Mapping[str, np.ndarray]:
        labels = np.array([0 if record < 6 else 1 for record in records], np.int32)
        return {"image": draws(16).reshape(-1, 4, 4).astype(np.float32), "label": labels}


def test_a_block_has_to_give_the_same_samples(tmp_path: Path) -> None:
    tried(Blocks(lambda rng: rng.random((4, 4))), write_numbers(tmp_path))
    with pytest.raises(TaskError, match=r"and block\(\) give different samples: 'image' differs"):
        tried(Blocks(lambda rng: rng.random((4, 4)) / 2), tmp_path)
