"""From My year to why, to an earlier cycle, to the rules and back, with a keyboard alone."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.keyboard import Keys
from tests.browser.sizes import PHONE
from tests.support.cast import ALICE, CAROL

pytestmark = pytest.mark.browser
Open = Callable[[str, str], Keys]


def test_the_year_opens_reasons_cycles_and_help(keys: Open) -> None:
    at = keys(ALICE, "/")
    at.page.keyboard.press("Tab")
    skip = at.page.get_by_role("link", name="Skip to main content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    at.follow("My year")
    at.see_heading("to go by December 31.")
    the_words_on_the_strip_stay_apart(at)
    named = at.page.locator(".entries > li").nth(1).locator("summary")
    at.open(named.first)
    at.open(named.nth(1))
    at.see("It counts once Jo Hart is confirmed")
    at.see("Carol Reyes")
    at.follow("2025")
    at.see_heading("All done for 2025.")
    at.open(at.page.locator(".entries summary").first)
    at.follow("View")
    at.see("2025 is closed at NCIMHA")
    at.follow("Help")
    at.see_heading("Help")
    at.open(at.page.locator("details summary").first)
    at.follow("on your profile")
    at.follow("My year")
    at.see_heading("to go by December 31.")


def the_words_on_the_strip_stay_apart(at: Keys) -> None:
    words = at.page.locator(".strip").first.locator("text")
    boxes = [box for n in range(words.count()) if (box := words.nth(n).bounding_box())]
    assert len(boxes) == 4
    window = at.page.viewport_size or PHONE
    for number, one in enumerate(boxes):
        assert one["x"] >= 0
        assert one["x"] + one["width"] <= window["width"]
        for other in boxes[:number]:
            left, right = sorted((one, other), key=lambda box: box["x"])
            beside = left["x"] + left["width"] <= right["x"]
            apart = abs(one["y"] - other["y"]) >= min(one["height"], other["height"]) - 2
            assert beside or apart


def test_a_coordinator_reads_an_endorsees_year(keys: Open) -> None:
    at = keys(CAROL, "/")
    at.follow("Coordinator")
    at.see_heading("need")
    at.follow("Lapsed")
    at.follow("Bob Osei")
    at.follow("IFS year as Bob Osei sees it")
    at.see_heading("15 training hours (one on DEIA)")
    expect(at.page.get_by_role("link", name="Edit")).to_have_count(0)
    at.follow("All NCIMHA renewals")
    at.see_heading("need")


def test_an_absent_page_offers_a_way_on(keys: Open) -> None:
    at = keys(ALICE, "/entries/999999")
    at.see_heading("not")
    at.follow("Go to your page")
    at.see_heading("to go by December 31.")
