"""What somebody keeps of themselves, and asks of their coordinator, with a keyboard alone."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import LiveServer
from tests.browser.keyboard import Keys
from tests.browser.test_signing_in import newest_code, newest_mail
from tests.support.cast import BOB, CAROL

pytestmark = pytest.mark.browser
Open = Callable[[str, str], Keys]


def test_a_membership_is_recorded_changed_and_removed(keys: Open, server: LiveServer) -> None:
    at = keys(BOB, "/my-year")
    at.follow("Bob Osei")
    at.follow("Membership")
    at.follow("Record your membership")
    at.press("Save")
    at.see_problem("Enter the first day")
    at.type_day("1 jan 2026", legend="First day")
    at.press("Save")
    at.see("Entered by you")
    said = at.page.get_by_role("status").inner_text()
    assert "Membership: done to December 31, 2026" in said.replace("\N{NO-BREAK SPACE}", " ")
    at.page.reload()
    at.follow("Change January")
    at.choose("Until another last day")
    at.type_day("30 jun 2026", legend="Last day")
    at.press("Save")
    at.see("Jun 30")
    at.follow("Remove January")
    at.press("Remove")
    at.see("You have not recorded a membership yet.")
    assert server.cast.rows("membership", person_id=server.cast.people[BOB]) == []


def test_leave_and_extension_are_requested_and_decided(keys: Open) -> None:
    bob, carol = keys(BOB, "/profile"), keys(CAROL, "/")
    bob.follow("Leave and extensions")
    bob.follow("Request leave")
    bob.type_day("1 12 2026", legend="First day")
    bob.press("Send to my coordinator")
    bob.see_problem("Enter a short reason")
    bob.page.keyboard.type("Parental leave")
    bob.press("Send to my coordinator")
    bob.see("Your request was sent to your coordinator.")
    bob.follow("Request a later due date")
    bob.choose("NCIMHA IFS, 2026: due December 31, 2026")
    bob.type_day("31 mar 2027")
    bob.type("Reason", "Moved")
    bob.press("Send to my coordinator")
    bob.see("Moved")
    carol.follow("Coordinator")
    carol.follow("Requests")
    carol.follow("Bob Osei")
    carol.type("Message to the endorsee", "All the best")
    carol.press("Grant these dates")
    carol.see("by Carol Reyes")
    carol.follow("All NCIMHA requests")
    carol.follow("Bob Osei")
    carol.press("Decline")
    carol.see_problem("Enter a reason")
    carol.page.keyboard.type("Ask us in December")
    carol.press("Decline")
    carol.see("Declined")
    bob.page.reload()
    bob.see("All the best")
    bob.see("Ask us in December")


def test_a_second_address_is_confirmed_and_removed(keys: Open, server: LiveServer) -> None:
    at = keys(BOB, "/profile")
    at.follow("Add the second email address")
    at.type("Your second address", "bob@home.example")
    at.enter()
    at.see("We sent an email to that address.")
    found = re.search(r"(/profile/second-address/\S+)", newest_mail(server))
    assert found is not None
    other = keys("", found[1])
    other.type("Code", newest_code(server))
    other.enter()
    other.see("bob@home.example")
    at.follow("Profile")
    at.see("bob@home.example")
    at.follow("Change the second email address")
    at.press("Remove bob@home.example")
    expect(at.page.get_by_text("none", exact=True)).to_be_visible()


def test_email_and_time_zone_are_chosen(keys: Open, server: LiveServer) -> None:
    at = keys(BOB, "/profile")
    at.follow("Choose which emails you get")
    box = at.page.get_by_role("checkbox").first
    at.walk_to(box)
    at.page.keyboard.press("Space")
    expect(box).not_to_be_checked()
    at.press("Save")
    assert len(server.cast.rows("mail_off", person_id=server.cast.people[BOB])) == 1
    at.follow("Change the time zone")
    at.select("Your time zone", "Denver")
    at.press("Save")
    at.see("Denver")
