"""Exports with a keyboard alone; and the transcript as a browser prints it."""

import io
from collections.abc import Callable
from datetime import date

import pypdf
import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import insert

from tests.browser.conftest import LiveServer, open_context
from tests.browser.keyboard import Keys
from tests.support.cast import ALICE
from tracker.db.engine import writing
from tracker.db.tables import METADATA

pytestmark = pytest.mark.browser
TRAININGS = 70


def log_many(server: LiveServer) -> None:
    with writing(server.cast.engine) as session:
        session.connection().execute(
            insert(METADATA.tables["entry"]),
            [
                {
                    "person_id": server.cast.people[ALICE],
                    "activity": "training",
                    "held_on": date(2026, 2, 1 + number % 28),
                    "minutes": 15,
                    "title": f"Training number {number} {'very long ' * (number % 5)}",
                }
                for number in range(TRAININGS)
            ],
        )


def test_a_transcript_a_calendar_and_all_data_are_taken_away(
    keys: Callable[[str, str], Keys], server: LiveServer
) -> None:
    at = keys(ALICE, "/my-year")
    at.follow("Exports")
    at.follow("Transcript for NCIMHA IFS, 2026")
    expect(at.page.get_by_role("row").filter(has_text="Infant mental health")).to_contain_text(
        "16.5"
    )
    at.follow("Exports")
    at.press("Create a calendar address")
    [feed] = server.cast.rows("calendar_feed")
    assert feed["person_id"] == server.cast.people[ALICE]
    at.press("Turn off")
    at.see("Create a calendar address")
    link = at.page.get_by_role("link", name="CSV for NCIMHA IFS, 2026")
    at.walk_to(link)
    assert at.download(lambda: at.page.keyboard.press("Enter")).endswith(".csv")
    at.walk_to(at.page.get_by_role("link", name="Download all my data"))
    assert at.download(lambda: at.page.keyboard.press("Enter")).endswith(".zip")


def test_the_transcript_prints_on_letter_and_a4(browser: Browser, server: LiveServer) -> None:
    log_many(server)
    context = open_context(browser, server, ALICE, scripts=False)
    page = context.new_page()
    page.goto(f"/transcript/{server.cast.endorsements[ALICE]}/2026-01-01")
    for paper, size in (("A4", (596, 843)), ("Letter", (612, 792))):
        check_print(page.pdf(format=paper, prefer_css_page_size=False), size)
    context.close()


def check_print(pdf: bytes, size: tuple[int, int]) -> None:
    """Everything is on paper of that size, with a head on each page, and without the menu."""
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    texts = [" ".join(sheet.extract_text().split()) for sheet in reader.pages]
    box = reader.pages[0].mediabox
    assert (round(box.width), round(box.height)) == size
    assert len(texts) >= 3
    whole = " ".join(texts)
    assert [n for n in range(TRAININGS) if f"Training number {n} " not in whole] == []
    assert "Alice Moreno" in texts[0]
    assert "Not yet complete on November 22, 2026" in texts[0]
    assert "Date Title Hours Topics Counts" in texts[1]
    numbered = [f"Page {n} of {len(texts)}" in text for n, text in enumerate(texts, 1)]
    assert numbered == [True] * len(texts)
    for words in ("Download", "Sign out", "My year", "Log hours"):
        assert words not in whole
