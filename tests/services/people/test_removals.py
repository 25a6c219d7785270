"""Wrong rows are removed with a reason, and come back as they were."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import Session, col
from sqlmodel import select as select_rows

from tests.services.conftest import Act
from tests.support.cast import ALICE, BOB, CAROL, ERIN, EVE, NOW, Cast
from tracker.cli.main import REMOVABLE_KINDS
from tracker.db.applications import (
    Application,
    Attestation,
    Degree,
    ExamResult,
    Position,
    Reference,
)
from tracker.db.log import AuditEvent, Entry
from tracker.db.people import Leave, Membership, Renewal, Vetting, Waiver
from tracker.db.tables import METADATA
from tracker.services.context import Actor, NotFound, Refusal, Refused, ServiceContext
from tracker.services.removals import (
    KINDS,
    MAX_REASON_LENGTH,
    get_removable,
    list_removable,
    list_removals,
    remove_row,
)
from tracker.services.row_contents import Values
from tracker.services.unmerging import undo_removal_or_merge

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


def audit_events(session: Session) -> list[tuple[str, str, int, Any, Any]]:
    """Who changed which row, from what to what, the oldest change first."""
    events = session.exec(select_rows(AuditEvent).order_by(col(AuditEvent.id))).all()
    return [
        (event.who, event.table_name, event.row_id, *map(parse, (event.before, event.after)))
        for event in events
    ]


def parse(values: str | None) -> Any:  # noqa: ANN401 - values of any table
    return None if values is None else json.loads(values)


def refused_with(work: Callable[[], object]) -> Refusal:
    """The only reason for which it is refused."""
    with pytest.raises(Refused) as refused:
        work()
    [refusal] = refused.value.refusals
    return refusal


def remove(operator: ServiceContext, kind: str, email: str, *words: str) -> int:
    [row] = [r for r in list_removable(operator.session, kind, email) if r.has(words)]
    return remove_row(operator, row, "A typing error").id


def add_one_of_each_kind(session: Session, cast: Cast, email: str) -> None:
    """Store what a person can hold besides their endorsement, memberships, and entries."""
    day = date(2026, 2, 1)
    person: Values = {"person_id": cast.people[email]}
    held: Values = {"endorsement_id": cast.endorsements[email]}
    cycle: Values = {"cycle_starts_on": date(2026, 1, 1), "reason": "x"}
    asked = Application(**person, association="NCIMHA", category="IMHS", opened_on=day)
    session.add(asked)
    session.flush()
    application: Values = {"application_id": asked.id}
    job: Values = {"employer": "First Steps", "pay": "paid", "services": "home"}
    session.add_all(
        [
            Leave(**held, starts_on=day),
            Waiver(**held, **cycle, requirement="training"),
            Renewal(**held, **cycle, extended_due_on=date(2027, 3, 31)),
            Vetting(**person, association="NCIMHA", starts_on=day, ends_on=date(2026, 12, 31)),
            Degree(**person, level="master", title="MSW", awarded_on=date(2010, 6, 1)),
            Position(**person, **job, title="Home visitor", starts_on=day),
            Position(**person, **{**job, "employer": ""}, title="Volunteer", starts_on=day),
            Reference(**application, email="pat@example.org", name="Pat Doe", role="supervisor"),
            Attestation(**application, what="ethics", signed_on=day),
            ExamResult(**application, taken_on=day, passed=True),
        ]
    )
    session.flush()


@pytest.mark.parametrize(
    ("kind", "descriptions"),
    [
        ("endorsement", ["NCIMHA, IFS, 2024-03-01"]),
        ("membership", [f"NCIMHA, {year}-01-01, {year}-12-31" for year in (2025, 2026)]),
        ("vetting", ["NCIMHA, 2026-02-01, 2026-12-31"]),
        ("leave", ["NCIMHA, IFS, 2026-02-01"]),
        ("waiver", ["NCIMHA, IFS, training, 2024-03-01, 2026-01-01"]),
        ("extension", ["NCIMHA, IFS, 2024-03-01, 2026-01-01, 2027-03-31"]),
        ("application", ["NCIMHA, IMHS, 2026-02-01"]),
        ("degree", ["master, MSW"]),
        ("position", ["Home visitor, First Steps, 2026-02-01", "Volunteer, 2026-02-01"]),
        ("reference", ["NCIMHA, IMHS, Pat Doe, pat@example.org, 2026-02-01"]),
        ("attestation", ["NCIMHA, IMHS, ethics, 2026-02-01"]),
        ("exam", ["NCIMHA, IMHS, 2026-02-01, 2026-02-01"]),
    ],
)
def test_rows_are_known_by_their_values(
    operator: ServiceContext, cast: Cast, kind: str, descriptions: list[str]
) -> None:
    for email in (BOB, ALICE):
        add_one_of_each_kind(operator.session, cast, email)
    rows = list_removable(operator.session, kind, ALICE)
    assert [row.description for row in rows] == descriptions
    assert {(row.kind, row.person_id) for row in rows} == {(kind, cast.people[ALICE])}
    assert operator.session.get(KINDS[kind], rows[0].id) is not None


def test_rows_are_sorted_by_number(operator: ServiceContext) -> None:
    numbers = [row.id for row in list_removable(operator.session, "entry", ALICE)]
    assert numbers == sorted(numbers)


def test_an_unknown_address_has_no_rows_to_remove(operator: ServiceContext) -> None:
    with pytest.raises(NotFound):
        list_removable(operator.session, "entry", "no@example.org")


def test_a_row_has_only_whole_values(operator: ServiceContext) -> None:
    [first, _] = list_removable(operator.session, "membership", ALICE)
    assert first.has(["ncimha", "2025-01-01"])
    assert not first.has(["NCIMHA", "2026-01-01"])
    assert not first.has(["2025"])


def test_the_command_knows_every_kind() -> None:
    assert list(REMOVABLE_KINDS) == list(KINDS)


def test_a_removed_membership_no_longer_counts(operator: ServiceContext) -> None:
    standing = METADATA.tables["standing"]
    until = select(standing.c.membership_until).where(standing.c.cycle_ends_on.is_not(None))
    remove(operator, "membership", ALICE, "2026-01-01")
    assert date(2026, 12, 31) not in operator.session.connection().scalars(until).all()


def test_a_removal_is_audited_with_its_reason(operator: ServiceContext, cast: Cast) -> None:
    number = remove(operator, "membership", ALICE, "2026-01-01")
    [membership, removal] = audit_events(operator.session)
    assert membership[:2] == ("tracker remove", "membership")
    known = {"person_id": cast.people[ALICE], "kind": "membership", "reason": "A typing error"}
    known["description"] = "NCIMHA, 2026-01-01, 2026-12-31"
    assert removal == ("tracker remove", "removal", number, None, known)


def test_a_removal_keeps_who_removed_what(operator: ServiceContext) -> None:
    entry = list_removable(operator.session, "entry", ALICE)[0]
    operator.session.get_one(Entry, entry.id).logged_at = NOW - timedelta(hours=3)
    named = entry._replace(values={"title": "x" * (MAX_REASON_LENGTH + 1)})
    removal = remove_row(operator, named, "  Wrong person ")
    assert (removal.removed_at, removal.removed_by) == (NOW, "tracker remove")
    assert (removal.reason, removal.description) == ("Wrong person", "x" * MAX_REASON_LENGTH)
    assert removal.logged_at == NOW - timedelta(hours=3)


def test_a_row_is_removed_once(operator: ServiceContext) -> None:
    [row, _] = list_removable(operator.session, "membership", ALICE)
    remove_row(operator, row, "Wrong")
    with pytest.raises(NotFound):
        remove_row(operator, row, "Wrong")


def test_removals_are_listed_from_the_newest(operator: ServiceContext) -> None:
    first = remove(operator, "membership", ALICE, "2026-01-01")
    last = remove(operator, "entry", ERIN)
    listed = [(removal.id, email) for removal, email in list_removals(operator.session)]
    assert listed == [(last, ERIN), (first, ALICE)]


@pytest.mark.parametrize(
    ("reason", "refusal"),
    [
        (" ", Refusal("reason", "reason-missing")),
        ("x" * 501, Refusal("reason", "text-too-long", {"limit": 500})),
    ],
)
def test_a_removal_needs_a_reason(operator: ServiceContext, reason: str, refusal: Refusal) -> None:
    row = list_removable(operator.session, "membership", ALICE)[0]
    assert refused_with(lambda: remove_row(operator, row, reason)) == refusal


def test_the_longest_reason_is_kept(operator: ServiceContext) -> None:
    row = list_removable(operator.session, "membership", ALICE)[0]
    assert remove_row(operator, row, "x" * 500).reason == "x" * 500


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


def test_a_coordinator_removes_accepted_memberships(act: Act, cast: Cast) -> None:
    carol = replace(act(CAROL), actor=Actor(CAROL, None, ("CT-AIMH", "NCIMHA")))
    other = replace(carol, actor=Actor(CAROL, None, ("NCIMHA",)))
    begun: Values = {"organization": "VAIMH", "starts_on": date(2026, 1, 1)}
    carol.session.add(Membership(person_id=cast.people[BOB], **begun))
    carol.session.flush()
    [row] = list_removable(carol.session, "membership", BOB)
    with pytest.raises(NotFound):
        remove_row(other, row, "Wrong")
    remove_row(carol, row, "Wrong")
    assert list_removable(carol.session, "membership", BOB) == []


def test_a_row_is_found_by_its_person(operator: ServiceContext, cast: Cast) -> None:
    alice = cast.people[ALICE]
    rows = list_removable(operator.session, "membership", ALICE)
    found = [get_removable(operator, "membership", alice, row.id) for row in rows]
    assert found == rows
    for person_id, number in ((cast.people[EVE], rows[0].id), (999, rows[0].id), (alice, 999)):
        with pytest.raises(NotFound):
            get_removable(operator, "membership", person_id, number)


def test_a_coordinator_removes_nothing_of_their_own(act: Act) -> None:
    alice = replace(act(CAROL), actor=act(ALICE).actor)
    alice = replace(alice, actor=replace(alice.actor, coordinates=("NCIMHA",)))
    [row, _] = list_removable(alice.session, "membership", ALICE)
    assert refused_with(lambda: remove_row(alice, row, "Wrong")) == Refusal("", "own-decision")
