"""The page with everything that a person can export."""

import re
from datetime import date

import pytest
from sqlalchemy import insert

from tests.support.cast import ALICE, CAROL, EVE
from tests.web.client import WebClient, text_of
from tracker.db.engine import writing
from tracker.db.tables import METADATA


def test_each_cycle_offers_its_transcripts_newest_first(web: WebClient) -> None:
    page = web.visit(ALICE).get("/takeaways")
    base = f"/transcript/{web.cast.endorsements[ALICE]}"
    links = re.findall(rf'href="({base}/[^"]+)"', page.text)
    years = ("2026", "2025", "2024")
    assert links == [f"{base}/{y}-01-01{end}" for y in years for end in ("", ".pdf", ".csv")]
    for link in links:
        assert web.visit(ALICE).get(link).status_code == 200


def test_without_endorsements_the_page_offers_help(sqlite_web: WebClient) -> None:
    page = sqlite_web.visit(EVE).get("/takeaways")
    assert "You have no endorsement here yet" in text_of(page)
    assert 'href="/help"' in page.text


@pytest.mark.parametrize(
    ("association", "category", "starts_on", "why"),
    [
        (
            "CT-AIMH",
            "IMHM-P",
            date(2024, 1, 1),
            "We don't track this endorsement's renewal yet",
        ),
        ("NCIMHA", "IFS", date(2027, 3, 3), "It starts on March 3, 2027, as does its first cycle"),
        ("XY-AIMH", "IFS", date(2024, 1, 1), "We have no rulebook for XY-AIMH."),
    ],
)
def test_an_endorsement_without_a_cycle_says_why(
    sqlite_web: WebClient, association: str, category: str, starts_on: date, why: str
) -> None:
    values = {"association": association, "category": category, "starts_on": starts_on}
    with writing(sqlite_web.cast.engine) as session:
        table = METADATA.tables["endorsement"]
        session.connection().execute(
            insert(table).values(person_id=sqlite_web.cast.people[EVE], **values)
        )
    assert why in text_of(sqlite_web.visit(EVE).get("/takeaways"))


def test_the_page_explains_the_calendar_address(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    alice.post("/takeaways/calendar", {"instead": ""})
    page = text_of(alice.get("/takeaways"))
    for shown in ("associations and categories", "complete", "membership ends", "provider"):
        assert shown in page.partition("Keep this address private")[2]


def test_an_unknown_person_has_no_exports(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    assert carol.get("/takeaways").content == carol.get("/nowhere").content
