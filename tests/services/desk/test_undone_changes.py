"""Undoing a change on the desk: what comes back, what is kept as it is, and why."""

from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import delete, insert, select, update
from sqlmodel import col
from sqlmodel import select as select_rows

from tests.services.conftest import Act
from tests.services.desk.test_changes import add_ivy, add_mark, ids, mark, rename_alice, rows
from tests.services.people.test_removals import audit_events, refused_with
from tests.support.cast import ALICE, BOB, CAROL, EVE, NOW, Cast
from tests.support.submitting import GIL, add_endorsee, submit_incomplete
from tracker.db.desk import ChangedRow, DeskChange
from tracker.db.ledgers import Outbox
from tracker.db.lists import PersonMark
from tracker.db.log import Entry, ImportedRow
from tracker.db.people import Endorsement, Leave, Membership, Person
from tracker.db.snoozes import Snooze
from tracker.services.context import NotFound, Refusal, ServiceContext
from tracker.services.desk_changes import ChangePlan, apply_change, end_undo, undo_change
from tracker.services.email_changes import change_email
from tracker.services.removals import get_removable, remove_row
from tracker.services.row_contents import delete_what_belongs_to


@pytest.fixture
def carol(act: Act) -> ServiceContext:
    return act(CAROL)


def undo(context: ServiceContext, change: DeskChange) -> list[tuple[str, str, str]]:
    """The outcome for each person: their name, what was done, and why."""
    return [(each.name, each.outcome, each.note) for each in undo_change(context, change.id)]


def test_undoing_is_recorded(carol: ServiceContext, cast: Cast) -> None:
    change = rename_alice(carol, "Alice Diaz")
    undo_change(carol, change.id)
    assert (change.undone_at, change.undone_by) == (NOW, CAROL)
    who, table, row_id, before, after = audit_events(carol.session)[-1]
    assert (who, table, row_id) == (CAROL, "person", cast.people[ALICE])
    assert (before["name"], after["name"]) == ("Alice Diaz", "Alice Moreno")
    marked = apply_change(carol, mark(carol, BOB))
    undo_change(carol, marked.id)
    _, table, _, before, after = audit_events(carol.session)[-1]
    assert (table, before["label"], after) == ("person_mark", "called", None)


def test_undo_is_refused_once_it_was_ended(carol: ServiceContext) -> None:
    changes = [apply_change(carol, mark(carol, email)) for email in (ALICE, BOB)]
    end_undo(carol.session, [changes[0].id], NOW)
    refusal = refused_with(lambda: undo_change(carol, changes[0].id))
    assert refusal == Refusal("undo", "desk-undo-ended")
    assert changes[0].undo_ended_at == NOW
    assert undo(carol, changes[1]) == [("Bob Osei", "reversed", "")]
    with pytest.raises(NotFound):
        undo_change(carol, changes[1].id + 1)


def test_undo_sees_that_another_has_undone_it(carol: ServiceContext) -> None:
    change = apply_change(carol, mark(carol, ALICE))
    assert change.undone_at is None
    undone = update(DeskChange).where(col(DeskChange.id) == change.id)
    carol.session.connection().execute(undone.values(undone_at=NOW, undone_by=CAROL))
    assert undo(carol, change) == [("Alice Moreno", "", "")]
    assert len(rows(carol)["person_mark"]) == 1


def test_a_change_without_rows_is_undone(carol: ServiceContext) -> None:
    nothing = ChangePlan("NCIMHA", "Nothing", ids(carol, BOB), ("waiver",), lambda _: None)
    change = apply_change(carol, nothing)
    assert undo(carol, change) == []
    assert change.undone_at == NOW


def test_rows_of_a_record_that_is_gone_are_kept(carol: ServiceContext) -> None:
    change = apply_change(carol, mark(carol, ALICE, BOB))
    [alice] = ids(carol, ALICE)
    gone = update(ChangedRow).where(col(ChangedRow.person_id) == alice)
    carol.session.connection().execute(gone.values(person_id=None))
    assert sorted(undo(carol, change)) == [
        ("Alice Moreno", "changed", "the record is gone"),
        ("Bob Osei", "reversed", ""),
    ]
    [kept] = carol.session.exec(select_rows(PersonMark)).all()
    assert kept.person_id == alice
    assert change.undone_at == NOW


def test_rows_come_back_in_the_order_of_their_tables(carol: ServiceContext) -> None:
    [eve] = ids(carol, EVE)

    def add(context: ServiceContext) -> None:
        held = Endorsement(
            person_id=eve, association="NCIMHA", category="IFS", starts_on=date(2025, 5, 1)
        )
        context.create_row(held, {"category"})
        leave = Leave(endorsement_id=held.id, starts_on=date(2026, 1, 1))
        context.create_row(leave, {"starts_on"})

    def remove(context: ServiceContext) -> None:
        for leave in context.session.exec(select_rows(Leave)).all():
            held = context.session.get_one(Endorsement, leave.endorsement_id)
            context.delete_row(leave, {"starts_on"})
            context.delete_row(held, {"category"})

    before = rows(carol)
    tables = ("endorsement", "leave")
    added = apply_change(carol, ChangePlan("NCIMHA", "Add it", frozenset({eve}), tables, add))
    between = rows(carol)
    removed = apply_change(
        carol, ChangePlan("NCIMHA", "Remove it", frozenset({eve}), tables, remove)
    )
    assert rows(carol) == before
    assert undo(carol, removed) == [("Eve Chen", "reversed", "")]
    after = rows(carol)
    assert [after[table] for table in tables] == [between[table] for table in tables]
    assert undo(carol, added) == [("Eve Chen", "reversed", "")]
    assert rows(carol) == before


def test_a_row_in_the_place_of_another_gives_way(carol: ServiceContext) -> None:
    [alice] = ids(carol, ALICE)
    apply_change(carol, mark(carol, ALICE))

    def replace_mark(context: ServiceContext) -> None:
        context.session.exec(delete(PersonMark))
        add_mark(replace(context, now=NOW.replace(year=2027)), alice)

    before = rows(carol)
    change = apply_change(carol, replace(mark(carol, ALICE), work=replace_mark))
    assert undo(carol, change) == [("Alice Moreno", "reversed", "")]
    assert rows(carol) == before


def test_a_taken_place_keeps_a_row_from_coming_back(carol: ServiceContext) -> None:
    [alice] = ids(carol, ALICE)
    apply_change(carol, mark(carol, ALICE))

    def remove(context: ServiceContext) -> None:
        context.session.exec(delete(PersonMark))

    removed = apply_change(carol, replace(mark(carol, ALICE), work=remove))
    add_mark(carol, alice)
    note = "something else has taken the place of the person mark"
    assert undo(carol, removed) == [("Alice Moreno", "refused", note)]
    marked = apply_change(carol, mark(carol, BOB))
    remove(carol)
    assert undo(carol, marked) == [("Bob Osei", "changed", "the person mark changed since")]


@pytest.fixture
def imported(cast: Cast, carol: ServiceContext) -> int:
    """A session of Alice's with a topic that came from a file."""
    entry_id = cast.entries["old"]
    row = ImportedRow(person_id=cast.people[ALICE], key="ref:1", digest="d", entry_id=entry_id)
    carol.session.add(row)
    carol.session.flush()
    return entry_id


def remove_session(context: ServiceContext, entry_id: int) -> DeskChange:
    def work(context: ServiceContext) -> None:
        delete_what_belongs_to(context, "entry", entry_id)
        context.session.exec(delete(Entry).where(col(Entry.id) == entry_id))

    tables = ("entry", "entry_topic", "imported_row")
    plan = ChangePlan("NCIMHA", "Remove it", ids(context, ALICE), tables, work)
    return apply_change(context, plan)


def test_an_imported_session_comes_back(carol: ServiceContext, imported: int) -> None:
    before = rows(carol)
    change = remove_session(carol, imported)
    with carol.session.begin_nested() as nested:
        carol.session.exec(delete(ImportedRow))
        note = "the imported row changed since"
        assert undo(carol, change) == [("Alice Moreno", "changed", note)]
        nested.rollback()
    assert undo(carol, change) == [("Alice Moreno", "reversed", "")]
    assert rows(carol) == before


def test_a_mark_of_an_address_is_no_change(carol: ServiceContext, cast: Cast) -> None:
    change = rename_alice(carol, "Alice Diaz")
    alice = carol.session.get_one(Person, cast.people[ALICE])
    alice.email_refused_at = NOW
    assert undo(carol, change) == [("Alice Diaz", "reversed", "")]
    assert (alice.name, alice.email_refused_at) == ("Alice Moreno", NOW)


def remove_membership(context: ServiceContext, year: int) -> None:
    [alice] = ids(context, ALICE)
    query = select_rows(Membership.id).where(Membership.starts_on == date(year, 1, 1))
    term = context.session.exec(query).one()
    remove_row(context, get_removable(context, "membership", alice, term), "A typing error")


def test_removed_rows_are_restored(carol: ServiceContext) -> None:
    def remove(context: ServiceContext) -> None:
        remove_membership(context, 2025)
        remove_membership(context, 2026)

    before = rows(carol)
    plan = replace(mark(carol, ALICE), work=remove, tables=("membership", "removal"))
    change = apply_change(carol, plan)
    assert len(rows(carol)["membership"]) == 0
    assert undo(carol, change) == [("Alice Moreno", "reversed", "")]
    assert rows(carol) == before


def test_a_removal_that_was_replaced_stays(carol: ServiceContext) -> None:
    [alice] = ids(carol, ALICE)
    plan = replace(
        mark(carol, ALICE),
        work=lambda context: remove_membership(context, 2026),
        tables=("membership", "removal"),
    )
    change = apply_change(carol, plan)
    days = {"starts_on": date(2026, 6, 1), "ends_on": date(2027, 5, 31)}
    carol.session.exec(insert(Membership).values(person_id=alice, organization="NCIMHA", **days))
    [(_, outcome, note)] = undo(carol, change)
    assert outcome == "refused"
    assert note == (
        "Nothing was brought back: the person has another membership since June 1, 2026, and the "
        "two would overlap. Remove that one first."
    )


def test_what_was_sent_because_of_an_added_person_goes_along(carol: ServiceContext) -> None:
    change = apply_change(carol, add_ivy())
    [ivy] = ids(carol, "ivy@example.org")
    snoozes = [
        Snooze(
            association="NCIMHA",
            cause=f"new:{each}",
            kind="new",
            gravity=1,
            person_id=each,
            until=date(2027, 1, 1),
            snoozed_by=CAROL,
            snoozed_at=NOW,
        )
        for each in (ivy, 1)
    ]
    mails = [
        Outbox(
            dedupe_key=f"a{each}",
            message_id=f"a{each}",
            kind="notices",
            person_id=each,
            recipient="ivy@example.org",
            subject="Welcome",
            body=b"",
            created_at=NOW,
            next_attempt_at=NOW,
        )
        for each in (ivy, 1)
    ]
    carol.session.add_all([*snoozes, *mails])
    carol.session.flush()
    assert undo(carol, change) == [("Ivy Park", "reversed", "")]
    owners = select(col(Outbox.person_id)).order_by(col(Outbox.id))
    assert carol.session.connection().scalars(owners).all() == [None, 1]
    assert carol.session.connection().scalars(select(col(Snooze.person_id))).all() == [1]


def test_undoing_a_changed_address_returns_it(carol: ServiceContext) -> None:
    before = rows(carol)

    def work(context: ServiceContext) -> None:
        change_email(context, ALICE, "alice@new.example")

    plan = ChangePlan("NCIMHA", "Change it", ids(carol, ALICE), ("person",), work)
    change = apply_change(carol, plan)
    assert undo(carol, change) == [("Alice Moreno", "reversed", "")]
    assert rows(carol) == before


@pytest.mark.parametrize("is_new", [False, True])
def test_sessions_of_a_submitted_renewal_stay(
    carol: ServiceContext, cast: Cast, *, is_new: bool
) -> None:
    session = carol.session
    add_endorsee(session, cast, GIL, "Gil Mahoe")
    gil = cast.people[GIL]

    def work(context: ServiceContext) -> None:
        entry = context.session.get_one(Entry, cast.entries["gil"])
        if is_new:
            session.add(Entry(**{**entry.model_dump(exclude={"id"}), "minutes": 30}))
        else:
            entry.minutes = 60

    change = apply_change(
        carol, ChangePlan("NCIMHA", "Correct it", frozenset({gil}), ("entry",), work)
    )
    submit_incomplete(session, cast)
    note = "the session belongs to a submitted renewal"
    assert undo(carol, change) == [("Gil Mahoe", "refused", note)]
    assert change.undone_at is None
