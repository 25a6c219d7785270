"""Whole journeys on a phone, 360 pixels wide, without scripts and by keyboard."""

import re
from collections.abc import Callable
from email import message_from_bytes, policy

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Street
from tests.support.cast import ALICE, CAROL, DANA, ERIN
from tests.web.signing import find_code

pytestmark = pytest.mark.browser
Phone = Callable[[str], Page]


def newest_code(street: Street) -> str:
    street.settle()
    body = street.cast.rows("outbox")[-1]["body"]
    part = message_from_bytes(body, policy=policy.default).get_body(("plain",))
    assert part is not None
    return find_code(str(part.get_content()))


def test_sign_in_with_the_code_and_come_to_the_page_one_wanted(
    phone: Phone, street: Street
) -> None:
    page = phone("")
    page.goto("/log?activity=training")
    page.get_by_label("E-mail address").fill(ALICE)
    page.get_by_role("button", name="Send me a code").click()
    expect(page.get_by_role("heading", name="Look in your mail")).to_be_visible()
    page.get_by_label("Code").fill(newest_code(street))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Log hours")).to_be_visible()
    expect(page.get_by_label("Training", exact=True)).to_be_checked()
    page.get_by_role("button", name="Sign out").click()
    page.goto("/my-year")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_log_hours_and_see_what_they_did(phone: Phone, street: Street) -> None:
    page = phone(ERIN)
    page.goto("/my-year")
    page.get_by_role("link", name="Log hours").first.click()
    page.get_by_text("Training", exact=True).click()
    page.get_by_role("button", name="Today").click()
    expect(page.get_by_label("Day")).to_have_value("22")
    expect(page.get_by_label("Training", exact=True)).to_be_checked()
    expect(page.get_by_label("Hours", exact=True)).to_be_focused()
    page.keyboard.type("1:30")
    page.get_by_label("Title").fill("Watch, wait & wonder")
    page.get_by_role("button", name="Save").last.click()
    expect(page.get_by_role("heading", name="1.5 hours on 22 November 2026")).to_be_visible()
    expect(page.get_by_text("Counts towards training")).to_be_visible()
    page.reload()
    expect(page.get_by_role("link", name="Add another")).to_be_visible()
    page.get_by_role("link", name="My year").last.click()
    expect(page.get_by_text("Watch, wait & wonder").first).to_be_visible()
    assert len(street.cast.rows("entry", title="Watch, wait & wonder")) == 1


def test_enter_saves_and_does_not_press_today(phone: Phone, street: Street) -> None:
    page = phone(ALICE)
    page.goto(f"/log?activity=rsc&provider={street.cast.people[DANA]}&date=2026-11-21")
    page.get_by_label("Hours", exact=True).fill("0.25")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="0.25 hours on 21 November 2026")).to_be_visible()


def test_errors_take_the_focus_and_lead_to_their_fields(phone: Phone) -> None:
    page = phone(ALICE)
    page.goto("/log?activity=rsc")
    page.get_by_label("Hours", exact=True).fill("lots")
    page.get_by_role("button", name="Save").last.click()
    summary = page.get_by_role("alert")
    expect(summary).to_be_focused()
    expect(summary.get_by_role("heading")).to_have_text("There is a problem")
    expect(page).to_have_title(re.compile("^Error: Log hours"))
    expect(page.get_by_label("Hours", exact=True)).to_have_value("lots")
    summary.get_by_role("link", name="Write the hours like").click()
    expect(page.get_by_label("Hours", exact=True)).to_be_focused()


def test_only_what_belongs_to_the_choice_is_asked(phone: Phone) -> None:
    page = phone(ALICE)
    page.goto("/log")
    expect(page.get_by_label("Or type part of their name")).to_be_hidden()
    page.get_by_text("Reflective supervision").click()
    expect(page.get_by_label("Or type part of their name")).to_be_visible()
    expect(page.get_by_label("Dana Ruiz (the last one)")).to_be_visible()
    page.get_by_text("Training", exact=True).click()
    expect(page.get_by_label("Of these, hours about DEIA")).to_be_visible()


def test_the_first_tab_leads_past_the_menu(phone: Phone) -> None:
    page = phone(ALICE)
    page.goto("/my-year")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("main a.button")).to_be_focused()


def test_a_coordinator_finds_who_needs_them_and_reads_their_year(phone: Phone) -> None:
    page = phone(CAROL)
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_contain_text("need")
    page.get_by_role("link", name="lapsed").click()
    page.get_by_role("link", name="Bob Osei").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Lapsed: 15 training hours")
    expect(page.get_by_role("link", name="Edit")).to_have_count(0)
