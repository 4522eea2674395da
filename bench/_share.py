"""How much of the CPU time passes inside the libraries that decode and transform.

    with libraries() as inside: …        inside.seconds: CPU seconds of this thread within them

Each call into them is timed from outside: simplejpeg and libturbojpeg (decoding), Pillow's
`fromarray` and `save` (JPEG encoding), cykooz-resizer (its copies in and out among them) and
`bytearray.translate` (the gamma tables). The rest is PushFit's and numpy's:
drawing, cutting, copying into the lease, reading, waiting.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import simplejpeg
from PIL import Image

from pushfit.decoding import turbojpeg
from pushfit.tasks import resizing
from pushfit.tasks.camera import manipulations

TIMED = ("tj3Init", "tj3DecompressHeader", "tj3Decompress8")  # of libturbojpeg
UNTIMED = ("tj3Get", "tj3SetCroppingRegion", "tj3Destroy")


class Libraries:
    """CPU seconds of this thread within the libraries."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.thread_time()
            try:
                return call(*args, **kwargs)
            finally:
                self.seconds += time.thread_time() - start

        return timed


@contextmanager
def libraries() -> Iterator[Libraries]:
    """Time the calls until the end of the block."""
    inside = Libraries()
    calls: list[tuple[Any, str]] = [
        (simplejpeg, "decode_jpeg"), (simplejpeg, "decode_jpeg_header"),
        (Image, "fromarray"), (Image.Image, "save"),
    ]  # fmt: skip
    if resizing.FAST:
        from cykooz_resizer import ImageData, Resizer

        calls += [(ImageData, "__init__"), (ImageData, "get_buffer"), (Resizer, "resize")]
    else:
        calls += [(Image.Image, "resize")]
    translate = inside.timed(bytearray.translate)
    table = type("bytearray", (bytearray,), {"translate": lambda self, t: translate(self, t)})
    with ExitStack() as stack:

        def replace(owner: Any, name: str, value: Any) -> None:
            stack.enter_context(mock.patch.object(owner, name, value, create=True))

        for owner, name in calls:
            replace(owner, name, inside.timed(getattr(owner, name)))
        if (library := turbojpeg._library()) is not None:
            found = {name: getattr(library, name) for name in (*TIMED, *UNTIMED)}
            found |= {name: inside.timed(found[name]) for name in TIMED}
            double = type("Timed", (), found)
            replace(turbojpeg, "_library", lambda: double)
        replace(manipulations, "bytearray", table)
        yield inside
