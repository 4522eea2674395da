"""The routes, with a model of a few lines: each answer, each refusal, each limit."""

from __future__ import annotations

import io
import json
import logging
import threading
import time
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from pushfit.errors import ConfigError
from pushfit.serving import logs, pictures, server
from pushfit.tasks.base import check_served
from pushfit.tasks.camera.params import CameraParams
from pushfit.tasks.camera.task import CameraTask
from tests.support.clients import CLASSES, ask, by_thickness, client, drawing, wait_for
from tests.support.fakes import NumberTask


def test_an_answer() -> None:
    with client() as opened:
        found = ask(opened, drawing(12)).json()
        assert found["class"] == "thin" and list(found["probabilities"]) == ["thin", "thick"]
        assert found["probability"] == found["probabilities"]["thin"] > 0.5
        assert found["model"] == "d1" and 0 < found["milliseconds"] < 10_000
        thick = ask(opened, drawing(190, "JPEG"), params={"seen": 1}).json()
        assert thick["probabilities"]["thick"] > found["probabilities"]["thick"]
        assert thick["seen"].startswith("data:image/png;base64,")
        told = opened.get("/model.json").json()
        assert told == {"model": "d1", "task": "digits", "classes": list(CLASSES), "ready": True}
        assert opened.get("/healthz").json() == {"status": "ready", "model": "d1"}


@pytest.mark.parametrize(
    ("classes", "digit"),
    [(("1", "8"), 8), (("8", "0"), 0), (CLASSES, None), (("1", "ten"), None), (("1", "10"), None)],
)
def test_a_digit_is_a_number_where_every_class_is_one(
    classes: tuple[str, str], digit: int | None
) -> None:
    with client(lambda samples: np.tile([[0.25, 0.75]], (len(samples), 1)), classes=classes) as on:
        found = ask(on).json()
        assert found["class"] == classes[1] and found.get("digit") == digit
        assert ("digit" in found) == (digit is not None)
        schemas = on.get("/openapi.json").json()["components"]["schemas"]
        assert "digit" in schemas["Answer"]["properties"]


@pytest.mark.parametrize(
    ("request_", "status", "says"),
    [
        ({}, 400, "there is no picture in the request"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "boundary"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=y"}}, 400,
         "cannot be read"),
        ({"files": {"picture": drawing()}}, 400, "there is no file"),
        ({"files": {"image": (None, "text")}}, 400, "is text, not a file"),
        ({"files": [("image", drawing()), ("image", drawing())]}, 400, "2 pictures"),
        ({"files": [(f"f{n}", b"x") for n in range(20)]}, 400, "Too many files"),
        ({"files": {"image": ("a.png", b"")}}, 415, "0 bytes"),
        ({"files": {"image": ("a.png", b"hello")}}, 415, "not a picture that can be read"),
        ({"files": {"image": ("a.png", drawing(size=9_000))}}, 413, "larger than 8KiB"),
        ({"files": {"image": ("a.png", drawing()[:300])}}, 415, "damaged"),
    ],
)  # fmt: skip
def test_refusals(request_: dict[str, Any], status: int, says: str) -> None:
    with client(max_upload=8 * 1024) as opened:
        response = opened.post("/recognize.json", **request_)
        told = response.json()
        assert response.status_code == told["status"] == status, told
        assert says in told["error"]
        assert told["request_id"] == response.headers["X-Request-ID"]


def test_bytes_are_counted_as_they_come_whatever_was_said_before() -> None:
    parts = [b'--y\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n']
    parts += [bytes(1000)] * 20
    with client(max_upload=8 * 1024) as opened:
        kind = {"Content-Type": "multipart/form-data; boundary=y"}
        response = opened.post("/recognize.json", content=iter(parts), headers=kind)
        assert response.status_code == 413


def test_nothing_drawn_and_a_photo_that_is_too_small() -> None:
    blank = io.BytesIO()
    Image.new("RGB", (90, 90), "white").save(blank, "PNG")
    with client() as opened:
        assert ask(opened, blank.getvalue()).status_code == 422
    with client(task=CameraTask(CameraParams(patch=64))) as opened:
        small = ask(opened, drawing()).json()
        assert small["class"] in CLASSES
        tiny = io.BytesIO()
        Image.new("RGB", (90, 60), "white").save(tiny, "PNG")
        response = ask(opened, tiny.getvalue())
        assert response.status_code == 422
        assert "90 x 60 px, smaller than the patch of 64" in response.json()["error"]


def test_the_patch_in_the_middle_of_a_photo_that_is_not_turned() -> None:
    task = CameraTask(CameraParams(patch=16, offset="eight", flag=True))
    photo = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    sample = task.from_picture(photo)
    np.testing.assert_array_equal(sample["image"], photo[16:32, 24:40])
    x, _ = task.to_fit({name: np.asarray(value)[np.newaxis] for name, value in sample.items()})
    assert x["image"].shape == (1, 16, 16, 3) and x["manipulated"].tolist() == [[0.0]]
    assert not task.upright


def test_other_paths_and_methods_are_refused_as_json() -> None:
    with client() as opened:
        for response, status in ((opened.get("/no"), 404), (opened.get("/recognize.json"), 405)):
            assert response.status_code == response.json()["status"] == status


def test_not_ready_and_a_model_that_fails() -> None:
    go = threading.Event()

    def load() -> Any:
        go.wait(10)
        raise ConfigError("no such model")

    with client(load=load) as opened:
        for response in (opened.get("/healthz"), ask(opened)):
            assert response.status_code == 503 and response.headers["Retry-After"] == "5"
        assert opened.get("/").status_code == 200
        go.set()
        wait_for(lambda: opened.failures)  # type: ignore[attr-defined]
        assert "no such model" in str(opened.failures[0])  # type: ignore[attr-defined]


class Held:
    """A model that answers when it is let go."""

    def __init__(self) -> None:
        self.go, self.batches = threading.Event(), list[int]()

    def __call__(self, samples: list[Any]) -> np.ndarray:
        self.batches.append(len(samples))
        self.go.wait(10)
        return by_thickness(samples)


def test_concurrent_requests_are_one_call_and_too_many_are_told_to_come_again() -> None:
    held, statuses = Held(), list[int]()
    with client(held, queue=5) as opened:

        def one() -> None:
            statuses.append(ask(opened).status_code)

        first = threading.Thread(target=one)
        first.start()
        wait_for(lambda: held.batches)
        others = [threading.Thread(target=one) for _ in range(8)]
        for thread in others:
            thread.start()
        wait_for(lambda: len(statuses) >= 4)  # those that are refused come back at once
        assert statuses == [503] * 4
        time.sleep(0.2)  # what was admitted is decoded meanwhile
        held.go.set()
        for thread in (first, *others):
            thread.join()
        assert sorted(statuses) == [200] * 5 + [503] * 4
        assert held.batches == [1, 4]
        figures = opened.get("/metrics").text
    assert 'pushfit_requests_total{route="/recognize.json",status="503"} 4.0' in figures
    assert 'pushfit_batch_pictures_bucket{le="4.0"} 2.0' in figures
    assert "pushfit_batch_pictures_count 2.0" in figures
    assert 'pushfit_answers_total{class="thin"} 5.0' in figures
    assert "pushfit_under_way 0.0" in figures and "pushfit_ready 1.0" in figures


def test_a_model_that_takes_too_long() -> None:
    held = Held()
    with client(held, deadline=0.3) as opened:
        response = ask(opened)
        assert response.status_code == 503 and "too busy" in response.json()["error"]
        held.go.set()


@pytest.mark.parametrize(("given", "kept"), [("abc-1.x_Y", True), ("a b", False), ("", False),
                                             ("x" * 65, False), ('"}{', False)])  # fmt: skip
def test_the_id_of_a_request(given: str, kept: bool) -> None:
    with client() as opened:
        response = ask(opened, headers={"X-Request-ID": given})
        own = response.headers["X-Request-ID"]
        assert own == response.json()["request_id"]
        assert (own == given) == kept and own.replace("-", "").replace(".", "").isascii()


def test_log_lines_are_json_with_the_id(caplog: pytest.LogCaptureFixture) -> None:
    caplog.handler.setFormatter(logs.Lines())
    caplog.set_level(logging.INFO, "pushfit.serving")
    with client() as opened:
        ask(opened, headers={"X-Request-ID": "one"})
        opened.get("/healthz")
    lines = [json.loads(line) for line in caplog.text.splitlines()]
    requests = [line for line in lines if line["message"] == "request"]
    assert len(requests) == 1  # what watches the server is not told about
    assert requests[0].items() >= {"request_id": "one", "status": 200, "class": "thin"}.items() or (
        requests[0]["class"] == "thick"
    )
    assert requests[0]["level"] == "info" and requests[0]["path"] == "/recognize.json"


@pytest.mark.parametrize("text", ["\x1b[2J", "\x9b2J", "\u202e", "\u2028", "\n{}", "<b>", "\x7f"])
def test_what_a_visitor_writes_steers_neither_a_terminal_nor_a_page(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.setFormatter(logs.Lines())
    caplog.set_level(logging.INFO, "pushfit.serving")
    with client() as opened:
        response = opened.get("/" + quote("a" + text) + "a" * 3000)
        assert response.status_code == 404 and len(response.text) < 600
        assert response.headers["Content-Type"] == "application/json"
        for kind in (b"text/" + text.encode() + b"x", b"image/png"):
            head = {b"Content-Type": kind.replace(b"\n", b" "), b"X-Request-ID": b"a" + kind[:9]}
            opened.post("/recognize.json", content=b"x", headers=head)
        opened.post("/recognize.json", files={"image": (text, b"x")})
    ready, *lines = caplog.text.splitlines()
    assert (
        '"ready"' in ready
        and len(lines) == 4
        and all(line.isascii() and line.isprintable() for line in lines)
    )
    assert json.loads(lines[0])["path"].startswith("/a" + text)
    assert {json.loads(line)["level"] for line in lines} == {"info"}


def test_what_is_logged_while_a_picture_is_decoded_has_the_id(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.handler.setFormatter(logs.Lines())

    def decode(*_: Any, **__: Any) -> Any:
        logs.log.warning("strange")
        raise pictures.NotAPicture("none")

    monkeypatch.setattr(pictures, "decode", decode)
    with client() as opened:
        ask(opened, headers={"X-Request-ID": "one"})
    assert json.loads(caplog.text.splitlines()[0])["request_id"] == "one"


def test_pages_load_nothing_from_elsewhere() -> None:
    with client() as opened:
        for path in ("/", "/page.js", "/page.css", "/docs"):
            response = opened.get(path)
            assert response.status_code == 200
            assert "https://" not in response.text and "//cdn" not in response.text
        assert "default-src 'none'" in opened.get("/").headers["Content-Security-Policy"]
        paths = opened.get("/openapi.json").json()["paths"]
    assert paths.keys() == {"/recognize.json", "/healthz", "/metrics", "/model.json"}
    told = paths["/recognize.json"]["post"]
    assert told["responses"].keys() >= {"200", "400", "413", "415", "422", "503"}
    assert "image" in told["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]


@pytest.mark.parametrize("asked", ["bytes=0-3", "bytes=9-1", "bytes=0-,0-,-1", "x", "bytes=-0"])
@pytest.mark.parametrize("path", ["/page.js", "/static-offline-docs/swagger-ui.css"])
def test_files_are_sent_as_a_whole(path: str, asked: str) -> None:
    with client() as opened:
        whole = opened.get(path)
        part = opened.get(path, headers={"Range": asked})
    assert (part.status_code, part.content) == (whole.status_code, whole.content)
    assert part.status_code == 200


def test_a_task_that_cannot_be_served_and_a_port_that_is_taken() -> None:
    with pytest.raises(ConfigError, match="the task number does not say how a picture becomes"):
        check_served(NumberTask(NumberTask.Params()))
    of_any_height = type("Tall", (NumberTask,), {"trimmed": {"image": "rows"}})
    with pytest.raises(ConfigError, match=r"samples have several lengths .* Use pushfit predict"):
        check_served(of_any_height(NumberTask.Params()))
    with server.listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"cannot listen at 127.0.0.1 port {port} .*--port"):
            server.listen("127.0.0.1", port)
    with pytest.raises(ConfigError, match="cannot listen at no-such"):
        server.listen("no-such-host.invalid", 0)
