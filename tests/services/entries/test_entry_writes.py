"""Entries are written whole: with topics, audit event and standing, or not at all."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy.exc import IntegrityError

from tests.support.cast import ALICE, BOB, BOOKS, DANA, NOW, Cast, fill
from tracker.db.engine import reading, writing
from tracker.rules.explain import LoggedEntry
from tracker.services.context import Author
from tracker.services.entries import (
    ChangedMeanwhile,
    Content,
    add_entry,
    change_entry,
    content_of,
    delete_entry,
    entry_by_id,
    minutes_on,
    version_of,
)

TRAINING = Content(
    activity="training",
    held_on=date(2026, 11, 20),
    minutes=120,
    title="Book club",
    provider_id=None,
    provider_name=None,
    format=None,
    reference="A 7",
    topics={"DEIA": 60},
)


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    filled = fill(database_url)
    yield filled
    filled.engine.dispose()


@pytest.fixture
def alice(cast: Cast) -> Author:
    return Author(cast.people[ALICE], ALICE, NOW)


def counted(cast: Cast, email: str, requirement: str) -> int:
    row = cast.rows("standing", endorsement_id=cast.endorsements[email])[-1]
    return int(next(r[3] for r in json.loads(row["requirements"]) if r[0] == requirement))


def test_an_added_entry_reads_back_as_it_was_written(cast: Cast, alice: Author) -> None:
    with writing(cast.engine) as session:
        added = add_entry(session, BOOKS, alice, TRAINING, "key")
    with reading(cast.engine) as session:
        stored = entry_by_id(session, alice.person_id, added.entry.id)
    assert added.new
    assert stored == added.entry
    assert content_of(added.entry) == TRAINING
    assert counted(cast, ALICE, "training.deia") == 60


def test_a_form_key_is_saved_once_for_each_person(cast: Cast, alice: Author) -> None:
    bob = Author(cast.people[BOB], BOB, NOW)
    with writing(cast.engine) as session:
        first = add_entry(session, BOOKS, alice, TRAINING, "key")
        again = add_entry(session, BOOKS, alice, replace(TRAINING, minutes=60), "key")
        other = add_entry(session, BOOKS, bob, TRAINING, "key")
    assert (again.entry, again.new) == (first.entry, False)
    assert other.new


def test_what_cannot_be_stored_leaves_nothing_behind(cast: Cast, alice: Author) -> None:
    wrong = replace(TRAINING, topics={"DEIA": 9_999})
    with pytest.raises(IntegrityError), writing(cast.engine) as session:
        add_entry(session, BOOKS, alice, wrong, "key")
    assert cast.rows("entry", form_key="key") == []
    assert cast.rows("audit_event") == []


@pytest.mark.parametrize(
    "change",
    [{"minutes": 60}, {"title": "B"}, {"topics": {}}, {"topics": {"DEIA": 61}}, {"reference": None},
     {"held_on": date(2026, 11, 19)}],
)  # fmt: skip
def test_any_change_gives_an_entry_another_version(
    cast: Cast, alice: Author, change: dict[str, object]
) -> None:
    with writing(cast.engine) as session:
        entry = add_entry(session, BOOKS, alice, TRAINING, "key").entry
    changed = LoggedEntry(**{**entry._asdict(), **change})
    assert version_of(changed) != version_of(entry)
    assert version_of(entry._replace(topics=dict(entry.topics))) == version_of(entry)


def test_a_change_from_an_old_version_is_refused(cast: Cast, alice: Author) -> None:
    with writing(cast.engine) as session:
        entry = add_entry(session, BOOKS, alice, TRAINING, "key").entry
        newer = replace(TRAINING, minutes=90)
        old = version_of(entry)
        assert change_entry(session, BOOKS, alice, entry.id, content=newer, version=old)
    with pytest.raises(ChangedMeanwhile), writing(cast.engine) as session:
        change_entry(session, BOOKS, alice, entry.id, content=TRAINING, version=old)
    assert cast.rows("entry", id=entry.id)[0]["minutes"] == 90


def test_nobody_changes_or_deletes_what_is_not_theirs(cast: Cast) -> None:
    bob, entry_id = Author(cast.people[BOB], BOB, NOW), cast.entries["training"]
    with writing(cast.engine) as session:
        for number in (entry_id, 999_999):
            assert not change_entry(session, BOOKS, bob, number, content=TRAINING, version="")
            assert not delete_entry(session, BOOKS, bob, number)
    assert len(cast.rows("entry", id=entry_id)) == 1


def test_a_deleted_entry_no_longer_counts(cast: Cast, alice: Author) -> None:
    with writing(cast.engine) as session:
        assert delete_entry(session, BOOKS, alice, cast.entries["training"])
    assert counted(cast, ALICE, "training") == 0


def test_minutes_of_a_day_leave_out_the_entry_being_edited(cast: Cast, alice: Author) -> None:
    day, entry_id = date(2026, 5, 2), cast.entries["training"]
    with reading(cast.engine) as session:
        assert minutes_on(session, alice.person_id, day) == 990
        assert minutes_on(session, alice.person_id, day, without=entry_id) == 0


def test_many_writers_at_once_lose_nothing(cast: Cast) -> None:
    def write(number: int) -> None:
        email = (ALICE, BOB)[number % 2]
        author = Author(cast.people[email], email, NOW)
        content = Content(
            "rsc",
            date(2026, 2, 1 + number % 28),
            15,
            "RSC",
            cast.people[DANA],
            None,
            None,
            None,
            {},
        )
        with writing(cast.engine) as session:
            add_entry(session, BOOKS, author, content, f"key {number}")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(40)))
    assert counted(cast, ALICE, "rsc") == 510 + 20 * 15
    assert counted(cast, BOB, "rsc") == 20 * 15
    assert len(cast.rows("audit_event")) == 40
