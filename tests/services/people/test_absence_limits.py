"""How long and how often leave and inactive status can be recorded, by the rulebook."""

from dataclasses import replace
from datetime import date

import pytest
from sqlmodel import Session, select

from tests.rules.case_data import IMAGINED, REAL, insert_row
from tests.services.conftest import Act
from tests.support.absences import with_absences
from tests.support.cast import ALICE, BOB, CAROL, Cast
from tracker.db.people import Leave
from tracker.refusal_text import format_refusal
from tracker.rules.absence_rules import KINDS, AbsenceKind
from tracker.rules.standing import Absence
from tracker.services.absence_limits import check_limits, is_ever_offered, list_absences
from tracker.services.context import Refused
from tracker.services.endorsements import Endorsed
from tracker.services.grants import add_leave
from tracker.services.time_requests import (
    NewTimeRequest,
    RequestedDays,
    grant_request,
    list_with_inactive_status,
    request_leave,
)

RESTING = IMAGINED.associations["RESTING"]
ENDORSED = Endorsed(1, 1, "Alice", ALICE, "RESTING", "IFS", date(2020, 5, 1), None)


def away(first: str, last: str | None, kind: AbsenceKind = "leave") -> Absence:
    ends_on = date.fromisoformat(last) if last else date.max
    return Absence(date.fromisoformat(first), ends_on, kind)


def problems(absence: Absence, *others: Absence) -> list[str]:
    refusals = check_limits(RESTING, ENDORSED, absence, others)
    return [f"{each.field}: {format_refusal(each.code, each.facts)}" for each in refusals]


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ("2025-03-27", "at least 28 days: the last day must be March 28, 2025 or later"),
        ("2025-03-28", ""),
        ("2026-02-28", ""),
        ("2026-03-01", "at most 12 months: the last day must be February 28, 2026 or earlier"),
        (None, "at most 12 months: enter a last day, February 28, 2026 or earlier"),
    ],
)
def test_leave_is_as_long_as_the_rulebook_allows(last: str | None, expected: str) -> None:
    found = problems(away("2025-03-01", last))
    assert found == ([f"ends_on: Leave lasts {expected}"] if expected else [])


def test_years_are_counted_from_the_first_day() -> None:
    others = away("2025-07-01", "2025-09-30"), away("2026-07-01", "2026-09-30")
    assert problems(away("2028-06-30", "2028-09-30"), *others) != []
    assert problems(away("2028-07-01", "2028-09-30"), *others) == []
    later = away("2026-07-01", "2026-09-30"), away("2028-06-30", "2028-09-30")
    assert problems(away("2025-07-01", "2025-09-30"), *later) != []
    around = away("2025-07-01", "2025-09-30"), away("2028-07-01", "2028-09-30")
    assert problems(away("2026-07-01", "2026-09-30"), *around) == []


def test_a_third_leave_in_three_years_names_the_latest() -> None:
    others = away("2025-07-01", "2025-09-30"), away("2026-07-01", "2026-09-30")
    (found,) = problems(away("2028-06-30", "2028-09-30"), *others)
    assert found.startswith("starts_on: Leave is possible at most twice in 3 years, and one that")
    assert found.endswith("that began on July 1, 2026 is on file")


def test_inactive_status_is_possible_once_in_two_cycles() -> None:
    before = away("2025-01-01", "2025-12-31", "inactive")
    (found,) = problems(away("2028-01-01", "2028-12-31", "inactive"), before)
    assert found.startswith("starts_on: Inactive status is possible at most once in 2 cycles")
    assert problems(away("2031-01-01", "2031-12-31", "inactive"), before) == []
    earlier = away("2028-01-01", "2028-12-31", "inactive")
    assert problems(before, earlier) != []
    assert problems(before, away("2031-01-01", "2031-12-31", "inactive")) == []
    last_day = away("2027-12-31", "2028-12-30", "inactive")
    assert problems(last_day, away("2031-01-01", "2031-12-31", "inactive")) == []


@pytest.mark.parametrize("first", ["2025-01-01", "2037-01-01"])
def test_too_many_in_other_cycles_prevent_nothing(first: str) -> None:
    on_file = [away(f"{year}-01-01", f"{year}-12-31", "inactive") for year in (2031, 2033)]
    last = first.replace("-01-01", "-12-31")
    assert problems(away(first, last, "inactive"), *on_file) == []


def test_leave_does_not_count_as_inactive_status() -> None:
    leave = away("2025-07-01", "2025-09-30")
    assert problems(away("2026-01-01", "2026-12-31", "inactive"), leave) == []


def test_inactive_status_is_offered_from_its_first_day() -> None:
    assert problems(away("2024-12-31", "2025-12-31", "inactive")) == [
        "starts_on: RESTING offers no inactive status that begins on this day"
    ]
    assert is_ever_offered(RESTING, "inactive", date(2024, 12, 31))
    assert not is_ever_offered(REAL.associations["NCIMHA"], "inactive", date(2026, 1, 1))


def test_only_leave_is_offered_without_a_rule() -> None:
    later = {"kind": "emeritus", "from": date(2027, 1, 1)}
    rulebook = with_absences(later).associations["NCIMHA"]
    offered = [kind for kind in KINDS if is_ever_offered(rulebook, kind, date(2026, 1, 1))]
    assert offered == ["leave", "emeritus"]


def test_the_longest_leave_can_be_in_days() -> None:
    rulebook = with_absences({"kind": "leave", "longest_days": 90}).associations["NCIMHA"]
    [refusal] = check_limits(rulebook, ENDORSED, away("2026-01-01", "2026-04-01"), ())
    assert "at most 90 days: the last day must be March 31, 2026" in format_refusal(
        refusal.code, refusal.facts
    )


def test_absences_of_one_endorsement_are_listed(session: Session, cast: Cast) -> None:
    alice, bob = cast.endorsements[ALICE], cast.endorsements[BOB]
    first = insert_row(
        session,
        "leave",
        endorsement_id=alice,
        starts_on=date(2026, 6, 1),
        ends_on=date(2026, 6, 30),
    )
    insert_row(session, "leave", endorsement_id=bob, starts_on=date(2026, 7, 1))
    emeritus = {"starts_on": date(2027, 1, 1), "kind": "emeritus"}
    insert_row(session, "leave", endorsement_id=alice, **emeritus)
    leave, rest = away("2026-06-01", "2026-06-30"), away("2027-01-01", None, "emeritus")
    assert sorted(list_absences(session, alice)) == [leave, rest]
    assert list_absences(session, alice, first) == [rest]


def test_emeritus_status_is_for_endorsements_held_for_years() -> None:
    (found,) = problems(away("2025-04-30", None, "emeritus"))
    assert found.startswith("starts_on: Emeritus status is for endorsements that were held for 5")
    assert found.endswith("years: the first day must be May 1, 2025 or later")
    assert problems(away("2025-05-01", None, "emeritus")) == []


YEAR = RequestedDays(date(2026, 12, 1), date(2027, 11, 30))


def codes(refused: pytest.ExceptionInfo[Refused]) -> list[tuple[str, str]]:
    return [(refusal.field, refusal.code) for refusal in refused.value.refusals]


def test_coordinators_record_inactive_status_where_it_is_offered(act: Act, cast: Cast) -> None:
    carol, alice = act(CAROL), cast.endorsements[ALICE]
    with pytest.raises(Refused) as refused:
        add_leave(carol, alice, YEAR, "Retired for a year", "inactive")
    assert codes(refused) == [("starts_on", "absence-not-offered")]
    offering = replace(carol, rulebooks=with_absences({"kind": "inactive"}))
    grant = add_leave(offering, alice, YEAR, "Retired for a year", "inactive")
    assert (grant.kind, carol.session.exec(select(Leave.kind)).one()) == ("inactive", "inactive")


def test_endorsees_request_inactive_status_within_its_limits(act: Act, cast: Cast) -> None:
    rule = {"kind": "inactive", "shortest_months": 12}
    alice = replace(act(ALICE), rulebooks=with_absences(rule))
    carol = replace(act(CAROL), rulebooks=alice.rulebooks)
    held = (alice.session, alice.rulebooks, alice.person_id, alice.now)
    assert [one.association for one in list_with_inactive_status(*held)] == ["NCIMHA"]
    short = NewTimeRequest(
        cast.endorsements[ALICE], YEAR._replace(ends_on=date(2027, 11, 29)), "Moved", "a"
    )
    with pytest.raises(Refused) as refused:
        request_leave(alice, short, "inactive")
    assert codes(refused) == [("ends_on", "absence-too-short")]
    request_id = request_leave(alice, replace(short, days=YEAR), "inactive")
    with pytest.raises(Refused) as refused:
        grant_request(carol, request_id, short.days, "")
    assert codes(refused) == [("ends_on", "absence-too-short")]
    grant_request(carol, request_id, YEAR, "")
    assert carol.session.exec(select(Leave.kind)).one() == "inactive"
