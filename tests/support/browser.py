"""A page in a real Chromium, without a network, and strokes drawn on it by mouse or finger."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

STROKES: dict[str, list[list[tuple[float, float]]]] = json.loads(
    (Path(__file__).parent / "strokes.json").read_text()
)
"""{digit: its strokes, each a list of (x, y) of 0 to 1}: ten digits drawn by hand."""


def missing() -> str:
    """Why there is no browser to test with, or ``""``."""
    if shutil.which("chromium") is None:
        return "no chromium: apt-get install chromium"
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "no playwright: pip install -e '.[dev]'"
    return ""


@contextmanager
def page_at(url: str, **context: Any) -> Iterator[Any]:
    """A Playwright page at `url`. What it asks of anyone else, or finds wrong, fails the test."""
    from playwright.sync_api import sync_playwright

    wrong: list[str] = []
    home = url[: url.index("/", len("http://")) + 1]

    def asked(request: Any) -> None:
        if not request.url.startswith((home, "data:", "blob:")):
            wrong.append(f"asked for {request.url}")

    def said(message: Any) -> None:
        if message.type == "error" and "status of 4" not in message.text:
            wrong.append(message.text)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        try:
            page = browser.new_context(**context).new_page()
            page.on("request", asked)
            page.on("console", said)
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.goto(url)
            yield page
        finally:
            browser.close()
    assert wrong == []


def draw(page: Any, digit: str, *, touch: bool = False) -> None:
    """Clear the sheet and draw `digit` as it was recorded."""
    page.keyboard.press("Escape")
    box = page.locator("#sheet").bounding_box()

    def at(point: tuple[float, float]) -> tuple[float, float]:
        return box["x"] + point[0] * box["width"], box["y"] + point[1] * box["height"]

    for first, *rest in STROKES[digit]:
        if touch:
            _by_finger(page, [at(point) for point in (first, *rest)])
            continue
        page.mouse.move(*at(first))
        page.mouse.down()
        for point in rest:
            page.mouse.move(*at(point))
        page.mouse.up()


def _by_finger(page: Any, points: list[tuple[float, float]]) -> None:
    session = page.context.new_cdp_session(page)
    for number, (x, y) in enumerate(points):
        kind = "touchMove" if number else "touchStart"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    session.detach()
    page.wait_for_timeout(100)  # Chromium hands touches to the page a frame at a time


def verdict(page: Any, seconds: float = 30.0) -> str:
    """The class that the page shows, when nothing more is asked."""
    page.locator("#answer[aria-busy=false] #verdict b").wait_for(timeout=1e3 * seconds)
    return str(page.inner_text("#verdict b"))
