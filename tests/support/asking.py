"""A server in a process of its own, asked as a program asks it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

from bench.lab.processes import Script

DRAWN = Path(__file__).parent / "drawn" / "7.png"
SOON = 15.0  # seconds: three by its rule, and what a busy machine adds; who hangs takes for ever


def address(script: Script) -> str:
    return script.wait_for(r"listening at (http://127.0.0.1:\d+/)")[1]


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def upload(url: str, data: bytes) -> dict[str, object]:
    head = b'--y\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=y"}
    request = urllib.request.Request(
        url + "recognize.json", head + data + b"\r\n--y--\r\n", kind, method="POST"
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        answer: dict[str, object] = json.load(response)
    return answer


def break_model(run: Path, folder: Path) -> None:
    """Write a copy of the run's model that cannot be loaded into `folder`."""
    broken = folder / "last.keras"
    with zipfile.ZipFile(run / "last.keras") as old, zipfile.ZipFile(broken, "w") as new:
        for name in old.namelist():
            new.writestr(name, b"{}" if name == "config.json" else old.read(name))
