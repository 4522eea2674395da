"""The page in a real Chromium: drawn with mouse and finger, and the bars move."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.lab.processes import LONG, Starter, until
from pushfit.samples.digits import make
from tests.support import browser, proxy
from tests.support.asking import address, status

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(browser.missing()), reason=browser.missing()),
]
WIDE, NARROW = {"width": 1100, "height": 760}, {"width": 390, "height": 844}
MINUTE = ("--epochs", 1, "--patches-per-epoch", 30_000, "--batch-size", 128)


def served(start: Starter, run: Path, *flags: str) -> str:
    url = address(start("serve.py", "--run", run, "--port", 0, *flags))
    assert until(lambda: status(url + "healthz") == 200)
    return url


def bars(page: Any) -> list[str]:
    found: list[str] = page.locator("#bars li .bar").evaluate_all(
        "bars => bars.map(bar => bar.style.transform)"
    )
    return found


def test_mouse_and_finger_move_the_bars(start: Starter, untrained: Path) -> None:
    url = served(start, untrained)
    with browser.page_at(url, viewport=WIDE) as page:
        page.locator("#bars li").nth(9).wait_for()
        still = bars(page)
        browser.draw(page, "0")
        browser.verdict(page)
        zero = bars(page)
        assert len(zero) == 10 and zero != still
        browser.draw(page, "1")
        browser.verdict(page)
        assert bars(page) not in (zero, still)
        assert page.locator("#seen-image").is_visible()
        page.click("#clear")
        assert bars(page) == still and page.inner_text("#verdict") == "–"
    with browser.page_at(url, viewport=NARROW, has_touch=True, color_scheme="dark") as page:
        page.locator("#bars li").nth(9).wait_for()
        browser.draw(page, "0", touch=True)
        browser.verdict(page)
        assert bars(page) != still
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_file_and_what_is_none(start: Starter, untrained: Path, tmp_path: Path) -> None:
    url = served(start, untrained)
    (tmp_path / "text.png").write_text("hello")
    with browser.page_at(url, viewport=WIDE) as page:
        page.locator("#bars li").nth(9).wait_for()
        page.set_input_files("#file", Path(__file__).parents[1] / "support" / "drawn" / "3.png")
        browser.verdict(page)
        page.set_input_files("#file", tmp_path / "text.png")
        page.get_by_text("this is not a picture that can be read").wait_for()


def test_the_api_page_needs_no_network(start: Starter, untrained: Path) -> None:
    with browser.page_at(served(start, untrained) + "docs", viewport=WIDE) as page:
        page.get_by_text("Which class is in this picture?").wait_for()


@pytest.mark.parametrize(
    ("flags", "how"),
    [((), {}), ((), {"said": True}), (("--root-path", "/a/digits"), {"kept": True})],
)
def test_the_pages_work_behind_a_proxy_under_a_path(
    start: Starter, untrained: Path, flags: tuple[str, ...], how: dict[str, bool]
) -> None:
    with proxy.showing(served(start, untrained, *flags), "/a/digits", **how) as url:
        slash = "" if flags or how else "/"  # where the server knows the path, it may be left out
        with browser.page_at(url + slash, viewport=WIDE) as page:
            page.locator("#bars li").nth(9).wait_for()
            browser.draw(page, "0")
            browser.verdict(page)
            assert page.inner_text("#origin") == url
            page.click("text=API")
            page.get_by_text("What is served.").click()
            page.get_by_role("button", name="Try it out").click()
            page.get_by_role("button", name="Execute").click()
            page.get_by_text('"model": "digits1"').wait_for()
            assert page.inner_text(".request-url pre") == f"{url}/model.json"


@pytest.mark.timeout(600)
def test_a_small_network_reads_nine_of_ten_digits_drawn_by_hand(
    start: Starter, tmp_path: Path
) -> None:
    out = tmp_path / "digits1"
    make(tmp_path / "digits")
    flags = ("--task", "digits", *MINUTE, "--generators", 2, "--out", out)
    start.trainer(tmp_path / "digits", *flags).done(seconds=2 * LONG)
    report = json.loads((out / "report.json").read_text())
    assert report["splits"]["train"][0]["seen"] == 30_000
    assert report["metrics"]["val_accuracy"] > 0.9
    right = []
    with browser.page_at(served(start, out), viewport=WIDE) as page:
        page.locator("#bars li").nth(9).wait_for()
        for digit in browser.STROKES:
            browser.draw(page, digit)
            if browser.verdict(page) == digit:
                right.append(digit)
    assert len(right) >= 9
