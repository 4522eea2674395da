"""Sides that take turns on one machine, and what their rounds come to.

A measurement is a process of its own, so that no side inherits another's heap or threads. Its last
line on stdout is JSON: figures by name, and `right`, false where the samples that came were not
those that were made. A side whose process fails is told once and left out; the rest is measured.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from bench._apart import printed
from pushfit.errors import ConfigError, PushFitError, nearest
from pushfit.host import typed_path

T = TypeVar("T")
Figures = dict[str, float]
Sides = Mapping[str, Callable[[], dict[str, Any]]]  # side → one measurement of it


def told(
    module: str,
    *words: object,
    seconds: float,
    env: Mapping[str, str] | None = None,
    inside: Sequence[str] = (),
) -> dict[str, Any]:
    """The last line that `python -m bench.MODULE WORDS` prints. Raises PushFitError.

    seconds, env, inside: as for `bench._apart.printed`.
    """
    command = ("-m", f"bench.{module}", *map(str, words))
    said = printed(*command, seconds=seconds, env=env, inside=inside).splitlines()
    if not said:
        raise PushFitError(f"bench.{module} printed nothing")
    figures: dict[str, Any] = json.loads(said[-1])
    return figures


def in_turn(sides: Sequence[T], turn: int) -> tuple[T, ...]:
    """The sides in the order of round `turn`: each round begins with another one, so that no
    side gains by the one that it follows."""
    first = turn % len(sides)
    return (*sides[first:], *sides[:first])


class Rounds:
    """The figures that each side told in each round.

    keep: a JSON file of earlier rounds, which count as well; new ones are added to it.
    rows: {side: its figures, a row a round}; failed: sentences for the result.
    """

    def __init__(self, keep: Path | None = None) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.failed: list[str] = []
        self._keep = keep
        if keep is not None and keep.exists():
            self.rows = json.loads(keep.read_text(encoding="utf-8"))

    def measure(self, sides: Sides, count: int) -> None:
        """`count` rounds of `sides`. A side may tell of several at once: {side: figures}."""
        names = [*sides]
        earlier = max((len(self.rows.get(side, ())) for side in names), default=0)
        for turn in range(earlier, earlier + count):
            for side in in_turn(names, turn):
                if side not in names:
                    continue
                try:
                    figures = sides[side]()
                except PushFitError as error:
                    self.failed.append(f"{side}: {error}")
                    self.rows.pop(side, None)
                    names.remove(side)
                    continue
                several = all(isinstance(value, dict) for value in figures.values())
                for name, row in figures.items() if several else ((side, figures),):
                    self.add(name, row)
            if self._keep is not None:
                self._keep.write_text(json.dumps(self.rows), encoding="utf-8")

    def add(self, side: str, row: dict[str, Any]) -> None:
        if not row.pop("right", True):
            self.failed.append(f"{side}: the samples that came are not those that were made")
        self.rows.setdefault(side, []).append(row)

    def latest(self, side: str) -> dict[str, Any]:
        """What the side told last. Raises PushFitError."""
        if not self.rows.get(side):
            raise PushFitError(f"{side} was not measured, and this depends on it")
        return self.rows[side][-1]

    def median(self, side: str, name: str) -> float:
        middle: float = statistics.median(row[name] for row in self.rows[side])
        return middle

    def figures(self, names: Iterable[str] = (), form: str = "{side}_{name}") -> Figures:
        """Medians of every side, of the figures that are named, or of all."""
        return {
            form.format(side=side, name=name): self.median(side, name)
            for side, rows in self.rows.items()
            for name in (names or rows[0])
        }

    def ratio(self, side: str, other: str, name: str) -> float | None:
        """The median of the rounds' ratios, side ÷ other; None where a side was left out."""
        pairs = zip(self.rows.get(side, ()), self.rows.get(other, ()), strict=False)
        each = [mine[name] / theirs[name] for mine, theirs in pairs if theirs[name]]
        return statistics.median(each) if each else None

    def ratios(self, pairs: Mapping[str, tuple[str, str]], name: str) -> Figures:
        """{key: ratio of the pair} of figure `name`, for pairs of which both were measured."""
        found = {key: self.ratio(*pair, name) for key, pair in pairs.items()}
        return {key: ratio for key, ratio in found.items() if ratio is not None}

    def result(self, ratios: Figures, figures: Figures | None = None) -> dict[str, Any]:
        """What `run` of a bench returns. figures: all medians where there are no others."""
        shown = self.figures() if figures is None else figures
        return {"ratios": ratios, "figures": shown, "failed": self.failed}


def parser(
    name: str, doc: str | None, *, seconds: float = 0.0, rounds: int = 0, **options: Any
) -> argparse.ArgumentParser:
    """The command line of the bench `name`, with --seconds and --rounds; 0: without that flag."""
    made = argparse.ArgumentParser(
        prog=f"python -m bench {name}",
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        **options,
    )
    if seconds:
        made.add_argument(
            "--seconds", type=float, default=seconds, help=f"of each measurement [{seconds:g}]"
        )
    if rounds:
        made.add_argument(
            "--rounds", type=int, default=rounds, help=f"measurements a side [{rounds}]"
        )
    return made


def links_flag(flags: argparse.ArgumentParser, flag: str, what: str) -> None:
    """A flag that names a folder of data; without it, the bench makes some."""
    flags.add_argument(flag, type=typed_path, help=f"{what} [made if not named]")


def chosen(flag: str, words: str, known: Sequence[str]) -> list[str]:
    """The names in `words`, with commas between them. Raises ConfigError."""
    for word in words.split(","):
        if word not in known:
            raise ConfigError(f"{flag}: there is no {word!r}{nearest(word, known)}")
    return words.split(",")
