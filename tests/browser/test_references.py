"""A reference from the naming to the thanks, with a keyboard alone."""

import re
from collections.abc import Callable
from datetime import date

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import LiveServer
from tests.browser.keyboard import Keys
from tests.support.cast import ALICE
from tests.support.referees import apply, text_part
from tracker.db.engine import writing

pytestmark = pytest.mark.browser


def apply_in_virginia(server: LiveServer) -> str:
    """A fresh application of Alice's; the path of its references."""
    with writing(server.cast.engine) as session:
        person = server.cast.people[ALICE]
        number = apply(session, person, association="VAIMH", opened_on=date(2024, 1, 1))
    return f"/application/{number}/references"


def link_in_the_last_mail(server: LiveServer) -> str:
    found = re.search(r"/reference/\S+", text_part(server.cast.rows("outbox")[-1]["body"]))
    assert found is not None
    return found[0]


def test_a_reference_is_requested_and_given(
    keys: Callable[[str, str], Keys], server: LiveServer
) -> None:
    alice = keys(ALICE, apply_in_virginia(server))
    alice.type("Their name", "Pat Doe")
    alice.type("Their email address", "pat@example.org")
    alice.choose("Current program supervisor")
    alice.press("Ask for a reference")
    alice.see("We have sent them an email")
    pat = keys("", link_in_the_last_mail(server))
    confirmed = pat.page.get_by_role("group", name="Is “Current program supervisor” correct?")
    pat.choose(confirmed.get_by_label("Yes"))
    pat.type("How do you know their work?", "I lead their programme")
    expect(pat.page.get_by_label("By which association?")).to_be_hidden()
    pat.choose(pat.page.get_by_role("group", name="Are you endorsed").get_by_label("Yes"))
    pat.type("By which association?", "Association for Infant Mental Health in Tennessee")
    pat.press("Submit reference")
    pat.see_problem("Choose the category")
    pat.page.keyboard.type("Infant Mental Health Specialist")
    pat.choose("Very familiar")
    pat.choose("Good")
    pat.type("Sign with your full name", "Pat Doe")
    pat.press("Submit reference")
    pat.see_heading("Received, thank you.")
    alice.page.reload()
    expect(alice.page.get_by_role("listitem").filter(has_text="pat@")).to_contain_text("Received")
