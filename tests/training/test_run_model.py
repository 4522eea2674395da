"""What `--model FILE.py:NAME` is told of the task's samples."""

from __future__ import annotations

import numpy as np

from pushfit.training.run_model import shape_of


def test_an_axis_that_is_trimmed_has_no_length() -> None:
    def x(side: int) -> dict[str, np.ndarray]:
        return {"ids": np.zeros((1, side)), "image": np.zeros((1, 6, 6, 3))}

    assert shape_of(x(512), x(16)) == {"ids": (None,), "image": (6, 6, 3)}
    assert shape_of(x(512)["ids"], x(512)["ids"]) == (512,)
