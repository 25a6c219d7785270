"""A decision about leave or a later due date counts for settled cycles, and can be undone."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, delete, select

from tests.services.conftest import Act
from tests.support.absences import with_absences
from tests.support.cast import ALICE, BOB, BOOKS, CAROL, NOW, Cast
from tests.support.nights import evaluate_due
from tracker.db.corrections import Removal
from tracker.db.ledgers import Notice, SettledCycle, StandingRow
from tracker.db.log import Entry
from tracker.db.people import Leave, Renewal, TimeRequest
from tracker.services.context import Refusal, Refused, ServiceContext
from tracker.services.evaluation import evaluate_people
from tracker.services.time_requests import (
    NewTimeRequest,
    RequestedDays,
    decline_request,
    find_undoable_decision,
    get_request,
    grant_request,
    request_extension,
    request_leave,
    undo_request_decision,
    withdraw_request,
)

CYCLE = date(2025, 1, 1)
# The night after the grace period of 2025.
SETTLED_AT = datetime(2026, 2, 1, 12, tzinfo=UTC)
WINTER = RequestedDays(date(2026, 12, 1), date(2027, 2, 28))
LATER = RequestedDays(date(2026, 1, 1), date(2027, 3, 31))
IN_PROPORTION = with_absences({"kind": "leave", "excuses": "hours in proportion"})


@pytest.fixture
def carol(act: Act) -> ServiceContext:
    return act(CAROL)


@pytest.fixture
def settled(cast: Cast, session: Session) -> SettledCycle:
    """Bob's 2025, the only cycle that was settled."""
    evaluate_people(session, BOOKS, cast.people.values(), SETTLED_AT - timedelta(days=3))
    evaluate_due(session, BOOKS, "NCIMHA", SETTLED_AT, since=date(2026, 1, 31))
    others = delete(SettledCycle).where(col(SettledCycle.endorsement_id) != cast.endorsements[BOB])
    session.exec(others)
    return session.get_one(SettledCycle, (cast.endorsements[BOB], CYCLE))


def grant_waiting(
    context: ServiceContext, endorsement_id: int, days: RequestedDays, kind: str = "leave"
) -> None:
    """Grant a request that waited until now."""
    request = TimeRequest(
        endorsement_id=endorsement_id,
        kind=kind,
        starts_on=days.starts_on,
        ends_on=days.ends_on,
        reason="Ill",
        form_key="a",
        asked_at=SETTLED_AT,
    )
    context.session.add(request)
    context.session.flush()
    grant_request(context, request.id, days, "")


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("2025-12-31", "2026-01-05", "all"),
        ("2025-12-01", "2025-12-31", "all"),
        ("2025-10-01", None, "all"),
        ("2024-11-01", "2025-01-01", "in proportion"),
        ("2025-12-01", "2025-12-30", "in proportion"),
        ("2024-11-01", "2024-12-31", "none"),
        ("2026-01-01", "2026-01-31", "none"),
        ("2026-01-01", None, "none"),
    ],
)
def test_leave_reopens_the_settled_cycles_it_excuses(
    carol: ServiceContext, settled: SettledCycle, first: str, last: str | None, expected: str
) -> None:
    ends_on = date.fromisoformat(last) if last else None
    days = RequestedDays(date.fromisoformat(first), ends_on)
    for books, excusing in ((BOOKS, ["all"]), (IN_PROPORTION, ["all", "in proportion"])):
        with carol.session.begin_nested() as nested:
            grant_waiting(replace(carol, rulebooks=books), settled.endorsement_id, days)
            reason = settled.reopening_reason
            nested.rollback()
        carol.session.expire_all()
        assert reason == ("leave granted" if expected in excusing else None)


def test_leave_on_the_last_day_counts_before_a_later_due_date(
    carol: ServiceContext, settled: SettledCycle
) -> None:
    settled.content = json.dumps({**json.loads(settled.content), "due_on": "2026-01-15"})
    carol.session.flush()
    days = RequestedDays(date(2025, 12, 31), date(2026, 1, 10))
    grant_waiting(replace(carol, rulebooks=IN_PROPORTION), settled.endorsement_id, days)
    assert settled.reopened_at == NOW


@pytest.mark.parametrize(("kind", "is_reopened"), [("inactive", True), ("leave", False)])
def test_each_kind_reopens_by_its_own_rule(
    carol: ServiceContext, settled: SettledCycle, *, kind: str, is_reopened: bool
) -> None:
    rule = {"kind": "inactive", "excuses": "hours in proportion"}
    days = RequestedDays(date(2025, 2, 1), date(2025, 8, 31))
    books = with_absences(rule)
    grant_waiting(replace(carol, rulebooks=books), settled.endorsement_id, days, kind)
    assert (settled.reopening_reason == "inactive granted") is is_reopened


@pytest.mark.parametrize(("year", "is_reopened"), [(2025, True), (2026, False)])
def test_an_extension_reopens_its_own_cycle(
    carol: ServiceContext, settled: SettledCycle, *, year: int, is_reopened: bool
) -> None:
    days = RequestedDays(date(year, 1, 1), date(2027, 2, 1))
    grant_waiting(carol, settled.endorsement_id, days, "extension")
    assert (settled.reopening_reason == "extension granted") is is_reopened


def test_a_grant_reopens_no_cycle_of_others(
    carol: ServiceContext, settled: SettledCycle, cast: Cast
) -> None:
    days = RequestedDays(date(2025, 12, 1), date(2026, 1, 5))
    grant_waiting(carol, cast.endorsements[ALICE], days)
    assert settled.reopened_at is None


def test_leave_excuses_nothing_without_a_plan(carol: ServiceContext, settled: SettledCycle) -> None:
    days = RequestedDays(date(2025, 2, 1), date(2025, 8, 31))
    others = {name: book for name, book in BOOKS.associations.items() if name != "NCIMHA"}
    idle = BOOKS.associations["NCIMHA"].model_copy(update={"requirements": ()})
    later = {"starts_from": date(2026, 1, 1)}
    [cycles] = BOOKS.associations["NCIMHA"].cycles[-1:]
    short = idle.model_copy(
        update={
            "requirements": BOOKS.associations["NCIMHA"].requirements,
            "cycles": (cycles.model_copy(update=later),),
        }
    )
    for associations in (others, {**others, "NCIMHA": idle}, {**others, "NCIMHA": short}):
        with carol.session.begin_nested() as nested:
            books = replace(BOOKS, associations=associations)
            grant_waiting(replace(carol, rulebooks=books), settled.endorsement_id, days)
            assert settled.reopened_at is None
            nested.rollback()
        carol.session.expire_all()


def request(act: Act, cast: Cast, days: RequestedDays, email: str = ALICE, key: str = "a") -> int:
    """Request leave for the winter, or else a later due date."""
    create = request_leave if days == WINTER else request_extension
    return create(act(email), NewTimeRequest(cast.endorsements[email], days, "Moved", key))


def get_removal(context: ServiceContext) -> Removal:
    """The last decision."""
    return context.session.exec(select(Removal).order_by(col(Removal.id).desc())).all()[0]


def rows(session: Session) -> list[dict[str, Any]]:
    tables = (TimeRequest, Leave, Renewal, StandingRow)
    session.expire_all()
    found = [row.model_dump() for table in tables for row in session.exec(select(table)).all()]
    return sorted(found, key=str)


@pytest.mark.parametrize("days", [WINTER, LATER], ids=["leave", "extension"])
@pytest.mark.parametrize("answer", ["", "No"], ids=["granted", "declined"])
def test_undoing_brings_everything_back(
    act: Act, carol: ServiceContext, cast: Cast, days: RequestedDays, answer: str
) -> None:
    number = request(act, cast, days)
    before = rows(carol.session)
    if answer:
        decline_request(carol, number, answer)
    else:
        grant_request(carol, number, days, answer)
    removal = get_removal(carol)
    kind, state = "leave" if days == WINTER else "extension", "declined" if answer else "granted"
    assert removal.description == f"NCIMHA IFS, {kind} {state}"
    about = (removal.kind, removal.subject_id, removal.person_id, removal.association)
    assert about == ("decided time_request", number, cast.people[ALICE], "NCIMHA")
    submitted = get_request(carol.session, number, ["NCIMHA"])
    assert find_undoable_decision(carol.session, submitted, NOW) == removal
    assert find_undoable_decision(carol.session, submitted, NOW + timedelta(days=1)) is None
    undone, submitted = undo_request_decision(carol, removal)
    assert (undone.subject_id, undone.decided["state"]) == (number, state)
    assert (submitted.request.id, submitted.is_pending) == (number, True)
    assert rows(carol.session) == before


def leave_of(endorsement: str) -> Callable[[Cast], object]:
    return lambda cast: Leave(
        endorsement_id=cast.endorsements[endorsement], starts_on=date(2027, 5, 1)
    )


def due_date_of(endorsement: str) -> Callable[[Cast], object]:
    return lambda cast: Renewal(
        endorsement_id=cast.endorsements[endorsement],
        cycle_starts_on=CYCLE,
        extended_due_on=date(2026, 3, 1),
        reason="Flood",
    )


def cycle_of(endorsement: str) -> Callable[[Cast], object]:
    return lambda cast: SettledCycle(
        endorsement_id=cast.endorsements[endorsement],
        cycle_starts_on=CYCLE,
        settled_on=date(2026, 2, 1),
        content="{}",
    )


def request_of(endorsement: str, kind: str) -> Callable[[Cast], object]:
    return lambda cast: TimeRequest(
        endorsement_id=cast.endorsements[endorsement],
        kind=kind,
        starts_on=date(2027, 5, 1),
        ends_on=date(2027, 6, 1),
        reason="Moved",
        form_key="other",
        asked_at=NOW,
    )


@pytest.mark.parametrize(
    ("days", "add", "what"),
    [
        (WINTER, leave_of(ALICE), "a change of the leave"),
        (WINTER, leave_of(BOB), None),
        (WINTER, due_date_of(ALICE), None),
        (LATER, due_date_of(ALICE), "a change of the due date"),
        (LATER, due_date_of(BOB), None),
        (LATER, leave_of(ALICE), None),
        (WINTER, cycle_of(ALICE), "the closing of a cycle"),
        (WINTER, cycle_of(BOB), None),
        (WINTER, request_of(ALICE, "leave"), "another request or decision"),
        (WINTER, request_of(ALICE, "inactive"), None),
        (WINTER, request_of(BOB, "leave"), None),
    ],
)
def test_what_came_after_keeps_the_decision(
    act: Act,
    carol: ServiceContext,
    cast: Cast,
    days: RequestedDays,
    add: Callable[[Cast], object],
    what: str | None,
) -> None:
    number = request(act, cast, days)
    grant_request(carol, number, days, "")
    carol.session.add(add(cast))
    carol.session.flush()
    removal, submitted = get_removal(carol), get_request(carol.session, number, ["NCIMHA"])
    found = find_undoable_decision(carol.session, submitted, NOW)
    if what is None:
        assert found == removal
        return
    assert found is None
    with pytest.raises(Refused) as refused:
        undo_request_decision(carol, removal)
    assert refused.value.refusals[0].facts["what"] == what


def test_only_the_last_decision_of_a_request_is_undone(
    act: Act, carol: ServiceContext, cast: Cast
) -> None:
    number = request(act, cast, WINTER)
    other = request(act, cast, WINTER, BOB)
    decline_request(carol, other, "No")
    submitted = get_request(carol.session, number, ["NCIMHA"])
    assert find_undoable_decision(carol.session, submitted, NOW) is None


@pytest.mark.parametrize(
    ("email", "logged_after", "held_on", "is_refused"),
    [
        (ALICE, 1, date(2025, 12, 30), True),
        (ALICE, 0, date(2025, 12, 30), True),
        (ALICE, -1, date(2025, 12, 30), False),
        (BOB, 1, date(2025, 12, 30), False),
        (ALICE, 1, date(2026, 1, 1), False),
    ],
)
def test_sessions_on_closed_days_keep_the_decision(
    act: Act,
    carol: ServiceContext,
    cast: Cast,
    *,
    email: str,
    logged_after: int,
    held_on: date,
    is_refused: bool,
) -> None:
    number = request(act, cast, WINTER)
    grant_request(carol, number, WINTER, "")
    for day in (held_on + timedelta(days=1), held_on):
        carol.session.add(
            Entry(
                person_id=cast.people[email],
                activity="training",
                held_on=day,
                minutes=60,
                title="Course",
                logged_at=NOW + timedelta(minutes=logged_after),
            )
        )
    carol.session.flush()
    if not is_refused:
        undo_request_decision(carol, get_removal(carol))
        return
    with pytest.raises(Refused) as refused:
        undo_request_decision(carol, get_removal(carol))
    assert refused.value.refusals == (Refusal("undo", "undo-logged-since", {"held_on": held_on}),)


@pytest.mark.parametrize(
    ("email", "outcome", "decided_on", "is_forgotten"),
    [
        (ALICE, "skipped", date(2026, 11, 22), True),
        (ALICE, "skipped", date(2026, 11, 23), True),
        (ALICE, "skipped", date(2026, 11, 21), False),
        (ALICE, "sent", date(2026, 11, 22), False),
        (BOB, "skipped", date(2026, 11, 22), False),
    ],
)
def test_notices_skipped_since_are_decided_again(
    act: Act,
    carol: ServiceContext,
    cast: Cast,
    *,
    email: str,
    outcome: str,
    decided_on: date,
    is_forgotten: bool,
) -> None:
    # In New York it is November 22.
    carol = replace(carol, now=datetime(2026, 11, 23, 4, 59, tzinfo=UTC))
    grant_request(carol, request(act, cast, WINTER), WINTER, "")
    notice = Notice(
        endorsement_id=cast.endorsements[email],
        cycle_starts_on=date(2026, 1, 1),
        kind="renewal",
        due_on=date(2026, 12, 31),
        step=-30,
        decided_on=decided_on,
        outcome=outcome,
        reason="excused",
        message_id="m" if outcome == "sent" else None,
    )
    carol.session.add(notice)
    carol.session.flush()
    later = replace(carol, now=carol.now + timedelta(hours=12))
    undo_request_decision(later, get_removal(carol))
    assert (carol.session.exec(select(Notice)).all() == []) is is_forgotten


def test_a_withdrawn_request_lets_the_decision_be_undone(
    act: Act, carol: ServiceContext, cast: Cast
) -> None:
    number = request(act, cast, WINTER)
    decline_request(carol, number, "No")
    another = request(act, cast, WINTER, key="b")
    submitted = get_request(carol.session, number, ["NCIMHA"])
    assert find_undoable_decision(carol.session, submitted, NOW) is None
    withdraw_request(act(ALICE), another)
    assert find_undoable_decision(carol.session, submitted, NOW) == get_removal(carol)
