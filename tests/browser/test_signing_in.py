"""From a reminder's link to the code, to the hours, and out again, with a keyboard alone."""

import re
from collections.abc import Callable
from email import message_from_bytes, policy

import pytest

from tests.browser.conftest import LiveServer
from tests.browser.keyboard import Keys
from tests.support.cast import ALICE, ERIN
from tests.web.signing import find_code

pytestmark = pytest.mark.browser
Open = Callable[[str, str], Keys]


def newest_mail(server: LiveServer) -> str:
    server.settle()
    body = server.cast.rows("outbox")[-1]["body"]
    part = message_from_bytes(body, policy=policy.default).get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def newest_code(server: LiveServer) -> str:
    return find_code(newest_mail(server))


def test_a_reminders_link_leads_through_sign_in_to_the_hours(
    keys: Open, server: LiveServer
) -> None:
    at = keys("", "/log?activity=rsc")
    at.press("Email me a code")
    at.see_problem("Enter an email address")
    at.page.keyboard.type(ALICE)
    at.enter()
    at.see_heading("Check your email")
    at.type("Code", "1234")
    at.enter()
    at.see_problem("Enter the code from our email")
    at.type("Code", newest_code(server).replace(" ", "-"))
    at.enter()
    at.see_heading("Log hours")
    at.choose(at.page.get_by_label("Dana Ruiz (most recent)"))
    at.choose(at.page.get_by_label("Today"))
    at.choose("Other")
    at.type("Hours", "1h15")
    at.enter()
    at.see_heading("1.25 hours on November 22, 2026")
    [entry] = server.cast.rows("entry", minutes=75)
    assert entry["provider_id"] == server.cast.people["dana@example.org"]


def test_browsers_are_listed_and_signed_out(keys: Open, server: LiveServer) -> None:
    server.cookie(ALICE)
    at, other = keys(ALICE, "/my-year"), keys(ALICE, "/my-year")
    at.follow("Alice Moreno")
    at.follow("Browsers")
    at.see("This browser")
    at.press("Sign out everywhere else")
    at.see("You are not signed in anywhere else.")
    other.follow("Exports")
    other.see_heading("Sign in")
    at.press("Sign out")
    at.follow("Sign in")
    at.see_heading("Sign in")


def test_the_mails_link_signs_in_on_a_press_only(keys: Open, server: LiveServer) -> None:
    at = keys("", "/sign-in")
    at.type("Email address", ALICE)
    at.press("Email me a code")
    at.see_heading("Check your email")
    found = re.search(r"(/sign-in/\S+)", newest_mail(server))
    assert found is not None
    opened = keys("", found[1])
    assert len(server.cast.rows("web_session")) == 0
    opened.type("Code", newest_code(server))
    opened.press("Sign in")
    opened.see_heading("to go by December 31")


def test_a_form_that_outlived_its_session_is_saved_after_signing_in(
    keys: Open, server: LiveServer
) -> None:
    at = keys(ERIN, "/log?activity=training&date=2026-11-20")
    at.choose("Other")
    at.type("Hours", "1.25")
    at.type("Title", "Kept through signing in")
    at.page.context.clear_cookies()
    at.press("Save")
    at.see("You were signed out")
    at.walk_to(at.page.get_by_role("link", name="Sign in (opens a new tab)"))
    with at.page.context.expect_page() as opened:
        at.page.keyboard.press("Enter")
    opened.value.wait_for_load_state()
    tab = Keys(opened.value)
    tab.type("Email address", ERIN)
    tab.enter()
    tab.type("Code", newest_code(server))
    tab.enter()
    at.press("Submit what I typed")
    at.see_heading("1.25 hours on November 20, 2026")
