"""Takeaways on a phone, by keyboard alone; and the transcript as a browser prints it."""

import io
from collections.abc import Callable
from datetime import date

import pypdf
import pytest
from playwright.sync_api import Browser, Page
from sqlalchemy import insert

from tests.browser.conftest import Street
from tests.support.cast import ALICE
from tracker.records.engine import writing
from tracker.records.tables import METADATA

pytestmark = pytest.mark.browser
TRAININGS = 70


def log_many(street: Street) -> None:
    with writing(street.cast.engine) as connection:
        connection.execute(
            insert(METADATA.tables["entry"]),
            [
                {
                    "person_id": street.cast.people[ALICE],
                    "activity": "training",
                    "held_on": date(2026, 2, 1 + number % 28),
                    "minutes": 15,
                    "title": f"Training number {number} {'very long ' * (number % 5)}",
                }
                for number in range(TRAININGS)
            ],
        )


def test_a_transcript_is_two_keys_away_and_does_not_scroll_sideways(
    phone: Callable[[str], Page],
) -> None:
    page = phone(ALICE)
    page.goto("/takeaways")
    link = page.get_by_role("link", name="Transcript of NCIMHA IFS, 2026")
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/transcript/*/2026-01-01")
    assert page.get_by_role("cell", name="Hours 16.5").count() == 1
    main = page.locator("main").bounding_box()
    widest = page.locator("main table").first.bounding_box()
    assert main
    assert widest
    assert widest["x"] + widest["width"] <= main["x"] + main["width"] <= 360


@pytest.mark.parametrize(("paper", "size"), [("A4", (596, 843)), ("Letter", (612, 792))])
def test_the_transcript_prints_whole_on_either_paper(
    browser: Browser, street: Street, paper: str, size: tuple[int, int]
) -> None:
    if paper == "A4":
        log_many(street)
    context = browser.new_context(base_url=street.url, java_script_enabled=False)
    context.add_cookies([{"name": "session", "value": street.cookie(ALICE), "url": street.url}])
    page = context.new_page()
    page.goto(f"/transcript/{street.cast.endorsements[ALICE]}/2026-01-01")
    reader = pypdf.PdfReader(io.BytesIO(page.pdf(format=paper, prefer_css_page_size=False)))
    context.close()
    texts = [" ".join(sheet.extract_text().split()) for sheet in reader.pages]
    box = reader.pages[0].mediabox
    assert (round(box.width), round(box.height)) == size
    assert len(texts) >= 3
    whole = " ".join(texts)
    assert [n for n in range(TRAININGS) if f"Training number {n} " not in whole] == []
    assert "Alice Moreno" in texts[0]
    assert "Not yet complete on 22 November 2026" in texts[0]
    assert "Date Title Hours Of which Counts" in texts[1]
    assert [f"Page {n} of {len(texts)}" in text for n, text in enumerate(texts, 1)] == [True] * len(
        texts
    )
    for words in ("Download", "Sign out", "My year", "Log hours"):
        assert words not in whole
