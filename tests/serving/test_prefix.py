"""Behind a proxy under a path: what is linked is asked for where it is served."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urljoin

import pytest

from pushfit.errors import ConfigError
from pushfit.serving import prefix
from tests.support.clients import ask, client, drawing

LINK = re.compile(r"""(?:href|src)="([^"]*)"|url: '([^']*)'""")


def links(opened: Any, path: str, base: str = "", **more: Any) -> set[str]:
    """Where the links of the answer at `path` lead a browser that sees it at `base` + path."""
    text = opened.get(path, **more).text
    start = re.search(r'<base href="([^"]*)"', text)
    seen = urljoin(f"http://host{base}{path}", start[1] if start else "")
    text = text.replace(start[0], "") if start else text
    found = {"".join(groups) for groups in LINK.findall(text)} - {"data:,"}
    return {urljoin(seen, link) for link in found}


@pytest.mark.parametrize(
    ("settings", "headers"),
    [({}, {}), ({}, {"X-Forwarded-Prefix": "/a/digits"}), ({"root_path": "/a/digits/"}, {})],
)
def test_every_link_stays_below_the_path_that_a_proxy_takes_off(
    settings: dict[str, str], headers: dict[str, str]
) -> None:
    with client(**settings) as opened:
        for page, least in (("/", 3), ("/docs", 4)):
            found = links(opened, page, "/a/digits", headers=headers)
            assert len(found) >= least
            for link in found:
                assert link.startswith("http://host/a/digits/"), link
                own = link.removeprefix("http://host/a/digits")
                assert opened.get(own, headers=headers).status_code == 200, link
        servers = opened.get("/openapi.json", headers=headers).json()["servers"]
    document = "http://host/a/digits/openapi.json"
    assert urljoin(document, servers[0]["url"]).rstrip("/") == "http://host/a/digits"


@pytest.mark.parametrize("said", [True, False])
def test_a_known_path_may_be_left_in_what_is_asked_for(said: bool) -> None:
    settings, headers = (
        ({}, {"X-Forwarded-Prefix": "/digits"}) if said else ({"root_path": "/digits"}, {})
    )
    with client(**settings) as opened:
        for path in (
            "/digits/healthz",
            "/healthz",
            "/digits/docs",
            "/digits/static-offline-docs/swagger-ui.css",
        ):
            assert opened.get(path, headers=headers).status_code == 200, path
        shown = opened.get("/digits", headers=headers)  # without a slash, links need their base
        assert shown.status_code == 200 and '<base href="/digits/">' in shown.text
        assert opened.get("/digits2/healthz", headers=headers).status_code == 404
        assert shown.headers["Vary"] == "X-Forwarded-Prefix"
        figures = opened.get("/metrics").text
        assert 'pushfit_requests_total{route="/healthz",status="200"} 2.0' in figures


def test_several_proxies_each_add_their_path() -> None:
    with client() as opened:
        for told in ("/a, /b/", "/a/b"):
            text = opened.get("/", headers={"X-Forwarded-Prefix": told}).text
            assert '<base href="/a/b/">' in text


@pytest.mark.parametrize(
    "told",
    ["//elsewhere.example", "https://elsewhere.example", '/"><script>', "/a/../b", "digits", ""],
)
def test_a_header_that_is_not_a_path_is_passed_over(told: str) -> None:
    with client() as opened:
        response = opened.get("/docs", headers={"X-Forwarded-Prefix": told})
        assert response.status_code == 200 and "elsewhere" not in response.text
        assert '"static-offline-docs/swagger-ui.css"' in response.text
        assert "<base" not in opened.get("/", headers={"X-Forwarded-Prefix": told}).text


@pytest.mark.parametrize(
    "text", ["digits", "//elsewhere", "https://host/digits", "/a b", "/..", "/a/./b"]
)
def test_a_root_path_that_is_not_one_is_told(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--root-path .* such as /digits"):
        prefix.parse(text)


@pytest.mark.parametrize(
    ("text", "path"), [("", ""), ("/", ""), ("/digits/", "/digits"), ("/.a/b..", "/.a/b..")]
)
def test_a_root_path(text: str, path: str) -> None:
    assert prefix.parse(text) == path


def test_no_redirection_leaves_the_path_of_the_proxy() -> None:
    with client() as opened:
        for path in ("/docs/", "/recognize.json/", "/static-offline-docs"):
            assert opened.get(path, follow_redirects=False).status_code == 404


@pytest.mark.parametrize(
    "kind", ["Multipart/Form-Data; Boundary=y", 'MULTIPART/FORM-DATA;boundary="y"']
)
def test_the_media_type_of_a_form_in_another_case(kind: str) -> None:
    head = b'--y\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n'
    body = head + b"content-type: Image/PNG\r\n\r\n" + drawing() + b"\r\n--y--\r\n"
    with client() as opened:
        assert ask(opened).json()["class"]
        response = opened.post("/recognize.json", content=body, headers={"Content-Type": kind})
        assert response.status_code == 200, response.text
