"""A change on the desk shows what it would do, is done as one, and is undone as one."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from itertools import product

import pytest
from sqlalchemy import select, update

from tests.services.conftest import Act
from tests.services.people.test_removals import all_rows, refused_with
from tests.support.cast import ALICE, BOB, CAROL, DAN
from tracker.db.desk import DeskChange
from tracker.db.lists import PersonMark
from tracker.db.people import Endorsement, Person, Waiver
from tracker.db.tables import METADATA
from tracker.services.context import Actor, NotFound, Refusal, ServiceContext
from tracker.services.desk_changes import (
    MAY_UNDO_FOR,
    ChangePlan,
    apply_change,
    digest_rows,
    list_changes,
    read_rows,
    undo_change,
)
from tracker.services.desk_previews import preview_change
from tracker.services.evaluation import evaluate_people
from tracker.services.person_facts import rename_person

KEPT = {"desk_change", "changed_row"}


@pytest.fixture
def carol(act: Act) -> ServiceContext:
    return act(CAROL)


def ids(context: ServiceContext, *emails: str) -> frozenset[int]:
    people = METADATA.tables["person"]
    query = select(people.c.id).where(people.c.email.in_(emails))
    return frozenset(context.session.connection().scalars(query))


def waive(context: ServiceContext, *emails: str) -> ChangePlan:
    """Waive all RSC hours of the year for people."""
    people = ids(context, *emails)

    def work(context: ServiceContext) -> None:
        endorsements = METADATA.tables["endorsement"]
        query = select(endorsements.c.id).where(endorsements.c.person_id.in_(people))
        for number in context.session.connection().scalars(query).all():
            row = Waiver(
                endorsement_id=number,
                cycle_starts_on=date(2026, 1, 1),
                requirement="rsc",
                reason="Illness",
            )
            context.create_row(row, {"endorsement_id", "requirement"})
        evaluate_people(context.session, context.rulebooks, people, context.now)

    return ChangePlan("NCIMHA", "Waive RSC", people, ("waiver",), work, "Illness")


def mark(
    context: ServiceContext, *emails: str, labels: Iterable[str] = ("called",), **values: str
) -> ChangePlan:
    """Mark people."""
    people = ids(context, *emails)

    def work(context: ServiceContext) -> None:
        for person_id, label in product(sorted(people), labels):
            add_mark(context, person_id, label)

    return ChangePlan("NCIMHA", "Mark them", people, ("person_mark",), work, **values)


def add_mark(context: ServiceContext, person_id: int, label: str = "called") -> None:
    mark = PersonMark(
        person_id=person_id,
        association="NCIMHA",
        label=label,
        marked_by=context.actor.label,
        marked_at=context.now,
    )
    context.create_row(mark, {"person_id", "label"})


def rows(context: ServiceContext, without: Iterable[str] = KEPT) -> dict[str, list[object]]:
    found = all_rows(context.session)
    return {name: list(found[name]) for name in found if name not in without}


def test_a_preview_shows_standings_and_saves_nothing(carol: ServiceContext) -> None:
    before = rows(carol, ())
    [moved] = preview_change(carol, waive(carol, ALICE)).standings
    assert (moved.name, moved.category) == ("Alice Moreno", "IFS")
    assert moved.before is not None
    assert moved.after is not None
    assert [short.counts for short in moved.before.short] == ["training", "rsc"]
    assert [short.counts for short in moved.after.short] == ["training"]
    assert rows(carol, ()) == before
    assert list_changes(carol.session, ["NCIMHA"], limit=9) == []


def test_the_change_does_what_the_preview_showed(carol: ServiceContext) -> None:
    plan = waive(carol, ALICE, BOB)
    preview = preview_change(carol, plan)
    apply_change(carol, plan, preview.state)
    standings = {
        (row.endorsement_id, row.status)
        for row in carol.session.connection().execute(select(METADATA.tables["standing"]))
    }
    assert len(preview.standings) == 2
    assert all(
        (carol.session.get_one(Person, moved.person_id).name == moved.name)
        for moved in preview.standings
    )
    assert {moved.after.status for moved in preview.standings if moved.after} <= {
        status for _, status in standings
    }


def test_undoing_restores_equal_rows(carol: ServiceContext) -> None:
    before = rows(carol)
    change = apply_change(carol, waive(carol, ALICE, BOB))
    assert len(rows(carol)["waiver"]) == 2
    records = undo_change(carol, change.id)
    assert [(record.name, record.outcome) for record in records] == [
        ("Alice Moreno", "reversed"),
        ("Bob Osei", "reversed"),
    ]
    assert rows(carol) == before


def test_undoing_twice_is_like_once(carol: ServiceContext) -> None:
    change = apply_change(carol, waive(carol, ALICE))
    first = undo_change(carol, change.id)
    events = len(all_history(carol))
    assert undo_change(carol, change.id) == first
    assert len(all_history(carol)) == events


def all_history(context: ServiceContext) -> list[object]:
    context.session.flush()
    return list(context.session.connection().execute(select(METADATA.tables["audit_event"])))


def test_each_changed_row_has_one_event(carol: ServiceContext) -> None:
    before = len(all_history(carol))
    change = apply_change(carol, waive(carol, ALICE, BOB))
    assert len(all_history(carol)) == before + 2
    undo_change(carol, change.id)
    assert len(all_history(carol)) == before + 4


def test_undo_keeps_records_that_changed_since(carol: ServiceContext) -> None:
    change = apply_change(carol, waive(carol, ALICE, BOB))
    waiver, endorsement = METADATA.tables["waiver"], METADATA.tables["endorsement"]
    bobs = select(endorsement.c.id).where(endorsement.c.person_id.in_(ids(carol, BOB)))
    later = update(waiver).where(waiver.c.endorsement_id.in_(bobs)).values(reason="Another reason")
    carol.session.connection().execute(later)
    records = undo_change(carol, change.id)
    assert [(record.name, record.outcome, record.note) for record in records] == [
        ("Alice Moreno", "reversed", ""),
        ("Bob Osei", "changed", "the waiver changed since"),
    ]
    assert len(rows(carol)["waiver"]) == 1


def rename_alice(context: ServiceContext, name: str) -> DeskChange:
    [alice] = ids(context, ALICE)
    plan = ChangePlan(
        "NCIMHA",
        f"Rename Alice to {name}",
        frozenset({alice}),
        ("person",),
        lambda own: rename_person(own, alice, name),
    )
    return apply_change(context, plan)


def test_a_change_of_which_nothing_was_undone_can_be_undone_later(carol: ServiceContext) -> None:
    before = rows(carol)
    earlier, later = rename_alice(carol, "Alice Diaz"), rename_alice(carol, "Alice Park")
    [record] = undo_change(carol, earlier.id)
    assert (record.outcome, record.note) == ("changed", "the person changed since")
    assert carol.session.get_one(DeskChange, earlier.id).undone_at is None
    for change in (later, earlier):
        undo_change(carol, change.id)
        assert carol.session.get_one(DeskChange, change.id).undone_at == carol.now
    assert rows(carol) == before


def test_a_changed_record_needs_another_preview(carol: ServiceContext) -> None:
    plan = waive(carol, ALICE)
    state = preview_change(carol, plan).state
    stored = read_rows(carol.session, ["person", "entry"], plan.person_ids)
    reordered = dict(reversed(stored.items()))
    assert digest_rows(reordered) == digest_rows(stored)
    apply_change(carol, waive(carol, ALICE))
    refusal = refused_with(lambda: apply_change(carol, plan, state))
    assert refusal == Refusal("state", "changed-since-preview")


def test_other_associations_are_not_found(carol: ServiceContext) -> None:
    dan = replace(carol, actor=Actor(DAN, None, ("CT-AIMH",)))
    plan = waive(carol, ALICE)
    for attempt in (preview_change, apply_change):
        with pytest.raises(NotFound):
            attempt(dan, plan)
    change = apply_change(carol, plan)
    with pytest.raises(NotFound):
        undo_change(dan, change.id)


def test_an_old_change_can_not_be_undone(carol: ServiceContext) -> None:
    change = apply_change(carol, waive(carol, ALICE))
    later = replace(carol, now=carol.now + MAY_UNDO_FOR)
    refusal = refused_with(lambda: undo_change(later, change.id))
    assert refusal == Refusal("undo", "desk-undo-too-late", {"days": 30})


def add_ivy() -> ChangePlan:
    def work(context: ServiceContext) -> list[int]:
        ivy = Person(email="ivy@example.org", name="Ivy Park")
        context.create_row(ivy, {"email", "name"})
        endorsement = Endorsement(
            person_id=ivy.id, association="NCIMHA", category="IFS", starts_on=date(2025, 5, 1)
        )
        context.create_row(endorsement, {"person_id", "category"})
        evaluate_people(context.session, context.rulebooks, {ivy.id}, context.now)
        return [ivy.id]

    return ChangePlan("NCIMHA", "Add Ivy Park", frozenset(), ("person", "endorsement"), work)


def test_an_added_person_is_removed_again(carol: ServiceContext) -> None:
    before = rows(carol)
    preview = preview_change(carol, add_ivy())
    [moved, *_] = preview.standings
    assert preview.row_count == 2
    assert (moved.name, moved.before) == ("Ivy Park", None)
    change = apply_change(carol, add_ivy())
    [record] = undo_change(carol, change.id)
    assert (record.name, record.outcome) == ("Ivy Park", "reversed")
    assert rows(carol) == before


def test_an_added_person_with_new_rows_stays(carol: ServiceContext) -> None:
    change = apply_change(carol, add_ivy())
    [ivy] = ids(carol, "ivy@example.org")
    with carol.session.begin_nested() as nested:
        add_mark(carol, ivy)
        [record] = undo_change(carol, change.id)
        nested.rollback()
    assert record.note == "a row (person mark) was added since"
    entry = METADATA.tables["entry"]
    copied = carol.session.connection().execute(select(entry)).mappings().first()
    assert copied is not None
    new = {**copied, "person_id": ivy, "form_key": None}
    del new["id"]
    carol.session.connection().execute(entry.insert().values(new))
    [record] = undo_change(carol, change.id)
    assert (record.outcome, record.note) == ("changed", "a row (entry) was added since")
