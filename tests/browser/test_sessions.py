"""A session is logged for others, and each of them answers, with a keyboard alone."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import LiveServer
from tests.browser.keyboard import Keys
from tests.support.cast import ALICE, BOB, DANA

pytestmark = pytest.mark.browser


def row(at: Keys, words: str) -> Locator:
    return at.page.get_by_role("listitem").filter(has_text=words).last


def test_a_provider_logs_a_session_and_each_supervisee_answers(
    keys: Callable[[str, str], Keys], server: LiveServer
) -> None:
    dana = keys(DANA, "/")
    dana.follow("Sessions")
    dana.follow("Log a session")
    dana.press("Save and ask them to confirm")
    dana.see_problem("Enter the day of the session")
    dana.choose(dana.page.get_by_label("Today"))
    dana.choose("Other")
    dana.type("Hours", "1:30")
    dana.tick("Alice Moreno")
    dana.type("Others, by email address", BOB)
    dana.press("Save and ask them to confirm")
    dana.see("counts for each person once")
    expect(row(dana, BOB)).to_contain_text("Asked")
    bob, alice = keys(BOB, "/my-year"), keys(ALICE, "/my-year")
    bob.press("Confirm")
    bob.see_heading("1.5 hours on November 22")
    bob.page.reload()
    bob.see_heading("1.5 hours on November 22")
    alice.follow("Report a problem")
    alice.type("What is wrong?", "It was the 21st")
    alice.press("Report a problem to Dana Ruiz")
    alice.see("It was the 21st")
    dana.follow("All sessions")
    dana.follow("November 22, 2026")
    expect(row(dana, BOB)).to_contain_text("Confirmed on")
    dana.see("It was the 21st")
    dana.follow("Edit or add people")
    dana.type_day("21 11 2026")
    dana.press("Save and ask again")
    alice.follow("My year")
    alice.press("Confirm")
    alice.see_heading("1.5 hours on November 21")
    states = {one["state"] for one in server.cast.rows("group_member")}
    assert states == {"confirmed"}
    dana.open(dana.page.get_by_text("Withdraw this session"))
    dana.press("Withdraw")
    dana.see("Withdrawn")
