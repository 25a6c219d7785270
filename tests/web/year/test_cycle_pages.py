"""Earlier cycles: reachable from My year, judged by their own rules, and closed."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import insert

from tests.support.cast import ALICE, BOB, CAROL, DAN
from tests.web.client import WebClient, text_of
from tracker.db.engine import writing
from tracker.db.tables import METADATA


def cycle(web: WebClient, email: str, starts_on: str, whose: str = ALICE) -> str:
    number = web.cast.endorsements[whose]
    root = "/coordinator/people" if email in {CAROL, DAN} else "/my-year"
    return web.visit(email).get(f"{root}/{number}/{starts_on}").text


def test_my_year_links_to_every_cycle(sqlite_web: WebClient) -> None:
    page = sqlite_web.visit(ALICE).get("/my-year")
    assert "Earlier: 2025 2024" in text_of(page)
    number = sqlite_web.cast.endorsements[ALICE]
    for starts_on in ("2025-01-01", "2024-01-01"):
        assert f'href="/my-year/{number}/{starts_on}"' in page.text
        assert sqlite_web.visit(ALICE).get(f"/my-year/{number}/{starts_on}").status_code == 200
    assert sqlite_web.visit(ALICE).get(f"/my-year/{number}/2023-01-01").status_code == 404


def test_an_earlier_cycle_shows_standing_and_entries(web: WebClient) -> None:
    number = web.cast.endorsements[ALICE]
    page = text_of(web.visit(ALICE).get(f"/my-year/{number}/2025-01-01"))
    assert "All done for 2025." in page
    assert "Requirements for 2025 Training 15.5 of 15 hours" in page
    assert "Dec 31, 2025 Renewal was due" in page
    assert "Last year's conference training 15.5 h 1 hour of DEIA" in page
    assert "Counts toward training and DEIA" in page
    assert "1 of 15.5 hours about DEIA toward “DEIA training” (1 hour required)" in page
    assert "Infant mental health week" not in page
    assert "This cycle is closed: its grace period ended on January 31, 2026." in page
    assert "View" in page
    assert "Edit" not in page


def test_each_cycle_uses_its_own_rules(sqlite_web: WebClient) -> None:
    # The first cycle asks for no hours.
    page = cycle(sqlite_web, ALICE, "2024-01-01")
    assert "Not required in the first cycle" in page
    assert "Nothing is logged in 2024." in page


def test_a_cycle_is_open_in_its_grace_period(sqlite_web: WebClient) -> None:
    sqlite_web.now = datetime(2026, 1, 20, 17, 0, tzinfo=UTC)
    page = cycle(sqlite_web, ALICE, "2025-01-01")
    assert "is closed" not in page
    assert "/edit" in page


def test_later_changes_leave_earlier_cycles_alone(sqlite_web: WebClient) -> None:
    before = cycle(sqlite_web, ALICE, "2025-01-01")
    with writing(sqlite_web.cast.engine) as session:
        session.connection().execute(
            insert(METADATA.tables["waiver"]).values(
                endorsement_id=sqlite_web.cast.endorsements[ALICE],
                cycle_starts_on=date(2026, 1, 1),
                requirement="rsc",
                reason="illness",
            )
        )
    sqlite_web.pass_time(days=500)
    assert cycle(sqlite_web, ALICE, "2025-01-01").partition("<h1")[2] == before.partition("<h1")[2]


def test_coordinators_read_earlier_cycles(sqlite_web: WebClient) -> None:
    page = cycle(sqlite_web, CAROL, "2025-01-01")
    assert "Alice Moreno" in page
    assert "All done for 2025." in page
    assert "/entries/" not in page
    path = f"/coordinator/people/{sqlite_web.cast.endorsements[ALICE]}/2025-01-01"
    assert sqlite_web.visit(DAN).get(path).status_code == 404


def test_foreign_cycles_act_like_absent_ones(sqlite_web: WebClient) -> None:
    foreign = sqlite_web.visit(BOB).get(
        f"/my-year/{sqlite_web.cast.endorsements[ALICE]}/2025-01-01"
    )
    absent = sqlite_web.visit(BOB).get("/my-year/999999/2025-01-01")
    assert foreign.status_code == absent.status_code == 404
    assert foreign.content == absent.content


@pytest.mark.parametrize("starts_on", ["2025-1-1", "20250101", "2025-02-30", "x", "2025-01-02"])
def test_a_day_that_starts_no_cycle_is_absent(sqlite_web: WebClient, starts_on: str) -> None:
    number = sqlite_web.cast.endorsements[ALICE]
    assert sqlite_web.visit(ALICE).get(f"/my-year/{number}/{starts_on}").status_code == 404
