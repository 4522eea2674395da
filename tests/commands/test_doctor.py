"""`pushfit doctor`: what a bug report has to say, whatever is wrong with the host."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pushfit import __version__, requirements
from pushfit.commands import doctor
from pushfit.errors import ConfigError


@pytest.fixture
def told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> dict[str, str]:
    monkeypatch.setenv("PUSHFIT_SENTRY_DSN", "https://secret@sentry.example.org/1")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "links").mkdir()
    (tmp_path / "links/train").symlink_to(tmp_path / "photos")
    assert doctor.main(["--no-keras", "--links", str(tmp_path / "links")]) == 0
    return parts(capsys.readouterr().out)


def parts(text: str) -> dict[str, str]:
    """{title: its lines}"""
    found: dict[str, str] = {}
    title = ""
    for line in text.splitlines():
        title = line[: doctor.WIDTH].strip() or title
        found[title] = f"{found.get(title, '')}{line[doctor.WIDTH + 1 :]}\n"
    return found


def test_every_part_is_told(told: dict[str, str]) -> None:
    assert told["PushFit"].startswith(f"{__version__}, checkout ")
    assert sys.executable in told["Python"]
    for name in ("numpy", "pillow", "simplejpeg", "cykooz-resizer"):
        assert name in told["Pixels"]
    assert "pyzmq" in told["Packages"] and "libzmq" in told["ZeroMQ"]
    assert "libturbojpeg" in told["libturbojpeg"] or "decoded whole" in told["libturbojpeg"]
    assert "12001 is" in told["Ports"] and "12002 is" in told["Ports"]
    assert "may be raised to" in told["Open files"]
    assert "temporary files: " in told["Folders"]
    assert "cannot be found out" not in "".join(told.values())


def test_nothing_of_it_is_secret(told: dict[str, str], tmp_path: Path) -> None:
    assert "PUSHFIT_SENTRY_DSN" in told["Environment"]
    text = "".join(told.values())
    assert "secret" not in text and "example.org" not in text
    assert "train -> ~/photos: dangling" in told["Links"] and str(tmp_path) not in text


def test_a_port_in_use_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert doctor._port(taken.getsockname()[1]) == "is taken"


def test_a_part_that_fails_says_so_and_the_others_are_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise OSError("no such luck")

    monkeypatch.setattr(doctor, "_ports", broken)
    assert doctor.main(["--no-keras"]) == 0
    told = parts(capsys.readouterr().out)
    assert told["Ports"] == "cannot be found out: OSError: no such luck\n"
    assert told["Environment"] and told["Pixels"]


def test_keras_is_started_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KERAS_BACKEND", raising=False)

    def run(*_: object, timeout: float, **__: object) -> subprocess.CompletedProcess[str]:
        if timeout < 1:
            raise subprocess.TimeoutExpired("python", timeout)
        return subprocess.CompletedProcess("python", -11, "", "first\nsegmentation fault\n")

    monkeypatch.setattr(doctor.subprocess, "run", run)
    ended = list(doctor._back_end(doctor.DoctorSettings(wait=200)))
    assert ended == ["segmentation fault (exit code -11)"]
    slow = list(doctor._back_end(doctor.DoctorSettings(wait=0.5)))
    assert slow == ["Keras did not start within 0.5 s (--wait)"]
    monkeypatch.setattr(requirements, "is_there", lambda _: False)
    assert "not installed" in next(doctor._back_end(doctor.DoctorSettings()))


@pytest.mark.slow
def test_the_devices_of_this_host() -> None:
    assert list(doctor._back_end(doctor.DoctorSettings()))[-1].startswith("Keras 3")


def test_a_slip_is_answered() -> None:
    with pytest.raises(ConfigError, match="did you mean '--no-keras'"):
        doctor.main(["--no-kers"])
