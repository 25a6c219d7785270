"""What associations decide about entries: confirmed, not counted there, or removed."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlmodel import Session, col, select

from tests.services.conftest import Act
from tests.support.cast import ALICE, ATTESTING, BOB, CAROL, DAN, NOW, Cast
from tracker.db.entry_reviews import EntryConfirmation, EntryDecision
from tracker.db.ledgers import StandingRow
from tracker.db.log import AuditEvent, Entry
from tracker.db.people import Endorsement
from tracker.rules.explain import LoggedEntry
from tracker.services.context import Actor, NotFound, Refusal, Refused
from tracker.services.entries import entry_input_of, find_entry
from tracker.services.entry_reviews import (
    Confirmation,
    confirm_entry,
    count_entry_again,
    exclude_entry,
    list_confirmations,
    list_removed,
    lock_reviewed_entry,
    remove_entry,
    withdraw_confirmation,
)
from tracker.services.evaluation import parse_results

TOO_LONG = "x" * 501


def get_entry(session: Session, cast: Cast, name: str) -> LoggedEntry:
    entry = find_entry(session, cast.people[ALICE], cast.entries[name])
    assert entry is not None
    return entry


def list_events(session: Session, table: str) -> Sequence[tuple[str | None, str | None]]:
    """Before and after of the audit events of a table, oldest first."""
    query = select(AuditEvent.before, AuditEvent.after).filter_by(table_name=table)
    return session.exec(query.order_by(col(AuditEvent.id))).all()


def counted(session: Session, cast: Cast) -> int:
    """The training minutes that count for Alice this year."""
    session.expire_all()
    query = select(StandingRow).filter_by(endorsement_id=cast.endorsements[ALICE])
    row = session.exec(query.order_by(col(StandingRow.cycle_starts_on).desc())).first()
    assert row is not None
    results = parse_results(row.requirements)
    return next(one.counted for one in results if one.counts == "training" and not one.topic)


def refusals(refused: pytest.ExceptionInfo[Refused]) -> list[Refusal]:
    return list(refused.value.refusals)


def test_associations_decide_about_what_they_may_see(
    act: Act, session: Session, cast: Cast
) -> None:
    carol, entry_id = act(CAROL), cast.entries["training"]
    assert lock_reviewed_entry(carol, entry_id, "NCIMHA") == get_entry(session, cast, "training")
    for number, association in (
        (entry_id, "CT-AIMH"),
        (cast.entries["erin"], "NCIMHA"),
        (999_999, "NCIMHA"),
    ):
        with pytest.raises(NotFound):
            lock_reviewed_entry(carol, number, association)
    dan = replace(carol, actor=Actor(DAN, None, ("CT-AIMH",)))
    assert lock_reviewed_entry(dan, cast.entries["erin"], "CT-AIMH").id == cast.entries["erin"]
    own = replace(carol, actor=Actor(ALICE, cast.people[ALICE], ("NCIMHA",)))
    with pytest.raises(Refused) as refused:
        lock_reviewed_entry(own, entry_id, "NCIMHA")
    assert refusals(refused) == [Refusal("", "own-decision")]
    session.get_one(Endorsement, cast.endorsements[ALICE]).ends_on = date(2026, 5, 1)
    with pytest.raises(NotFound):
        lock_reviewed_entry(carol, entry_id, "NCIMHA")


def list_reviews(session: Session, cast: Cast) -> dict[int, Confirmation]:
    entries = [get_entry(session, cast, name) for name in ("training", "rsc")]
    return dict(list_confirmations(session, entries, "NCIMHA"))


def test_a_confirmation_is_of_the_entry_as_it_was(act: Act, session: Session, cast: Cast) -> None:
    training, later = cast.entries["training"], NOW + timedelta(hours=1)
    other = EntryConfirmation(
        entry_id=training,
        association="CT-AIMH",
        version="",
        confirmed_at=NOW,
        confirmed_by=DAN,
    )
    session.add(other)
    session.flush()
    assert list_reviews(session, cast) == {}
    carol, kim = act(CAROL), replace(act("kim@example.org"), now=later)
    confirm_entry(carol, training, "NCIMHA")
    confirm_entry(kim, training, "NCIMHA")
    assert list_reviews(session, cast) == {training: Confirmation(NOW, CAROL, is_current=True)}
    session.get_one(Entry, training).minutes = 60
    session.flush()
    assert list_reviews(session, cast) == {training: Confirmation(NOW, CAROL, is_current=False)}
    confirm_entry(kim, training, "NCIMHA")
    again = Confirmation(later, "kim@example.org", is_current=True)
    assert list_reviews(session, cast) == {training: again}
    values = {"entry_id": training, "association": "NCIMHA"}
    (before, created), (old, new) = list_events(session, "entry_confirmation")
    assert (before, json.loads(created or "")) == (None, values)
    versions = [json.loads(each or "")["version"] for each in (old, new)]
    assert versions[0] != versions[1]


def test_a_withdrawn_confirmation_is_gone(act: Act, session: Session, cast: Cast) -> None:
    training, rsc = cast.entries["training"], cast.entries["rsc"]
    confirm_entry(act(CAROL), training, "NCIMHA")
    confirm_entry(act(CAROL), rsc, "NCIMHA")
    for _ in range(2):
        withdraw_confirmation(act(CAROL), training, "NCIMHA")
    assert set(list_reviews(session, cast)) == {rsc}
    assert list_confirmations(session, [get_entry(session, cast, "training")], "NCIMHA") == {}
    *_, (before, after) = list_events(session, "entry_confirmation")
    values = {"entry_id": training, "association": "NCIMHA"}
    assert (json.loads(before or ""), after) == (values, None)
    with pytest.raises(NotFound):
        withdraw_confirmation(act(CAROL), cast.entries["erin"], "NCIMHA")


def test_an_excluded_entry_counts_no_more(act: Act, session: Session, cast: Cast) -> None:
    training, hours = cast.entries["training"], counted(session, cast)
    decision = exclude_entry(act(CAROL), training, "NCIMHA", "A meeting")
    described = {
        "person_id": cast.people[ALICE],
        "entry_id": training,
        "association": "NCIMHA",
        "kind": "excluded",
        "title": "Infant mental health week",
        "held_on": "2026-05-02",
        "minutes": 990,
        "reason": "A meeting",
    }
    assert (decision.decided_at, decision.decided_by) == (NOW, CAROL)
    [(_, after)] = list_events(session, "entry_decision")
    assert json.loads(after or "") == described
    assert (hours - counted(session, cast), list_removed(session, cast.people[ALICE])) == (990, [])
    with pytest.raises(Refused) as refused:
        exclude_entry(act(CAROL), training, "NCIMHA", "")
    missing, excluded = Refusal("reason", "reason-missing"), Refusal("reason", "entry-excluded")
    assert refusals(refused) == [missing, excluded]
    with pytest.raises(Refused) as refused:
        exclude_entry(act(CAROL), cast.entries["rsc"], "NCIMHA", TOO_LONG)
    assert refusals(refused) == [Refusal("reason", "text-too-long", {"limit": 500})]


def test_an_entry_can_count_again(act: Act, session: Session, cast: Cast) -> None:
    training, hours = cast.entries["training"], counted(session, cast)
    for name in ("training", "rsc"):
        exclude_entry(act(CAROL), cast.entries[name], "NCIMHA", "A meeting")
    elsewhere = EntryDecision(
        person_id=cast.people[ALICE],
        entry_id=training,
        association="CT-AIMH",
        kind="excluded",
        title="",
        held_on=NOW.date(),
        minutes=1,
        reason="",
        decided_at=NOW,
        decided_by=DAN,
    )
    session.add(elsewhere)
    for _ in range(2):
        count_entry_again(act(CAROL), training, "NCIMHA")
    assert counted(session, cast) == hours
    left = select(EntryDecision.entry_id, EntryDecision.association)
    assert set(session.exec(left)) == {(cast.entries["rsc"], "NCIMHA"), (training, "CT-AIMH")}
    *_, (before, after) = list_events(session, "entry_decision")
    assert (json.loads(before or "")["entry_id"], after) == (training, None)


def test_a_removed_entry_leaves_its_reason(act: Act, session: Session, cast: Cast) -> None:
    entry, hours = get_entry(session, cast, "training"), counted(session, cast)
    confirm_entry(act(CAROL), entry.id, "NCIMHA")
    exclude_entry(act(CAROL), cast.entries["rsc-1"], "NCIMHA", "A meeting")
    remove_entry(act(CAROL), cast.entries["rsc"], "NCIMHA", "Twice")
    remove_entry(act(CAROL), entry.id, "NCIMHA", "A mistake")
    removed = list_removed(session, cast.people[ALICE])
    described = [(row.title, row.reason, row.entry_id, row.kind) for row in removed]
    assert described == [
        (entry.title, "A mistake", None, "removed"),
        ("RSC", "Twice", None, "removed"),
    ]
    assert list_removed(session, cast.people[BOB]) == []
    assert find_entry(session, cast.people[ALICE], entry.id) is None
    assert find_entry(session, cast.people[ALICE], cast.entries["rsc-1"]) is not None
    assert hours - counted(session, cast) == 990
    *_, (before, after) = list_events(session, "entry")
    values = {"person_id": cast.people[ALICE], **entry_input_of(entry).values()}
    assert json.loads(before or "") == values | {"held_on": "2026-05-02"}
    assert after is None
    *_, (_, withdrawn) = list_events(session, "entry_confirmation")
    assert withdrawn is None


def test_an_entry_of_two_associations_is_not_removed(
    act: Act, session: Session, cast: Cast
) -> None:
    carol, training = act(CAROL), cast.entries["training"]
    for reason in ("", TOO_LONG):
        with pytest.raises(Refused) as refused:
            remove_entry(carol, training, "NCIMHA", reason)
        assert refused.value.refusals[0].field == "reason"
    held = Endorsement(
        person_id=cast.people[ALICE],
        association=ATTESTING,
        category="IFS",
        starts_on=date(2020, 1, 1),
    )
    session.add(held)
    with pytest.raises(Refused) as refused:
        remove_entry(carol, training, "NCIMHA", "A mistake")
    assert refusals(refused) == [Refusal("", "person-shared", {"associations": [ATTESTING]})]
