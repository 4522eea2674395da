"""A picture as JSON and as the body: as it may come; what may not is refused as in a form."""

from __future__ import annotations

import base64
import json
import tempfile
import tracemalloc
from typing import Any
from urllib.parse import quote

import pytest

from pushfit.serving import encoded
from pushfit.serving.refusals import Refusal
from tests.support.clients import ask, client, drawing

PNG = drawing(12)
TEXT = base64.b64encode(PNG).decode()


def post(opened: Any, content: Any, kind: str = "", **headers: str) -> Any:
    headers |= {"Content-Type": kind} if kind else {}
    return opened.post("/recognize.json", content=content, headers=headers)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("image/png", PNG),
        ("Image/JPEG; charset=binary", PNG),  # what it is, its content says
        ("application/octet-stream", PNG),
        ("", PNG),
        ("application/json", json.dumps({"image": TEXT})),
        ("Application/JSON; charset=UTF-8", json.dumps({"image": TEXT, "name": "7.png"})),
        ("application/vnd.api+json", json.dumps({"image": f"data:image/png;base64,{TEXT}"})),
    ],
)
def test_the_answer_is_that_of_a_form(kind: str, content: Any) -> None:
    with client() as opened:
        told = post(opened, content, kind)
        assert told.status_code == 200, told.text
        assert told.json()["probabilities"] == ask(opened, PNG).json()["probabilities"]


@pytest.mark.parametrize(
    "image",
    [
        TEXT,
        TEXT.rstrip("="),
        TEXT.translate(str.maketrans("+/", "-_")),
        f"  {TEXT[:76]}\r\n{TEXT[76:]}\n",
        f"DATA:Image/PNG;Base64,{TEXT}",
        f"data:;base64,{quote(TEXT, safe='')}",
        f"data:image/png,{quote(PNG)}",
    ],
    ids=["plain", "without padding", "for URLs", "in lines", "URL", "quoted base64", "quoted"],
)
def test_base64_as_it_comes(image: str) -> None:
    assert encoded.decode(json.dumps({"image": image}).encode()) == PNG


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "truncated"),
        (b"{", "truncated"),
        (b"[" * 100_000, "JSON cannot be read"),
        (b'{"image": "\xff"}', "JSON cannot be read"),
        (b"[]", "got `array`"),
        (b"{}", "missing required field `image`"),
        (b'{"image": 7}', "got `int`"),
        (b'{"image": null}', "got `null`"),
        (b'{"image": "https://example.org/7.png"}', "neither base64 nor a data: URL"),
        (b'{"image": "A"}', "neither base64"),
        ('{"image": "é"}'.encode(), "neither base64"),
        (b'{"image": "data:image/png;base64"}', "without a comma"),
        (b'{"image": "data:image/png;base64,%FF"}', "neither base64"),
    ],
)
def test_json_that_holds_no_picture(body: bytes, says: str) -> None:
    with pytest.raises(Refusal, match=says) as caught:
        encoded.decode(body)
    assert caught.value.status == 400 and encoded.SHAPE in caught.value.message


@pytest.mark.parametrize("head", ["data:,", "data:;base64,"])
def test_a_data_url_takes_no_memory_beyond_a_few_times_its_size(head: str) -> None:
    body = json.dumps({"image": head + "%41" * 400_000}).encode()
    tracemalloc.start()
    try:
        assert len(encoded.decode(body)) >= 300_000
        assert tracemalloc.get_traced_memory()[1] < 6 * len(body)
    finally:
        tracemalloc.stop()


def test_a_data_url_has_each_byte() -> None:
    data = bytes(range(256)) * 2
    for safe in ("", "/=+ \n_?"):
        body = json.dumps({"image": "data:," + quote(data, safe=safe)}).encode()
        assert encoded.decode(body) == data


def of_json(data: bytes) -> bytes:
    return json.dumps({"image": base64.b64encode(data).decode()}).encode()


@pytest.mark.parametrize(
    ("data", "status"),
    [(b"", 415), (b"hello", 415), (PNG[:300], 415), (drawing(size=9_000), 413)],
)
def test_what_will_not_do_is_told_as_of_a_form(data: bytes, status: int) -> None:
    with client(max_upload=8 * 1024) as opened:
        expected = opened.post("/recognize.json", files={"image": ("7.png", data)})
        for told in (post(opened, data, "image/png"), post(opened, of_json(data), "a/b+json")):
            assert told.status_code == told.json()["status"] == expected.status_code == status
            assert told.json()["error"] == expected.json()["error"]


def test_nothing_drawn() -> None:
    blank = drawing(0)
    with client() as opened:
        expected = ask(opened, blank)
        assert expected.status_code == 422
        for told in (post(opened, blank), post(opened, of_json(blank), "a/b+json")):
            assert told.status_code == 422 and told.json()["error"] == expected.json()["error"]


@pytest.mark.parametrize("kind", ["image/png", "application/json", ""])
def test_bytes_are_counted_as_they_come(kind: str) -> None:
    with client(max_upload=8 * 1024) as opened:
        assert post(opened, iter([bytes(1000)] * 20), kind).status_code == 413


@pytest.mark.parametrize("size", [100_000, 3_000_000])  # in memory; in a temporary file
def test_a_large_one(size: int) -> None:
    with client() as opened:
        for told in (
            post(opened, iter([PNG, bytes(size)]), "image/png"),
            post(opened, of_json(PNG + bytes(size)), "application/json"),
        ):
            assert told.status_code == 200, told.text


@pytest.mark.parametrize(
    ("kind", "headers", "says"),
    [
        ("text/plain", {}, "type text/plain is not supported"),
        ("application/x-www-form-urlencoded", {}, "with its media type"),  # curl -d, --data-binary
        ("video/mp4", {}, "is not supported"),
        ("image/png", {"Content-Encoding": "gzip"}, "Content-Encoding gzip is not supported"),
    ],
)
def test_a_body_of_another_kind(kind: str, headers: dict[str, str], says: str) -> None:
    with client() as opened:
        told = post(opened, PNG, kind, **headers)
        assert told.status_code == told.json()["status"] == 415 and says in told.json()["error"]


def test_a_body_that_cannot_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    with client() as opened:
        told = post(opened, PNG + bytes(3_000_000), "image/png")
        assert told.status_code == 503 and "cannot be stored" in told.json()["error"]


def test_every_form_stands_in_the_interface() -> None:
    with client() as opened:
        told = opened.get("/openapi.json").json()["paths"]["/recognize.json"]["post"]
    content = told["requestBody"]["content"]
    assert content.keys() == {
        "multipart/form-data", "application/json", "image/*", "application/octet-stream"
    }  # fmt: skip
    for kind in ("multipart/form-data", "application/json"):
        assert content[kind]["schema"]["required"] == ["image"]
