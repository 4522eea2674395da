"""A generator that is connected to all trainers of a run notices where they do not agree."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from pushfit.endpoint import Endpoint
from pushfit.errors import ConfigError, ProtocolError
from pushfit.generator.ranks import gone, shards_of
from pushfit.plan.shards import WHOLE, Shards
from pushfit.wire.protocol import Welcome


class Trainer(NamedTuple):
    trainer: Endpoint
    latest: Welcome | None
    lost: Welcome | None = None


def trainer(port: int, shards: tuple[int, int, int], **more: Any) -> Trainer:
    about = {
        "run": "r", "task": "digits", "params": {"side": 28}, "seed": 0, "patches": {"train": 1},
        "data_port": port + 1, "heartbeat": 1.0, "silence": 5.0, "expiry": 30.0,
        "shape": {"batch_size": "64"}, "source": "abc", **more,
    }  # fmt: skip
    return Trainer(Endpoint("box", port), Welcome(shards=shards, **about))


def test_trainers_that_agree() -> None:
    links = [trainer(1, (4, 2, 0)), trainer(3, (4, 2, 1))]
    assert [shards_of(link, links) for link in links] == [Shards(4, 2, 0), Shards(4, 2, 1)]
    away = Trainer(Endpoint("box", 3), None)
    assert shards_of(links[0], [links[0], away]) == Shards(4, 2, 0)
    alone = trainer(1, (1, 1, 0))
    assert shards_of(alone, [alone]) == WHOLE


@pytest.mark.parametrize(
    ("shards", "more", "said"),
    [
        ((4, 2, 0), {}, "both say that they are rank 0 of 2: give each trainer its own number"),
        ((8, 2, 1), {}, "--shards 4 --world 2, the other of one with --shards 8 --world 2"),
        ((4, 2, 1), {"shape": {"batch_size": "32"}}, "batch_size is 64 for rank 0 and 32 for rank"),
        ((4, 2, 1), {"params": {"side": 32}}, "side is 28 for rank 0 and 32 for rank 1"),
        ((4, 2, 1), {"task": "camera"}, "task is digits for rank 0 and camera for rank 1"),
        ((4, 2, 1), {"source": "def"}, "the task digits is other code for rank 0 than for rank 1"),
    ],
)
def test_trainers_that_do_not(
    shards: tuple[int, int, int], more: dict[str, Any], said: str
) -> None:
    links = [trainer(1, (4, 2, 0)), trainer(3, shards, **more)]
    with pytest.raises(ConfigError, match=f"tcp://box:1 and tcp://box:3: .*{said}"):
        shards_of(links[0], links)


def lost(port: int, shards: tuple[int, int, int], **more: Any) -> Trainer:
    here = trainer(port, shards, **more)
    return Trainer(here.trainer, None, here.latest)


def test_ranks_that_are_gone() -> None:
    here = trainer(1, (4, 4, 0))
    others = [lost(3, (4, 4, 2)), trainer(5, (4, 4, 1)), lost(7, (4, 4, 3))]
    assert gone(here, [here, *others]) == (2, 3)
    assert gone(others[1], [here, *others]) == (2, 3)
    assert gone(others[0], [here, *others]) == ()  # nobody is there to be told
    never = Trainer(Endpoint("box", 3), None)
    assert gone(here, [here, never]) == ()


@pytest.mark.parametrize(
    "other",
    [
        lost(3, (4, 2, 1)),  # another number of ranks
        lost(3, (4, 4, 0)),  # the same rank, which another has taken over
        lost(3, (4, 4, 1), task="camera"),
        lost(3, (1, 1, 0)),
        lost(3, (4, 4, 7)),  # there is no such rank
    ],
)
def test_a_trainer_of_another_run_is_not_missed(other: Trainer) -> None:
    here = trainer(1, (4, 4, 0))
    assert gone(here, [here, other]) == ()
    alone = trainer(1, (1, 1, 0))
    assert gone(alone, [alone, other]) == ()


def test_runs_that_share_a_fleet_need_not_agree() -> None:
    links = [trainer(port, (4, 2, port % 2), seed=port // 2) for port in range(4)]
    assert [shards_of(link, links).rank for link in links] == [0, 1, 0, 1]


@pytest.mark.parametrize("shards", [(4, 3, 0), (4, 2, 2), (2, 4, 0)])
def test_numbers_that_cannot_be(shards: tuple[int, int, int]) -> None:
    link = trainer(1, shards)
    with pytest.raises(ProtocolError, match="it says that it is trainer"):
        shards_of(link, [link])
