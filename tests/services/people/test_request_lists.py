"""Which requests for leave or a later due date, and which renewals, are listed for whom."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, select

from tests.support.absences import with_absences
from tests.support.cast import ALICE, BOB, BOOKS, ERIN, NOW, REMOVING, Cast
from tracker.db.people import Endorsement, Leave, Renewal, TimeRequest, Waiver
from tracker.rulebooks import Rulebooks
from tracker.services.context import NotFound
from tracker.services.message_subjects import About
from tracker.services.time_requests import (
    Grant,
    SubmittedRequest,
    count_requests,
    find_extended_standing,
    find_grant,
    get_request,
    list_current_endorsements,
    list_extendable_renewals,
    list_own_requests,
    list_requests,
    list_with_inactive_status,
)

CYCLE = date(2026, 1, 1)
Add = Callable[..., int]


@pytest.fixture
def add(cast: Cast, session: Session) -> Add:
    """Stores a request."""

    def store(email: str = ALICE, state: str = "asked", hours: int = 0, **more: object) -> int:
        values: dict[str, Any] = {
            "kind": "leave",
            "starts_on": date(2026, 12, 1),
            "ends_on": date(2027, 1, 31),
        }
        request = TimeRequest(
            **(values | more),
            endorsement_id=cast.endorsements[email],
            state=state,
            reason="Moved",
            form_key=f"{len(session.exec(select(TimeRequest)).all())}",
            asked_at=NOW - timedelta(hours=hours),
            decided_at=None if state == "asked" else NOW - timedelta(hours=hours),
        )
        session.add(request)
        session.flush()
        return request.id

    return store


def ids(requests: list[SubmittedRequest]) -> list[int]:
    return [each.request.id for each in requests]


def test_own_requests_are_listed_newest_first(session: Session, cast: Cast, add: Add) -> None:
    first, _, last = add(hours=1), add(BOB), add(hours=2, state="withdrawn")
    own = list_own_requests(session, cast.people[ALICE])
    assert ids(own) == [last, first]
    assert [each.is_pending for each in own] == [False, True]
    assert (own[0].person.email, own[0].endorsement.id) == (ALICE, cast.endorsements[ALICE])
    assert own[0].days == (date(2026, 12, 1), date(2027, 1, 31))
    assert own[0].endorsement_name == "NCIMHA IFS"


def test_undecided_requests_are_listed_oldest_first(session: Session, add: Add) -> None:
    add(ERIN)
    add(state="withdrawn")
    later, older, same = add(BOB, hours=1), add(BOB, hours=2), add(hours=1)
    newest = add(BOB)
    first = add(state="granted", hours=2)
    last = [add(BOB, state="granted", hours=1), add(state="declined", hours=1)]
    expected = {True: [older, later, same, newest], False: [*last, first]}
    for undecided, listed in expected.items():
        every = list_requests(session, "NCIMHA", undecided=undecided)
        assert ids(every) == listed
        second = list_requests(session, "NCIMHA", undecided=undecided, skip=1, limit=1)
        assert ids(second) == listed[1:2]
        assert count_requests(session, "NCIMHA", undecided=undecided) == len(listed)


def test_requests_are_found_at_their_association(session: Session, add: Add) -> None:
    add()
    number = add(ERIN)
    found = get_request(session, number, ["CT-AIMH", "NCIMHA"])
    assert (found.request.id, found.person.email) == (number, ERIN)
    for wrong in ((number, ["NCIMHA"]), (number + 1, ["CT-AIMH"])):
        with pytest.raises(NotFound):
            get_request(session, *wrong)


@pytest.mark.parametrize(
    ("ends_on", "is_listed"),
    [(None, True), (date(2026, 11, 22), True), (date(2026, 11, 21), False)],
)
def test_ended_endorsements_are_not_offered_leave(
    session: Session, cast: Cast, *, ends_on: date | None, is_listed: bool
) -> None:
    session.get_one(Endorsement, cast.endorsements[ALICE]).ends_on = ends_on
    session.flush()
    # In New York it is November 22.
    now = datetime(2026, 11, 23, 4, 59, tzinfo=UTC)
    inactive = with_absences({"kind": "inactive"})
    for books, list_offered in (
        (BOOKS, list_current_endorsements),
        (inactive, list_with_inactive_status),
    ):
        offered = list_offered(session, books, cast.people[ALICE], now)
        expected = [cast.endorsements[ALICE]] if is_listed else []
        assert [each.id for each in offered] == expected


def without(name: str) -> Rulebooks:
    others = {key: book for key, book in BOOKS.associations.items() if key != name}
    return replace(BOOKS, associations=others)


@pytest.mark.parametrize(
    "list_offered", [list_current_endorsements, list_with_inactive_status, list_extendable_renewals]
)
def test_nothing_is_offered_without_a_rulebook(
    session: Session, cast: Cast, list_offered: Callable[..., list[Any]]
) -> None:
    assert list_offered(session, without("NCIMHA"), cast.people[ALICE], NOW) == []


def test_inactive_status_is_offered_from_its_day(session: Session, cast: Cast) -> None:
    books = with_absences(
        {"kind": "inactive"}, {"kind": "inactive", "from": NOW.date(), "allowed": False}
    )
    for days, count in ((1, 1), (0, 0)):
        now = NOW - timedelta(days=days)
        assert len(list_with_inactive_status(session, books, cast.people[ALICE], now)) == count


def list_extendable(session: Session, cast: Cast, now: datetime) -> list[tuple[str, date, date]]:
    renewals = list_extendable_renewals(session, BOOKS, cast.people[BOB], now)
    return [(standing.status, cycle.starts_on, due_on) for standing, cycle, due_on in renewals]


def test_renewals_that_can_be_completed_come_first(session: Session, cast: Cast) -> None:
    assert list_extendable(session, cast, datetime(2026, 1, 15, 12, tzinfo=UTC)) == [
        ("overdue", date(2025, 1, 1), date(2025, 12, 31)),
        ("open", date(2026, 1, 1), date(2026, 12, 31)),
    ]
    assert list_extendable(session, cast, NOW) == [
        ("open", date(2026, 1, 1), date(2026, 12, 31)),
        ("lapsed", date(2025, 1, 1), date(2025, 12, 31)),
    ]
    first = Endorsement(
        person_id=cast.people[BOB],
        association=REMOVING,
        category="IFS",
        starts_on=CYCLE,
    )
    session.add(first)
    session.add(
        Renewal(
            endorsement_id=cast.endorsements[BOB],
            cycle_starts_on=CYCLE,
            extended_due_on=date(2027, 3, 31),
            reason="Flood",
        )
    )
    session.flush()
    renewals = list_extendable_renewals(session, BOOKS, cast.people[BOB], NOW)
    due = [(standing.facts.subject_id, due_on) for standing, _, due_on in renewals]
    assert due[:2] == [(first.id, date(2026, 12, 31)), (cast.endorsements[BOB], date(2027, 3, 31))]


def test_met_and_ended_renewals_are_not_extended(session: Session, cast: Cast) -> None:
    now = datetime(2026, 1, 15, 12, tzinfo=UTC)
    renewals = list_extendable_renewals(session, BOOKS, cast.people[ALICE], now)
    assert [cycle.starts_on for _, cycle, _ in renewals] == [CYCLE]
    session.get_one(Endorsement, cast.endorsements[ALICE]).ends_on = date(2026, 1, 14)
    session.flush()
    assert list_extendable_renewals(session, BOOKS, cast.people[ALICE], now) == []


@pytest.mark.parametrize(
    ("kind", "starts_on", "is_found"),
    [
        ("extension", date(2026, 1, 1), True),
        ("extension", date(2025, 1, 1), True),
        ("extension", date(2024, 1, 1), False),
        ("leave", date(2026, 1, 1), False),
    ],
)
def test_an_extension_has_the_standing_of_its_cycle(
    session: Session, add: Add, *, kind: str, starts_on: date, is_found: bool
) -> None:
    number = add(BOB, kind=kind, starts_on=starts_on)
    submitted = get_request(session, number, ["NCIMHA"])
    standing = find_extended_standing(session, BOOKS, submitted, NOW)
    assert (standing is not None) is is_found
    if standing is not None:
        assert standing.plan.cycle is not None
        assert standing.plan.cycle.starts_on == starts_on
        assert standing.facts.subject_id == submitted.endorsement.id


@pytest.mark.parametrize(
    ("grant", "key"),
    [
        (Grant(7, CYCLE), "granted:7:leave:2026-01-01:None"),
        (Grant(7, CYCLE, date(2026, 2, 1), kind="inactive"),
         "granted:7:inactive:2026-01-01:2026-02-01"),
        (Grant(7, CYCLE, date(2027, 2, 1), is_extension=True),
         "granted:7:extension:2026-01-01:2027-02-01"),
        (Grant(7, CYCLE, requirement="rsc", occasion="today"),
         "granted:7:rsc:2026-01-01:None:today"),
    ],
)  # fmt: skip
def test_each_grant_has_one_letter(grant: Grant, key: str) -> None:
    """The keys of letters that were sent before must not change."""
    assert grant.key == key


def test_a_letter_is_about_the_granted_row(session: Session, cast: Cast) -> None:
    key: dict[str, Any] = {"endorsement_id": cast.endorsements[ALICE]}
    of_cycle = {**key, "cycle_starts_on": CYCLE, "reason": "Flood"}
    decoys = {**of_cycle, "endorsement_id": cast.endorsements[BOB]}
    before = date(2025, 1, 1)
    due_on: dict[str, Any] = {"extended_due_on": date(2027, 2, 1)}
    rows: dict[str, Any] = {
        "leave": Leave(**key, starts_on=CYCLE),
        "waiver": Waiver(**of_cycle, requirement="rsc"),
        "renewal": Renewal(**of_cycle, **due_on),
    }
    others = [
        Leave(**key, starts_on=before),
        Leave(endorsement_id=cast.endorsements[BOB], starts_on=CYCLE),
        Waiver(**of_cycle, requirement="training"),
        Waiver(**decoys, requirement="rsc"),
        Renewal(**{**of_cycle, "cycle_starts_on": before}, **due_on),
        Renewal(**decoys, **due_on),
    ]
    held = cast.endorsements[ALICE]
    grants = {
        "leave": Grant(held, CYCLE),
        "waiver": Grant(held, CYCLE, requirement="rsc"),
        "renewal": Grant(held, CYCLE, is_extension=True),
    }
    session.add_all(others)
    session.flush()
    assert [find_grant(session, each) for each in grants.values()] == [None] * 3
    session.add_all(rows.values())
    session.flush()
    for table, grant in grants.items():
        assert find_grant(session, grant) == About(table, rows[table].id)
