"""Panels side by side in one picture file; matplotlib comes with the extra `bench`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def panels(
    path: Path, count: int = 1, *, size: tuple[float, float], title: str = "", **options: Any
) -> Iterator[Sequence[Any]]:
    """Axes to draw on, which are written to `path` at the end. size: inches, of all together."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        1, count, figsize=size, squeeze=False, layout="constrained", **options
    )
    yield axes[0]
    for each in axes[0]:
        each.grid(visible=True, alpha=0.3)
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
