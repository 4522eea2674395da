"""`--list-models`: every body, how large it is, and the least side that it was made for.

The numbers of parameters stand in a table here, since to build all bodies takes minutes. They are
properties of the published networks, not of a version of Keras: with others, the published weights
would no longer fit. What a newer Keras has besides is built and counted; a test builds every one.
"""

from __future__ import annotations

from types import MappingProxyType

import keras

from lib.trainer.zoo import find, names
from lib.trainer.zoo.body import Body

SIDE = 224  # pixels: what most were published for; smallcnn has no more parameters there

# Of the body on RGB patches, without the head: weights, and statistics of batch normalisation.
PARAMETERS = MappingProxyType({
    "smallcnn": 66_144,
    "resnet18": 11_186_112,
    "resnet34": 21_301_696,
    "squeezenet1.0": 741_376,
    "squeezenet1.1": 728_384,
    "convnextbase": 87_566_464,
    "convnextlarge": 196_230_336,
    "convnextsmall": 49_454_688,
    "convnexttiny": 27_820_128,
    "convnextxlarge": 348_147_968,
    "densenet121": 7_037_504,
    "densenet169": 12_642_880,
    "densenet201": 18_321_984,
    "efficientnetb0": 4_049_571,
    "efficientnetb1": 6_575_239,
    "efficientnetb2": 7_768_569,
    "efficientnetb3": 10_783_535,
    "efficientnetb4": 17_673_823,
    "efficientnetb5": 28_513_527,
    "efficientnetb6": 40_960_143,
    "efficientnetb7": 64_097_687,
    "efficientnetv2b0": 5_919_312,
    "efficientnetv2b1": 6_931_124,
    "efficientnetv2b2": 8_769_374,
    "efficientnetv2b3": 12_930_622,
    "efficientnetv2l": 117_746_848,
    "efficientnetv2m": 53_150_388,
    "efficientnetv2s": 20_331_360,
    "inceptionresnetv2": 54_336_736,
    "inceptionv3": 21_802_784,
    "mobilenet": 3_228_864,
    "mobilenetv2": 2_257_984,
    "mobilenetv3large": 2_996_352,
    "mobilenetv3small": 939_120,
    "nasnetlarge": 84_916_818,
    "nasnetmobile": 4_269_716,
    "resnet101": 42_658_176,
    "resnet101v2": 42_626_560,
    "resnet152": 58_370_944,
    "resnet152v2": 58_331_648,
    "resnet50": 23_587_712,
    "resnet50v2": 23_564_800,
    "vgg16": 14_714_688,
    "vgg19": 20_024_384,
    "xception": 20_861_480,
})  # fmt: skip


def count(body: Body) -> int:
    """Parameters of `body`, by building it."""
    image = keras.Input((SIDE, SIDE, 3), dtype="uint8")
    total: int = keras.Model(image, body.features(image, "none")).count_params()
    return total


def table() -> str:
    """A line a model: name, millions of parameters, least side in pixels, ImageNet weights."""
    rows = [("model", "parameters", "least side", "ImageNet weights")]
    for name in names():
        body = find(name)
        millions = (PARAMETERS.get(name) or count(body)) / 1e6
        rows.append((name, f"{millions:.2f} M", f"{body.least} px", "yes" if body.imagenet else ""))
    wide = max(len(row[0]) for row in rows)
    lines = [f"{row[0]:{wide}}  {row[1]:>10}  {row[2]:>10}  {row[3]}".rstrip() for row in rows]
    return "\n".join([
        *lines, "",
        "Parameters of the body alone, on RGB patches. Smaller patches than the least side are",
        "enlarged by the least whole factor that reaches it; grey ones are repeated over three",
        "channels for a model that has ImageNet weights.",
    ])  # fmt: skip
