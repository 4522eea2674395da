"""Commands whose words are not settings: no abbreviations, and one sentence for a mistake."""

from __future__ import annotations

import pytest

from pushfit.commands import keys, samples, store
from pushfit.errors import ConfigError


@pytest.mark.parametrize(
    ("main", "words", "says"),
    [
        (samples.main, "--larg", "--larg is not a word of pushfit samples, did you mean '--large'"),
        (samples.main, "--train many", "argument --train: invalid int value: 'many'"),
        (keys.main, "mak a", r"invalid choice: 'mak' \(choose from 'make', 'list', 'revoke'\)"),
        (store.main, "info x --out y", "--out is not a word of pushfit store, see --help"),
        (store.main, "", r"required: .* \(pushfit store --help shows what it takes\)"),
    ],
)
def test_a_mistake_is_one_sentence(main: object, words: str, says: str) -> None:
    assert callable(main)
    with pytest.raises(ConfigError, match=says):
        main(words.split())
