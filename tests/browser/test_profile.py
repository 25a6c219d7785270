"""Recording a membership and asking for leave, on a phone without scripts, by keyboard alone."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.support.cast import BOB, CAROL

pytestmark = pytest.mark.browser


def type_day(page: Page, legend: str, day: str, month: str, year: str) -> None:
    """Type a day: the first field by its label, the others by the Tab key."""
    page.get_by_role("group", name=legend).get_by_label("Day").focus()
    for number, text in enumerate((day, month, year)):
        if number:
            page.keyboard.press("Tab")
        page.keyboard.type(text)


def test_a_membership_is_recorded_by_keyboard(phone: Callable[[str], Page]) -> None:
    page = phone(BOB)
    page.goto("/profile")
    page.get_by_role("link", name="Membership").press("Enter")
    page.get_by_role("link", name="Record your membership").press("Enter")
    page.get_by_role("button", name="Save").press("Enter")
    assert page.title().startswith("Error: ")
    assert page.get_by_text("There is a problem").is_visible()
    type_day(page, "From which day?", "1", "jan", "2026")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/membership?done=recorded")
    said = page.get_by_role("status").inner_text()
    assert "Membership: done to 31 December 2026" in said.replace("\N{NO-BREAK SPACE}", " ")
    page.reload()
    assert page.get_by_text("Entered by you").is_visible()


def test_leave_is_asked_for_and_granted(phone: Callable[[str], Page]) -> None:
    page = phone(BOB)
    page.goto("/requests")
    page.get_by_role("link", name="Ask for leave").first.press("Enter")
    type_day(page, "From which day?", "1", "12", "2026")
    page.get_by_label("Why?").fill("Parental leave")
    page.get_by_role("button", name="Send to my coordinator").press("Enter")
    assert page.get_by_text("Your coordinator has your request.").is_visible()
    carol = phone(CAROL)
    carol.goto("/coordinator/requests")
    carol.get_by_role("link", name="Bob Osei").press("Enter")
    carol.get_by_label("A word to them").fill("All the best")
    carol.get_by_role("button", name="Grant with these days").press("Enter")
    assert carol.get_by_text("by Carol Reyes").is_visible()
    page.reload()
    assert page.get_by_text("All the best").is_visible()
