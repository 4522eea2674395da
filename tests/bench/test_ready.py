"""The makers of the benches are made as a worker makes its own."""

from __future__ import annotations

from inspect import Parameter, signature

import pytest

from bench._ready import Ready, Waiting
from pushfit.generator.maker import Maker


@pytest.mark.parametrize("kind", [Ready, Waiting])
def test_it_takes_what_a_maker_takes(kind: type[Ready]) -> None:
    wanted = signature(Maker).parameters.values()
    assert all(each.kind is Parameter.POSITIONAL_OR_KEYWORD for each in wanted)
    by_place = [each.name for each in wanted if each.name != "reader"]
    signature(kind).bind(*by_place, reader=None)
