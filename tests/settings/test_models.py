"""Models by name, without Keras: any spelling, a mistyped one, the table."""

from __future__ import annotations

from typing import Any

import pytest

from pushfit.errors import ConfigError
from pushfit.settings.models import MODELS, TORCHVISION, find, table
from pushfit.settings.programs.train import TrainSettings

# As torchvision spells them, and as ours are called.
MEANT = {
    "mobilenet_v2": "mobilenetv2",
    "mobilenet_v3_small": "mobilenetv3small",
    "mobilenet_v3_large": "mobilenetv3large",
    "squeezenet1_0": "squeezenet1.0",
    "squeezenet1_1": "squeezenet1.1",
    "efficientnet_b0": "efficientnetb0",
    "efficientnet_b3": "efficientnetb3",
    "resnet18": "resnet18",
    "resnet34": "resnet34",
    "mnasnet0_5": "mnasnet0.5",
    "mnasnet1_0": "mnasnet1.0",
}


@pytest.mark.parametrize(("typed", "meant"), MEANT.items())
def test_names_of_torchvision_work_as_typed(typed: str, meant: str) -> None:
    assert find(typed).name == meant
    assert TrainSettings(model=typed).model == meant  # so that --resume compares the same


@pytest.mark.parametrize("typed", ["MobileNetV2", "Mobilenet-V2", "mobilenetv2"])
def test_any_spelling_is_understood(typed: str) -> None:
    assert find(typed) is MODELS["mobilenetv2"]


def test_the_eleven_of_a_common_comparison_are_these() -> None:
    assert {name: find(name).name for name in TORCHVISION} == MEANT


def test_no_spelling_means_two_models() -> None:
    assert [find(name).name for name in MODELS] == list(MODELS)


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("mobilnet_v2", "unknown model 'mobilnet_v2', did you mean 'mobilenetv2'? --list-models"),
        ("resnet-19", "unknown model 'resnet-19', did you mean 'resnet18'?"),
        ("alexnet", "unknown model 'alexnet'; --list-models prints all of them"),
        ("", "unknown model ''; --list-models"),
    ],
)
def test_a_wrong_name_is_told_with_a_near_one(typed: str, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        TrainSettings(model=typed)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ("imagnet", "--weights imagnet, did you mean 'imagenet'? use auto, imagenet, none, or a"),
        ("my.h5", "--weights my.h5: use auto, imagenet, none, or a FILE that ends in .keras"),
    ],
)
def test_weights_that_are_neither_a_word_nor_a_file_of_ours_are_told(
    weights: str, says: str
) -> None:
    with pytest.raises(ConfigError) as error:
        TrainSettings(weights=weights)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"model": "resnet18", "weights": "imagenet"}, "resnet18 has no ImageNet weights"),
        ({"model": "resnet18", "freeze_body": True}, "that of resnet18 would be random"),
        ({"weights": "none", "freeze_body": True}, "that of mobilenet would be random"),
    ],
)
def test_weights_that_a_model_cannot_have_are_told_before_keras(
    given: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        TrainSettings(**given)
    TrainSettings(model="resnet18", weights="my.keras", freeze_body=True)


def test_the_table_has_a_line_a_model() -> None:
    rows = [line.split() for line in table().split("\n\n")[0].splitlines()[1:]]
    assert [row[0] for row in rows] == list(MODELS)
    row = {row[0]: row[1:] for row in rows}
    assert row["resnet18"] == ["11.19", "M", "8", "px"]
    assert row["inceptionv3"] == ["21.80", "M", "75", "px", "yes"]
