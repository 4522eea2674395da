"""What a peer sends is data: nothing in the code could run it, or take it for a path or a task."""

from __future__ import annotations

import ast
import logging
from collections.abc import Iterator

import pytest

from bench.lab.processes import ROOT
from pushfit import tasks
from pushfit.entry import Printable, printable
from pushfit.errors import ConfigError

RUNS_DATA = {
    *("pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"),
    *("jsonpickle", "yaml", "code", "runpy", "xmlrpc"),
}
CALLS = {"eval", "exec", "compile", "__import__", "recv_pyobj", "send_pyobj", "unsafe_load"}


def sources() -> Iterator[tuple[str, str]]:
    for folder in ("lib", "cfg", "bench"):
        for path in (ROOT / folder).rglob("*.py"):
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
    for path in ROOT.glob("*.py"):
        yield path.name, path.read_text(encoding="utf-8")


def findings(name: str, source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        found: list[str] = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found = [node.module or ""]
        yield from (f"{name}: import {each}" for each in found if each.split(".")[0] in RUNS_DATA)
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Name) and called.id in CALLS:
                yield f"{name}: {called.id}()"
            if isinstance(called, ast.Attribute) and called.attr in CALLS - {"compile"}:
                yield f"{name}: .{called.attr}()"
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            yield f"{name}: allow_pickle"


def test_nothing_is_pickled_or_evaluated() -> None:
    assert [each for name, source in sources() for each in findings(name, source)] == []


@pytest.mark.parametrize(
    "source",
    ["import pickle", "from marshal import loads", "eval(x)", "x.recv_pyobj()", "import yaml.y",
     "np.load(f, allow_pickle=True)", "def f():\n    exec(x)"],
)  # fmt: skip
def test_the_check_finds_what_it_looks_for(source: str) -> None:
    assert list(findings("f", source))


@pytest.mark.parametrize(
    "name",
    ["os", "os:system", "pushfit.tasks.camera.task:CameraTask", "../x", "", "x.py", __file__],
)
def test_a_task_is_a_name_of_the_registry_and_nothing_else(name: str) -> None:
    with pytest.raises(ConfigError, match="there is no"):
        tasks.create(name, {})


def test_what_a_peer_sent_does_not_steer_the_terminal() -> None:
    record = logging.LogRecord(
        "x", 30, "f", 1, "%s\n at %s", ("a\x1b]0;owned\x07\x1b[2J\r", "b\x9b1m\u202e\x00c"), None
    )
    said = Printable("%(message)s").format(record)
    assert said == r"a\x1b]0;owned\x07\x1b[2J\r" + "\n" + " " * 9 + r" at b\x9b1m\u202e\x00c"
    assert printable("Größe\t5\n 日本") == "Größe\t5\n 日本"
