"""What an erasure deletes, changes, and keeps, row by row, and when it is refused."""

import zlib
from collections.abc import Iterable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import delete, insert
from sqlmodel import Session

from tests.support.backups import Kept
from tests.support.cast import ALICE, BOB, BOOKS, CAROL, DANA, EVE, NOW, Cast, fill
from tests.support.referees import apply
from tracker.addresses import is_erased_address
from tracker.db.audit import Change, record_changes
from tracker.db.desk import DeskChange
from tracker.db.engine import writing
from tracker.db.imports import ImportPlanRecord, ImportPlanRow
from tracker.db.tables import METADATA
from tracker.services import erasure
from tracker.services.context import Actor, NotFound, ServiceContext
from tracker.services.erasure import Erased, EraseError, erase_person
from tracker.services.merging import find_record, merge_people
from tracker.services.removals import MAX_REASON_LENGTH
from tracker.services.unmerging import undo_removal_or_merge

OPERATOR = Actor("tracker person")
COMPARED = ("waiver", "vetting", "provider_span", "unsubscribed", "certificate", "web_session")


@pytest.fixture
def cast(sqlite_url: str) -> Cast:
    return fill(sqlite_url)


def operate(session: Session) -> ServiceContext:
    return ServiceContext(session, BOOKS, OPERATOR, NOW)


def erase(
    cast: Cast, email: str, reason: str = "Asked for it", staff: Iterable[str] = ()
) -> Erased:
    with writing(cast.engine) as session:
        return erase_person(operate(session), email, reason, tuple(staff))


def add(session: Session, table: str, **values: object) -> None:
    session.connection().execute(insert(METADATA.tables[table]).values(**values))


def add_rows(session: Session, cast: Cast, email: str) -> None:
    """What can belong to a person by their number, through a row of theirs, or by an address."""
    number, held = cast.people[email], cast.endorsements[email]
    start, end = date(2026, 1, 1), date(2026, 12, 31)
    add(session, "vetting", person_id=number, association="CT-AIMH", starts_on=start)
    add(session, "provider_span", rule="x", provider_id=number, starts_on=start, ends_on=end)
    waiver = {"cycle_starts_on": start, "requirement": "training", "reason": "x"}
    add(session, "waiver", endorsement_id=held, **waiver)
    add(session, "unsubscribed", email=email.title(), kind="x", association="x", at=NOW)
    times = {"created_at": NOW, "expires_at": NOW}
    add(session, "web_session", token_hash=email, email=email, **times)
    signed = {"signed_name": "x", "statements": "[]", "content": "{}", "submitted_at": NOW}
    days = {"cycle_starts_on": start, "cycle_ends_on": end}
    add(session, "submission", endorsement_id=held, form_key=email, **signed, **days)
    issued = {"valid_from": start, "valid_through": end, "issued_at": NOW}
    add(
        session, "certificate", endorsement_id=held, kind="renewal", cycle_starts_on=start,
        number=email, name="x", **issued,
    )  # fmt: skip
    changes = [
        Change("x", NOW, "person", number, {"name": "Old"}, {"name": "New"}),
        Change("x", NOW, "waiver", number + 50, {"person_id": number, "reason": "x"}, None),
    ]
    record_changes(session, changes)


def compare_rows(cast: Cast) -> dict[str, list[dict[str, Any]]]:
    """Rows of some tables, without the days on which Alice could provide RSC."""
    alice = cast.people[ALICE]
    return {
        name: [row for row in cast.rows(name) if row.get("provider_id") != alice]
        for name in COMPARED
    }


def test_an_erasure_counts_the_rows(file_kept: Kept) -> None:
    cast = file_kept.cast
    with writing(cast.engine) as session:
        add(
            session, "desk_task", association="NCIMHA", kind="certificates", about_id=0,
            arguments="[1]", asked_at=NOW, asked_by="x", state="working", done=1, total=2,
            file_name="x.zip",
        )  # fmt: skip
        for email in (ALICE, BOB):
            add_rows(session, cast, email)
    erased = erase(cast, ALICE)
    assert erased.number == cast.people[ALICE]
    assert erased.files == [*file_kept.files]
    assert erased.deleted == {
        "desk_task_piece": 1, "endorsement": 1, "entry": 10, "entry_topic": 1, "evidence": 1,
        "import_plan": 1, "membership": 2, "provider_span": 3, "standing": 2,
        "standing_history": 2, "submission": 1, "unsubscribed": 1, "vetting": 1, "waiver": 1,
        "web_session": 1,
    }  # fmt: skip
    # Each text counts: a message to the person, one about them, and the keys of both.
    assert erased.changed == {
        "audit_event": 8, "certificate": 3, "desk_change": 2, "desk_task": 1, "outbox": 4,
        "payment": 2, "person": 1, "run_failure": 2, "saved_filter": 1,
    }  # fmt: skip


def test_an_erasure_keeps_the_rows_of_others(cast: Cast) -> None:
    with writing(cast.engine) as session:
        add_rows(session, cast, BOB)
    before = compare_rows(cast)
    [*_, other] = cast.rows("audit_event")
    with writing(cast.engine) as session:
        add_rows(session, cast, ALICE)
    erase(cast, ALICE)
    [certificate] = cast.rows("certificate", name="")
    assert certificate["endorsement_id"] is None
    before["certificate"].append(certificate)
    assert compare_rows(cast) == before
    # Of the person's own history there is left who changed which row.
    number = cast.people[ALICE]
    history = [
        tuple(row[name] for name in ("table_name", "row_id", "before", "after", "person_id"))
        for row in cast.rows("audit_event")
        if row["id"] > other["id"]
    ]
    assert history == [
        ("person", number, "{}", "{}", number),
        ("waiver", number + 50, "{}", None, number),
        ("person", number, "{}", '{"erased": "Asked for it"}', number),
    ]
    assert other in cast.rows("audit_event")


def test_nothing_of_the_record_itself_is_left(cast: Cast) -> None:
    with writing(cast.engine) as session:
        person = find_record(session, ALICE)
        person.second_email_confirmed_at = person.takes_supervisees_since = NOW
        person.time_zone, person.provider_line = "America/New_York", "Call me"
        person.provides_rsc = True
        session.add(person)
    [before] = cast.rows("person", email=ALICE)
    erase(cast, ALICE)
    number = cast.people[ALICE]
    assert cast.rows("person", id=number) == [
        {
            **dict.fromkeys(before),
            "id": number,
            "email": f"erased-{number}@erased.invalid",
            "name": f"Erased person {number}",
            "highest_degree": "none",
            "provides_rsc": False,
        }
    ]


def add_endorsements(session: Session, person_id: int) -> None:
    """One that ended, one without an end, and one that has not begun."""
    for association, category, starts_on, ends_on in (
        ("CT-AIMH", "IFS", date(2015, 1, 1), date(2019, 12, 31)),
        ("NCIMHA", "IFS", date(2020, 1, 1), None),
        ("NCIMHA", "IFRS", date(2027, 3, 1), date(2028, 2, 29)),
    ):
        held = {"association": association, "category": category}
        days = {"starts_on": starts_on, "ends_on": ends_on}
        add(session, "endorsement", person_id=person_id, **held, **days)


def test_an_erased_providers_endorsements_count_until_today(cast: Cast) -> None:
    dana = cast.people[DANA]
    with writing(cast.engine) as session:
        add_endorsements(session, dana)
        opened = {"category": "IFS", "opened_on": date(2026, 1, 1)}
        for email, association in ((EVE, "ATTESTING"), (BOB, "PAYING")):
            add(
                session, "application", person_id=cast.people[email], association=association,
                **opened,
            )  # fmt: skip
        add(
            session, "entry", person_id=cast.people[EVE], activity="rsc", title="RSC",
            held_on=date(2026, 3, 1), minutes=60, provider_id=dana, format="group",
        )  # fmt: skip
    erase(cast, DANA)
    kept = ["known_to", "association", "category", "starts_on", "ends_on"]
    rows = cast.rows("outside_endorsement")
    assert {(row["person_id"], row["recorded_by"]) for row in rows} == {(dana, OPERATOR.label)}
    # Those count to associations whose endorsees or applicants the person supervised.
    assert {tuple(row[name] for name in kept) for row in rows} == {
        (known_to, *held)
        for known_to in ("NCIMHA", "ATTESTING")
        for held in (
            ("CT-AIMH", "IFS", date(2015, 1, 1), date(2019, 12, 31)),
            ("NCIMHA", "IFS", date(2020, 1, 1), NOW.date()),
            ("NCIMHA", "IFRS", date(2027, 3, 1), date(2027, 3, 1)),
        )
    }
    assert [row["person_id"] for row in cast.rows("vetting")] == [dana]
    assert [row["highest_degree"] for row in cast.rows("person", id=dana)] == ["master"]


def test_an_erasure_keeps_a_credential_noted_before(cast: Cast) -> None:
    dana = cast.people[DANA]
    noted = {"person_id": dana, "known_to": "NCIMHA", "recorded_by": "x"}
    held = {"association": "NCIMHA", "category": "IFS", "starts_on": date(2020, 1, 1)}
    with writing(cast.engine) as session:
        add_endorsements(session, dana)
        add(session, "outside_endorsement", **noted, **held, ends_on=date(2021, 1, 1))
    erase(cast, DANA)
    [row] = cast.rows("outside_endorsement", **held)
    assert (row["ends_on"], row["recorded_by"]) == (date(2021, 1, 1), "x")


def test_imports_that_name_the_person_are_forgotten(cast: Cast) -> None:
    texts: dict[str, tuple[str | None, str | None]] = {
        "row": (None, None), "sheet": (ALICE, None), "remembered": (BOB, "Alice Moreno"),
        "other": (BOB, BOB), "not imported": (ALICE, None),
    }  # fmt: skip
    numbers = {}
    with writing(cast.engine) as session:
        for name, packed in texts.items():
            change = DeskChange(association="NCIMHA", title=name, made_at=NOW, made_by="x")
            session.add(change)
            session.flush()
            sheets, remembered = (zlib.compress(text.encode()) if text else None for text in packed)
            plan = ImportPlanRecord(
                association="NCIMHA", state="applied", created_at=NOW, created_by="x",
                changed_at=NOW, changed_by="x", files="[]", sheets=sheets, remembered=remembered,
                change_id=None if name == "not imported" else change.id,
            )  # fmt: skip
            session.add(plan)
            session.flush()
            numbers[name] = plan.id
            session.add(
                ImportPlanRow(
                    plan_id=plan.id, number=1, kind="person", file="x", line=1, outcome="added",
                    email=ALICE.upper() if name == "row" else BOB, cells="[]",
                )
            )  # fmt: skip
    erase(cast, ALICE)
    assert [row["id"] for row in cast.rows("import_plan")] == [numbers["other"]]
    assert [row["plan_id"] for row in cast.rows("import_plan_row")] == [numbers["other"]]
    ended = {row["title"]: row["undo_ended_at"] for row in cast.rows("desk_change")}
    still = {"other": None, "not imported": None}
    assert ended == {"row": NOW, "sheet": NOW, "remembered": NOW, **still}


def test_an_undone_merge_is_counted(cast: Cast) -> None:
    with writing(cast.engine) as session:
        context = operate(session)
        people = find_record(session, ALICE), find_record(session, EVE)
        merged = merge_people(context, *people, "One person", "same")
        undo_removal_or_merge(context, merged.removal_id)
    # Its description names the person, too.
    assert erase(cast, EVE).changed["removal"] == 2
    assert [row["content"] for row in cast.rows("removal")] == ["{}"]


def test_a_longer_name_still_fits_in_its_column(cast: Cast) -> None:
    payer = METADATA.tables["payment"].c.payer
    longest = int(payer.type.length)  # type: ignore[attr-defined]
    with writing(cast.engine) as session:
        add(
            session, "payment", association="NCIMHA", form_key="x", paid_on=NOW.date(),
            amount_cents=1, payer=f"Alice Moreno {'x' * (longest - 13)}", recorded_at=NOW,
            recorded_by="x",
        )  # fmt: skip
    erase(cast, ALICE)
    [row] = cast.rows("payment")
    name = f"Erased person {cast.people[ALICE]} "
    assert row["payer"] == name + "x" * (longest - len(name))


@pytest.mark.parametrize("reason", ["", " \n", "x" * (MAX_REASON_LENGTH + 1)])
def test_an_erasure_needs_a_reason(cast: Cast, reason: str) -> None:
    with pytest.raises(EraseError) as caught:
        erase(cast, ALICE, reason)
    assert str(caught.value) == "give a reason of at most 500 characters"


@pytest.mark.parametrize("reason", ["x", "x" * MAX_REASON_LENGTH])
def test_a_short_or_long_reason_is_kept(cast: Cast, reason: str) -> None:
    erase(cast, EVE, reason)
    [*_, event] = cast.rows("audit_event")
    assert event["after"] == f'{{"erased": "{reason}"}}'


@pytest.mark.parametrize(
    ("role", "staff"), [(None, ALICE.upper()), (None, "alice@home.example"), (ALICE, BOB)]
)
def test_people_with_a_role_are_not_erased(cast: Cast, role: str | None, staff: str) -> None:
    if role:
        with writing(cast.engine) as session:
            add(
                session, "team_role", association="NCIMHA", email=role, name="x", role="viewer",
                added_at=NOW, starts_on=date(2026, 1, 1), ends_on=date(2026, 2, 1), added_by="x",
            )  # fmt: skip
    with pytest.raises(EraseError) as caught:
        erase(cast, ALICE, staff=[staff])
    assert str(caught.value) == (
        f"{ALICE} works or worked for an association: who decided about others stays on record. "
        "Only people without a role can be erased"
    )


def test_only_operators_erase_people(cast: Cast) -> None:
    with writing(cast.engine) as session, pytest.raises(NotFound):
        erase_person(ServiceContext(session, BOOKS, Actor(ALICE), NOW), ALICE, "x", ())


def test_a_person_merged_meanwhile_is_not_erased(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked: list[int] = []

    def merge_first(session: Session, person_ids: list[int]) -> None:
        """What another transaction does while this one waits for the lock."""
        locked.extend(person_ids)
        people = METADATA.tables["person"]
        session.connection().execute(delete(people).where(people.c.email == EVE))

    monkeypatch.setattr(erasure, "lock_records", merge_first)
    with pytest.raises(EraseError) as caught:
        erase(cast, EVE)
    assert str(caught.value) == f"the record of {EVE} was just merged into another one"
    assert locked == [cast.people[EVE]]


# With it, a filter's name has just as many characters as it may have.
LONG = "x" * 44


def name_twice(cast: Cast) -> None:
    """Name Alice in two ways where no two texts may be the same."""
    with writing(cast.engine) as session:
        asked = {"application_id": apply(session, cast.people[BOB]), "role": "supervisor"}
        for name, email in (("Alice Moreno", ALICE), ("Moreno, Alice", "alice@home.example")):
            saved = {"owner": CAROL, "association": "NCIMHA", "query": "", "saved_at": NOW}
            add(session, "saved_filter", name=name, **saved)
            add(session, "saved_filter", name=f"{LONG} {name}", **saved)
            add(session, "reference", name=name, email=email, **asked)


@pytest.mark.both_engines
def test_two_spellings_in_one_list_stay_apart(database_url: str) -> None:
    cast = fill(database_url)
    name_twice(cast)
    number = erase(cast, ALICE).number
    label = f"Erased person {number}"
    names = {label, f"{label} (2)", f"{LONG} {label}", f"{LONG} {label}"[:-4] + " (2)"}
    assert {row["name"] for row in cast.rows("saved_filter")} == names
    emails = {row["email"] for row in cast.rows("reference")}
    assert emails == {f"erased-{number}@erased.invalid", f"erased-{number}-2@erased.invalid"}
    assert all(map(is_erased_address, emails))
    cast.engine.dispose()


def test_texts_that_cannot_differ_keep_the_person(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_twice(cast)
    monkeypatch.setattr(erasure, "_MOST_ALIKE", 1)
    before = {name: cast.rows(name) for name in METADATA.tables}
    with pytest.raises(EraseError, match=r"a row of \w+ can't have '[^']+' in \w+"):
        erase(cast, ALICE)
    assert {name: cast.rows(name) for name in METADATA.tables} == before
