"""Python runs this first in scripts that a test starts: they find only what users have installed.

TensorFlow and Keras import these wherever they are, which takes a second a start and, with JAX,
changes what TensorFlow prints. Here they are because of tests and rivals. A back end that is asked
for is found.
"""

import os
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

ABSENT = {"jax", "matplotlib", "pandas", "sklearn", "torch"} - {os.environ.get("KERAS_BACKEND")}
_find: Any = PathFinder.find_spec


def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
    return None if name in ABSENT else _find(name, path, target)


PathFinder.find_spec = find_spec  # type: ignore[assignment]
