"""A session is logged for another and confirmed, on a phone, by keyboard, without scripts."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Street
from tests.browser.test_accessibility import TOO_SMALL, check
from tests.support.cast import BOB, DANA

pytestmark = pytest.mark.browser


def fill(page: Page) -> None:
    page.goto("/sessions/new")
    for label, text in (("Day", "20"), ("Month", "nov"), ("Year", "2026"), ("Hours", "1:30")):
        page.get_by_label(label, exact=True).fill(text)
    page.get_by_label("Others, by e-mail address").fill(BOB)


def test_a_provider_logs_a_session_and_the_supervisee_confirms_it(
    phone: Callable[[str], Page],
) -> None:
    dana, bob = phone(DANA), phone(BOB)
    fill(dana)
    dana.get_by_label("Title").press("Enter")
    expect(dana.get_by_role("status")).to_contain_text("counts for each of them once")
    expect(dana.get_by_role("listitem").filter(has_text=BOB)).to_contain_text("Asked")
    bob.goto("/my-year")
    confirm = bob.get_by_role("button", name="Confirm")
    confirm.focus()
    confirm.press("Enter")
    expect(bob.get_by_role("heading", level=1)).to_contain_text("1.5 hours on 20")
    dana.goto("/sessions")
    expect(dana.get_by_role("listitem").filter(has_text=BOB).last).to_contain_text("Confirmed on")


def test_the_pages_have_no_barriers(scripted: Callable[[str], Page], street: Street) -> None:
    dana, bob = scripted(DANA), scripted(BOB)
    fill(dana)
    check(dana)
    assert dana.evaluate(TOO_SMALL) == []
    dana.get_by_label("Day", exact=True).fill("")
    dana.locator("form.session > .button").click()
    check(dana)
    fill(dana)
    dana.get_by_label("Day", exact=True).fill("19")
    dana.locator("form.session > .button").click()
    check(dana)
    number = street.cast.rows("group_member")[-1]["id"]
    bob.goto(f"/sessions/asked/{number}")
    check(bob)
    assert bob.evaluate(TOO_SMALL) == []
    bob.get_by_label("What is wrong?").fill("It was the 18th")
    bob.get_by_role("button", name="Something is wrong").click()
    check(bob)
    for path in ("/sessions", f"/sessions/{street.cast.rows('group_session')[-1]['id']}"):
        dana.goto(path)
        check(dana)
        assert dana.evaluate(TOO_SMALL) == []
