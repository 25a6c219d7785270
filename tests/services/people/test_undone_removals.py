"""What was removed comes back as it was, unless something has taken its place."""

import json
from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import insert, select
from sqlmodel import col
from sqlmodel import select as select_rows

from tests.services.conftest import Act
from tests.services.people.test_removals import (
    add_one_of_each_kind,
    all_rows,
    audit_events,
    refused_with,
    remove,
)
from tests.support.cast import ALICE, BOB, DANA, ERIN, NOW, Cast
from tests.support.held import hold_session, name_supervisee
from tracker.db.applications import ExamResult, Position
from tracker.db.corrections import Removal
from tracker.db.ledgers import Notice
from tracker.db.log import Entry, Evidence, GroupMember, ImportedRow
from tracker.db.people import Endorsement, Membership
from tracker.db.tables import METADATA
from tracker.services.context import Actor, NotFound, Refusal, ServiceContext
from tracker.services.evaluation import evaluate_people
from tracker.services.memberships import MembershipTerm, create_membership
from tracker.services.removals import get_latest_id, list_removable, remove_row
from tracker.services.row_contents import Values
from tracker.services.unmerging import undo_removal_or_merge


@pytest.fixture
def operator(act: Act) -> ServiceContext:
    return replace(act(ALICE), actor=Actor("tracker remove"))


def test_an_undone_removal_leaves_equal_rows(operator: ServiceContext) -> None:
    session = operator.session
    [endorsement] = list_removable(session, "endorsement", ALICE)
    waiver = {"requirement": "training", "reason": "x", "cycle_starts_on": date(2026, 1, 1)}
    table = METADATA.tables["waiver"]
    session.connection().execute(insert(table).values(endorsement_id=endorsement.id, **waiver))
    evaluate_people(session, operator.rulebooks, {endorsement.person_id}, operator.now)
    before = all_rows(session)
    removal = remove(operator, "endorsement", ALICE)
    after = all_rows(session)
    assert (after["waiver"], len(after["standing"])) == ([], len(before["standing"]) - 2)
    assert undo_removal_or_merge(operator, removal).left_alone == []
    assert all_rows(session) == before


def test_an_undone_removal_is_audited(operator: ServiceContext) -> None:
    number = remove(operator, "membership", ALICE, "2026-01-01")
    before = audit_events(operator.session)
    undo_removal_or_merge(operator, number)
    [membership, removal] = audit_events(operator.session)[len(before) :]
    assert membership[1] == "membership"
    assert membership[4] == before[0][3]
    undone = {"undone_by": "tracker remove"}
    assert removal == ("tracker remove", "removal", number, {"undone_by": None}, undone)
    assert operator.session.get_one(Removal, number).undone_at == NOW


def test_a_removed_entry_is_linked_again(operator: ServiceContext) -> None:
    session = operator.session
    entry = list_removable(session, "entry", ALICE)[0]
    imported = {"person_id": entry.person_id, "key": "ref:1", "digest": "d", "entry_id": entry.id}
    session.connection().execute(insert(METADATA.tables["imported_row"]).values(imported))
    before = all_rows(session)
    removal = remove_row(operator, entry, "Wrong person")
    assert all_rows(session)["imported_row"] == [(entry.person_id, "ref:1", "d", None, None)]
    undo_removal_or_merge(operator, removal.id)
    assert all_rows(session) == before


def test_nothing_comes_back_twice(operator: ServiceContext) -> None:
    removal = remove(operator, "membership", ALICE, "2026-01-01")
    undo_removal_or_merge(operator, removal)
    refusal = refused_with(lambda: undo_removal_or_merge(operator, removal))
    assert refusal == Refusal("removal", "removal-undone")


def test_an_unknown_removal_is_not_found(operator: ServiceContext) -> None:
    with pytest.raises(NotFound):
        undo_removal_or_merge(operator, 7)


def test_nothing_comes_back_beside_its_successor(act: Act, operator: ServiceContext) -> None:
    removal = remove(operator, "membership", ALICE, "2026-01-01")
    create_membership(act(ALICE), MembershipTerm("NCIMHA", date(2026, 6, 1), date(2027, 5, 31)))
    before = all_rows(operator.session)
    refusal = refused_with(lambda: undo_removal_or_merge(operator, removal))
    facts = {"kind": "membership", "starts_on": date(2026, 6, 1)}
    assert refusal == Refusal("removal", "removal-replaced", facts)
    assert all_rows(operator.session) == before


@pytest.mark.parametrize(
    ("organization", "starts_on", "ends_on", "is_refused"),
    [
        ("NCIMHA", date(2026, 12, 31), None, True),
        ("NCIMHA", date(2027, 1, 1), None, False),
        ("NCIMHA", date(2025, 7, 1), date(2026, 1, 1), True),
        ("NCIMHA", date(2025, 7, 1), date(2025, 12, 31), False),
        ("NCIMHA", date(2025, 7, 1), None, True),
        ("VAIMH", date(2026, 7, 1), None, False),
    ],
)
def test_terms_that_come_back_do_not_overlap(
    operator: ServiceContext,
    cast: Cast,
    organization: str,
    starts_on: date,
    ends_on: date | None,
    *,
    is_refused: bool,
) -> None:
    removal = remove(operator, "membership", ALICE, "2026-01-01")
    days: Values = {
        "organization": organization,
        "starts_on": starts_on,
        "ends_on": ends_on,
    }
    operator.session.add(Membership(person_id=cast.people[ALICE], **days))
    for email, place in ((BOB, "NCIMHA"), (ALICE, "WAIMH")):
        other: Values = {"person_id": cast.people[email], "organization": place}
        operator.session.add(Membership(**other, starts_on=date(2026, 6, 1)))
    operator.session.flush()
    if is_refused:
        refusal = refused_with(lambda: undo_removal_or_merge(operator, removal))
        assert refusal.facts["starts_on"] == starts_on
    else:
        assert undo_removal_or_merge(operator, removal).left_alone == []


@pytest.mark.parametrize(("category", "is_refused"), [("IFS", True), ("IFRS", False)])
def test_endorsements_without_an_end_do_not_overlap(
    operator: ServiceContext, cast: Cast, category: str, *, is_refused: bool
) -> None:
    removal = remove(operator, "endorsement", ALICE)
    begun: Values = {
        "association": "NCIMHA",
        "category": category,
        "starts_on": date(2030, 1, 1),
    }
    operator.session.add(Endorsement(person_id=cast.people[ALICE], **begun))
    operator.session.flush()
    if is_refused:
        refusal = refused_with(lambda: undo_removal_or_merge(operator, removal))
        facts = {"kind": "endorsement", "starts_on": date(2030, 1, 1)}
        assert refusal == Refusal("removal", "removal-replaced", facts)
    else:
        assert undo_removal_or_merge(operator, removal).left_alone == []


def test_what_is_linked_elsewhere_by_now_stays(operator: ServiceContext, cast: Cast) -> None:
    session, alice = operator.session, cast.people[ALICE]
    entry, other = cast.entries["training"], cast.entries["old"]
    file: Values = {
        "media_type": "application/pdf",
        "size": 1,
        "sha256": "x",
        "added_at": NOW,
    }
    files = [
        Evidence(**file, person_id=alice, entry_id=entry, form_key="k", name=name, stored_as=name)
        for name in ("a.pdf", "b.pdf", "c.pdf")
    ]
    row = ImportedRow(person_id=alice, key="ref:1", digest="d", entry_id=entry)
    group = hold_session(session, cast, DANA)
    member = name_supervisee(session, cast, group, "pat@example.org")
    named = session.get_one(GroupMember, member)
    named.state, named.answered_at, named.entry_id = "confirmed", NOW, entry
    session.add_all([*files, row])
    session.flush()
    [removable] = [r for r in list_removable(session, "entry", ALICE) if r.id == entry]
    removal = remove_row(operator, removable, "Wrong person")
    row.entry_id = files[0].entry_id = named.entry_id = other
    session.delete(files[1])
    session.flush()
    left = set(undo_removal_or_merge(operator, removal.id).left_alone)
    meanwhile = "it was deleted or linked to something else meanwhile"
    assert left == {
        f"the evidence of Alice Moreno <{ALICE}> (a.pdf): {meanwhile}",
        f"a row (evidence) that is gone: {meanwhile}",
        f"the imported row of Alice Moreno <{ALICE}>: {meanwhile}",
        f"the group member (pat@example.org): {meanwhile}",
    }
    linked = [each.entry_id for each in (files[0], files[2], row, named)]
    assert linked == [other, entry, other, other]


def test_the_refusal_names_the_row_in_place(operator: ServiceContext, cast: Cast) -> None:
    session = operator.session
    for email in (BOB, ALICE):
        add_one_of_each_kind(session, cast, email)
    [exam] = list_removable(session, "exam", ALICE)
    application_id = session.get_one(ExamResult, exam.id).application_id
    asked: Values = {"application_id": application_id, "passed": False}
    session.add(ExamResult(**asked, taken_on=date(2025, 1, 1)))
    removal = remove_row(operator, exam, "Wrong")
    session.add(ExamResult(**asked, taken_on=date(2026, 2, 1)))
    session.flush()
    facts = {"kind": "exam result", "taken_by": "2026-02-01"}
    refusal = refused_with(lambda: undo_removal_or_merge(operator, removal.id))
    assert refusal == Refusal("removal", "removal-place-taken", facts)


def test_an_endorsement_comes_back_after_later_notices(
    operator: ServiceContext, cast: Cast
) -> None:
    session = operator.session
    decided: Values = {
        "cycle_starts_on": date(2026, 1, 1),
        "due_on": date(2026, 12, 31),
        "step": -30,
    }
    decided |= {"kind": "due", "decided_on": NOW.date(), "outcome": "skipped", "reason": "met"}
    session.add(Notice(endorsement_id=cast.endorsements[ALICE], **decided))
    session.flush()
    before = session.connection().execute(select(METADATA.tables["notice"])).mappings().one()
    removal = remove(operator, "endorsement", ALICE)
    # SQLite gives it the number of the one that is gone.
    session.add(Notice(endorsement_id=cast.endorsements[BOB], **decided))
    session.flush()
    assert undo_removal_or_merge(operator, removal).left_alone == []
    notices = session.exec(select_rows(Notice).order_by(col(Notice.endorsement_id))).all()
    assert [notice.endorsement_id for notice in notices] == sorted(
        [cast.endorsements[ALICE], cast.endorsements[BOB]]
    )
    alices = notices[0].model_dump(exclude={"id"})
    assert alices == {name: value for name, value in before.items() if name != "id"}
    last = [event for event in audit_events(session) if event[1] == "notice"][-1]
    assert last[2] == notices[0].id


def test_a_row_without_some_values_leaves_them_out(operator: ServiceContext, cast: Cast) -> None:
    session = operator.session
    add_one_of_each_kind(session, cast, ALICE)
    removal = remove(operator, "position", ALICE, "Volunteer")
    job: Values = {"title": "Volunteer", "pay": "paid", "services": "home"}
    session.add(Position(person_id=cast.people[ALICE], **job, starts_on=date(2026, 2, 1)))
    session.flush()
    refusal = refused_with(lambda: undo_removal_or_merge(operator, removal))
    assert refusal.facts == {"kind": "position", "taken_by": "Volunteer, 2026-02-01"}


def test_an_entry_comes_back_beside_one_alike(operator: ServiceContext, cast: Cast) -> None:
    session = operator.session
    first = session.get_one(Entry, cast.entries["training"])
    session.add(Entry(**first.model_dump(exclude={"id"})))
    session.flush()
    [row] = [r for r in list_removable(session, "entry", ALICE) if r.id == first.id]
    removal = remove_row(operator, row, "A double")
    assert undo_removal_or_merge(operator, removal.id).left_alone == []


def test_older_removals_know_only_their_own_number(operator: ServiceContext) -> None:
    [entry] = list_removable(operator.session, "entry", ERIN)
    removal = remove_row(operator, entry, "Wrong")
    content = json.loads(removal.content)
    del content["latest"]
    removal.content = json.dumps(content)
    assert get_latest_id(removal) == entry.id


def test_a_removal_undone_meanwhile_is_not_undone_again(operator: ServiceContext) -> None:
    number = remove(operator, "membership", ALICE, "2026-01-01")
    removal = operator.session.get_one(Removal, number)
    table = METADATA.tables["removal"]
    # Another connection changes it, which this session has not read.
    operator.session.connection().execute(table.update().values(undone_at=NOW))
    assert removal.undone_at is None
    refusal = refused_with(lambda: undo_removal_or_merge(operator, number))
    assert refusal == Refusal("removal", "removal-undone")


def test_what_belongs_to_a_removed_row_stays_away(operator: ServiceContext) -> None:
    [endorsement] = list_removable(operator.session, "endorsement", ALICE)
    leave = {"endorsement_id": endorsement.id, "starts_on": date(2026, 2, 1)}
    operator.session.connection().execute(insert(METADATA.tables["leave"]).values(leave))
    removal = remove(operator, "leave", ALICE)
    remove(operator, "endorsement", ALICE)
    refusal = refused_with(lambda: undo_removal_or_merge(operator, removal))
    assert refusal == Refusal("removal", "removal-conflicts")
