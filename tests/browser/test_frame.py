"""What surrounds every page: the menu under the thumb, and paper instead of a screen."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.sizes import PHONE
from tests.support.cast import ALICE

pytestmark = pytest.mark.browser
# The part of what has the focus that the menu lies over, in pixels of height.
COVERED = """() => {
    const focused = document.activeElement, menu = document.querySelector('.menu');
    if (focused === document.body || menu.contains(focused)) return 0;
    const there = focused.getBoundingClientRect(), bar = menu.getBoundingClientRect();
    return Math.max(0, Math.min(there.bottom, bar.bottom) - Math.max(there.top, bar.top));
}"""
WHERE = "() => document.querySelector('.menu').getBoundingClientRect().bottom"
POSITION = "() => getComputedStyle(document.querySelector('.menu')).position"


@pytest.mark.parametrize("path", ["/my-year", "/log?activity=rsc"])
def test_the_bottom_menu_never_covers_the_focus(scripted: Callable[[str], Page], path: str) -> None:
    page = scripted(ALICE)
    page.goto(path)
    assert page.evaluate(WHERE) == PHONE["height"]
    for _ in range(60):
        page.keyboard.press("Tab")
        assert page.evaluate(COVERED) == 0, page.evaluate("document.activeElement.outerHTML")


def test_the_menu_scrolls_away_on_low_screens(
    scripted: Callable[[str], Page],
) -> None:
    page = scripted(ALICE)
    for width, height in ((320, 256), (740, 360), (1280, 900)):
        page.set_viewport_size({"width": width, "height": height})
        page.goto("/my-year")
        assert page.evaluate(POSITION) == "static"
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_paper_shows_the_year_without_menu_and_buttons(scripted: Callable[[str], Page]) -> None:
    page = scripted(ALICE)
    page.emulate_media(media="print", color_scheme="dark")
    page.goto("/my-year")
    assert page.locator("h1").is_visible()
    assert not page.locator(".menu").is_visible()
    assert not page.get_by_role("link", name="Log hours").first.is_visible()
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
