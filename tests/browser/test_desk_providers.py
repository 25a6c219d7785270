"""Names of RSC providers are confirmed and declined, with a keyboard alone and no script."""

import re
from collections.abc import Callable

import pytest

from tests.browser.conftest import LiveServer
from tests.browser.keyboard import Keys
from tests.support.cast import ALICE, BOB, CAROL, DANA
from tests.web.coordinator.test_provider_names import name_provider

pytestmark = pytest.mark.browser


def test_one_name_is_confirmed_and_another_declined(
    keys: Callable[[str, str], Keys], server: LiveServer
) -> None:
    number = name_provider(server.cast, BOB, "D. Ruiz")
    name_provider(server.cast, ALICE, "Kim Lee")
    carol = keys(CAROL, "/coordinator")
    carol.follow(re.compile("^Confirm provider *: D. Ruiz"))
    carol.follow("Choose someone else")
    carol.see_heading("Who is D. Ruiz?")
    carol.follow("All names to confirm")
    carol.press("Confirm D. Ruiz as Dana Ruiz")
    carol.see("Nothing is saved yet.")
    carol.see("10 RSC hours")
    carol.press("Save")
    carol.see_heading("2 names to confirm")
    [entry] = server.cast.rows("entry", id=number)
    assert entry["provider_id"] == server.cast.people[DANA]
    carol.follow("Review Kim Lee")
    carol.follow("Decline this name instead")
    carol.press("Continue")
    carol.see_problem("Enter a short reason")
    carol.page.keyboard.type("We could not find this person")
    carol.press("Continue")
    carol.see("To alice@example.org")
    carol.press("Save")
    carol.see_heading("1 name to confirm")
    carol.see("We could not find this person")
    carol.press("Undo")
    carol.see("Undone.")
    carol.follow("Changes")
    carol.press("Undo")
    carol.see("Undone.")
    carol.follow("Providers")
    carol.follow("3 names to confirm")
    [entry] = server.cast.rows("entry", id=number)
    assert entry["provider_id"] is None
