"""Entries are saved whole: with topics, audit event, and standing, or not at all."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from tests.support.cast import ALICE, BOB, BOOKS, DANA, NOW, Cast, fill
from tracker.db.engine import reading, writing
from tracker.rules.explain import LoggedEntry
from tracker.services.context import Actor, NotFound, Refused, ServiceContext
from tracker.services.entries import (
    EntrySource,
    NeedsConfirmation,
    create_entry,
    delete_entry,
    entry_input_of,
    entry_version,
    find_entry,
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


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    filled = fill(database_url)
    yield filled
    filled.engine.dispose()


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


def counted(cast: Cast, email: str, requirement: str) -> int:
    row = cast.rows("standing", endorsement_id=cast.endorsements[email])[-1]
    results = {result.id: result for result in parse_results(row["requirements"])}
    return results[requirement].counted


def test_created_entry_reads_back_as_written(cast: Cast) -> None:
    created = create(cast, ALICE, TRAINING)
    with reading(cast.engine) as session:
        stored = find_entry(session, cast.people[ALICE], created.id)
    assert stored == created
    assert entry_input_of(created) == TRAINING
    assert counted(cast, ALICE, "training.deia") == 60


def test_form_key_is_saved_once_for_each_person(cast: Cast) -> None:
    first = create(cast, ALICE, TRAINING)
    again = create(cast, ALICE, TRAINING)
    other = create(cast, BOB, TRAINING)
    assert again == first
    assert other.id != first.id


def test_changed_form_with_a_used_key_is_refused(cast: Cast) -> None:
    create(cast, ALICE, TRAINING)
    with pytest.raises(Refused) as refused:
        create(cast, ALICE, replace(TRAINING, minutes=60))
    assert codes(refused) == [("form_key", "form-already-saved")]


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
    minute = replace(TRAINING, minutes=1, topics={})
    for number in range(DAILY_LIMIT):
        create(cast, ALICE, minute, f"key {number}")
    with pytest.raises(Refused) as refused:
        create(cast, ALICE, minute)
    assert codes(refused) == [("minutes", "daily-limit-reached")]


@pytest.mark.parametrize(
    "change",
    [{"minutes": 60}, {"title": "B"}, {"topics": {}}, {"topics": {"DEIA": 61}}, {"reference": None},
     {"held_on": date(2026, 11, 19)}],
)  # fmt: skip
def test_any_change_gives_an_entry_another_version(cast: Cast, change: dict[str, object]) -> None:
    entry = create(cast, ALICE, TRAINING)
    changed = LoggedEntry(**{**entry._asdict(), **change})
    assert entry_version(changed) != entry_version(entry)
    assert entry_version(entry._replace(topics=dict(entry.topics))) == entry_version(entry)


def test_a_change_from_an_old_version_is_refused(cast: Cast) -> None:
    entry = create(cast, ALICE, TRAINING)
    old = entry_version(entry)
    assert update(cast, ALICE, entry.id, replace(TRAINING, minutes=90), old).minutes == 90
    with pytest.raises(Refused) as refused:
        update(cast, ALICE, entry.id, TRAINING, old)
    assert codes(refused) == [("version", "entry-changed-meanwhile")]
    assert cast.rows("entry", id=entry.id)[0]["minutes"] == 90


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


def test_a_deleted_entry_no_longer_counts(cast: Cast) -> None:
    delete(cast, ALICE, cast.entries["training"])
    assert counted(cast, ALICE, "training") == 0


def test_the_edited_entry_does_not_fill_its_own_day(cast: Cast) -> None:
    # The cast's training takes 16.5 hours of that day.
    eight_hours = replace(TRAINING, held_on=date(2026, 5, 2), minutes=8 * 60)
    with pytest.raises(Refused) as refused:
        create(cast, ALICE, eight_hours)
    assert codes(refused) == [("minutes", "day-is-full")]
    with reading(cast.engine) as session:
        stored = find_entry(session, cast.people[ALICE], cast.entries["training"])
    assert stored is not None
    update(cast, ALICE, stored.id, eight_hours, entry_version(stored))


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
