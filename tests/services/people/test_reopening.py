"""A settled cycle is reopened, so that today's records count, and settled again."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, select

from tests.services.conftest import Act
from tests.support.cast import ALICE, BOB, BOOKS, CAROL, DAN, NOW, Cast
from tests.support.nights import evaluate_due
from tracker.db.ledgers import SettledCycle, StandingRow
from tracker.db.log import AuditEvent
from tracker.db.people import Endorsement, Renewal
from tracker.rules.standing import Status
from tracker.services.context import Actor, NotFound, Refused, ServiceContext
from tracker.services.evaluation import evaluate_people
from tracker.services.facts import parse_settlement
from tracker.services.reopening import reopen_cycle, settle_again

CYCLE = date(2025, 1, 1)
# The night after the grace period of 2025.
SETTLED_AT = datetime(2026, 2, 1, 12, tzinfo=UTC)
TODAY = date(2026, 11, 22)


@pytest.fixture
def held(cast: Cast, session: Session) -> int:
    """Bob's endorsement, whose 2025 was settled as lapsed; that of Alice, before his, as met."""
    evaluate_people(session, BOOKS, cast.people.values(), SETTLED_AT - timedelta(days=3))
    evaluate_due(session, BOOKS, "NCIMHA", SETTLED_AT, since=date(2026, 1, 31))
    return cast.endorsements[BOB]


@pytest.fixture
def carol(act: Act) -> ServiceContext:
    return act(CAROL)


def read(session: Session, held: int) -> dict[str, Any]:
    return session.get_one(SettledCycle, (held, CYCLE)).model_dump()


def status(session: Session, held: int) -> str:
    query = select(StandingRow.status).filter_by(endorsement_id=held, cycle_starts_on=CYCLE)
    return session.exec(query).one()


def list_events(session: Session, held: int) -> list[AuditEvent]:
    query = select(AuditEvent).filter_by(table_name="settled_cycle", row_id=held)
    return list(session.exec(query))


def extend(session: Session, held: int, due_on: date) -> None:
    key: dict[str, Any] = {"endorsement_id": held, "cycle_starts_on": CYCLE}
    session.add(Renewal(**key, extended_due_on=due_on, reason="A flood"))
    session.flush()


def test_reopening_keeps_what_the_cycle_was_settled_as(
    session: Session, carol: ServiceContext, held: int
) -> None:
    settled = read(session, held)
    assert parse_settlement(settled["content"]).status is Status.LAPSED
    reopen_cycle(carol, held, CYCLE, "Hours were found")
    reopened = {"reopened_at": NOW, "reopened_by": CAROL, "reopening_reason": "Hours were found"}
    assert read(session, held) == {**settled, **reopened}
    [event] = list_events(session, held)
    about = {"cycle_starts_on": "2025-01-01", "settled_on": "2026-02-01"}
    assert event.who == CAROL
    assert json.loads(event.before or "") == {**about, **dict.fromkeys(reopened)}
    after = {**about, **reopened, "reopened_at": NOW.isoformat()}
    assert json.loads(event.after or "") == after


def test_a_reopened_cycle_differs_from_nothing(
    session: Session, carol: ServiceContext, held: int
) -> None:
    session.get_one(SettledCycle, (held, CYCLE)).differs_since = TODAY
    reopen_cycle(carol, held, CYCLE, "Hours were found")
    assert read(session, held)["differs_since"] is None


def test_a_reopened_cycle_follows_an_extension(
    session: Session, carol: ServiceContext, held: int
) -> None:
    extend(session, held, TODAY)
    reopen_cycle(carol, held, CYCLE, "More time was agreed on")
    assert status(session, held) == "open"


def test_a_cycle_is_reopened_once(session: Session, carol: ServiceContext, held: int) -> None:
    reopen_cycle(carol, held, CYCLE, "Hours were found")
    reopen_cycle(replace(carol, now=NOW + timedelta(days=1)), held, CYCLE, "Again")
    assert read(session, held)["reopening_reason"] == "Hours were found"
    assert len(list_events(session, held)) == 1


@pytest.mark.parametrize(
    ("reason", "code"), [("", "reason-missing"), ("x" * 501, "text-too-long"), ("x" * 500, None)]
)
def test_the_reason_for_reopening_has_limits(
    session: Session, carol: ServiceContext, held: int, reason: str, code: str | None
) -> None:
    if code is None:
        reopen_cycle(carol, held, CYCLE, reason)
        assert read(session, held)["reopened_at"] == NOW
        return
    with pytest.raises(Refused) as refused:
        reopen_cycle(carol, held, CYCLE, reason)
    assert [(each.field, each.code) for each in refused.value.refusals] == [("reason", code)]
    assert read(session, held)["reopened_at"] is None


def test_only_settled_cycles_of_the_association_are_found(
    act: Act, carol: ServiceContext, held: int
) -> None:
    stranger = replace(carol, actor=Actor(DAN, None, ("CT-AIMH",)))
    for context, cycle in ((stranger, CYCLE), (act(ALICE), CYCLE), (carol, date(2026, 1, 1))):
        with pytest.raises(NotFound):
            reopen_cycle(context, held, cycle, "Mine")
        with pytest.raises(NotFound):
            settle_again(context, held, cycle)


def test_coordinators_do_not_reopen_their_own_cycle(
    cast: Cast, carol: ServiceContext, held: int
) -> None:
    own = replace(carol, actor=Actor(BOB, cast.people[BOB], ("NCIMHA",)))
    with pytest.raises(Refused, match="own-decision"):
        reopen_cycle(own, held, CYCLE, "Mine")


def test_settling_again_follows_todays_records_and_rules(
    session: Session, carol: ServiceContext, held: int
) -> None:
    reopen_cycle(carol, held, CYCLE, "Hours were found")
    extend(session, held, date(2026, 1, 15))
    rulebooks = replace(BOOKS, digests={"NCIMHA": "rules of November"})
    settle_again(replace(carol, rulebooks=rulebooks), held, CYCLE)
    settled = read(session, held)
    assert settled["settled_on"] == TODAY
    assert [settled[name] for name in settled if name.startswith("reop")] == [None, None, None]
    settlement = parse_settlement(settled["content"])
    assert (settlement.settled_on, settlement.status) == (TODAY, Status.LAPSED)
    assert settlement.due_on == date(2026, 1, 15)
    assert settlement.rules_digest == "rules of November"
    event = list_events(session, held)[-1]
    assert json.loads(event.before or "")["settled_on"] == "2026-02-01"
    assert json.loads(event.after or "")["settled_on"] == "2026-11-22"


@pytest.mark.parametrize(
    ("due_on", "is_over"), [(date(2026, 10, 21), True), (date(2026, 10, 22), False)]
)
def test_a_cycle_in_its_grace_period_is_not_settled_again(
    session: Session, carol: ServiceContext, held: int, due_on: date, *, is_over: bool
) -> None:
    reopen_cycle(carol, held, CYCLE, "More time was agreed on")
    extend(session, held, due_on)
    if is_over:
        settle_again(carol, held, CYCLE)
        assert read(session, held)["settled_on"] == TODAY
        return
    with pytest.raises(Refused) as refused:
        settle_again(carol, held, CYCLE)
    refusals = [(each.field, each.code) for each in refused.value.refusals]
    assert refusals == [("reason", "cycle-not-over")]


def test_a_cycle_with_nothing_to_renew_stays_reopened(
    session: Session, carol: ServiceContext, held: int
) -> None:
    reopen_cycle(carol, held, CYCLE, "It ended before the due date")
    session.get_one(Endorsement, held).ends_on = date(2025, 11, 30)
    session.flush()
    with pytest.raises(Refused) as refused:
        settle_again(carol, held, CYCLE)
    refusals = [(each.field, each.code) for each in refused.value.refusals]
    assert refusals == [("reason", "nothing-to-settle")]
    assert read(session, held)["reopened_at"] == NOW


def test_a_cycle_that_is_not_reopened_stays_as_settled(
    session: Session, carol: ServiceContext, held: int
) -> None:
    settled = read(session, held)
    extend(session, held, TODAY)
    settle_again(carol, held, CYCLE)
    assert read(session, held) == settled
    assert list_events(session, held) == []
