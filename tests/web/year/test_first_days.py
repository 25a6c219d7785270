"""A renewal due before its association's first day in this system has no records."""

from datetime import date

import pytest

from tests.support.cast import ALICE, BOB, BOOKS, CAROL, NOW
from tests.support.held import settle_last_year
from tests.web.client import WebClient, text_of
from tracker.db.engine import reading, writing
from tracker.db.people import AssociationStart
from tracker.exports.calendar import list_calendar_dates
from tracker.services.attention import list_attention
from tracker.services.context import Actor, NotFound, ServiceContext
from tracker.services.first_days import adopt_first_days, set_first_day

LAST_YEAR = "2025-01-01"


def begin(web: WebClient, day: date | None, association: str = "NCIMHA") -> None:
    with writing(web.cast.engine) as session:
        context = ServiceContext(session, BOOKS, Actor("tracker first-day"), NOW)
        set_first_day(context, association, day, "moved from the old system")


def test_my_year_begins_with_the_renewal_that_has_records(web: WebClient) -> None:
    assert "Lapsed" in text_of(web.visit(BOB).get("/my-year"))
    begin(web, date(2026, 1, 1))
    page = text_of(web.visit(BOB).get("/my-year"))
    assert "Lapsed" not in page
    assert "to go by December 31" in page
    assert "Earlier: 2025 before this system 2024 before this system" in page


def test_the_page_of_an_earlier_cycle_says_so(web: WebClient) -> None:
    begin(web, date(2026, 1, 1))
    number = web.cast.endorsements[BOB]
    for viewer, root in ((BOB, "/my-year"), (CAROL, "/coordinator/people")):
        page = text_of(web.visit(viewer).get(f"{root}/{number}/{LAST_YEAR}"))
        assert "Before this system: no records." in page
        assert "first day in this system, January 1, 2026." in page
        assert "short" not in page


def test_entries_of_an_earlier_cycle_count_for_nothing(sqlite_web: WebClient) -> None:
    begin(sqlite_web, date(2026, 1, 1))
    number = sqlite_web.cast.endorsements[ALICE]
    page = text_of(sqlite_web.visit(ALICE).get(f"/my-year/{number}/{LAST_YEAR}"))
    assert "Last year's conference" in page
    assert "Counts toward" not in page


@pytest.mark.parametrize("day", [date(2025, 1, 1), date(2025, 12, 31)])
def test_a_renewal_due_on_the_first_day_is_judged(sqlite_web: WebClient, day: date) -> None:
    begin(sqlite_web, day)
    assert "Lapsed" in text_of(sqlite_web.visit(BOB).get("/my-year"))


def test_the_cycle_in_which_the_day_falls_says_what_may_be_missing(sqlite_web: WebClient) -> None:
    begin(sqlite_web, date(2026, 7, 1))
    page = text_of(sqlite_web.visit(BOB).get("/my-year"))
    assert "Hours held before July 1, 2026 may not be in this system yet: you can log them." in page
    number = sqlite_web.cast.endorsements[BOB]
    page = text_of(sqlite_web.visit(CAROL).get(f"/coordinator/people/{number}"))
    assert "may not be in this system yet: they can be logged." in page


def test_a_first_day_ahead_leaves_nothing_to_renew(sqlite_web: WebClient) -> None:
    begin(sqlite_web, date(2027, 1, 1))
    page = text_of(sqlite_web.visit(BOB).get("/my-year"))
    assert "Nothing to renew at the moment." in page
    assert (
        "its due date is before the association's first day in this system, January 1, 2027."
        in page
    )


def test_coordinators_have_no_work_with_earlier_renewals(web: WebClient) -> None:
    def kinds() -> list[tuple[str, str]]:
        with reading(web.cast.engine) as session:
            listed = list_attention(session, web.rulebooks, "NCIMHA", web.now)
        return [(each.name, each.kind.value) for each in listed]

    assert ("Bob Osei", "lapsed") in kinds()
    begin(web, date(2026, 1, 1))
    assert ("Bob Osei", "lapsed") not in kinds()
    assert ("Bob Osei", "behind") in kinds()


def test_the_calendar_has_no_earlier_renewal(sqlite_web: WebClient) -> None:
    def days() -> set[date]:
        with reading(sqlite_web.cast.engine) as session:
            dates = list_calendar_dates(session, BOOKS, sqlite_web.cast.people[BOB], NOW)
        return {each.day for each in dates}

    begin(sqlite_web, date(2026, 1, 1))
    assert not [day for day in days() if day.year == 2025]


def test_a_transcript_says_that_there_are_no_records(sqlite_web: WebClient) -> None:
    begin(sqlite_web, date(2026, 1, 1))
    number = sqlite_web.cast.endorsements[BOB]
    page = text_of(sqlite_web.visit(BOB).get(f"/transcript/{number}/{LAST_YEAR}"))
    assert "Before this system: no records. " in page


def test_all_records_are_judged_again_without_a_first_day(sqlite_web: WebClient) -> None:
    before = sqlite_web.cast.rows("standing")
    begin(sqlite_web, date(2026, 1, 1))
    assert sqlite_web.cast.rows("standing") != before
    begin(sqlite_web, None)
    assert sqlite_web.cast.rows("standing") == before


def test_a_change_is_in_the_history_with_its_reason(sqlite_web: WebClient) -> None:
    begin(sqlite_web, date(2026, 1, 1))
    [event] = sqlite_web.cast.rows("audit_event", table_name="association_start")
    assert event["who"] == "tracker first-day"
    assert "2026-01-01" in event["after"]
    assert "moved from the old system" in event["after"]


def test_only_operators_set_a_first_day(sqlite_web: WebClient) -> None:
    with writing(sqlite_web.cast.engine) as session:
        carol = ServiceContext(session, BOOKS, Actor(CAROL, None, ("NCIMHA",)), NOW)
        with pytest.raises(NotFound):
            set_first_day(carol, "NCIMHA", date(2026, 1, 1), "a reason")


@pytest.mark.parametrize(("is_chosen", "expected"), [(False, date(2026, 1, 1)), (True, None)])
def test_the_setting_is_taken_where_nobody_chose(
    sqlite_web: WebClient,
    is_chosen: bool,  # noqa: FBT001
    expected: date | None,
) -> None:
    with writing(sqlite_web.cast.engine) as session:
        start = AssociationStart(
            association="NCIMHA",
            reason="as before the upgrade",
            set_at=NOW,
            set_by="tracker migrate",
            is_chosen=is_chosen,
        )
        session.add(start)
        context = ServiceContext(session, BOOKS, Actor("tracker.toml"), NOW)
        adopt_first_days(context, {"NCIMHA": date(2026, 1, 1), "NOWHERE": date(2026, 1, 1)})
    [start_row] = sqlite_web.cast.rows("association_start")
    assert start_row["first_day"] == expected


def test_a_settled_cycle_before_the_first_day_has_no_standing(sqlite_web: WebClient) -> None:
    with writing(sqlite_web.cast.engine) as session:
        settle_last_year(session, sqlite_web.cast, BOB)
    begin(sqlite_web, date(2026, 1, 1))
    number = sqlite_web.cast.endorsements[BOB]
    page = text_of(sqlite_web.visit(CAROL).get(f"/coordinator/people/{number}/{LAST_YEAR}"))
    assert "Before this system: no records." in page
    assert "Settled on" not in page
    begin(sqlite_web, None)
    page = text_of(sqlite_web.visit(CAROL).get(f"/coordinator/people/{number}/{LAST_YEAR}"))
    assert "Settled on" in page
