"""Notes that processes work, and the check that reads them."""

from __future__ import annotations

import http.server
import logging
import os
import threading
import time
from pathlib import Path

import pytest

from pushfit.commands import health as health_command
from pushfit.health import EVERY_SECONDS, STALE_SECONDS, Health, check


def test_a_note_is_renewed_once_a_second(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "when-needed"
    note, path = Health(str(folder)), folder / str(os.getpid())
    note.beat(100.0, "first")
    note.beat(100.0 + EVERY_SECONDS / 2, "too soon")
    assert path.read_text() == "30 first"
    note.beat(100.0 + EVERY_SECONDS, "second")
    assert path.read_text() == "30 second"
    assert check(folder, time.time()) == (True, "second")


def test_without_a_folder_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Health("").beat(1.0, "at work")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    note = Health(str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING):
        note.beat(1.0, "at work")
        note.beat(9.0, "at work")
    assert caplog.text.count("cannot write its health note to") == 1 and "--health" in caplog.text


def test_every_living_process_has_to_work(tmp_path: Path) -> None:
    now = time.time()
    assert check(tmp_path / "none", now)[0] is False
    assert check(tmp_path, now)[0] is False
    (tmp_path / "999999999").write_text("one that has ended")
    assert check(tmp_path, now)[0] is False
    (tmp_path / str(os.getpid())).write_text("30 in a run")
    assert check(tmp_path, now) == (True, "in a run")
    (tmp_path / "1").write_text("30 in another")
    os.utime(tmp_path / "1", (now, now - STALE_SECONDS - 5))
    well, said = check(tmp_path, now)
    assert not well and said == "process 1 has not worked for 35 s; last note: in another"
    (tmp_path / "1").write_text("120 in another")  # whose trainer has a higher --expiry
    os.utime(tmp_path / "1", (now, now - STALE_SECONDS - 5))
    assert check(tmp_path, now)[0]
    os.utime(tmp_path / "1", (now, now - 125))
    assert not check(tmp_path, now)[0]


def test_a_note_says_how_old_it_may_become(tmp_path: Path) -> None:
    Health(str(tmp_path)).beat(1.0, "at work", busy=240.0)
    assert (tmp_path / str(os.getpid())).read_text() == "240 at work"


def test_a_server_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/well" else 503)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        assert health_command.main([f"{url}/well"]) == 0
        assert health_command.main([f"{url}/loading"]) == 1
        server.shutdown()
        thread.join()
    assert "503" in capsys.readouterr().out
    assert health_command.main([f"{url}/well"]) == 1
    assert health_command.main([]) == 2
