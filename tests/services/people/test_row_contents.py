"""Rows are found, deleted, and written as JSON with everything that belongs to them."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import insert, select
from sqlmodel import Session

from tests.services.people.test_removals import audit_events
from tests.support.cast import ALICE, BOB, NOW, Cast, acting, fill
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.services.context import Actor
from tracker.services.row_contents import (
    audited_values,
    collect_row,
    delete_what_belongs_to,
    from_json,
    to_iso,
    to_plain,
)
from tracker.services.row_owners import find_owner

TABLES = METADATA.tables


@pytest.fixture
def cast(sqlite_url: str) -> Cast:
    return fill(sqlite_url)


def add(session: Session, table: str, **values: object) -> int:
    statement = insert(TABLES[table]).values(**values).returning(TABLES[table].c.id)
    return int(session.connection().execute(statement).scalar_one())


def ask(session: Session, entry_id: int) -> int:
    """Add a question about an entry, with an answer; the number of the answer."""
    asked = {"association": "NCIMHA", "state": "open", "asked_at": NOW, "asked_by": "x"}
    question = add(session, "entry_question", entry_id=entry_id, **asked)
    written = {"written_at": NOW, "written_by": "x", "is_answer": True, "text": "x"}
    return add(session, "entry_message", question_id=question, entry_id=entry_id, **written)


def test_what_belongs_to_a_row_is_deleted(cast: Cast) -> None:
    old = cast.entries["old"]
    with writing(cast.engine) as session:
        context = replace(acting(session, cast, ALICE), actor=Actor("x"))
        ask(session, cast.entries["training"])
        message = ask(session, old)
        delete_what_belongs_to(context, "entry", old)
        events = [event[1:3] for event in audit_events(session)]
        deleted = [values["entry_id"] for *_, values, _ in audit_events(session)]
    # What belongs to a question goes before it. A topic has no number.
    assert events == [("entry_message", message), ("entry_question", 2)]
    assert deleted == [old, old]
    assert [row["id"] for row in cast.rows("entry", id=old)] == [old]
    assert cast.rows("entry_topic") == []
    assert [row["entry_id"] for row in cast.rows("entry_message")] == [cast.entries["training"]]


def test_what_belongs_to_rows_of_a_row_is_found(cast: Cast) -> None:
    with writing(cast.engine) as session:
        message = ask(session, cast.entries["old"])
        rows = collect_row(session, TABLES["person"], cast.people[ALICE]).rows
    found = [(name, values.get("id")) for name, values in rows]
    assert found[0] == ("person", cast.people[ALICE])
    assert found.count(("entry_message", message)) == 1


def test_keys_of_forms_and_links_are_not_audited() -> None:
    values = {"id": 1, "form_key": "x", "token_hash": "x", "name": "x"}
    assert audited_values(values) == {"id": 1, "name": "x"}


def test_days_and_instants_are_read_again_from_json() -> None:
    instants = {"submitted_at": NOW, "accepted_at": None}
    values = {**instants, "cycle_starts_on": date(2026, 1, 1), "id": 1, "signed_name": "2026-01-01"}
    plain = to_plain(values)
    assert plain["submitted_at"] == NOW.isoformat()
    assert from_json(TABLES["submission"], plain) == values


def test_other_values_have_no_json() -> None:
    with pytest.raises(TypeError, match=r"^a removal cannot hold datetime.timedelta\(days=1\)$"):
        to_iso(timedelta(days=1))


def list_owners(session: Session, name: str) -> list[int | None]:
    column, source = find_owner(TABLES[name])
    rows = select(column).select_from(source).order_by(TABLES[name].c.id)
    return [*session.connection().scalars(rows)]


def test_a_row_belongs_to_the_person_of_its_parent(cast: Cast) -> None:
    alice, bob = cast.people[ALICE], cast.people[BOB]
    with writing(cast.engine) as session:
        for email in (BOB, ALICE):
            waiver = {"cycle_starts_on": date(2026, 1, 1), "requirement": "rsc", "reason": "x"}
            add(session, "waiver", endorsement_id=cast.endorsements[email], **waiver)
        assert list_owners(session, "waiver") == [bob, alice]
        assert list_owners(session, "person") == sorted(cast.people.values())
        assert set(list_owners(session, "membership")) == {alice}


def test_a_payment_belongs_to_its_last_person(cast: Cast) -> None:
    alice, bob = cast.people[ALICE], cast.people[BOB]
    with writing(cast.engine) as session:
        for number, people in enumerate(([ALICE], [ALICE, BOB], [])):
            paid = {"paid_on": NOW.date(), "amount_cents": 2, "payer": "x", "recorded_at": NOW}
            payment = add(
                session, "payment", association="NCIMHA", form_key=str(number), recorded_by="x",
                **paid,
            )  # fmt: skip
            for email in people:
                share = {"cycle_starts_on": date(2026, 1, 1), "fee": "x", "cents": 1}
                held = cast.endorsements[email]
                add(session, "payment_share", payment_id=payment, endorsement_id=held, **share)
        assert list_owners(session, "payment") == [alice, max(alice, bob), None]


def test_a_row_of_nobody_has_no_owner() -> None:
    with pytest.raises(ValueError, match=r"^no column says to whom a row of desk_change belongs$"):
        find_owner(TABLES["desk_change"])
