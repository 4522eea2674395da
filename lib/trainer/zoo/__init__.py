"""The bodies that `--model` names: what turns an image into features.

    smallcnn; resnet18, resnet34; squeezenet1.0, squeezenet1.1       of our own
    every image model of `keras.applications`, by its lower-case name

Every one takes every patch, by this rule:

- An image smaller than the least that the body was made for is enlarged, bilinearly, by the least
  whole factor that reaches it: 28 pixels become 56 where 32 are wanted, 84 where 75 are.
- A grey image is repeated over three channels for an application. Ours take any number of channels.
- Below 64 pixels our ResNets and SqueezeNets begin with a 3 × 3 convolution of stride 1 and no
  pooling, so that not all is averaged before they have looked.
"""

from __future__ import annotations

from lib.errors import ConfigError, nearest
from lib.trainer.zoo import applications, resnet, smallcnn, squeezenet
from lib.trainer.zoo.body import Body, fitted

__all__ = ["Body", "find", "fitted", "names"]

OWN = {body.name: body for body in (*smallcnn.BODIES, *resnet.BODIES, *squeezenet.BODIES)}


def names() -> list[str]:
    """Every name that `find` knows, ours first."""
    return [*OWN, *sorted(applications.members())]


def find(name: str) -> Body:
    """The body called `name`. Raises ConfigError."""
    if name in OWN:
        return OWN[name]
    known = applications.members()
    if name not in known:
        raise ConfigError(
            f"unknown model {name!r}{nearest(name, names())}; known are {', '.join(names())}"
        )
    return applications.body(name, known[name])
