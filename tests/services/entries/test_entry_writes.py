"""Entries are saved whole: with topics, audit event, and standing, or not at all."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from tests.support.cast import ALICE, BOB, BOOKS, DANA, EVE, NOW, Cast
from tracker.db.engine import reading, writing
from tracker.db.entry_reviews import EntryDecision
from tracker.db.log import Entry, EntryTopic
from tracker.db.people import Person, Vetting
from tracker.rules.explain import LoggedEntry
from tracker.services.context import Actor, NotFound, Refusal, Refused, ServiceContext
from tracker.services.entries import (
    EntrySource,
    NeedsConfirmation,
    create_entry,
    delete_entry,
    entry_input_of,
    entry_version,
    find_entry,
    list_entries,
    update_entry,
)
from tracker.services.entry_rules import DAILY_LIMIT, EntryInput
from tracker.services.evaluation import parse_results

TRAINING = EntryInput(
    activity="training",
    held_on=date(2026, 11, 20),
    minutes=120,
    title="Book club",
    reference="A 7",
    topics={"DEIA": 60},
)


def create(
    cast: Cast,
    email: str,
    entry: EntryInput,
    key: str = "key",
    **source: Any,  # noqa: ANN401 - fields of EntrySource
) -> LoggedEntry:
    with writing(cast.engine) as session:
        actor = Actor(email, cast.people[email])
        context = ServiceContext(session, BOOKS, actor, NOW)
        return create_entry(context, cast.people[email], entry, EntrySource(key, **source))


def update(cast: Cast, email: str, entry_id: int, entry: EntryInput, version: str) -> LoggedEntry:
    with writing(cast.engine) as session:
        context = ServiceContext(session, BOOKS, Actor(email, cast.people[email]), NOW)
        return update_entry(context, entry_id, entry, version=version, confirmed=())


def delete(cast: Cast, email: str, entry_id: int) -> None:
    with writing(cast.engine) as session:
        delete_entry(
            ServiceContext(session, BOOKS, Actor(email, cast.people[email]), NOW), entry_id
        )


def codes(error: pytest.ExceptionInfo[Refused]) -> list[tuple[str, str]]:
    return [(refusal.field, refusal.code) for refusal in error.value.refusals]


def decision(entry: LoggedEntry, association: str, reason: str) -> EntryDecision:
    return EntryDecision(
        person_id=entry.person_id,
        entry_id=entry.id,
        association=association,
        kind="excluded",
        title=entry.title,
        held_on=entry.held_on,
        minutes=entry.minutes,
        reason=reason,
        decided_at=NOW,
        decided_by="carol@example.org",
    )


def find(cast: Cast, email: str, entry_id: int) -> LoggedEntry:
    with reading(cast.engine) as session:
        found = find_entry(session, cast.people[email], entry_id)
    assert found is not None
    return found


def counted(cast: Cast, email: str, requirement: str) -> int:
    row = cast.rows("standing", endorsement_id=cast.endorsements[email])[-1]
    results = {result.id: result for result in parse_results(row["requirements"])}
    return results[requirement].counted


def test_created_entry_reads_back_as_written(cast: Cast) -> None:
    created = create(cast, ALICE, TRAINING)
    assert find(cast, ALICE, created.id) == created
    assert entry_input_of(created) == TRAINING
    assert counted(cast, ALICE, "training.deia") == 60


def test_form_key_is_saved_once_for_each_person(cast: Cast) -> None:
    first = create(cast, ALICE, TRAINING)
    again = create(cast, ALICE, TRAINING)
    other = create(cast, BOB, TRAINING)
    assert again == first
    assert other.id != first.id


def test_changed_form_with_a_used_key_is_refused(cast: Cast) -> None:
    saved = create(cast, ALICE, TRAINING)
    with pytest.raises(Refused) as refused:
        create(cast, ALICE, replace(TRAINING, minutes=60))
    facts = {"minutes": 120, "held_on": TRAINING.held_on, "version": entry_version(saved)}
    assert refused.value.refusals == (Refusal("form_key", "form-already-saved", facts),)


def test_refused_entry_leaves_nothing_behind(cast: Cast) -> None:
    wrong = replace(
        TRAINING,
        held_on=date(2026, 12, 24),
        title="",
        provider_name="Jo Hart",
        format="group",
        topics={"DEIA": 9_999, "pottery": 1},
        reference="x" * 201,
    )
    with pytest.raises(Refused) as refused:
        create(cast, ALICE, wrong)
    assert codes(refused) == [
        ("held_on", "day-in-future"),
        ("title", "title-required"),
        ("reference", "text-too-long"),
        ("provider", "provider-forbidden"),
        ("format", "format-forbidden"),
        ("topics.pottery", "topic-unknown"),
        ("topics", "topics-exceed-session"),
    ]
    assert cast.rows("entry", form_key="key") == []
    assert cast.rows("audit_event") == []


def test_nothing_is_saved_for_an_erased_record(cast: Cast) -> None:
    """As when someone is erased between the page's check and the save."""
    with writing(cast.engine) as session:
        session.get_one(Person, cast.people[ALICE]).email = "erased-1@erased.invalid"
    with pytest.raises(NotFound):
        create(cast, ALICE, TRAINING)


def test_person_is_not_their_own_provider(cast: Cast) -> None:
    session = EntryInput("rsc", date(2026, 11, 20), 60, "", cast.people[DANA])
    assert create(cast, ALICE, replace(session, format="group")).title == "Group RSC"
    for provider_id, code in (
        (cast.people[ALICE], "provider-is-self"),
        (cast.people[BOB], "provider-not-offered"),
        (999_999, "provider-not-offered"),
        (None, "provider-required"),
    ):
        with pytest.raises(Refused) as refused:
            create(cast, ALICE, replace(session, provider_id=provider_id), "other")
        assert codes(refused) == [("provider", code)]


def test_provider_who_logged_the_session_can_be_named(cast: Cast) -> None:
    session = EntryInput("rsc", date(2026, 11, 20), 60, "", cast.people[BOB])
    created = create(cast, ALICE, session, is_from_provider=True)
    assert created.provider_id == cast.people[BOB]


def test_provider_named_before_can_be_named_again(cast: Cast) -> None:
    entry = EntryInput("rsc", date(2026, 11, 20), 60, "", cast.people[BOB])
    create(cast, ALICE, entry, is_from_provider=True)
    assert create(cast, ALICE, entry, "other").provider_id == cast.people[BOB]
    with pytest.raises(Refused) as refused:
        create(cast, EVE, entry)
    assert codes(refused) == [("provider", "provider-not-offered")]


def test_provider_named_for_the_first_time_counts(cast: Cast) -> None:
    # Bob does not say that he provides RSC.
    with writing(cast.engine) as session:
        vetting = Vetting(
            person_id=cast.people[BOB], association="NCIMHA", starts_on=date(2020, 1, 1)
        )
        session.add(vetting)
    before = counted(cast, ALICE, "rsc")
    entry = EntryInput("rsc", date(2026, 11, 20), 60, "", cast.people[BOB])
    create(cast, ALICE, entry, is_from_provider=True)
    assert counted(cast, ALICE, "rsc") == before + 60


def test_a_likely_mistake_needs_confirmation(cast: Cast) -> None:
    first = create(cast, ALICE, TRAINING)
    long = replace(TRAINING, minutes=800)
    with pytest.raises(NeedsConfirmation) as needed:
        create(cast, ALICE, long, "other", confirmed=())
    warnings = needed.value.warnings
    assert warnings.duplicate is not None
    assert (warnings.duplicate.id, warnings.minutes) == (first.id, 800)
    assert create(cast, ALICE, long, "other", confirmed=warnings.keys).minutes == 800


def test_daily_limit_does_not_count_imported_entries(cast: Cast) -> None:
    day_ago = NOW - timedelta(days=1)
    instants = [day_ago + timedelta(seconds=1)] * (DAILY_LIMIT - 1) + [day_ago, None]
    with writing(cast.engine) as session:
        for instant in instants:
            entry = Entry(
                person_id=cast.people[ALICE],
                activity="training",
                held_on=date(2026, 11, 1),
                minutes=1,
                title="Minute",
                logged_at=instant,
            )
            session.add(entry)
    create(cast, ALICE, TRAINING)
    with pytest.raises(Refused) as refused:
        create(cast, ALICE, TRAINING, "other")
    limit = Refusal("minutes", "daily-limit-reached", {"limit": 60})
    assert refused.value.refusals == (limit,)


def test_nobody_changes_or_deletes_another_persons_entry(cast: Cast) -> None:
    entry_id = cast.entries["training"]
    for number in (entry_id, 999_999):
        with pytest.raises(NotFound):
            update(cast, BOB, number, TRAINING, "")
        with pytest.raises(NotFound):
            delete(cast, BOB, number)
    with writing(cast.engine) as session:
        context = ServiceContext(session, BOOKS, Actor(BOB, cast.people[BOB]), NOW)
        with pytest.raises(NotFound):
            create_entry(context, cast.people[ALICE], TRAINING, EntrySource("key"))
    assert len(cast.rows("entry", id=entry_id)) == 1


def test_an_entry_of_a_closed_cycle_stays(cast: Cast) -> None:
    for change in (update, delete):
        more = (TRAINING, "") if change is update else ()
        with pytest.raises(Refused) as refused:
            change(cast, ALICE, cast.entries["old"], *more)
        assert codes(refused) == [("entry", "cycle-closed")]
    with pytest.raises(Refused) as refused:
        create(cast, ALICE, replace(TRAINING, held_on=date(2025, 6, 1)))
    assert codes(refused) == [("held_on", "cycle-closed")]


def test_each_write_leaves_an_audit_event(cast: Cast) -> None:
    alice = cast.people[ALICE]
    entry = create(cast, ALICE, TRAINING)
    update(cast, ALICE, entry.id, replace(TRAINING, topics={}), entry_version(entry))
    delete(cast, ALICE, entry.id)
    events = cast.rows("audit_event")
    assert [(event["table_name"], event["row_id"], event["who"]) for event in events] == [
        ("entry", entry.id, ALICE)
    ] * 3
    created = {
        "person_id": alice,
        "activity": "training",
        "held_on": "2026-11-20",
        "minutes": 120,
        "title": "Book club",
        "provider_id": None,
        "provider_name": None,
        "format": None,
        "reference": "A 7",
        "topics": {"DEIA": 60},
    }
    updated = created | {"topics": {}}
    sides = [
        tuple(event[side] and json.loads(event[side]) for side in ("before", "after"))
        for event in events
    ]
    assert sides == [(None, created), (created, updated), (updated, None)]


def test_entries_are_listed_with_topics_and_exclusions(cast: Cast) -> None:
    days = [date(2026, 11, day) for day in (17, 18, 19, 20)]
    first, second, third, _ = [
        create(cast, ALICE, replace(TRAINING, held_on=day), f"key {day}") for day in days
    ]
    create(cast, BOB, replace(TRAINING, held_on=days[1]))
    with writing(cast.engine) as session:
        session.add(
            EntryTopic(
                entry_id=second.id,
                topic="RSC",
                person_id=second.person_id,
                held_on=second.held_on,
                minutes=30,
            )
        )
        for association in ("CT-AIMH", "NCIMHA"):
            session.add(decision(second, association, f"Not for {association}"))
    with reading(cast.engine) as session:
        entries = list_entries(session, cast.people[ALICE], days[0], days[2])
    reasons = {"CT-AIMH": "Not for CT-AIMH", "NCIMHA": "Not for NCIMHA"}
    second = second._replace(topics={"DEIA": 60, "RSC": 30}, exclusions=reasons)
    assert entries == [third, second, first]


def test_a_day_has_room_for_24_hours(cast: Cast) -> None:
    # The cast's training takes 16.5 hours of that day.
    rest = replace(TRAINING, held_on=date(2026, 5, 2), minutes=450)
    full = Refusal("minutes", "day-is-full", {"logged": 990, "held_on": rest.held_on})
    with pytest.raises(Refused) as refused:
        create(cast, ALICE, replace(rest, minutes=451))
    assert refused.value.refusals == (full,)
    created = create(cast, ALICE, rest)
    with pytest.raises(Refused) as refused:
        update(cast, ALICE, created.id, replace(rest, minutes=451), entry_version(created))
    assert refused.value.refusals == (full,)
    with pytest.raises(Refused) as refused:
        create(cast, ALICE, replace(rest, minutes=1441), "other")
    assert codes(refused) == [("minutes", "minutes-out-of-range")]


@pytest.mark.both_engines
def test_many_writers_at_once_lose_nothing(cast: Cast) -> None:
    def write(number: int) -> None:
        email = (ALICE, BOB)[number % 2]
        day = date(2026, 2, 1) + timedelta(days=number % 28)
        create(cast, email, EntryInput("rsc", day, 15, "RSC", cast.people[DANA]), f"key {number}")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(40)))
    assert counted(cast, ALICE, "rsc") == 510 + 20 * 15
    assert counted(cast, BOB, "rsc") == 20 * 15
    assert len(cast.rows("audit_event")) == 40
