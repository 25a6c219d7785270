"""Logging hours from My year to what they did, with a keyboard alone and without scripts."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import LiveServer
from tests.browser.keyboard import Keys
from tests.support.cast import ALICE, BOB, ERIN
from tests.support.files import PDF, png

pytestmark = pytest.mark.browser
Open = Callable[[str, str], Keys]


def test_training_is_logged_twice_with_a_warning(keys: Open, server: LiveServer) -> None:
    at = keys(ERIN, "/my-year")
    at.follow("Log hours")
    expect(at.page.get_by_label("Or type part of the provider's name")).to_be_hidden()
    at.choose("Training")
    at.choose(at.page.get_by_label("Today"))
    at.choose("Other")
    at.type("Hours", "1:30")
    at.type("Title", "Watch, wait & wonder")
    at.press("Save")
    at.see_heading("1.5 hours on November 22, 2026")
    at.see("Logged as training: no hours are required")
    at.page.reload()
    at.follow("Log another session")
    at.follow("My year")
    at.open_entry("Watch, wait & wonder")
    at.follow("Log again Watch, wait & wonder")
    at.choose(at.page.get_by_label("Today"))
    at.press("Save")
    expect(at.page.get_by_role("alert")).to_be_focused()
    at.see("Is this the same session?")
    assert len(server.cast.rows("entry", title="Watch, wait & wonder")) == 1
    at.press("Save anyway", within=at.page.get_by_role("alert"))
    at.follow("Edit")
    at.type("Hours", "90 min")
    at.type("Title", "Another one")
    at.enter()
    at.see("Another one")
    at.follow("My year", within=at.page.locator("main"))
    at.open_entry("Another one")
    at.follow("Delete Another one")
    at.press("Delete")
    at.see("Watch, wait & wonder")
    assert server.cast.rows("entry", title="Another one") == []


def test_rsc_with_part_of_a_name_typing_errors_and_proof(
    keys: Open, server: LiveServer, tmp_path: Path
) -> None:
    proof, page, photo = (tmp_path / name for name in ("certificate.pdf", "page.png", "photo.png"))
    proof.write_bytes(PDF)
    page.write_bytes(b"<html>")
    photo.write_bytes(png())
    at = keys(BOB, "/my-year")
    at.follow("Log hours")
    at.choose("Reflective supervision")
    at.choose("Another day")
    at.type_day("3 nov 2026")
    at.choose("Other")
    at.type("Hours", "lots")
    at.type("Type part of the provider's name", "riuz")
    at.open(at.page.get_by_text("Add details"))
    at.upload("Supporting documents", proof, page)
    at.press("Save")
    at.see_problem("Write the hours like")
    expect(at.page.locator("#hours")).to_be_focused()
    expect(at.page.locator("#hours")).to_have_value("lots")
    expect(at.page.get_by_role("link", name="certificate.pdf")).to_be_visible()
    expect(at.page.get_by_role("link", name="page.png is not a PDF")).to_be_visible()
    at.type("Hours", "1:30")
    at.follow("“riuz” could be more than one person")
    expect(at.page.get_by_label("Dana Ruiz")).to_be_focused()
    at.page.keyboard.press("Space")
    at.choose("Group")
    at.upload("Supporting documents", photo)
    at.press("Save")
    at.see_heading("1.5 hours on November 3, 2026")
    names = sorted(row["name"] for row in server.cast.rows("evidence") if row["entry_id"])
    assert names == ["certificate.pdf", "photo.png"]
    at.follow("Edit")
    at.walk_to(at.page.get_by_role("link", name="certificate.pdf"))
    assert at.download(lambda: at.page.keyboard.press("Enter")) == "certificate.pdf"
    at.tick("Remove photo.png when I save")
    at.press("Save")
    at.see("Supporting documents: certificate.pdf")


def test_enter_saves_from_any_field(keys: Open, server: LiveServer) -> None:
    dana = server.cast.people["dana@example.org"]
    at = keys(ALICE, f"/log?activity=rsc&provider={dana}&date=2026-11-21")
    at.choose("Other")
    at.type("Hours", "0.25")
    at.enter()
    at.see_heading("0.25 hours on November 21, 2026")


def test_back_brings_what_was_typed_and_nothing_once_signed_out(keys: Open) -> None:
    at = keys(BOB, "/log?activity=training")
    at.type("Title", "Half typed")
    at.follow("Help")
    at.page.go_back()
    expect(at.page.get_by_label("Title")).to_have_value("Half typed")
    # Also an answer to a form: that of one without a day.
    at.press("Save")
    expect(at.page).to_have_title(re.compile("^Error: "))
    at.follow("Help")
    at.page.go_back()
    expect(at.page).to_have_title(re.compile("^Error: "))
    expect(at.page.get_by_label("Title")).to_have_value("Half typed")
    at.follow("My year")
    at.press("Sign out")
    expect(at.page.get_by_role("status")).to_have_text("You are signed out.")
    at.page.go_back()
    expect(at.page.get_by_role("heading", name="Sign in")).to_be_visible()
