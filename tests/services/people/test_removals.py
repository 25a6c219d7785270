"""Wrong rows are removed with a reason, and come back as they were."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlmodel import Session

from tests.support.cast import ALICE, BOB, CAROL, ERIN, Cast
from tracker.cli.main import REMOVABLE_KINDS
from tracker.db.tables import METADATA
from tracker.services.context import Actor, NotFound, Refused, ServiceContext
from tracker.services.evaluation import evaluate_people
from tracker.services.memberships import MembershipTerm, create_membership
from tracker.services.removals import (
    KINDS,
    get_removable,
    list_removable,
    remove_row,
)
from tracker.services.unmerging import undo_removal_or_merge

Act = Callable[[str], ServiceContext]
# Those of the history only grow.
HISTORY = {"audit_event", "removal", "standing_history"}


def all_rows(session: Session) -> dict[str, list[tuple[Any, ...]]]:
    session.flush()
    tables = [table for table in METADATA.sorted_tables if table.name not in HISTORY]
    connection = session.connection()
    return {
        each.name: sorted(map(tuple, connection.execute(select(each))), key=str) for each in tables
    }


@pytest.fixture
def operator(act: Act) -> ServiceContext:
    return replace(act(ALICE), actor=Actor("tracker remove"))


def remove(operator: ServiceContext, kind: str, email: str, *words: str) -> int:
    [row] = [r for r in list_removable(operator.session, kind, email) if r.has(words)]
    return remove_row(operator, row, "A typing error").id


def test_the_command_knows_every_kind() -> None:
    assert list(REMOVABLE_KINDS) == list(KINDS)


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


def test_a_removed_membership_no_longer_counts(operator: ServiceContext) -> None:
    standing = METADATA.tables["standing"]
    until = select(standing.c.membership_until).where(standing.c.cycle_ends_on.is_not(None))
    remove(operator, "membership", ALICE, "2026-01-01")
    assert date(2026, 12, 31) not in operator.session.connection().scalars(until).all()


def test_a_removal_is_audited_with_its_reason(operator: ServiceContext) -> None:
    remove(operator, "membership", ALICE, "2026-01-01")
    table = METADATA.tables["audit_event"]
    events = operator.session.connection().execute(select(table).order_by(table.c.id)).all()
    assert [(event.who, event.table_name) for event in events[-2:]] == [
        ("tracker remove", "membership"),
        ("tracker remove", "removal"),
    ]
    assert "A typing error" in events[-1].after


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
    with pytest.raises(Refused, match="removal-undone"):
        undo_removal_or_merge(operator, removal)


def test_nothing_comes_back_beside_its_successor(act: Act, operator: ServiceContext) -> None:
    removal = remove(operator, "membership", ALICE, "2026-01-01")
    create_membership(act(ALICE), MembershipTerm("NCIMHA", date(2026, 6, 1), date(2027, 5, 31)))
    before = all_rows(operator.session)
    with pytest.raises(Refused, match="removal-replaced"):
        undo_removal_or_merge(operator, removal)
    assert all_rows(operator.session) == before


def test_what_belongs_to_a_removed_row_stays_away(operator: ServiceContext) -> None:
    [endorsement] = list_removable(operator.session, "endorsement", ALICE)
    leave = {"endorsement_id": endorsement.id, "starts_on": date(2026, 2, 1)}
    operator.session.connection().execute(insert(METADATA.tables["leave"]).values(leave))
    removal = remove(operator, "leave", ALICE)
    remove(operator, "endorsement", ALICE)
    with pytest.raises(Refused, match="removal-conflicts"):
        undo_removal_or_merge(operator, removal)


@pytest.mark.parametrize(
    ("reason", "code"), [(" ", "reason-missing"), ("x" * 501, "text-too-long")]
)
def test_a_removal_needs_a_reason(operator: ServiceContext, reason: str, code: str) -> None:
    row = list_removable(operator.session, "membership", ALICE)[0]
    with pytest.raises(Refused, match=code):
        remove_row(operator, row, reason)


@pytest.mark.parametrize("email", [ALICE, BOB])
def test_endorsees_remove_nothing(act: Act, email: str) -> None:
    context = act(email)
    row = list_removable(context.session, "membership", ALICE)[0]
    with pytest.raises(NotFound):
        remove_row(context, row, "Mine")
    with pytest.raises(NotFound):
        undo_removal_or_merge(context, 1)


def test_a_coordinator_removes_what_belongs_to_the_association(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    [endorsement] = list_removable(carol.session, "endorsement", ALICE)
    removable = get_removable(carol, "endorsement", cast.people[ALICE], endorsement.id)
    remove_row(carol, removable, "It was Alice Smith's")
    assert list_removable(carol.session, "endorsement", ALICE) == []
    for kind in ("endorsement", "entry"):
        [foreign] = list_removable(carol.session, kind, ERIN)
        with pytest.raises(NotFound):
            remove_row(carol, foreign, "Not mine")
        with pytest.raises(NotFound):
            get_removable(carol, kind, cast.people[ERIN], foreign.id)


def test_a_coordinator_removes_nothing_of_their_own(act: Act) -> None:
    alice = replace(act(CAROL), actor=act(ALICE).actor)
    alice = replace(alice, actor=replace(alice.actor, coordinates=("NCIMHA",)))
    [row, _] = list_removable(alice.session, "membership", ALICE)
    with pytest.raises(Refused, match="own-decision"):
        remove_row(alice, row, "Wrong")
