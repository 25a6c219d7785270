"""What came since a merge, and where it goes when the merge is undone."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from sqlalchemy import insert, update

from tests.services.conftest import Act
from tests.services.people.test_merging import add, log, merge, rows
from tests.services.people.test_removals import audit_events, refused_with
from tests.support.cast import ALICE, BOB, CAROL, ERIN, EVE, NOW, Cast
from tracker.db.log import Entry
from tracker.db.tables import METADATA
from tracker.services.context import Actor, NotFound, ServiceContext
from tracker.services.removals import get_removable, list_removable, remove_row
from tracker.services.unmerging import undo_removal_or_merge

DAY = date(2026, 7, 1)


@pytest.fixture
def operator(act: Act) -> ServiceContext:
    return replace(act(ALICE), actor=Actor("tracker person"))


def import_row(operator: ServiceContext, person_id: int, key: str, **values: object) -> None:
    row = {"person_id": person_id, "key": key, "digest": "d", **values}
    operator.session.connection().execute(insert(METADATA.tables["imported_row"]).values(**row))


def import_entry(operator: ServiceContext, person_id: int, key: str, **values: object) -> int:
    """An entry of the kept record that a file had under the address of the other one."""
    entry_id = log(operator, person_id, DAY, **values)
    import_row(operator, person_id, key, entry_id=entry_id, former_email=ALICE)
    return entry_id


def test_imported_sessions_go_with_the_other_record(operator: ServiceContext, cast: Cast) -> None:
    session, alice, bob = operator.session, cast.people[ALICE], cast.people[BOB]
    result = merge(operator, BOB, ALICE, "new")
    moved = import_entry(operator, bob, "a:1")
    file = {"name": "a.pdf", "media_type": "application/pdf", "size": 1, "sha256": "x"}
    for entry_id in (moved, cast.entries["training"]):
        stored = {"stored_as": f"y{entry_id}", "added_at": NOW, "form_key": f"k{entry_id}"}
        add(session, "evidence", person_id=bob, entry_id=entry_id, **file, **stored)
    logged = import_entry(operator, bob, "b:1", logged_at=NOW)
    shared = import_entry(operator, bob, "c:1")
    import_row(operator, bob, "own:1", entry_id=shared)
    import_row(operator, bob, "gone:1", former_email=ALICE)
    import_row(operator, bob, "other:1", former_email="other@example.org")
    import_row(operator, cast.people[ERIN], "erin:1", former_email=ALICE)
    events = len(audit_events(session))
    undone = undo_removal_or_merge(operator, result.removal_id)
    session.expire_all()
    owners = [session.get_one(Entry, each).person_id for each in (moved, logged, shared)]
    assert owners == [alice, bob, bob]
    files = {each["entry_id"]: each["person_id"] for each in rows(session, "evidence")}
    assert files == {moved: alice, cast.entries["training"]: bob}
    imported = {
        each["key"]: (each["person_id"], each["former_email"])
        for each in rows(session, "imported_row")
    }
    assert imported == {
        **dict.fromkeys(("a:1", "b:1", "c:1", "gone:1"), (alice, None)),
        "own:1": (bob, None),
        "other:1": (bob, "other@example.org"),
        "erin:1": (cast.people[ERIN], ALICE),
    }
    change = ("tracker person", "entry", moved, {"person_id": bob}, {"person_id": alice})
    assert change in audit_events(session)[events:]
    assert undone.went_with == [
        f"Imported for {ALICE} since the merge, and now with Alice Moreno again: 1 session.",
        f"Added since the merge, and still with Bob Osei <{BOB}>: sessions logged: 2; files: 1.",
    ]


def test_a_row_that_both_records_have_stays(operator: ServiceContext, cast: Cast) -> None:
    session, alice, bob = operator.session, cast.people[ALICE], cast.people[BOB]
    import_row(operator, alice, "a:1", entry_id=log(operator, alice, DAY))
    import_row(operator, bob, "a:1")
    result = merge(operator, BOB, ALICE, "new")
    added = log(operator, bob, DAY)
    table = METADATA.tables["imported_row"]
    again = update(table).values(entry_id=added, former_email=ALICE)
    session.connection().execute(again)
    undone = undo_removal_or_merge(operator, result.removal_id)
    owners = {each["person_id"]: each["entry_id"] for each in rows(session, "imported_row")}
    assert owners[bob] == added
    assert owners.keys() == {alice, bob}
    assert rows(session, "entry", id=added)[0]["person_id"] == bob
    kept = f"Added since the merge, and still with Bob Osei <{BOB}>: sessions logged: 1."
    assert undone.went_with == [kept]


def test_only_new_rows_are_said_to_stay(operator: ServiceContext, cast: Cast) -> None:
    result = merge(operator, BOB, ALICE, "new")
    degree: dict[str, Any] = {"level": "master", "title": "MSW", "awarded_on": DAY}
    add(operator.session, "degree", person_id=cast.people[BOB], **degree)
    undone = undo_removal_or_merge(operator, result.removal_id)
    note = f"Added since the merge, and still with Bob Osei <{BOB}>: degrees: 1."
    assert undone.went_with == [note]


def test_nothing_is_said_if_nothing_came(operator: ServiceContext) -> None:
    result = merge(operator, BOB, EVE)
    assert undo_removal_or_merge(operator, result.removal_id) == ([], [])
    term = list_removable(operator.session, "membership", ALICE)[0]
    removal = remove_row(operator, term, "A typing error")
    assert undo_removal_or_merge(operator, removal.id) == ([], [])


def test_only_operators_undo_a_removal(act: Act, operator: ServiceContext) -> None:
    result = merge(operator, BOB, ALICE, "new")
    with pytest.raises(NotFound):
        undo_removal_or_merge(act(CAROL), result.removal_id)


def test_a_removed_session_that_was_stored_again_stays_removed(
    operator: ServiceContext, cast: Cast
) -> None:
    alice = cast.people[ALICE]
    row = get_removable(operator, "entry", alice, cast.entries["training"])
    removal = remove_row(operator, row, "Wrong hours")
    log(operator, alice, date(2026, 5, 2), minutes=990, title="Infant mental health week")
    refusal = refused_with(lambda: undo_removal_or_merge(operator, removal.id))
    assert refusal.code == "entry-logged-again"
