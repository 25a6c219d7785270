"""A timeline explains itself, and a session is asked about, with a keyboard alone and no script."""

import re
from collections.abc import Callable

import pytest

from tests.browser.conftest import LiveServer
from tests.browser.keyboard import Keys
from tests.support.cast import ALICE, CAROL

pytestmark = pytest.mark.browser


def test_a_session_is_asked_about_answered_and_settled(
    keys: Callable[[str, str], Keys], server: LiveServer
) -> None:
    carol = keys(CAROL, f"/coordinator/person/{server.cast.people[ALICE]}")
    carol.follow("Timeline and reminders")
    carol.see("Nothing has been decided for this renewal yet.")
    carol.see("Not decided yet")
    carol.type_day("1 11 2026")
    carol.press("Show")
    carol.see(re.compile("by today.s records"))
    carol.follow("Alice Moreno")
    carol.follow("Sessions", within=carol.page.get_by_role("main"))
    carol.see("8 sessions, 1 of them not counted")
    carol.follow("Infant mental health week")
    carol.open(carol.page.locator("summary", has_text="Ask about it"))
    carol.press("Continue to ask about it")
    carol.see_problem("Write a message")
    carol.page.keyboard.type("Which days did you attend?")
    carol.press("Continue to ask about it")
    carol.see("To alice@example.org")
    carol.press("Save")
    carol.see("Waits for Alice Moreno")
    alice = keys(ALICE, "/my-year")
    alice.follow(re.compile("^Answer.*Infant mental health week"))
    alice.type("Your answer", "All three of them")
    alice.press("Send answer")
    alice.see("Your answer was sent to your coordinator.")
    carol.follow("Alice Moreno: sessions")
    carol.follow(re.compile("^Answered.*Infant mental health week"))
    carol.see("All three of them")
    carol.press("Settle this question")
    carol.see("Settled")
    [question] = server.cast.rows("entry_question")
    assert question["state"] == "settled"
    carol.follow("Alice Moreno: sessions")
    carol.press(re.compile("^Confirm.*Infant mental health week"))
    carol.see("Confirmed")
