"""A reference from the naming to the thanks, on a phone without scripts, and without barriers."""

import re
from collections.abc import Callable
from datetime import date

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Street
from tests.browser.test_accessibility import TOO_SMALL, check
from tests.support.cast import ALICE
from tests.support.referees import apply, text_part
from tracker.records.engine import writing

pytestmark = pytest.mark.browser


def apply_in_virginia(street: Street) -> str:
    """A fresh application of Alice's; the path of its references."""
    with writing(street.cast.engine) as connection:
        number = apply(
            connection,
            street.cast.people[ALICE],
            association="VAIMH",
            opened_on=date(2024, 1, len(street.cast.rows("application")) + 1),
        )
    return f"/application/{number}/references"


def name(page: Page, path: str, email: str, called: str = "Pat Doe") -> None:
    page.goto(path)
    page.get_by_label("Their name").fill(called)
    page.get_by_label("Their e-mail address").fill(email)
    page.get_by_text("Current program supervisor").last.click()
    page.get_by_role("button", name="Ask them").click()


def link_in_the_last_mail(street: Street) -> str:
    found = re.search(r"/reference/\S+", text_part(street.cast.rows("outbox")[-1]["body"]))
    assert found is not None
    return found[0]


def test_a_reference_is_asked_for_and_given(phone: Callable[[str], Page], street: Street) -> None:
    path = apply_in_virginia(street)
    alice, pat = phone(ALICE), phone("")
    name(alice, path, "pat@example.org")
    expect(alice.get_by_role("status")).to_contain_text("We have sent them a mail")
    pat.goto(link_in_the_last_mail(street))
    pat.get_by_role("group", name="Is “Current program supervisor” right?").get_by_text(
        "Yes"
    ).click()
    pat.get_by_label("How do you know their work?").fill("I lead their programme")
    expect(pat.get_by_label("By which association?")).to_be_hidden()
    endorsed = pat.get_by_role("group", name="Are you endorsed")
    endorsed.get_by_text("Yes").click()
    pat.get_by_label("By which association?").select_option("VAIMH")
    pat.get_by_role("button", name="Send the reference").click()
    expect(pat.get_by_role("alert")).to_contain_text("Choose the category")
    pat.get_by_label("As what?").select_option("IMHS")
    pat.get_by_label("Sign with your full name").fill("Pat Doe")
    pat.get_by_role("button", name="Send the reference").click()
    expect(pat.get_by_role("heading", level=1)).to_have_text("Received, thank you.")
    alice.goto(path)
    expect(alice.get_by_role("listitem").filter(has_text="pat@")).to_contain_text("Received")


def test_the_pages_of_a_reference_have_no_barriers(
    scripted: Callable[[str], Page], street: Street
) -> None:
    path = apply_in_virginia(street)
    alice, pat = scripted(ALICE), scripted("")
    alice.goto(path)
    check(alice)
    alice.get_by_role("button", name="Ask them").click()
    check(alice)
    name(alice, path, "pat@example.org")
    check(alice)
    assert alice.evaluate(TOO_SMALL) == []
    pat.goto(link_in_the_last_mail(street))
    pat.get_by_role("group", name="Are you endorsed").get_by_text("Yes").click()
    check(pat)
    assert pat.evaluate(TOO_SMALL) == []
    pat.get_by_role("button", name="Send the reference").click()
    check(pat)
    pat.get_by_text("You cannot give it?").click()
    check(pat)
    pat.get_by_role("button", name="I cannot give this reference").click()
    expect(pat.get_by_role("heading", level=1)).to_contain_text("cannot give it")
    check(pat)
    pat.goto("/reference/none")
    check(pat)


def test_very_long_names_do_not_scroll_sideways(
    scripted: Callable[[str], Page], street: Street
) -> None:
    path = apply_in_virginia(street)
    alice = scripted(ALICE)
    name(alice, path, f"{'pat' * 40}@example.org", "Eltern" * 30)
    expect(alice.get_by_role("status")).to_contain_text("We have sent them a mail")
    check(alice)
