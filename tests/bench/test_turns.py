"""Sides take turns; what the rounds come to; what a side that fails leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench._apart import printed
from bench._turns import Rounds, chosen, in_turn, told
from pushfit.errors import ConfigError, PushFitError


def test_each_round_begins_with_another_side_and_has_each_once() -> None:
    orders = [in_turn("abc", turn) for turn in range(4)]
    assert ["".join(order) for order in orders] == ["abc", "bca", "cab", "abc"]


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    rounds = Rounds()
    for ours, theirs in ((1.0, 2.0), (30.0, 10.0), (8.0, 8.0)):
        rounds.add("ours", {"gb_s": ours, "cpu_s": 1.0})
        rounds.add("theirs", {"gb_s": theirs, "cpu_s": 2.0})
    pairs = {"vs_theirs": ("ours", "theirs"), "vs_nobody": ("ours", "nobody")}
    assert rounds.ratios(pairs, "gb_s") == {"vs_theirs": 1.0}
    assert rounds.figures() == {
        "ours_gb_s": 8.0, "ours_cpu_s": 1.0, "theirs_gb_s": 8.0, "theirs_cpu_s": 2.0,
    }  # fmt: skip
    assert rounds.figures(("gb_s",), form="{name}_{side}").keys() == {"gb_s_ours", "gb_s_theirs"}
    rounds.add("still", {"gb_s": 0.0})
    assert rounds.ratio("ours", "still", "gb_s") is None  # nothing to divide by


def test_a_side_that_fails_is_told_once_and_the_rest_is_measured() -> None:
    def missing() -> dict[str, float]:
        raise ConfigError("install it")

    rounds = Rounds()
    sides = {
        "a": lambda: {"samples_s": 5.0},
        "missing": missing,
        "wrong": lambda: {"samples_s": 5.0, "right": False},
    }
    rounds.measure(sides, 2)
    assert rounds.rows == {"a": [{"samples_s": 5.0}] * 2, "wrong": [{"samples_s": 5.0}] * 2}
    assert rounds.failed.count("missing: install it") == 1
    assert sum(sentence.startswith("wrong: ") for sentence in rounds.failed) == 2
    with pytest.raises(PushFitError, match="missing was not measured"):
        rounds.latest("missing")


def test_a_side_may_tell_of_several() -> None:
    rounds = Rounds()
    rounds.measure({"both": lambda: {"one": {"s": 1.0}, "two": {"s": 2.0}}}, 1)
    assert rounds.figures() == {"one_s": 1.0, "two_s": 2.0}


def test_rounds_that_are_kept_count_and_the_turns_go_on(tmp_path: Path) -> None:
    keep, order = tmp_path / "kept.json", list[str]()
    sides = {name: lambda name=name: order.append(name) or {"s": 1.0} for name in ("a", "b")}
    Rounds(keep).measure(sides, 1)
    rounds = Rounds(keep)
    rounds.measure(sides, 1)
    assert order == ["a", "b", "b", "a"]
    assert [len(rows) for rows in Rounds(keep).rows.values()] == [2, 2]


def test_a_child_says_what_it_lacks() -> None:
    script = "raise ModuleNotFoundError(\"No module named 'redis'\")"
    with pytest.raises(PushFitError, match=r"the package redis is not installed.*\[bench\]"):
        printed("-c", script, seconds=60)


def test_a_module_that_prints_nothing_is_told() -> None:
    with pytest.raises(PushFitError, match="printed nothing"):
        told("__init__", seconds=60)


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    assert chosen("--parts", "a,b", ("a", "b", "c")) == ["a", "b"]
    with pytest.raises(ConfigError, match="--parts: there is no 'flwo', did you mean 'flow'"):
        chosen("--parts", "flwo", ("flow", "rate"))
