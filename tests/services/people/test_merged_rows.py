"""What becomes of each row of two records that are merged, and of what names them."""

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert, update
from sqlmodel import col, select

from tests.services.conftest import Act
from tests.services.people.test_merging import add, evaluate, log, merge, rows
from tests.services.people.test_removals import all_rows, audit_events, refused_with
from tests.support.cast import ALICE, BOB, DANA, ERIN, EVE, NOW, Cast
from tests.support.held import hold_session, name_supervisee
from tracker.db.corrections import FormerEmail, Removal
from tracker.db.ledgers import RunFailure, StandingRow
from tracker.db.log import ImportedRow
from tracker.db.people import Endorsement, Person
from tracker.db.tables import METADATA
from tracker.services.context import Actor, NotFound, Refusal, ServiceContext
from tracker.services.merging import (
    Double,
    count_holdings,
    find_record,
    find_record_again,
    list_doubles,
    summarize_record,
)
from tracker.services.unmerging import undo_removal_or_merge

DAY = date(2026, 5, 2)


@pytest.fixture
def operator(act: Act) -> ServiceContext:
    return replace(act(ALICE), actor=Actor("tracker person"))


def write(operator: ServiceContext, table: str, *stored: dict[str, Any]) -> None:
    """Store rows of a table that has no numbers."""
    for values in stored:
        operator.session.connection().execute(insert(METADATA.tables[table]).values(**values))


def change(operator: ServiceContext, table: str, row_id: int, **values: object) -> None:
    found = METADATA.tables[table]
    statement = update(found).where(found.c.id == row_id).values(**values)
    operator.session.connection().execute(statement)


def test_a_record_is_read_again(operator: ServiceContext, cast: Cast) -> None:
    session = operator.session
    eve = find_record(session, EVE)
    change(operator, "person", eve.id, name="Eve Park")
    assert find_record_again(session, eve).name == "Eve Park"
    change(operator, "person", eve.id, email="erased-5@erased.invalid")
    with pytest.raises(NotFound):
        find_record_again(session, eve)
    session.connection().execute(delete(Person).where(col(Person.id) == cast.people[EVE]))
    with pytest.raises(NotFound):
        find_record_again(session, eve)
    refusal = refused_with(lambda: find_record(session, EVE))
    assert refusal == Refusal("email", "nobody-has-email", {"email": EVE})


def test_a_summary_shows_what_a_record_holds(operator: ServiceContext) -> None:
    session = operator.session
    alice = find_record(session, ALICE)
    summary = summarize_record(session, alice)
    known = (summary.name, summary.email, summary.second_email)
    assert known == ("Alice Moreno", ALICE, "alice@home.example")
    assert {label: count for label, count in summary.holdings.items() if count} == {
        "endorsements": 1,
        "memberships": 2,
        "sessions logged": 10,
    }
    assert summary.holdings["positions"] == 0
    last = summary.standings[-1]
    assert (last.association, last.category) == ("NCIMHA", "IFS")
    assert (last.cycle_starts_on, last.status) == (date(2026, 1, 1), "open")
    assert [short.id for short in last.short] == ["training.deia", "rsc"]


def test_standings_are_in_the_order_of_their_cycles(operator: ServiceContext, cast: Cast) -> None:
    session, alice = operator.session, cast.people[ALICE]
    stored = session.exec(select(StandingRow)).all()[0].model_dump()
    for association, category, year in (
        ("NCIMHA", "IFS", 2020),
        ("NCIMHA", "ECFS", 2030),
        ("CT-AIMH", "IFS", 2031),
    ):
        held = Endorsement(
            person_id=alice,
            association=association,
            category=category,
            starts_on=date(2027, 3, 1),
        )
        session.add(held)
        session.flush()
        own = {"endorsement_id": held.id, "association": association}
        standing = {**stored, **own, "cycle_starts_on": date(year, 1, 1)}
        session.add(StandingRow.model_validate(standing))
    session.flush()
    lines = summarize_record(session, session.get_one(Person, alice)).standings
    assert [(each.association, each.category, each.cycle_starts_on.year) for each in lines] == [
        ("CT-AIMH", "IFS", 2031),
        ("NCIMHA", "ECFS", 2030),
        ("NCIMHA", "IFS", 2020),
        ("NCIMHA", "IFS", 2025),
        ("NCIMHA", "IFS", 2026),
    ]


def test_only_later_rows_are_counted(operator: ServiceContext, cast: Cast) -> None:
    session, alice = operator.session, cast.people[ALICE]
    counts = count_holdings(session, alice)
    assert count_holdings(session, alice, {}) == counts
    latest = {"entry": cast.entries["old"], "endorsement": 99}
    later = {"memberships": 2, "sessions logged": 1}
    assert count_holdings(session, alice, latest) == later


def test_doubles_pair_equal_titles_first(operator: ServiceContext, cast: Cast) -> None:
    bob, eve = cast.people[BOB], cast.people[EVE]
    kept = [log(operator, bob, DAY, title=each) for each in ("Lecture", "Book club", "Play")]
    titles = ("Something", "book  Club", "Another", "More", "Too many")
    others = [log(operator, eve, DAY, title=each) for each in titles]
    log(operator, eve, DAY, minutes=60, title="Lecture")
    log(operator, eve, DAY, activity="rsc", title="Lecture")
    log(operator, eve, DAY + timedelta(days=1), title="Lecture")
    session = operator.session
    found = list_doubles(session, find_record(session, BOB), find_record(session, EVE))
    what = (DAY, "training", 120)
    assert found == [
        Double(kept[1], others[1], *what, ("Book club", "book  Club")),
        Double(kept[0], others[0], *what, ("Lecture", "Something")),
        Double(kept[2], others[2], *what, ("Play", "Another")),
    ]


def test_a_merge_is_recorded(operator: ServiceContext, cast: Cast) -> None:
    alice, bob = cast.people[ALICE], cast.people[BOB]
    former = {"email": ALICE, "person_id": cast.people[EVE], "changed_at": NOW - timedelta(days=9)}
    write(operator, "former_email", former)
    result = merge(operator, BOB, ALICE, "new")
    removal = operator.session.get_one(Removal, result.removal_id)
    stored = removal.model_dump(exclude={"id", "content"})
    assert {name: value for name, value in stored.items() if value is not None} == {
        "person_id": bob,
        "kind": "merge",
        "description": f"Alice Moreno <{ALICE}> into Bob Osei <{BOB}>",
        "reason": "One person",
        "removed_at": NOW,
        "removed_by": "tracker person",
    }
    moved = operator.session.get_one(FormerEmail, ALICE)
    assert (moved.person_id, moved.changed_at) == (bob, NOW)
    events = audit_events(operator.session)
    by_row = {(table, row_id): (before, after) for _, table, row_id, before, after in events}
    assert {event[0] for event in events} == {"tracker person"}
    entry = cast.entries["training"]
    assert by_row["entry", entry] == ({"person_id": alice}, {"person_id": bob})
    before, after = by_row["person", bob]
    assert before == {"second_email": None, "second_email_confirmed_at": None}
    assert after == {**before, "second_email": "alice@home.example"}
    before, after = by_row["person", alice]
    assert (before["name"], after) == ("Alice Moreno", None)
    assert by_row["removal", removal.id] == (
        None,
        {
            "person_id": bob,
            "kind": "merge",
            "description": removal.description,
            "reason": "One person",
        },
    )
    content = json.loads(removal.content)
    latest = content["latest"]
    assert (latest["entry"], latest["degree"]) == (cast.entries["erin"], 0)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (" ", Refusal("reason", "reason-missing")),
        ("x" * 501, Refusal("reason", "text-too-long", {"limit": 500})),
    ],
)
def test_a_merge_needs_a_reason(operator: ServiceContext, reason: str, expected: Refusal) -> None:
    assert refused_with(lambda: merge(operator, BOB, ALICE, reason=reason)) == expected


def test_long_names_are_cut_in_the_description(operator: ServiceContext, cast: Cast) -> None:
    change(operator, "person", cast.people[EVE], name="E" * 200, email=f"{'e' * 150}@example.org")
    change(operator, "person", cast.people[BOB], name="B" * 200)
    result = merge(operator, BOB, f"{'e' * 150}@example.org", reason=f" {'x' * 500} ")
    removal = operator.session.get_one(Removal, result.removal_id)
    assert (len(removal.description), removal.reason) == (500, "x" * 500)


def test_mail_about_moved_rows_follows_them(operator: ServiceContext, cast: Cast) -> None:
    alice, bob = cast.endorsements[ALICE], cast.endorsements[BOB]
    people = cast.people
    mails = [
        (people[ALICE], ALICE, "waiting", "endorsement", alice),
        (people[ALICE], ALICE, "sent", "membership", alice),
        (people[ERIN], ERIN, "waiting", "endorsement", cast.endorsements[ERIN]),
        (people[BOB], BOB, "waiting", None, None),
        (people[DANA], ALICE, "waiting", None, None),
    ]
    for number, (person_id, recipient, state, kind, row_id) in enumerate(mails):
        add(
            operator.session,
            "outbox",
            dedupe_key=f"k{number}",
            message_id=f"m{number}",
            kind="notices",
            person_id=person_id,
            recipient=recipient,
            subject="s",
            body=b"",
            state=state,
            attempts=0,
            fence=0,
            created_at=NOW,
            next_attempt_at=NOW,
            about_kind=kind,
            about_id=row_id,
        )
    merge(operator, BOB, ALICE, "new")
    stored = [
        (each["person_id"], each["recipient"], each["about_id"], bool(each["is_outdated"]))
        for each in rows(operator.session, "outbox")
    ]
    assert stored == [
        (people[BOB], BOB, bob, True),
        (people[BOB], ALICE, alice, False),
        (people[ERIN], ERIN, cast.endorsements[ERIN], False),
        (people[BOB], BOB, None, True),
        (people[DANA], BOB, None, False),
    ]


def test_what_names_the_other_address_follows(operator: ServiceContext, cast: Cast) -> None:
    session, alice, bob = operator.session, cast.people[ALICE], cast.people[BOB]
    group = hold_session(session, cast, DANA)
    members = [name_supervisee(session, cast, group, each) for each in (ALICE, EVE, ERIN)]
    for member in (members[0], members[1]):
        change(operator, "group_member", member, person_id=None)
    for email, kind in ((ALICE, "reminders"), (ERIN, "digests")):
        wish = {"email": email, "kind": kind, "association": "NCIMHA", "at": NOW}
        write(operator, "unsubscribed", wish)
    failed: dict[str, Any] = {
        "error": "x",
        "attempts": 1,
        "first_failed_at": NOW,
        "last_failed_at": NOW,
    }
    for subject in (alice, bob):
        session.add(RunFailure(job="n", association="NCIMHA", subject=str(subject), **failed))
    session.flush()
    merge(operator, BOB, ALICE, "new")
    owners = [each["person_id"] for each in rows(session, "group_member")]
    assert owners == [bob, None, cast.people[ERIN]]
    wishes = {(each["email"], each["kind"], each["at"]) for each in rows(session, "unsubscribed")}
    assert wishes == {
        (ALICE, "reminders", NOW),
        (BOB, "reminders", NOW),
        (ERIN, "digests", NOW),
    }
    assert [each["subject"] for each in rows(session, "run_failure")] == [str(bob)]


def test_an_answer_settles_the_same_question(operator: ServiceContext, cast: Cast) -> None:
    session = operator.session
    group, another = hold_session(session, cast, DANA), hold_session(session, cast, EVE)
    asked = name_supervisee(session, cast, group, ALICE)
    answered = name_supervisee(session, cast, group, BOB)
    other = name_supervisee(session, cast, another, ALICE)
    answer = {"state": "disputed", "answered_at": NOW, "note": "Not me"}
    change(operator, "group_member", answered, **answer)
    merge(operator, BOB, ALICE, "new")
    settled = rows(session, "group_member", id=asked)[0]
    assert {name: settled[name] for name in answer} == answer
    assert rows(session, "group_member", id=other)[0]["state"] == "asked"


def test_imported_rows_of_equal_content_are_numbered_on(
    operator: ServiceContext, cast: Cast
) -> None:
    alice, bob = cast.people[ALICE], cast.people[BOB]
    entry = cast.entries["training"]
    stored = [(bob, "d:1", "d"), (bob, "ref:1", "d"), (bob, "d:x", "d")]
    stored += [(bob, "f:1", "f"), (bob, "f:2", "f"), (alice, "f:1", "f")]
    stored += [(alice, "d:1", "d"), (alice, "e:1", "e")]
    stored += [(alice, "ref:1", "d"), (alice, "ref:2", "d"), (alice, "d:x", "d")]
    for person_id, key, digest in stored:
        own = entry if (person_id, key) == (alice, "d:1") else None
        imported = {"person_id": person_id, "key": key, "digest": digest, "entry_id": own}
        write(operator, "imported_row", imported)
    before = all_rows(operator.session)
    result = merge(operator, BOB, ALICE, "new")
    found = operator.session.exec(select(ImportedRow).order_by(col(ImportedRow.key))).all()
    assert {each.person_id for each in found} == {bob}
    keys = ["d:1", "d:2", "d:x", "e:1", "f:1", "f:2", "f:3", "ref:1", "ref:2"]
    assert [each.key for each in found] == keys
    assert [each.key for each in found if each.entry_id == entry] == ["d:2"]
    undo_removal_or_merge(operator, result.removal_id)
    assert all_rows(operator.session) == before


def test_cutoff_notices_name_the_kept_provider(operator: ServiceContext, cast: Cast) -> None:
    session, dana, eve = operator.session, cast.people[DANA], cast.people[EVE]
    held = cast.endorsements[ALICE]
    notice: dict[str, Any] = {
        "endorsement_id": held,
        "cycle_starts_on": date(2026, 1, 1),
        "kind": "provider cutoff",
        "due_on": DAY,
        "decided_on": DAY,
        "outcome": "skipped",
        "reason": "x",
    }
    for key, step in ((dana, 1), (dana, 2), (eve, 2), (cast.people[ERIN], 3)):
        add(session, "notice", **{**notice, "subject_key": str(key), "step": step})
    add(session, "notice", **{**notice, "kind": "other", "subject_key": str(dana), "step": 4})
    merge(operator, EVE, DANA)
    stored = [(each["subject_key"], each["step"]) for each in rows(session, "notice")]
    assert stored == [(str(eve), 1), (str(dana), 2), (str(eve), 2), ("3", 3), (str(dana), 4)]


def test_a_kept_session_keeps_its_own_provider(operator: ServiceContext, cast: Cast) -> None:
    day = date(2026, 11, 14)
    rsc: dict[str, object] = {"activity": "rsc", "minutes": 60, "title": "RSC"}
    kept = log(operator, cast.people[BOB], day, provider_id=cast.people[EVE], **rsc)
    named = log(operator, cast.people[BOB], date(2026, 10, 19), provider_name="Di Ray", **rsc)
    result = merge(operator, BOB, ALICE, "same")
    assert [each.kept_id for each in result.doubles] == [named, kept]
    found = [rows(operator.session, "entry", id=each)[0] for each in (kept, named)]
    providers = [(each["provider_id"], each["provider_name"]) for each in found]
    assert providers == [(cast.people[EVE], None), (None, "Di Ray")]


def test_a_kept_session_keeps_its_own_topics(operator: ServiceContext, cast: Cast) -> None:
    kept = log(operator, cast.people[BOB], date(2025, 5, 2), minutes=930)
    own = {"entry_id": kept, "person_id": cast.people[BOB], "held_on": date(2025, 5, 2)}
    write(operator, "entry_topic", {**own, "topic": "ethics", "minutes": 30})
    evaluate(operator, cast)
    before = all_rows(operator.session)
    result = merge(operator, BOB, ALICE, "same")
    [topic] = rows(operator.session, "entry_topic")
    assert (topic["entry_id"], topic["topic"]) == (kept, "ethics")
    undo_removal_or_merge(operator, result.removal_id)
    assert all_rows(operator.session) == before


def test_sessions_with_the_other_provider_count_as_of_the_kept(
    operator: ServiceContext, cast: Cast
) -> None:
    session, alice = operator.session, cast.endorsements[ALICE]
    with_eve = {"provider_id": cast.people[EVE], "provider_name": None}
    change(operator, "entry", cast.entries["unknown"], **with_eve)
    before = rows(session, "standing", endorsement_id=alice)
    merge(operator, DANA, EVE)
    after = rows(session, "standing", endorsement_id=alice)
    assert before[-1]["short_minutes"] - after[-1]["short_minutes"] == 60


def test_a_moved_session_frees_its_form(operator: ServiceContext, cast: Cast) -> None:
    day = date(2026, 7, 1)
    log(operator, cast.people[BOB], day, form_key="a")
    moved = log(operator, cast.people[EVE], day, form_key="a", minutes=60)
    other = log(operator, cast.people[EVE], day, form_key="b", minutes=30)
    merge(operator, BOB, EVE)
    found = [rows(operator.session, "entry", id=each)[0] for each in (moved, other)]
    keys = [(each["person_id"], each["form_key"]) for each in found]
    assert keys == [(cast.people[BOB], None), (cast.people[BOB], "b")]


def test_rows_that_differ_are_refused_with_both(operator: ServiceContext, cast: Cast) -> None:
    session = operator.session
    degree: dict[str, object] = {"level": "master", "title": "MSW"}
    for email, year in ((BOB, 2010), (EVE, 2011)):
        own = {"person_id": cast.people[email], "awarded_on": date(year, 6, 1)}
        add(session, "degree", **degree, **own, recorded_by=email)
    kept, other = rows(session, "degree")
    refusal = refused_with(lambda: merge(operator, BOB, EVE))
    facts = {
        "kind": "degree",
        "kept": kept,
        "other": other,
        "different": ["awarded_on"],
    }
    assert refusal == Refusal("row", "merge-conflict", facts)
    change(operator, "degree", other["id"], awarded_on=date(2010, 6, 1))
    merge(operator, BOB, EVE)
    assert rows(session, "degree") == [kept]


def test_a_kept_record_takes_what_it_lacks(operator: ServiceContext, cast: Cast) -> None:
    taken = {
        "provides_rsc": True,
        "highest_degree": "doctorate",
        "time_zone": "Pacific/Honolulu",
        "takes_supervisees_since": NOW,
        "provider_line": "Groups by video",
        "second_email": "eve@home.example",
        "second_email_confirmed_at": NOW,
    }
    change(operator, "person", cast.people[EVE], **taken)
    result = merge(operator, BOB, EVE)
    [bob] = rows(operator.session, "person", id=cast.people[BOB])
    assert {name: bob[name] for name in taken} == taken
    own = {"time_zone": "UTC", "provider_line": "Mine", "second_email": "bob@home.example"}
    undo_removal_or_merge(operator, result.removal_id)
    change(operator, "person", cast.people[BOB], **own, highest_degree="doctorate")
    change(operator, "person", cast.people[EVE], highest_degree="master", provides_rsc=False)
    merge(operator, BOB, EVE)
    [bob] = rows(operator.session, "person", id=cast.people[BOB])
    assert {name: bob[name] for name in own} == own
    assert (bob["highest_degree"], bob["provides_rsc"]) == ("doctorate", False)
    assert bob["second_email_confirmed_at"] is None


@pytest.mark.parametrize("second", [None, "", BOB])
def test_no_second_address_is_taken_without_one(
    operator: ServiceContext, cast: Cast, second: str | None
) -> None:
    change(operator, "person", cast.people[EVE], second_email=second)
    merge(operator, BOB, EVE)
    [bob] = rows(operator.session, "person", id=cast.people[BOB])
    assert bob["second_email"] is None
