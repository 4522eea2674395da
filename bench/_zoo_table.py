"""The table of `bench zoo`: as Markdown, as CSV, and as a plot of accuracy against cost."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench._plot import panels
from pushfit.requirements import advice, is_there
from pushfit.runs.outputs import write_text

HEADINGS = {
    "model": "model",
    "validation": "validation",
    "test": "test",
    "inference_ms": "inference, ms a batch",
    "batch": "batch",
    "parameters": "parameters",
    "training_s": "training, s",
}
SHOWN = {
    "validation": "{:.2%}",
    "test": "{:.2%}",
    "inference_ms": "{:,.1f}",
    "parameters": "{:,}",
    "training_s": "{:,.0f}",
}


def write(rows: Sequence[dict[str, Any]], out: Path, title: str) -> None:
    """Raises OutputError."""
    write_text(out / "zoo.md", f"{title}\n\n{markdown(rows)}\n")
    text = io.StringIO()
    writer = csv.DictWriter(text, list(HEADINGS), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: row[name] for name in HEADINGS} for row in rows)
    write_text(out / "zoo.csv", text.getvalue())
    if not no_plot():
        plot(rows, out / "zoo.png", title)


def no_plot() -> str:
    """Why there can be no plot, or ``""``."""
    if is_there("matplotlib"):
        return ""
    return "no plot: " + advice(["matplotlib"], "zoo")


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    lines = [
        [*HEADINGS.values()],
        ["---"] + ["--:"] * (len(HEADINGS) - 1),
        *([_shown(key, row[key]) for key in HEADINGS] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _shown(key: str, value: Any) -> str:
    return "" if value is None else SHOWN.get(key, "{}").format(value)


def plot(rows: Sequence[dict[str, Any]], path: Path, title: str) -> None:
    """Accuracy (test, or else validation) by what a batch and what training cost."""
    judged = "test" if any(row["test"] is not None for row in rows) else "validation"
    shown = [row for row in rows if row[judged] is not None]
    with panels(path, 2, size=(11, 4.5), title=title, sharey=True) as both:
        for axes, cost in zip(both, ("inference_ms", "training_s"), strict=True):
            for row in shown:
                at = row[cost], 100 * row[judged]
                axes.plot(*at, "o")
                axes.annotate(row["model"], at, (5, 4), textcoords="offset points", fontsize=8)
            axes.set(xscale="log", xlabel=HEADINGS[cost])
            axes.margins(0.15)
        both[0].set(ylabel=f"{judged} accuracy, %")
