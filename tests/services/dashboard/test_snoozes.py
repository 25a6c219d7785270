"""Snoozing what needs attention, and ending that again."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlmodel import Session, col, select

from tests.services.conftest import Act
from tests.support.audit_log import list_changes
from tests.support.cast import BOB, BOOKS, CAROL, DAN, NOW, Cast
from tracker.db.snoozes import Snooze
from tracker.services.attention import QueueItem, read_queue
from tracker.services.context import Actor, NotFound, Refusal, Refused, ServiceContext
from tracker.services.snoozes import (
    SnoozeInput,
    end_snooze,
    forget_ended_snoozes,
    get_cause,
    snooze_cause,
)

DAY = timedelta(days=1)
TODAY, LAST = date(2026, 11, 22), date(2027, 11, 22)


@pytest.fixture
def carol(act: Act) -> ServiceContext:
    return act(CAROL)


@pytest.fixture
def item(carol: ServiceContext, cast: Cast) -> QueueItem:
    """What is first in North Carolina's queue: Bob's renewal."""
    first = read_queue(carol.session, BOOKS, "NCIMHA", NOW).open[0]
    assert first.attention.person_id == cast.people[BOB]
    return first


@pytest.fixture
def chosen(item: QueueItem) -> SnoozeInput:
    return SnoozeInput("NCIMHA", item.attention.key, TODAY + DAY, "On vacation")


def refusals(context: ServiceContext, chosen: SnoozeInput) -> list[Refusal]:
    with pytest.raises(Refused) as refused:
        snooze_cause(context, chosen)
    return list(refused.value.refusals)


def test_a_snooze_is_stored_and_changed(
    carol: ServiceContext, item: QueueItem, chosen: SnoozeInput
) -> None:
    # It is still Saturday in the association's time zone.
    stored = snooze_cause(replace(carol, now=NOW - timedelta(hours=13)), chosen)
    cause = item.attention
    audited = {
        "association": "NCIMHA",
        "cause": cause.key,
        "kind": cause.kind.value,
        "gravity": cause.gravity,
        "person_id": cause.person_id,
    }
    carol.session.refresh(stored)
    assert stored.model_dump(exclude={"id"}) == {
        **audited,
        "until": TODAY + DAY,
        "note": "On vacation",
        "snoozed_at": NOW - timedelta(hours=13),
        "snoozed_by": CAROL,
    }
    assert get_cause(carol, "NCIMHA", cause.key).snooze is stored
    longer = replace(chosen, until=LAST, note="", replaces=stored.id)
    assert snooze_cause(carol, longer) is stored
    carol.session.refresh(stored)
    assert (stored.until, stored.note, stored.snoozed_at) == (LAST, "", NOW)
    first = {**audited, "until": "2026-11-23"}
    last = {**audited, "until": "2027-11-22"}
    changes = [
        (CAROL, stored.id, None, first),
        (CAROL, stored.id, first, last),
    ]
    assert list_changes(carol.session, "snooze") == changes
    end_snooze(carol, "NCIMHA", cause.key)
    assert list_changes(carol.session, "snooze")[2:] == [(CAROL, stored.id, last, None)]
    assert get_cause(carol, "NCIMHA", cause.key) == item


def test_what_is_not_ones_own_is_not_found(carol: ServiceContext, chosen: SnoozeInput) -> None:
    dan = replace(carol, actor=Actor(DAN, None, ("CT-AIMH",)))
    both = replace(carol, actor=Actor(DAN, None, ("CT-AIMH", "NCIMHA")))
    elsewhere = replace(chosen, association="CT-AIMH")
    for context, wanted in (
        (dan, chosen),
        (both, elsewhere),
        (carol, replace(chosen, cause="renewal-0-2026-01-01")),
    ):
        with pytest.raises(NotFound):
            get_cause(context, wanted.association, wanted.cause)
        with pytest.raises(NotFound):
            snooze_cause(context, wanted)
    snooze_cause(carol, chosen)
    for context, wanted in ((dan, chosen), (both, elsewhere), (carol, replace(chosen, cause="x"))):
        with pytest.raises(NotFound):
            end_snooze(context, wanted.association, wanted.cause)
    end_snooze(carol, "NCIMHA", chosen.cause)
    with pytest.raises(NotFound):
        end_snooze(carol, "NCIMHA", chosen.cause)


def test_a_snooze_ends_within_a_year(carol: ServiceContext, chosen: SnoozeInput) -> None:
    for until in (TODAY, LAST + DAY):
        assert refusals(carol, replace(chosen, until=until, note="x" * 501)) == [
            Refusal("note", "text-too-long", {"limit": 500}),
            Refusal("until", "snooze-day", {"last": LAST}),
        ]


def test_a_snooze_of_somebody_else_is_not_changed(
    carol: ServiceContext, chosen: SnoozeInput
) -> None:
    stored = snooze_cause(carol, chosen)
    facts = {"who": CAROL, "until": TODAY + DAY}
    assert refusals(carol, chosen) == [Refusal("", "snoozed-meanwhile", facts)]
    # It has ended on its day.
    again = replace(chosen, until=TODAY + 2 * DAY)
    assert snooze_cause(replace(carol, now=NOW + DAY), again) is stored


def test_ended_snoozes_are_kept_for_a_while(session: Session) -> None:
    # Early in the morning at NOW; thirty days before is October 23.
    for number in range(3):
        snooze = Snooze(
            association="NCIMHA",
            cause=str(number),
            kind="behind",
            gravity=1,
            until=date(2026, 10, 22) + number * DAY,
            snoozed_at=NOW,
            snoozed_by=CAROL,
        )
        session.add(snooze)
    session.flush()
    assert forget_ended_snoozes(session, NOW) == 1
    left = select(Snooze.cause).order_by(col(Snooze.cause))
    assert session.exec(left).all() == ["1", "2"]
