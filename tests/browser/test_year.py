"""My year on a phone: from what is missing to why, and to an earlier cycle, by keyboard."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support.cast import ALICE

pytestmark = pytest.mark.browser


def test_an_entry_opens_to_why_by_keyboard(phone: Callable[[str], Page]) -> None:
    page = phone(ALICE)
    page.goto("/my-year")
    summary = page.locator(".entries summary").nth(1)
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("It counts once Jo Hart is confirmed")).to_be_visible()
    expect(page.get_by_role("link", name="Carol Reyes").first).to_be_visible()


def test_earlier_cycles_are_a_tap_away(phone: Callable[[str], Page]) -> None:
    page = phone(ALICE)
    page.goto("/my-year")
    page.get_by_role("link", name="2025", exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("All done for 2025.")
    page.get_by_role("link", name="Closed").first.click()
    expect(page.get_by_text("2025 is closed at NCIMHA")).to_be_visible()
    page.get_by_role("link", name="My year").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("to go by 31 December.")


@pytest.mark.parametrize("width", [360, 1280])
def test_the_words_on_the_strip_stay_apart(phone: Callable[[str], Page], width: int) -> None:
    page = phone(ALICE)
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/my-year")
    words = page.locator(".strip").first.locator("text")
    boxes = [box for n in range(words.count()) if (box := words.nth(n).bounding_box())]
    assert len(boxes) == 4
    for number, one in enumerate(boxes):
        assert one["x"] >= 0
        assert one["x"] + one["width"] <= width
        for other in boxes[:number]:
            left, right = sorted((one, other), key=lambda box: box["x"])
            beside = left["x"] + left["width"] <= right["x"]
            apart = abs(one["y"] - other["y"]) >= min(one["height"], other["height"]) - 2
            assert beside or apart
