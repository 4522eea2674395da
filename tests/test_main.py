"""The front door: `python -m pushfit` and `pushfit COMMAND`, and how messages call the commands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.lab.processes import LONG, ROOT
from pushfit import __main__, __version__, installation


def ask(*words: str, code: int = 0, cwd: Path = ROOT) -> str:
    """What `python -m pushfit` says to `words`; it ends with `code`, and without a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "pushfit", *words],
        cwd=cwd, capture_output=True, text=True, timeout=LONG, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr if code else done.stdout


@pytest.mark.parametrize("words", [("--help",), ("-h",), ("help",)])
def test_help_names_every_command(words: tuple[str, ...]) -> None:
    said = ask(*words)
    assert all(f"\n  {name} " in said for name in __main__.COMMANDS)
    assert not any(name in said for name in __main__.CHILDREN)


def test_without_a_command_the_usage_is_shown_and_the_exit_code_is_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["pushfit"])
    with pytest.raises(SystemExit) as end:
        __main__.main()
    assert end.value.code == 2
    assert capsys.readouterr().out.startswith("usage: pushfit COMMAND")


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_version(flag: str) -> None:
    assert ask(flag) == f"pushfit {__version__}\n"


def test_an_unknown_command_is_refused_with_the_nearest() -> None:
    start = "error: there is no command 'trian', did you mean 'train'? (known: train, generate, "
    assert ask("trian", code=2).startswith(start)


@pytest.mark.parametrize("name", __main__.COMMANDS)
def test_each_command_has_help_and_refuses_what_it_does_not_know(name: str) -> None:
    assert f"sage: pushfit {name} " in ask(name, "--help").replace("Usage", "usage")
    assert f"pushfit {name}" in ask(name, "--zzz", code=2)


@pytest.mark.parametrize("name", installation.SCRIPTS)
def test_help_calls_the_programs_as_the_person_did(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = installation.SCRIPTS[name]
    text = f"    pushfit {name} --out DIR\n    pushfit keys make"
    for started, called, typed in (
        ("/usr/bin/pushfit", f"pushfit {name}", f"pushfit {name}"),
        (f"/a/checkout/{script}", script, f"python {script}"),
    ):
        monkeypatch.setattr(sys, "argv", [started])
        assert installation.called(name) == called
        assert installation.typed(name) == typed
        assert installation.as_typed(text) == f"    {typed} --out DIR\n    pushfit keys make"
        assert installation.typed("keys") == "pushfit keys"


def test_the_help_of_a_script_shows_scripts() -> None:
    done = subprocess.run(
        [sys.executable, "sink_zmq.py", "--help"],
        cwd=ROOT, capture_output=True, text=True, timeout=LONG, check=True,
    )  # fmt: skip
    assert "python sink_zmq.py --resume --out hdf5/cam" in done.stdout
    assert "pushfit sink" not in done.stdout


def test_a_child_runs_this_code_and_nothing_of_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "msgspec.py").write_text("raise SystemExit('taken from the current folder')")
    done = subprocess.run(
        installation.command("keys", "list", "--keys", "none"),
        cwd=tmp_path, capture_output=True, text=True, timeout=LONG, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ") and "taken from" not in done.stderr
