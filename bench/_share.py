"""How much of the CPU time passes inside the libraries that decode and transform.

    with Libraries() as inside: …        inside.seconds: CPU seconds of this thread within them

Each call into them is timed from outside: simplejpeg and libturbojpeg (decoding), Pillow's
`fromarray` and `save` (JPEG encoding), cykooz-resizer (its copies in and out among them) and
`bytearray.translate` (the gamma tables). The rest is PushFit's and numpy's:
drawing, cutting, copying into the lease, reading, waiting.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import simplejpeg
from PIL import Image

from pushfit.decoding import turbojpeg
from pushfit.tasks import bicubic
from pushfit.tasks.camera import manipulations


class Libraries:
    """A context manager that times the calls while it is open."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._before: list[tuple[Any, str, Any]] = []

    def _timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.thread_time()
            try:
                return call(*args, **kwargs)
            finally:
                self.seconds += time.thread_time() - start

        return timed

    def _replace(self, owner: Any, name: str, value: Any) -> None:
        self._before.append((owner, name, vars(owner).get(name)))
        setattr(owner, name, value)

    def _wrap(self, owner: Any, *names: str) -> None:
        for name in names:
            self._replace(owner, name, self._timed(getattr(owner, name)))

    def __enter__(self) -> Libraries:
        self._wrap(simplejpeg, "decode_jpeg", "decode_jpeg_header")
        self._wrap(Image, "fromarray")
        self._wrap(Image.Image, "save")
        if bicubic.FAST:
            from cykooz_resizer import ImageData, Resizer

            self._wrap(ImageData, "__init__", "get_buffer")
            self._wrap(Resizer, "resize")
        else:
            self._wrap(Image.Image, "resize")
        if (library := turbojpeg._library()) is not None:
            functions = {
                name: self._timed(getattr(library, name))
                for name in ("tj3Init", "tj3DecompressHeader", "tj3Decompress8")
            }
            others = ("tj3Get", "tj3SetCroppingRegion", "tj3Destroy")
            timed = type("Timed", (), functions | {name: getattr(library, name) for name in others})
            self._replace(turbojpeg, "_library", lambda: timed)
        translate = self._timed(bytearray.translate)
        table = type("bytearray", (bytearray,), {"translate": lambda self, t: translate(self, t)})
        self._replace(manipulations, "bytearray", table)
        return self

    def __exit__(self, *_: object) -> None:
        for owner, name, value in reversed(self._before):
            if value is None:
                delattr(owner, name)
            else:
                setattr(owner, name, value)
        self._before.clear()
