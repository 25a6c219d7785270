"""My year and the desk, where a rulebook asks when and how sessions were held."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.rules.case_data import IMAGINED, populate
from tests.support.cast import ALICE, CAROL, Cast
from tests.web.client import WebClient
from tests.web.html import HtmlPage
from tracker.db.engine import open_engine, reading, writing
from tracker.exports.standing_json import standing_to_json
from tracker.services.evaluation import evaluate_people, judge_all
from tracker.services.uncounted import with_uncounted
from tracker.settings import Coordinator
from tracker.web.api.models import RequirementStanding

PEER_CAP = "at most 6 hours of peer sessions count"
NOW = datetime(2026, 6, 15, 17, 0, tzinfo=UTC)
CASE: dict[str, Any] = {
    "endorsed": ["FORMATS IFS 2020-05-01"],
    "providers": {"Frances": ["FORMATS IFRS 2010-01-01"]},
    "entries": [
        "rsc 5h peer 2025-02-01 with Frances",
        "rsc 2h peer 2025-03-01 with Frances",
        "rsc 3h peer 2026-03-01 with Frances",
        "training 10h SELF-STUDY 10h 2025-04-01",
        "training 8h SELF-STUDY 8h 2025-05-01",
    ],
}


@pytest.fixture
def house(sqlite_url: str) -> WebClient:
    engine = open_engine(sqlite_url)
    cast = Cast(sqlite_url, engine)
    with writing(engine) as session:
        people = populate(session, IMAGINED, CASE)
        cast.people = {ALICE: people.ids["Alice"]}
        evaluate_people(session, IMAGINED, people.ids.values(), NOW)
    carol = Coordinator(email=CAROL, name="Carol Reyes", association="FORMATS")
    settings = cast.settings.model_copy(update={"coordinators": (carol,)})
    return WebClient(cast, now=NOW, rulebooks=IMAGINED, settings=settings)


def text_of(house: WebClient, path: str, email: str = ALICE) -> str:
    page = house.visit(email).get(path)
    assert page.status_code == 200
    (main,) = HtmlPage(page.text).all("main")
    plain = main.text.replace("\N{NO-BREAK SPACE}", " ")
    return plain.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")


def test_my_year_says_what_is_missing_in_each_year(house: WebClient) -> None:
    text = text_of(house, "/my-year")
    assert (
        "30 training hours, 30 RSC hours (6 in the second year, 9 in the third year, and in 15 "
        "more months), and 2 RSC hours in the first year to go by December 31, 2027" in text
    )
    assert (
        "2 RSC hours in the first year can't be made up: that year is over. "
        "Your coordinator can tell you what to do." in text
    )
    assert "Yearly reflective supervision, first year 7 of 9 hours" in text
    assert "January 1, 2025 to December 31, 2025 2 hours short" in text


def test_a_year_is_not_over_on_its_last_day(house: WebClient) -> None:
    house.now = datetime(2026, 1, 1, 5, 59, tzinfo=UTC)
    assert "that year is over" not in text_of(house, "/my-year")
    house.now = datetime(2026, 1, 1, 6, 1, tzinfo=UTC)
    assert "that year is over" in text_of(house, "/my-year")


def test_my_year_counts_months_without_hours(house: WebClient) -> None:
    text = text_of(house, "/my-year")
    assert "Months of reflective supervision 3 of 18 months" in text
    assert "Behind, 15 months to go" in text


def test_a_session_says_how_much_of_it_counts(house: WebClient) -> None:
    text = text_of(house, "/my-year")
    assert "only 1 of 2 hours toward RSC: at most 6 hours of peer sessions count" in text
    assert "not toward RSC: at most 6 hours of peer sessions count" in text
    assert "only 5 of 8 hours toward training: at most 15 hours about SELF-STUDY count" in text


def test_the_desk_says_what_is_missing(house: WebClient) -> None:
    queue = text_of(house, "/coordinator?association=FORMATS", CAROL)
    assert "36 RSC hours (9 in the first year, 9 in the second year, 9 in the third year" in queue
    person = text_of(house, f"/coordinator/person/{house.cast.people[ALICE]}", CAROL)
    assert "3 of 18 months Behind, 15 months to go" in person
    assert "Waive Yearly reflective supervision, first year" in person


def test_the_transcript_counts_hours_up_to_the_cap(house: WebClient) -> None:
    (endorsed,) = house.cast.rows("endorsement", category="IFS")
    text = text_of(house, f"/transcript/{endorsed['id']}/2025-01-01")
    assert "3 of 18 months" in text
    assert "6 hours counted, 4 hours not counted." in text
    assert "15 hours counted, 3 hours not counted." in text


def test_programs_read_months_and_what_a_cap_leaves_out(house: WebClient) -> None:
    with reading(house.cast.engine) as session:
        ids = [house.cast.rows("endorsement", category="IFS")[0]["id"]]
        standings = [*judge_all(session, IMAGINED, lambda _: NOW.date(), endorsement_ids=ids)]
        ((standing, uncounted),) = with_uncounted(session, standings, lambda _: NOW.date())
    rows = {r["id"]: r for r in standing_to_json(standing, uncounted)["requirements"]}
    for row in rows.values():
        RequirementStanding.model_validate(row)
    months = rows["rsc.months"]
    assert (months["unit"], months["required"], months["counted"]) == ("months", 18, 3)
    beyond = [(each["hours"], each["reason"]) for each in rows["rsc"]["not_counted"]]
    assert beyond == [(3.0, PEER_CAP), (1.0, PEER_CAP)]
    assert months["not_counted"] == []
    assert [each["hours"] for each in rows["training"]["not_counted"]] == [3.0]
