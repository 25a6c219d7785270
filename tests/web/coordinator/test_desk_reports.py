"""The report for the board and the year-end checklist, as pages and as files."""

import csv
import io

import pytest
from httpx2 import Response

from tests.support.cast import BOB, CAROL, DAN
from tests.support.held import settle_last_year
from tests.web.client import WebClient, problems, text_of
from tracker.db.engine import writing

REPORTS = "/coordinator/reports"
YEAR = "first=2026-01-01&last=2026-11-22"
TYPED = (
    "starts_month=1&starts_day=1&starts_year=2026&ends_month={month}&ends_day=1&ends_year={year}"
)


@pytest.fixture
def lapsed_web(web: WebClient) -> WebClient:
    """Bob's renewal of the year before has lapsed for good."""
    with writing(web.cast.engine) as session:
        settle_last_year(session, web.cast, BOB)
    return web


def rows_of(answer: Response) -> list[list[str]]:
    assert answer.headers["content-disposition"].startswith("attachment")
    return list(csv.reader(io.StringIO(answer.text.lstrip("\ufeff"))))


def test_report_opens_with_the_cycle_to_date(lapsed_web: WebClient) -> None:
    said = text_of(lapsed_web.visit(CAROL).get(REPORTS))
    assert "January 1, 2026 through November 22, 2026" in said
    assert "2 + 0 new + 0 reinstated \N{MINUS SIGN} 0 ended \N{MINUS SIGN} 1 lapsed = 1" in said
    assert "Bob Osei IFS Lapsed February 1, 2026" in said
    assert "The RSC provider is not confirmed yet RSC 1 1 1" in said


def test_files_hold_the_figures_of_the_page(lapsed_web: WebClient) -> None:
    carol = lapsed_web.visit(CAROL)
    figures = rows_of(carol.get(f"{REPORTS}/figures.csv?{YEAR}"))
    assert ["endorsements", "all", "opening", "2"] in figures
    assert ["endorsements", "IFS", "lapsed", "1"] in figures
    assert ["hours", "rsc", "logged", "9.5"] in figures
    assert ["hours", "rsc", "counted", "8.5"] in figures
    assert ["hours not counted", "rsc", "The RSC provider is not confirmed yet", "1.0"] in figures
    people = rows_of(carol.get(f"{REPORTS}/people.csv?{YEAR}"))
    assert people[1:] == [["2026-02-01", "lapsed", "Bob Osei", BOB, "IFS"]]


def test_period_and_category_are_in_the_address(sqlite_web: WebClient) -> None:
    page = sqlite_web.visit(CAROL).get(f"{REPORTS}?first=2024-01-01&last=2024-12-31&category=IFS")
    said = text_of(page)
    assert "January 1, 2024 through December 31, 2024, Infant Family Specialist" in said
    assert "0 + 2 new" in said
    assert "Renewals today" not in said


@pytest.mark.parametrize(
    ("typed", "field", "message"),
    [
        (
            TYPED.format(month=1, year=2025),
            "ends_day",
            "The last day must be on the first day or later",
        ),
        (TYPED.format(month=12, year=2026), "ends_day", "The last day must be today or earlier"),
    ],
)
def test_wrong_periods_are_named(
    sqlite_web: WebClient, typed: str, field: str, message: str
) -> None:
    answer = sqlite_web.visit(CAROL).get(f"{REPORTS}?{typed}")
    assert "Error: " in answer.text
    assert problems(answer) == [(field, message)]
    assert sqlite_web.visit(CAROL).get(f"{REPORTS}/figures.csv?{typed}").status_code == 404


@pytest.mark.parametrize("query", ["first=x", "category=XYZ", "association=CT-AIMH"])
def test_made_up_addresses_are_absent(sqlite_web: WebClient, query: str) -> None:
    assert sqlite_web.visit(CAROL).get(f"{REPORTS}?{query}").status_code == 404


def test_other_associations_figures_stay_closed(sqlite_web: WebClient) -> None:
    dan = sqlite_web.visit(DAN)
    for path in ("", "/year-end", "/figures.csv", "/people.csv"):
        assert dan.get(f"{REPORTS}{path}?association=NCIMHA").status_code == 404
    assert "Bob Osei" not in dan.get(REPORTS).text


def test_checklist_says_what_is_left_and_what_then(lapsed_web: WebClient) -> None:
    said = text_of(lapsed_web.visit(CAROL).get(f"{REPORTS}/year-end"))
    assert "Year-end checklist: 2026" in said
    assert "1 unconfirmed name, 1 hour of RSC" in said
    assert "2 renewals not complete yet" in said
    assert "through January 31, 2027" in said
    assert "0 as complete, 0 as excused by leave, and 2 as lapsed" in said
