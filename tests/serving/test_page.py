"""The page in a real Chromium: drawn with mouse and finger, and the bars move."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import LONG, Starter, until
from tests.e2e.test_digits import MNIST
from tests.serving import browser
from tests.serving.test_process import address, status

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(browser.missing()), reason=browser.missing()),
]
WIDE, NARROW = {"width": 1100, "height": 760}, {"width": 390, "height": 844}
MINUTE = ("--epochs", 1, "--patches-per-epoch", 30_000, "--batch-size", 128)


def served(start: Starter, run: Path) -> str:
    url = address(start("serve.py", "--run", run, "--port", 0))
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
        page.set_input_files("#file", Path(__file__).parent / "drawn" / "3.png")
        browser.verdict(page)
        page.set_input_files("#file", tmp_path / "text.png")
        page.get_by_text("this is no picture that can be read").wait_for()


def test_the_api_page_needs_no_network(start: Starter, untrained: Path) -> None:
    with browser.page_at(served(start, untrained) + "docs", viewport=WIDE) as page:
        page.get_by_text("Which class is in this picture?").wait_for()


@pytest.mark.timeout(600)
@pytest.mark.skipif(not MNIST.is_dir(), reason=f"no MNIST at {MNIST}")
def test_a_small_network_reads_nine_of_ten_digits_drawn_by_hand(
    start: Starter, tmp_path: Path
) -> None:
    out = tmp_path / "digits1"
    flags = ("--task", "digits", *MINUTE, "--generators", 2, "--out", out)
    start.trainer(MNIST, *flags).done(seconds=2 * LONG)
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
