"""What a mistyped word is taken for, and what it is not."""

from __future__ import annotations

import pytest

from pushfit.errors import nearest
from pushfit.settings.fields import settings_of
from pushfit.settings.programs.generator import GeneratorSettings
from pushfit.settings.programs.train import TrainSettings

TRAIN = [setting.flag for setting in settings_of(TrainSettings)]
GENERATE = [setting.flag for setting in settings_of(GeneratorSettings)]
MODELS = ["smallcnn", "resnet18", "resnet34", "resnet50", "mobilenet", "mobilenetv2", "vgg16"]


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        # typing errors
        ("--bach-size", TRAIN, "--batch-size"),
        ("--batchsize", TRAIN, "--batch-size"),
        ("--batch_size", TRAIN, "--batch-size"),
        ("--learning-rte", TRAIN, "--learning-rate"),
        ("--epoch", TRAIN, "--epochs"),
        ("--epcohs", TRAIN, "--epochs"),
        ("--generator", TRAIN, "--generators"),
        ("--shedule", TRAIN, "--schedule"),
        ("--sead", TRAIN, "--seed"),
        ("--moel", TRAIN, "--model"),
        ("--conect", GENERATE, "--connect"),
        ("--procesess", GENERATE, "--processes"),
        ("mobilnet", MODELS, "mobilenet"),
        ("resnet-50", MODELS, "resnet50"),
        ("ResNet50", MODELS, "resnet50"),
        ("VGG-16", MODELS, "vgg16"),
        ("iphone-6", ["iPhone-6", "Nexus"], "iPhone-6"),
        ("Moto", ["Motorola-X", "iPhone"], "Motorola-X"),
        ("trian", ["train", "val"], "train"),
        # abbreviations
        ("--lr", TRAIN, "--learning-rate"),
        ("--bs", TRAIN, "--batch-size"),
        ("-p", GENERATE, "--processes"),
        ("--batch", TRAIN, "--batch-size"),
        ("--rate", TRAIN, "--learning-rate"),
        ("--learning", TRAIN, "--learning-rate"),
        ("--proc", GENERATE, "--processes"),
        ("--mixed", TRAIN, "--mixed-precision"),
        ("--precision", TRAIN, "--mixed-precision"),
        # nothing of the kind
        ("--verbose", GENERATE, ""),
        ("--verbose", TRAIN, ""),
        ("--gpu", TRAIN, ""),
        ("--workers", TRAIN, ""),
        ("--device", TRAIN, "--devices"),
        ("--quiet", GENERATE, ""),
        ("--momentum-decay-foo", ["--epochs"], ""),
        ("-x", GENERATE, ""),
        ("--", TRAIN, ""),
        ("", TRAIN, ""),
        ("alexnet", MODELS, ""),
        ("transformer", MODELS, ""),
        ("cam1", ["dog", "cat"], ""),
        ("k", ["a", "b"], ""),
    ],
)
def test_a_word_is_taken_for_what_is_near(word: str, known: list[str], meant: str) -> None:
    assert nearest(word, known) == (f", did you mean {meant!r}?" if meant else "")


def test_two_that_are_as_near_are_not_guessed_at_by_chance() -> None:
    assert nearest("--l", ["--links", "--log"]) == ""
    assert nearest("resnet", ["resnet18", "resnet34"]) in ("", ", did you mean 'resnet18'?")
    assert nearest("cxt", ["cat", "cut"]) == nearest("cxt", ["cut", "cat"])
