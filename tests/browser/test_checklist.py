"""From an application's checklist to the endorsement, with a keyboard alone."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import LiveServer
from tests.browser.keyboard import Keys
from tests.support.cast import CAROL
from tests.web.applicants import NORA, OLIVE

pytestmark = pytest.mark.browser
Open = Callable[[str, str], Keys]


def test_an_applicant_sees_what_is_missing_and_logs_it(keys: Open, server: LiveServer) -> None:
    at = keys(NORA, "/")
    at.follow("My year")
    at.follow("Open the checklist")
    at.see_heading("Not ready: 2 of 8 done, reflective supervision next.")
    item = at.page.get_by_role("listitem").filter(has_text="Specialized in-service training")
    expect(item.get_by_role("progressbar", name="Training")).to_have_text("12.5 of 30 hours")
    at.open(item.get_by_text("Where this rule comes from"))
    expect(item.get_by_text("“In-Service Training”. Our reading")).to_be_visible()
    at.follow("Log training", within=item)
    expect(at.page.get_by_label("Training", exact=True)).to_be_checked()
    at.choose(at.page.get_by_label("Today"))
    at.choose("0.5")
    at.type("Title", "Attachment, a lecture")
    at.press("Save")
    at.see("Training 13 of 30 hours")
    assert len(server.cast.rows("entry", title="Attachment, a lecture")) == 1


def test_a_coordinator_endorses_a_ready_applicant(keys: Open, server: LiveServer) -> None:
    at = keys(CAROL, "/")
    at.follow("Coordinator")
    at.follow("Applicants")
    at.follow("Olive Kay")
    at.follow("Endorse Olive Kay")
    expect(at.page.get_by_label("Day")).to_have_value("22")
    at.type("Day", "31")
    at.press("Endorse")
    at.see_problem("November 2026 has days 1 to 30")
    at.type("Day", "20")
    at.press("Endorse")
    at.see("Endorsed. The first renewal cycle is open.")
    assert len(server.cast.rows("endorsement", person_id=server.cast.people[OLIVE])) == 1
