"""The models that `--model` names: their size, least side and weights. Keras is not needed.

smallcnn, ResNet-18, ResNet-34, SqueezeNet and MNASNet are models of PushFit. All others are the
image models of `keras.applications`. Tests build them and compare the figures, and find models that
a newer Keras has added.
"""

from __future__ import annotations

import re
from types import MappingProxyType

import msgspec

from pushfit.errors import ConfigError, nearest
from pushfit.settings import code

LEAST = 8  # pixels of a side that PushFit's models need, since they halve it several times
STARTS = ("auto", "imagenet", "none")  # words that --weights takes instead of a file
KERAS_LEAST = 32  # pixels of a side that most models of Keras need


class Model(msgspec.Struct, frozen=True):
    """A model.

    parameters: those of the body on RGB patches, without the head, with batch statistics.
    least: pixels of a side; smaller patches are enlarged.
    imagenet: the model is one of Keras, so it needs RGB and has ImageNet weights.
    """

    name: str
    parameters: int
    least: int = KERAS_LEAST
    imagenet: bool = True


def _own(name: str, parameters: int) -> Model:
    return Model(name, parameters, LEAST, imagenet=False)


MODELS = MappingProxyType({
    model.name: model
    for model in (
        _own("smallcnn", 66_144),
        _own("resnet18", 11_186_112),
        _own("resnet34", 21_301_696),
        _own("squeezenet1.0", 741_376),
        _own("squeezenet1.1", 728_384),
        _own("mnasnet0.5", 958_136),
        _own("mnasnet1.0", 3_140_232),
        Model("convnextbase", 87_566_464),
        Model("convnextlarge", 196_230_336),
        Model("convnextsmall", 49_454_688),
        Model("convnexttiny", 27_820_128),
        Model("convnextxlarge", 348_147_968),
        Model("densenet121", 7_037_504),
        Model("densenet169", 12_642_880),
        Model("densenet201", 18_321_984),
        Model("efficientnetb0", 4_049_571),
        Model("efficientnetb1", 6_575_239),
        Model("efficientnetb2", 7_768_569),
        Model("efficientnetb3", 10_783_535),
        Model("efficientnetb4", 17_673_823),
        Model("efficientnetb5", 28_513_527),
        Model("efficientnetb6", 40_960_143),
        Model("efficientnetb7", 64_097_687),
        Model("efficientnetv2b0", 5_919_312),
        Model("efficientnetv2b1", 6_931_124),
        Model("efficientnetv2b2", 8_769_374),
        Model("efficientnetv2b3", 12_930_622),
        Model("efficientnetv2l", 117_746_848),
        Model("efficientnetv2m", 53_150_388),
        Model("efficientnetv2s", 20_331_360),
        Model("inceptionresnetv2", 54_336_736, 75),
        Model("inceptionv3", 21_802_784, 75),
        Model("mobilenet", 3_228_864),
        Model("mobilenetv2", 2_257_984),
        Model("mobilenetv3large", 2_996_352),
        Model("mobilenetv3small", 939_120),
        Model("nasnetlarge", 84_916_818),
        Model("nasnetmobile", 4_269_716),
        Model("resnet101", 42_658_176),
        Model("resnet101v2", 42_626_560),
        Model("resnet152", 58_370_944),
        Model("resnet152v2", 58_331_648),
        Model("resnet50", 23_587_712),
        Model("resnet50v2", 23_564_800),
        Model("vgg16", 14_714_688),
        Model("vgg19", 20_024_384),
        Model("xception", 20_861_480, 71),
    )
})  # fmt: skip


# The models of a common comparison, in torchvision's spelling.
TORCHVISION = (
    "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "squeezenet1_0", "squeezenet1_1",
    "efficientnet_b0", "efficientnet_b3", "resnet18", "resnet34", "mnasnet0_5", "mnasnet1_0",
)  # fmt: skip


def find(name: str) -> Model:
    """The model called `name`, in any spelling (mobilenet_v2, MobileNetV2). Raises ConfigError."""
    for model in MODELS.values():
        if _letters(model.name) == _letters(name):
            return model
    raise ConfigError(
        f"unknown model {name!r}{nearest(name, MODELS) or ';'} --list-models prints all of them"
    )


def is_listed(name: str) -> bool:
    """False for code of a user's own and for a preset of keras-hub, which are in no list."""
    return not (code.names_code(name) or name.startswith(code.HUB))


def _letters(name: str) -> str:
    return re.sub("[-_. ]", "", name.lower())


def check_weights(weights: str) -> None:
    """Raise ConfigError if `weights` is not one of STARTS and not the name of a model file."""
    if weights not in STARTS and not weights.endswith((".keras", ".weights.h5")):
        raise ConfigError(
            f"--weights {weights}{nearest(weights, STARTS) or ':'} use {', '.join(STARTS)}, or a "
            "FILE that ends in .keras or .weights.h5, such as best.keras in a run's folder (a .h5 "
            "file from Keras's own server goes to ~/.keras/models, for --weights imagenet)"
        )


def named() -> str:
    """The names of all models on one line, for `--help`."""
    own = ", ".join(model.name for model in MODELS.values() if not model.imagenet)
    keras = ", ".join(model.name for model in MODELS.values() if model.imagenet)
    return f"{own}; with ImageNet weights {keras}"


def table() -> str:
    """A table of all models: parameters in millions, least side in pixels, ImageNet weights."""
    rows = [("model", "parameters", "least side", "ImageNet weights")]
    for model in MODELS.values():
        weights = "yes" if model.imagenet else ""
        millions = f"{model.parameters / 1e6:.2f} M"
        rows.append((model.name, millions, f"{model.least} px", weights))
    wide = max(len(row[0]) for row in rows)
    lines = [f"{row[0]:{wide}}  {row[1]:>10}  {row[2]:>10}  {row[3]}".rstrip() for row in rows]
    return "\n".join([
        *lines, "",
        "Parameters are those of the body alone, on RGB patches. Patches smaller than the least",
        "side are enlarged by the least whole factor that reaches it; grey ones are repeated over",
        "three channels for a model that has ImageNet weights. Names may be written as torchvision",
        "or Keras write them: mobilenet_v2, MobileNetV2.",
    ])  # fmt: skip
