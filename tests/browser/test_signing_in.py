"""Signing in on a phone: the code, its errors, and a form that outlived its session."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Street
from tests.browser.test_accessibility import check
from tests.browser.test_journeys import newest_code
from tests.support.cast import ERIN

pytestmark = pytest.mark.browser


def test_a_form_that_outlived_its_session_is_saved_after_signing_in(
    scripted: Callable[[str], Page], street: Street
) -> None:
    page = scripted(ERIN)
    page.goto("/log?activity=training&date=2026-11-20")
    page.get_by_label("Hours", exact=True).fill("1.25")
    page.get_by_label("Title").fill("Kept through signing in")
    page.context.clear_cookies()
    page.get_by_role("button", name="Save").last.click()
    expect(page.get_by_role("heading", name="You were signed out meanwhile")).to_be_visible()
    check(page)
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Sign in (opens a new tab)").click()
    tab = opened.value
    tab.get_by_label("E-mail address").fill(ERIN)
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("heading", name="Look in your mail")).to_be_visible()
    tab.get_by_label("Code").fill("F7KM")
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("alert")).to_be_focused()
    check(tab)
    tab.get_by_label("Code").fill(newest_code(street).lower().replace("-", " "))
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("heading", name="Look in your mail")).to_be_hidden()
    page.get_by_role("button", name="send what I typed").click()
    expect(page.get_by_role("heading", name="1.25 hours on 20 November 2026")).to_be_visible()
    page.goto("/profile/browsers")
    expect(page.get_by_text("Chrome on Linux").first).to_be_visible()
