"""What a browser is told about every answer, also about those that refuse."""

from __future__ import annotations

import re

import pytest

from tests.support.clients import ask, client


@pytest.mark.parametrize(
    "path",
    ["/", "/page.js", "/page.css", "/docs", "/openapi.json", "/model.json", "/healthz", "/metrics",
     "/static-offline-docs/swagger-ui.css", "/static-offline-docs/none", "/nowhere",
     "/static-offline-docs/%00", "/static-offline-docs/" + "a" * 3000, "/recognize.json"],
)  # fmt: skip
def test_every_answer_has_them_and_nobody_elsewhere_may_read_it(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with client() as opened:
        for method in ("GET", "OPTIONS", "HEAD"):
            asks = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
            response = opened.request(method, path, headers=asks)
            assert response.status_code < 500
            policy = response.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["X-Frame-Options"] == "DENY"
            assert response.headers["Referrer-Policy"] == "no-referrer"
            assert not [name for name in response.headers if "access-control" in name]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_only_the_script_of_a_page_may_run() -> None:
    with client() as opened:
        assert "unsafe" not in opened.get("/").headers["Content-Security-Policy"]
        docs = opened.get("/docs")
        assert (
            "'unsafe-inline'"
            not in re.findall(r"script-src[^;]*", docs.headers["Content-Security-Policy"])[0]
        )
        assert "'sha256-" in docs.headers["Content-Security-Policy"]
        assert ask(opened).headers["X-Content-Type-Options"] == "nosniff"
