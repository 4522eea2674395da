"""Limits made on purpose, in real processes: sleeping code, by a `sitecustomize` of Python.

What sleeps takes as long on a busy machine: so it is known what each side could do.
"""

from __future__ import annotations

from pathlib import Path

import pytest

SITECUSTOMIZE = """
import os, sys, time
from importlib.machinery import PathFinder

SECONDS = {name: float(os.environ.get("LIMIT_" + name.upper(), 0)) for name in
           ("read", "decode", "step", "mix")}


def slower(function, seconds):
    def slow(*args, **more):
        time.sleep(seconds)
        return function(*args, **more)
    return slow


def camera(module):
    task = module.CameraTask
    task.read = slower(task.read, SECONDS["read"])
    task.decode_for = slower(task.decode_for, SECONDS["decode"])


def feed(module):
    module.EpochAudit.count = slower(module.EpochAudit.count, SECONDS["mix"])


def models(module):
    plain = module.compile

    def compile(model, *args, **more):
        plain(model, *args, **more)
        make = model.make_train_function

        def make_train_function(force=False):
            make(force)
            train = model.train_function
            if getattr(train, "slow", False):
                return
            model.train_function = lambda *batch: (train(*batch), time.sleep(SECONDS["step"]))[0]
            model.train_function.slow = True

        model.make_train_function = make_train_function

    module.compile = compile


PATCHES = {
    "pushfit.tasks.camera.task": camera,
    "pushfit.feed.audit": feed,
    "pushfit.training.models": models,
}


class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        spec = super().find_spec(name, path, target) if name in PATCHES else None
        if spec is not None:
            execute = spec.loader.exec_module

            def exec_module(module):
                execute(module)
                PATCHES[name](module)

            spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Finder)
"""


def limit(monkeypatch: pytest.MonkeyPatch, folder: Path, **seconds: float) -> None:
    """Have every process started from here on sleep so long at each `read` of a file, `decode` of a
    photo, `step` of training, or batch that the feed makes (`mix`)."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    for name, each in seconds.items():
        monkeypatch.setenv(f"LIMIT_{name.upper()}", str(each))
