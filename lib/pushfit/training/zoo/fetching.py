"""How long a fetch of ImageNet weights may take, and what to do where it fails.

Keras fetches them itself, into its cache, and would wait for ever for a server that is silent.
"""

from __future__ import annotations

import os
import re
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from keras.src.utils import file_utils  # Keras has no public way to bound a fetch

SILENT_SECONDS = 30.0  # without a single byte, before a fetch is given up
QUICK_SECONDS = 15.0  # for the whole of a fetch that nobody has asked for
QUICK_SILENT_SECONDS = 4.0


@contextmanager
def patiently() -> Iterator[None]:
    """Fetches within the block are given up when the server is silent for SILENT_SECONDS."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENT_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextmanager
def quickly() -> Iterator[None]:
    """Fetches within the block raise TimeoutError after QUICK_SECONDS."""
    before = file_utils.urlretrieve
    file_utils.urlretrieve = retrieve
    try:
        yield
    finally:
        file_utils.urlretrieve = before


def retrieve(url: str, target: str, hook: Any = None) -> None:
    """Fetch `url` into the file `target` within QUICK_SECONDS. Raises OSError; TimeoutError is one.

    In a thread, since looking up a name can take longer than any limit that can be set.
    """
    late = threading.Event()
    errors: list[Exception] = []

    def work() -> None:
        try:
            _copy(url, Path(target), late)
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=work, name="weights", daemon=True)
    thread.start()
    thread.join(QUICK_SECONDS)
    late.set()
    if thread.is_alive():
        raise TimeoutError(f"{url} did not arrive within {QUICK_SECONDS:g} seconds")
    if errors:
        raise errors[0]


def _copy(url: str, target: Path, late: threading.Event) -> None:
    # Under another name at first: another run may look into the cache meanwhile.
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with (
            urllib.request.urlopen(url, timeout=QUICK_SILENT_SECONDS) as answer,
            temporary.open("wb") as file,
        ):
            while block := answer.read1(2**20):
                if late.is_set():
                    return
                file.write(block)
            if answer.length:
                raise OSError(f"{url} ended {answer.length:,} bytes too early")
        temporary.replace(target)
    except urllib.error.HTTPError as error:  # it holds the connection
        error.close()
        raise
    finally:
        temporary.unlink(missing_ok=True)


def advice(name: str, error: Exception) -> str:
    """What to tell people who want the weights of `name`, which could not be fetched."""
    url = re.search(r"https?://\S+\.\w+", str(error))
    # Where `keras.utils.get_file` looks: $KERAS_HOME, else ~/.keras.
    models = Path(os.environ.get("KERAS_HOME", "~/.keras")) / "models"
    target = models / url[0].rsplit("/", 1)[1] if url else models
    return (
        f"cannot fetch the ImageNet weights of {name}: {error}. On a machine with internet access "
        f"download {url[0] if url else 'the file that Keras names above'} and put it to {target} "
        "here; or start from your own model with --weights FILE, or with --weights none"
    )
