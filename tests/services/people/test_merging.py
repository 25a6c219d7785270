"""Two records of one person become one, and the merge can be undone."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlmodel import Session

from tests.services.conftest import Act
from tests.services.people.test_removals import all_rows, refused_with
from tests.support.cast import ALICE, BOB, CAROL, DANA, ERIN, EVE, NOW, Cast
from tests.support.held import hold_session, name_supervisee
from tracker.db.tables import METADATA
from tracker.refusal_text import format_refusal
from tracker.services.context import Actor, NotFound, Refusal, Refused, ServiceContext
from tracker.services.email_changes import find_former_emails
from tracker.services.evaluation import evaluate_people
from tracker.services.merging import (
    MergeResult,
    Similar,
    find_record,
    list_doubles,
    merge_people,
    summarize_record,
)
from tracker.services.unmerging import undo_removal_or_merge

# Bob's endorsement began on the same day as Alice's, at the same association.
BEGAN = date(2024, 3, 1)


@pytest.fixture
def operator(act: Act) -> ServiceContext:
    return replace(act(ALICE), actor=Actor("tracker person"))


def add(session: Session, table: str, **values: object) -> int:
    found = METADATA.tables[table]
    statement = insert(found).values(**values).returning(found.c.id)
    return int(session.connection().execute(statement).scalar_one())


def rows(session: Session, table: str, **where: object) -> list[dict[str, Any]]:
    found = METADATA.tables[table]
    query = select(found).filter_by(**where).order_by(*found.primary_key)
    return [dict(row) for row in session.connection().execute(query).mappings()]


def log(operator: ServiceContext, person_id: int, day: date, **values: object) -> int:
    entry: dict[str, object] = {
        "activity": "training",
        "minutes": 120,
        "title": "Book club",
        **values,
    }
    return add(operator.session, "entry", person_id=person_id, held_on=day, **entry)


def merge(
    operator: ServiceContext,
    kept: str,
    other: str,
    similar: Similar | None = None,
    *,
    reason: str = "One person",
) -> MergeResult:
    people = [find_record(operator.session, email) for email in (kept, other)]
    return merge_people(operator, people[0], people[1], reason, similar)


def refusals(operator: ServiceContext, kept: str, other: str) -> list[str]:
    with pytest.raises(Refused) as refused:
        merge(operator, kept, other)
    return [each.code for each in refused.value.refusals]


def evaluate(operator: ServiceContext, cast: Cast) -> None:
    evaluate_people(operator.session, operator.rulebooks, cast.people.values(), operator.now)


def test_everything_moves_to_the_kept_record(operator: ServiceContext, cast: Cast) -> None:
    session, alice = operator.session, cast.people[ALICE]
    held = cast.endorsements[ALICE]
    add(session, "leave", endorsement_id=held, starts_on=BEGAN, ends_on=BEGAN)
    entries = rows(session, "entry", person_id=alice)
    result = merge(operator, BOB, ALICE)
    bob = cast.people[BOB]
    assert [row["id"] for row in rows(session, "entry", person_id=bob)] == [
        e["id"] for e in entries
    ]
    assert {row["person_id"] for row in rows(session, "entry_topic")} == {bob}
    assert [row["endorsement_id"] for row in rows(session, "leave")] == [cast.endorsements[BOB]]
    assert len(rows(session, "membership", person_id=bob)) == 2
    assert rows(session, "person", id=alice) == []
    assert rows(session, "endorsement", person_id=alice) == []
    assert result.kept.holdings["sessions logged"] == len(entries)


def test_the_standing_is_evaluated_again(operator: ServiceContext, cast: Cast) -> None:
    evaluate(operator, cast)
    before = summarize_record(operator.session, find_record(operator.session, BOB))
    assert [line.status for line in before.standings] == ["lapsed", "open"]
    after = merge(operator, BOB, ALICE).kept
    assert [line.status for line in after.standings] == ["met", "open"]


def test_an_undone_merge_leaves_equal_rows(operator: ServiceContext, cast: Cast) -> None:
    session = operator.session
    log(operator, cast.people[BOB], date(2026, 10, 19), activity="rsc", minutes=60)
    add(session, "vetting", person_id=cast.people[BOB], association="NCIMHA", starts_on=BEGAN)
    evaluate(operator, cast)
    before = all_rows(session)
    decisions: list[Similar] = ["same", "new"]
    for similar in decisions:
        result = merge(operator, BOB, ALICE, similar)
        assert all_rows(session) != before
        assert undo_removal_or_merge(operator, result.removal_id).left_alone == []
        assert all_rows(session) == before


def test_a_merge_stays_while_another_has_the_address(operator: ServiceContext) -> None:
    result = merge(operator, BOB, ALICE)
    known = {"email": ALICE, "name": "Alice Again"}
    add(operator.session, "person", **known, highest_degree="none", provides_rsc=False)
    with pytest.raises(Refused) as refused:
        undo_removal_or_merge(operator, result.removal_id)
    assert refused.value.refusals == (Refusal("removal", "removal-address-taken", known),)


def test_what_changed_since_stays_when_it_is_undone(operator: ServiceContext, cast: Cast) -> None:
    result = merge(operator, BOB, ALICE)
    table, entry = METADATA.tables["entry"], cast.entries["training"]
    gone = table.delete().where(table.c.id == entry)
    operator.session.connection().execute(gone)
    [left] = undo_removal_or_merge(operator, result.removal_id).left_alone
    assert left == "a row (entry) that is gone: it was deleted or changed meanwhile"
    assert len(rows(operator.session, "entry", person_id=cast.people[ALICE])) == 9


def test_a_mark_of_both_records_is_kept_once(operator: ServiceContext, cast: Cast) -> None:
    for email, day in ((BOB, NOW), (ALICE, NOW + timedelta(days=1))):
        mark = {"association": "NCIMHA", "label": "called", "marked_by": CAROL, "marked_at": day}
        add(operator.session, "person_mark", person_id=cast.people[email], **mark)
    before = rows(operator.session, "person_mark")
    merged = merge(operator, BOB, ALICE)
    [kept] = rows(operator.session, "person_mark")
    assert (kept["person_id"], kept["marked_at"]) == (cast.people[BOB], NOW)
    undo_removal_or_merge(operator, merged.removal_id)
    assert rows(operator.session, "person_mark") == before


def test_likely_doubles_want_a_decision(operator: ServiceContext, cast: Cast) -> None:
    log(operator, cast.people[BOB], date(2026, 5, 2), minutes=990, title="Another title")
    kept, other = (find_record(operator.session, email) for email in (BOB, ALICE))
    [double] = list_doubles(operator.session, kept, other)
    assert double.titles == ("Another title", "Infant mental health week")
    refusal = refused_with(lambda: merge(operator, BOB, ALICE))
    assert refusal == Refusal("similar", "merge-doubles", {"count": 1})


def test_the_same_session_is_kept_once_with_its_files(operator: ServiceContext, cast: Cast) -> None:
    session, bob = operator.session, cast.people[BOB]
    kept = log(operator, bob, date(2026, 5, 2), minutes=990)
    double = cast.entries["training"]
    file: dict[str, object] = {
        "name": "a.pdf",
        "media_type": "application/pdf",
        "size": 1,
        "sha256": "x",
    }
    file |= {"stored_as": "y", "added_at": NOW, "form_key": "k", "entry_id": double}
    add(session, "evidence", person_id=cast.people[ALICE], **file)
    merge(operator, BOB, ALICE, "same")
    assert rows(session, "entry", id=double) == []
    [moved] = rows(session, "evidence")
    assert (moved["person_id"], moved["entry_id"]) == (bob, kept)


def test_a_kept_session_takes_over_the_known_provider(operator: ServiceContext, cast: Cast) -> None:
    bob, day = cast.people[BOB], date(2026, 11, 14)
    kept = log(operator, bob, day, activity="rsc", minutes=60, title="RSC", provider_name="Dana")
    merge(operator, BOB, ALICE, "same")
    [entry] = rows(operator.session, "entry", id=kept)
    assert (entry["provider_id"], entry["provider_name"]) == (cast.people[DANA], None)


def test_two_sessions_are_both_kept_if_both_were_held(operator: ServiceContext, cast: Cast) -> None:
    log(operator, cast.people[BOB], date(2026, 10, 19), activity="rsc", minutes=60)
    merge(operator, BOB, ALICE, "new")
    assert len(rows(operator.session, "entry", held_on=date(2026, 10, 19))) == 2


def test_sessions_with_a_merged_provider_still_count(operator: ServiceContext, cast: Cast) -> None:
    session = operator.session
    add(session, "vetting", person_id=cast.people[EVE], association="NCIMHA", starts_on=BEGAN)
    evaluate(operator, cast)
    held = cast.endorsements[ALICE]
    before = rows(session, "standing", endorsement_id=held)
    merge(operator, EVE, DANA)
    provider_ids = {
        row["provider_id"] for row in rows(session, "entry", person_id=cast.people[ALICE])
    }
    assert provider_ids == {cast.people[EVE], None}
    assert rows(session, "standing", endorsement_id=held) == before
    [eve] = rows(session, "person", id=cast.people[EVE])
    assert (eve["provides_rsc"], eve["highest_degree"]) == (True, "master")


def test_the_other_address_means_the_kept_record(operator: ServiceContext, cast: Cast) -> None:
    mail: dict[str, object] = {
        "dedupe_key": "k",
        "message_id": "m",
        "kind": "notices",
        "subject": "s",
        "body": b"b",
    }
    mail |= {"recipient": ALICE, "person_id": cast.people[ALICE], "state": "waiting", "fence": 0}
    add(operator.session, "outbox", **mail, attempts=0, created_at=NOW, next_attempt_at=NOW)
    merge(operator, BOB, ALICE)
    assert find_former_emails(operator.session, [ALICE]) == {ALICE: BOB}
    [waiting] = rows(operator.session, "outbox")
    assert (waiting["recipient"], waiting["person_id"]) == (BOB, cast.people[BOB])
    [bob] = rows(operator.session, "person", id=cast.people[BOB])
    assert bob["second_email"] == "alice@home.example"


def test_a_request_that_one_record_answered_is_answered(
    operator: ServiceContext, cast: Cast
) -> None:
    session = operator.session
    group = hold_session(session, cast, DANA)
    name_supervisee(session, cast, group, ALICE)
    answered = name_supervisee(session, cast, group, BOB)
    table = METADATA.tables["group_member"]
    values = {"state": "disputed", "answered_at": NOW, "note": "Not me"}
    session.connection().execute(update(table).where(table.c.id == answered).values(values))
    merge(operator, BOB, ALICE)
    assert {row["state"] for row in rows(session, "group_member")} == {"disputed"}


def test_contradictions_are_refused_all_at_once(operator: ServiceContext, cast: Cast) -> None:
    session, bob = operator.session, cast.people[BOB]
    term = {"organization": "NCIMHA", "starts_on": date(2026, 6, 1), "ends_on": date(2027, 5, 31)}
    add(session, "membership", person_id=bob, **term)
    for person_id, day in ((bob, date(2010, 6, 1)), (cast.people[ALICE], date(2011, 6, 1))):
        add(session, "degree", person_id=person_id, level="master", title="MSW", awarded_on=day)
    log(operator, bob, date(2026, 5, 3), activity="rsc", provider_id=cast.people[ALICE])
    log(operator, bob, date(2026, 5, 2), minutes=600)
    assert sorted(refusals(operator, BOB, ALICE)) == [
        "merge-conflict",
        "merge-day-full",
        "merge-overlap",
        "merge-own-provider",
    ]


def test_endorsements_that_end_differently_are_refused(
    operator: ServiceContext, cast: Cast
) -> None:
    table = METADATA.tables["endorsement"]
    ended = update(table).where(table.c.id == cast.endorsements[BOB])
    operator.session.connection().execute(ended.values(ends_on=date(2026, 6, 30)))
    with pytest.raises(Refused) as refused:
        merge(operator, BOB, ALICE)
    [refusal] = refused.value.refusals
    assert format_refusal(refusal.code, refusal.facts) == (
        "Both records have this endorsement (NCIMHA, IFS, March 1, 2024), but they differ (last "
        "day June 30, 2026 and none). Correct or remove one of them first."
    )


def test_a_merge_with_itself_is_refused(operator: ServiceContext) -> None:
    refusal = refused_with(lambda: merge(operator, ALICE, ALICE))
    assert refusal == Refusal("email", "merge-with-itself", {"email": ALICE})


def test_an_unknown_address_is_refused(operator: ServiceContext) -> None:
    assert refusals(operator, ALICE, "no@example.org") == ["nobody-has-email"]


@pytest.mark.parametrize("who", [ALICE, BOB])
def test_endorsees_merge_nobody(act: Act, who: str) -> None:
    with pytest.raises(NotFound):
        merge(act(who), ALICE, BOB)


def test_a_coordinator_merges_people_of_the_association(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    merge(carol, BOB, ALICE, "new")
    assert rows(carol.session, "person", id=cast.people[ALICE]) == []


def test_a_coordinator_merges_no_people_of_others(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    with pytest.raises(NotFound):
        merge(carol, BOB, ERIN, "new")
    shared = {"person_id": cast.people[BOB], "category": "IFS", "starts_on": date(2026, 1, 1)}
    add(carol.session, "endorsement", association="CT-AIMH", **shared)
    with pytest.raises(Refused, match="person-shared"):
        merge(carol, BOB, ALICE, "new")
