"""Where a value came from: text for people and for config.json, read back by the same module."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushfit.settings.origin import Layer, Origin

details = st.text("abc *-/_.,", max_size=9).map(str.strip)


@given(layer=st.sampled_from(Layer), detail=details, before=st.booleans())
def test_an_origin_survives_its_text(layer: Layer, detail: str, before: bool) -> None:
    origin = Origin(layer, detail, before)
    assert Origin.parse(str(origin)) == origin


@pytest.mark.parametrize("text", ["", "x", "defaults", "run before", "run before, ", "host-a"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not where a setting comes from"):
        Origin.parse(text)


def test_what_a_person_named_is_given_whenever_it_was() -> None:
    given = {layer for layer in Layer if Origin(layer).is_given}
    assert given == {Layer.ENVIRONMENT, Layer.STORE, Layer.COMMAND_LINE}
    assert Origin(Layer.ENVIRONMENT, "PUSHFIT_SEED", before=True).is_given
    assert not Origin(Layer.HOST, "far-*", before=True).is_given
