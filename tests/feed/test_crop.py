"""What --crop cannot cut is told; tests/streams/test_stored.py has what it does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pushfit.errors import ConfigError
from pushfit.feed.crop import Crop
from pushfit.tasks.base import ArraySpec


def lines(height: int, ids: int) -> Any:
    """A task of lines of text: pictures of one height, whose ids have several lengths."""
    specs = (
        ArraySpec("image", "uint8", (height, height, 3)),
        ArraySpec("ids", "uint8", (ids,)),
        ArraySpec("length", "int32", ()),
    )
    return SimpleNamespace(arrays=lambda: specs, trimmed={"ids": "length"}, crop_step=1)


def test_an_array_of_several_lengths_is_not_cropped() -> None:
    plan: Any = None  # no batch is cut here
    assert Crop(plan, lines(20, 8), lines(12, 8), 12).specs == lines(20, 8).arrays()
    with pytest.raises(ConfigError, match="--crop 12 would cut ids, whose samples have several"):
        Crop(plan, lines(20, 20), lines(12, 12), 12)
