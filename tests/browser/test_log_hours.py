"""Logging an hour on a phone between two visits: few taps, files, part of a name, keys alone."""

from collections.abc import Callable

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.conftest import Street
from tests.browser.test_accessibility import check
from tests.support.cast import ALICE, BOB, DANA
from tests.support.files import PDF, png

pytestmark = pytest.mark.browser
Phone = Callable[[str], Page]


def file(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


def test_a_reminders_link_needs_three_taps_and_the_hours(phone: Phone, street: Street) -> None:
    page = phone(ALICE)
    page.goto("/log?activity=rsc")
    page.get_by_label("Dana Ruiz (the last one)").check()
    page.get_by_role("button", name="Today").click()
    expect(page.get_by_label("Dana Ruiz (the last one)")).to_be_checked()
    expect(page.get_by_label("Hours", exact=True)).to_be_focused()
    page.keyboard.type("1h15")
    page.get_by_role("button", name="Save").last.click()
    expect(page.get_by_role("heading", name="1.25 hours on 22 November 2026")).to_be_visible()
    assert street.cast.rows("entry", minutes=75)[0]["provider_id"] == street.cast.people[DANA]


def test_by_keys_alone_with_part_of_a_name_and_a_typing_error(phone: Phone) -> None:
    page = phone(BOB)
    page.goto("/log?activity=rsc&date=2026-11-03")
    page.get_by_label("Hours", exact=True).focus()
    page.keyboard.type("1:30")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Type part of their name")).to_be_focused()
    page.keyboard.type("riuz")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_focused()
    page.get_by_role("link", name="“riuz” is not quite clear").press("Enter")
    expect(page.get_by_label("Dana Ruiz")).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="1.5 hours on 3 November 2026")).to_be_visible()


def test_back_brings_what_was_typed_and_nothing_once_signed_out(phone: Phone) -> None:
    page = phone(BOB)
    page.goto("/log?activity=training")
    page.get_by_label("Title").fill("Half typed")
    page.get_by_role("link", name="Help").first.click()
    page.go_back()
    expect(page.get_by_label("Title")).to_have_value("Half typed")
    # Also an answer to a form: that of "Today".
    page.get_by_role("button", name="Today").click()
    expect(page.get_by_label("Day")).to_have_value("22")
    page.get_by_role("link", name="Help").first.click()
    page.go_back()
    expect(page.get_by_label("Day")).to_have_value("22")
    expect(page.get_by_label("Title")).to_have_value("Half typed")
    page.goto("/my-year")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("status")).to_have_text("You are signed out.")
    page.go_back()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_files_stay_with_a_form_that_has_to_be_corrected(phone: Phone, street: Street) -> None:
    page = phone(BOB)
    page.goto("/log?activity=training&date=2026-11-02")
    page.get_by_label("Hours", exact=True).fill("2")
    page.get_by_label("Proof").set_input_files(
        [file("certificate.pdf", PDF), file("page.png", b"<html>")]
    )
    page.get_by_role("button", name="Save").last.click()
    expect(page.get_by_role("link", name="page.png is not a PDF")).to_be_visible()
    expect(page.get_by_role("link", name="certificate.pdf")).to_be_visible()
    page.get_by_label("Title").fill("Watching babies")
    page.get_by_label("Proof").set_input_files([file("photo.png", png())])
    page.get_by_role("button", name="Save").last.click()
    expect(page.get_by_role("heading", name="2 hours on 2 November 2026")).to_be_visible()
    names = sorted(row["name"] for row in street.cast.rows("evidence") if row["entry_id"])
    assert names == ["certificate.pdf", "photo.png"]
    page.get_by_role("link", name="Correct it").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="certificate.pdf").click()
    assert download.value.suggested_filename == "certificate.pdf"
    page.get_by_label("Remove photo.png when I save").check()
    page.get_by_role("button", name="Save").last.click()
    expect(page.get_by_text("Proof: certificate.pdf")).to_be_visible()


def test_every_state_of_the_form_has_no_barriers(scripted: Phone) -> None:
    page = scripted(ALICE)
    page.goto("/log?activity=rsc&date=2026-11-14")
    page.get_by_label("Hours", exact=True).fill("1")
    page.get_by_label("Or type part of their name").fill("Kim Osei")
    page.get_by_label("Proof").set_input_files(
        [file("x" * 90 + ".pdf", PDF), file("page.png", b"<html>")]
    )
    page.get_by_role("button", name="Save").last.click()
    expect(page.get_by_label("Somebody else: Kim Osei")).to_be_visible()
    check(page)
    page.get_by_label("Somebody else: Kim Osei").check()
    page.get_by_role("button", name="Save").last.click()
    expect(page.get_by_role("heading", name="Is this the same session?")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_focused()
    check(page)
    page.get_by_role("button", name="Save anyway").first.click()
    expect(page.get_by_role("heading", name="1 hour on 14 November 2026")).to_be_visible()
