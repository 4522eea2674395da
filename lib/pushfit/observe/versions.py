"""The versions of the software of a run, for its report."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from pushfit import __version__
from pushfit.tasks import compatibility

_OTHERS = ("pyzmq", "msgspec", "zstandard", "h5py")
_BACK_ENDS = ("keras", "tensorflow", "jax", "torch")  # they count if this process uses them


def versions() -> dict[str, str]:
    """{name: version} of PushFit and of the libraries that it computes with."""
    found = {"pushfit": __version__, "python": platform.python_version()}
    found |= compatibility.libraries()
    for name in (*_OTHERS, *(name for name in _BACK_ENDS if name in sys.modules)):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
