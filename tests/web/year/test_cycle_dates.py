"""Pages of an association whose renewals are due before the cycle ends, with grace to March 31."""

import re
import shutil
from pathlib import Path

import pytest

from tests.support.cast import ALICE, BOB, CAROL, CONFIG
from tests.web.client import TRAINING, WebClient, text_of
from tracker.rulebooks import load_rulebooks

DATES = """due_days_before_end = 31
grace_until = "03-31"
submission_opens = "10-01"
submission_closes = "01-31"
"""
MEMBERSHIP = """organizations = ["NCIMHA"]
kinds = ["individual"]
grace_days = 30
"""
ALTERNATIVE = re.compile(r"\n  \[\[interpretations\.alternatives\]\]\n(?:  .*\n)+")


@pytest.fixture
def early_web(sqlite_web: WebClient, tmp_path: Path) -> WebClient:
    """The site with other dates in North Carolina's rulebook."""
    folder = shutil.copytree(CONFIG, tmp_path / "config")
    file = folder / "rulebooks" / "ncimha.toml"
    text = ALTERNATIVE.sub("\n", file.read_text(encoding="utf-8"))
    text = text.replace("due_days_after_end = 0\ngrace_days = 31\n", DATES, 1)
    file.write_text(text.replace('organizations = ["NCIMHA"]\n', MEMBERSHIP, 1), encoding="utf-8")
    return WebClient(sqlite_web.cast, rulebooks=load_rulebooks(folder))


def test_an_overdue_renewal_takes_hours_of_the_running_cycle(early_web: WebClient) -> None:
    early_web.pass_time(days=11)
    alice = early_web.visit(ALICE)
    words = text_of(alice.get("/my-year"))
    assert "It was due on November 30, 2026." in words
    hours = "Sessions on or before December 31, 2026 can still be logged through March 31, 2027."
    assert hours in words
    late = {"day": "2", "month": "12"}
    assert alice.log(TRAINING | late).status_code == 303


def test_the_year_end_page_has_the_submission_and_the_grace_period(early_web: WebClient) -> None:
    words = text_of(early_web.visit(CAROL).get("/coordinator/reports/year-end"))
    assert "Submission open since October 1, 2026, through January 31, 2027" in words
    assert "Due November 30, 2026" in words
    assert "Grace period through March 31, 2027" in words
    assert "Settled on April 1, 2027" in words


def test_a_membership_in_its_grace_period_says_so(early_web: WebClient) -> None:
    bob = early_web.visit(BOB)
    term = {
        "organization": "NCIMHA",
        "starts_day": "1",
        "starts_month": "1",
        "starts_year": "2026",
        "length": "until",
        "ends_day": "31",
        "ends_month": "10",
        "ends_year": "2026",
    }
    words = text_of(bob.follow(bob.post("/membership/new", term)))
    assert "ended on October 31, 2026, counts through November 30, 2026" in words
    assert "Membership stops counting" in text_of(bob.get("/my-year"))


def test_an_agency_membership_that_does_not_count_says_so(early_web: WebClient) -> None:
    bob = early_web.visit(BOB)
    term = {
        "organization": "NCIMHA|agency",
        "starts_day": "1",
        "starts_month": "1",
        "starts_year": "2026",
        "length": "year",
    }
    words = text_of(bob.follow(bob.post("/membership/new", term)))
    assert "Membership: none in force" in words
    assert "Agency memberships do not count for NCIMHA." in words
