"""What a coordinator does on a person's page, with a keyboard alone and without scripts."""

from collections.abc import Callable

import pytest

from tests.browser.conftest import LiveServer
from tests.browser.keyboard import Keys
from tests.support.cast import ALICE, BOB, CAROL

pytestmark = pytest.mark.browser
Open = Callable[[str, str], Keys]


def test_a_requirement_is_waived_and_the_waiver_undone(keys: Open, server: LiveServer) -> None:
    at = keys(CAROL, "/coordinator")
    at.type("Find a person", "moreno")
    at.enter()
    at.follow("Waive DEIA training")
    at.press("Continue")
    at.see_problem("Enter a short reason")
    at.page.keyboard.type("The course was canceled")
    at.press("Continue")
    at.see("Waive DEIA training for Alice Moreno")
    at.press("Save")
    at.see("Waived: DEIA training")
    at.press("Undo")
    at.see("Undone.")
    assert server.cast.rows("waiver") == []


def test_an_address_is_corrected(keys: Open, server: LiveServer) -> None:
    at = keys(CAROL, f"/coordinator/person/{server.cast.people[BOB]}")
    at.follow("Change email address")
    at.type("Email address", "bob.osei@example.org")
    at.type("Reason", "A call")
    at.press("Continue")
    at.see("bob.osei@example.org")
    at.press("Save")
    at.see("Saved.")
    [bob] = server.cast.rows("person", id=server.cast.people[BOB])
    assert bob["email"] == "bob.osei@example.org"
    at.press("Undo")
    at.see("Undone.")


def test_an_endorsee_is_added(keys: Open) -> None:
    at = keys(CAROL, "/coordinator")
    at.follow("Add an endorsee")
    at.type("Full name", "Nina Park")
    at.type("Email address", "nina@example.org")
    at.select("Category", "IFS: Infant Family Specialist")
    at.type_day("1 10 2026", legend="Endorsed since")
    at.press("Preview")
    at.see("To nina@example.org")
    at.follow("Cancel")
    at.type("Full name", "Nina Park")
    at.type("Email address", "nina@example.org")
    at.select("Category", "IFS: Infant Family Specialist")
    at.type_day("1 10 2026", legend="Endorsed since")
    at.press("Add")
    at.see("Saved.")
    at.follow("Open the record of Nina Park")
    at.see("nina@example.org")
    at.follow("Merge with another record")
    at.see("No one at your associations has a similar name.")


def test_two_records_are_merged_and_parted_again(keys: Open, server: LiveServer) -> None:
    at = keys(CAROL, f"/coordinator/person/{server.cast.people[BOB]}")
    at.follow("Merge with another record")
    at.type("Name or email address", "alice")
    at.enter()
    at.follow("Compare with Alice Moreno")
    at.see("This record stays")
    at.press("Continue")
    at.see_problem("Enter a short reason")
    at.page.keyboard.type("She changed her name")
    at.press("Continue")
    at.see("Nothing is saved yet.")
    at.press("Save")
    at.see("Saved.")
    assert server.cast.rows("person", email=ALICE) == []
    at.press("Undo")
    at.see("Undone.")
    assert len(server.cast.rows("person", email=ALICE)) == 1
