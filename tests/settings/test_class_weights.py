"""--class-weight: the word, or a JSON file, whose content the run keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from pushfit.errors import ConfigError
from pushfit.settings.class_weights import parse
from pushfit.settings.programs.train import TrainSettings


def test_a_run_keeps_the_content_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "weights.json"
    path.write_text('{"dog": 2, "cat": 0.5}')
    kept = TrainSettings(class_weight=str(path)).class_weight
    path.unlink()
    assert parse(kept) == {"cat": 0.5, "dog": 2.0}
    assert TrainSettings(class_weight=kept).class_weight == kept  # as --resume gives it
    assert TrainSettings(class_weight="balanced").class_weight == "balanced"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not JSON"),
        ("[1]", "must be an object such as"),
        ("{}", "must be an object such as"),
        ('{"a": "1"}', "the weight of 'a' is '1', and must be a number of 0 or more"),
        ('{"a": true}', "the weight of 'a' is True"),
        ('{"a": -1}', "the weight of 'a' is -1"),
        ('{"a": NaN}', "the weight of 'a' is nan"),
        ('{"a": 0}', "one weight at least must be above 0"),
    ],
)
def test_what_is_not_such_an_object(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "weights.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=f"--class-weight .*weights.json.*{said}"):
        TrainSettings(class_weight=str(path))


def test_what_is_neither_the_word_nor_a_file() -> None:
    with pytest.raises(ConfigError, match="--class-weight blanced, did you mean 'balanced'"):
        TrainSettings(class_weight="blanced")
    with pytest.raises(ConfigError, match="No such file or directory"):
        TrainSettings(class_weight="/no/such.json")
    with pytest.raises(ConfigError, match="together too much: leave one of them out"):
        TrainSettings(class_weight="balanced", balance=True)
