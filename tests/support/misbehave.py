"""A task whose code misbehaves at one photo, in real processes: by a `sitecustomize` of Python.

Written to a folder of the test's and put on PYTHONPATH; nothing in `lib/` knows of it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

SITECUSTOMIZE = """
import ctypes, os, signal, sys, time
from importlib.machinery import PathFinder


def misbehave(how):
    if how == "bad":
        from pushfit.errors import BadRecord
        raise BadRecord("bad from the start")
    if how == "segfault":
        ctypes.string_at(0)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "hang":
        time.sleep(3600)
    if how == "memory":
        raise MemoryError
    if how == "disk":
        raise OSError(28, "No space left on device")
    if how == "raise":
        return {}["no such key"]


def patch(camera):
    decode = camera.CameraTask.decode
    read = camera.CameraTask.read

    def decode_or_not(self, data, record):
        if record.path == os.environ["MISBEHAVE_AT"]:
            misbehave(os.environ["MISBEHAVE"])
        return decode(self, data, record)

    def read_or_not(self, links, record):
        if record.path == os.environ["MISBEHAVE_AT"] and os.environ["MISBEHAVE"] == "frozen":
            time.sleep(3600)
        return read(self, links, record)

    camera.CameraTask.decode = decode_or_not
    camera.CameraTask.read = read_or_not


class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        camera = name == "pushfit.tasks.camera.task"
        spec = super().find_spec(name, path, target) if camera else None
        if spec is not None:
            execute = spec.loader.exec_module

            def exec_module(module):
                execute(module)
                patch(module)

            spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Finder)
"""


def misbehave(monkeypatch: pytest.MonkeyPatch, folder: Path, how: str, path: str) -> None:
    """Have every process started from here on do `how` when it comes to the record `path`."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("MISBEHAVE", how)
    monkeypatch.setenv("MISBEHAVE_AT", path)
