"""The bodies that `--model` names: what turns an image into features.

`pushfit.settings.models` lists them, with all that is known of them without Keras.

Every one takes every patch, by this rule:

- An image smaller than the least that the body was made for is enlarged, bilinearly, by the least
  whole factor that reaches it: 28 pixels become 56 where 32 are wanted, 84 where 75 are.
- A grey image is repeated over three channels for an application. Ours take any number of channels.
- Below 64 pixels our ResNets, SqueezeNets and MNASNets begin with a 3 × 3 convolution of stride 1
  and no pooling, so that not all is averaged before they have looked.
"""

from __future__ import annotations

from pushfit.settings import models
from pushfit.settings.code import HUB
from pushfit.training.zoo import applications, hub, mnasnet, resnet, smallcnn, squeezenet
from pushfit.training.zoo.body import Body, fitted

__all__ = ["Body", "find", "fitted"]

OWN = {
    body.name: body for family in (smallcnn, resnet, squeezenet, mnasnet) for body in family.BODIES
}


def find(name: str) -> Body:
    """The body called `name`, in any spelling, or of the preset hub:PRESET. Raises ConfigError."""
    if name.startswith(HUB):
        return hub.body(name)
    name = models.find(name).name
    return OWN[name] if name in OWN else applications.body(name)
