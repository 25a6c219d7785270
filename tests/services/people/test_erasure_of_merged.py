"""To erase a person also erases the records that were merged into theirs."""

import json
from pathlib import Path
from zipfile import ZipFile

from sqlalchemy import insert, update
from typer.testing import CliRunner

from tests.support.backups import Kept
from tests.support.cast import ALICE, BOB, BOOKS, EVE, NOW, Cast
from tests.support.erasing import NAME, SECOND, erase, find_traces
from tracker.cli.main import app
from tracker.db.audit import Change, record_changes
from tracker.db.corrections import FormerEmail
from tracker.db.engine import writing
from tracker.db.people import Person
from tracker.db.tables import METADATA
from tracker.services.context import Actor, ServiceContext
from tracker.services.erased_identity import find_identity
from tracker.services.merging import find_record, merge_people
from tracker.services.unmerging import undo_removal_or_merge

GROUP = {"held_on": NOW.date(), "minutes": 60, "title": "x", "form_key": "x", "logged_at": NOW}
FULL = "552 the mailbox is full"


def merge(cast: Cast, kept: str, other: str) -> int:
    """Merge two records; the number of what undoes it."""
    with writing(cast.engine) as session:
        context = ServiceContext(session, BOOKS, Actor("tracker person"), NOW)
        people = [find_record(session, email) for email in (kept, other)]
        return merge_people(context, people[0], people[1], "One person", "same").removal_id


def undo(cast: Cast, removal_id: int) -> None:
    with writing(cast.engine) as session:
        context = ServiceContext(session, BOOKS, Actor("tracker person"), NOW)
        undo_removal_or_merge(context, removal_id)


def record_waiver(cast: Cast, person_id: int, reason: str) -> None:
    values = {"person_id": person_id, "reason": reason}
    with writing(cast.engine) as session:
        record_changes(session, [Change("x", NOW, "waiver", 8, None, values)])


def pay(cast: Cast, payer: str) -> None:
    with writing(cast.engine) as session:
        statement = update(METADATA.tables["payment"]).values(payer=payer)
        session.connection().execute(statement)


def test_a_merged_record_leaves_no_trace(kept: Kept) -> None:
    record_waiver(kept.cast, kept.cast.people[EVE], "Moved to Durham")
    pay(kept.cast, "Eve Chen")
    merge(kept.cast, ALICE, EVE)
    assert erase(ALICE).exit_code == 0
    assert find_traces(kept.cast.engine, EVE, "Eve Chen", "Moved to Durham") == []


def test_a_record_merged_by_way_of_another_leaves_no_trace(file_kept: Kept) -> None:
    with writing(file_kept.cast.engine) as session:
        first = Person(email="fay@example.org", name="Fay Chen", highest_degree="none")
        session.add(first)
        session.flush()
        first_id = first.id
    record_waiver(file_kept.cast, first_id, "Moved to Durham")
    pay(file_kept.cast, "Fay Chen")
    merge(file_kept.cast, EVE, "fay@example.org")
    merge(file_kept.cast, ALICE, EVE)
    erase(ALICE)
    traces = find_traces(file_kept.cast.engine, "fay@example.org", "Fay Chen", "Moved to Durham")
    assert traces == []


def test_every_former_name_and_address_is_known(file_kept: Kept) -> None:
    people = file_kept.cast.people
    alice, eve = people[ALICE], people[EVE]
    merge(file_kept.cast, ALICE, EVE)
    table = METADATA.tables
    with writing(file_kept.cast.engine) as session:
        old = {"name": "Alice Young", "email": "Young@Example.org"}
        newer = {"second_email": "ali@example.net"}
        record_changes(
            session,
            [
                Change("x", NOW, "person", alice, old, newer),
                Change("x", NOW, "person", people[BOB], {"name": "Bob Old"}, {}),
                Change("x", NOW, "waiver", alice, {"name": "No person"}, {}),
            ],
        )
        connection = session.connection()
        group = connection.execute(
            insert(table["group_session"])
            .values(provider_id=people[BOB], **GROUP)
            .returning(table["group_session"].c.id)
        ).scalar_one()
        for email, person_id in (("Group@Example.org", alice), ("bob@home.example", None)):
            named = {"email": email.lower(), "person_id": person_id, "asked_at": NOW}
            connection.execute(
                insert(table["group_member"]).values(group_session_id=group, **named)
            )
        for email, person_id in (("former@example.org", alice), ("old@example.org", people[BOB])):
            session.add(FormerEmail(email=email, person_id=person_id, changed_at=NOW))
        session.flush()
        identity = find_identity(session, find_record(session, ALICE))
    assert identity.record_ids == {alice, eve}
    assert identity.names == {NAME, "Alice Young", "Eve Chen"}
    assert identity.emails == {
        ALICE, EVE, SECOND, "young@example.org", "ali@example.net", "group@example.org",
        "former@example.org",
    }  # fmt: skip


def test_the_record_of_an_undone_merge_stays(file_kept: Kept) -> None:
    record_waiver(file_kept.cast, file_kept.cast.people[EVE], "Moved to Durham")
    pay(file_kept.cast, "Eve Chen")
    undo(file_kept.cast, merge(file_kept.cast, ALICE, EVE))
    erase(ALICE)
    assert [row["name"] for row in file_kept.cast.rows("person", email=EVE)] == ["Eve Chen"]
    assert [row["payer"] for row in file_kept.cast.rows("payment")] == ["Eve Chen"]
    assert find_traces(file_kept.cast.engine, "Moved to Durham")


def test_an_undone_merge_keeps_nothing_of_an_erased_person(file_kept: Kept) -> None:
    with writing(file_kept.cast.engine) as session:
        person = find_record(session, EVE)
        person.email_refused_at, person.email_refused_reason = NOW, FULL
        session.add(person)
    undo(file_kept.cast, merge(file_kept.cast, ALICE, EVE))
    assert [table for table, _, _ in find_traces(file_kept.cast.engine, FULL)].count("removal") == 1
    erase(EVE)
    assert find_traces(file_kept.cast.engine, FULL, EVE, "Eve Chen") == []
    assert CliRunner().invoke(app, ["remove", "list"]).exit_code == 0


def test_an_export_has_the_history_of_merged_records(file_kept: Kept, tmp_path: Path) -> None:
    merge(file_kept.cast, ALICE, EVE)
    file = tmp_path / "alice.zip"
    CliRunner().invoke(app, ["person", "export", ALICE, str(file)])
    with ZipFile(file) as archive:
        records = json.loads(archive.read("other.json"))
    changed = [(each["table_name"], each["row_id"]) for each in records["history"]]
    assert ("person", file_kept.cast.people[EVE]) in changed
    assert [row["email"] for row in records["former_email"]] == [EVE]
