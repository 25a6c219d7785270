"""A deleted entry comes back as it was, unless it would count twice or its day is full."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlmodel import col, select

from tests.services.conftest import Act
from tests.services.people.test_own_deletions import keep_degree
from tests.services.people.test_removals import all_rows, refused_with
from tests.support.cast import ALICE, BOB, NOW, Cast
from tracker.db.corrections import Removal
from tracker.db.log import Entry
from tracker.services.context import NotFound, Refusal, ServiceContext
from tracker.services.entries import delete_entry
from tracker.services.entry_undo import undo_deletion

HELD_ON = date(2026, 5, 2)


@pytest.fixture
def alice(act: Act) -> ServiceContext:
    return act(ALICE)


def log(alice: ServiceContext, minutes: int, title: str = "Another course") -> int:
    entry = Entry(
        person_id=alice.person_id,
        activity="training",
        held_on=HELD_ON,
        minutes=minutes,
        title=title,
    )
    alice.session.add(entry)
    alice.session.flush()
    return entry.id


def delete(alice: ServiceContext, cast: Cast, name: str = "training") -> int:
    """Delete an entry; the id of its removal."""
    delete_entry(alice, cast.entries[name])
    return alice.session.exec(select(Removal.id).order_by(col(Removal.id).desc())).all()[0]


def test_the_last_deletion_is_undone(alice: ServiceContext, cast: Cast) -> None:
    session = alice.session
    delete(alice, cast, "unknown")
    before = all_rows(session)
    delete(alice, cast, "training")
    keep_degree(alice)
    undo_deletion(alice)
    assert all_rows(session) == before
    undo_deletion(alice)
    assert session.get(Entry, cast.entries["unknown"]) is not None
    with pytest.raises(NotFound):
        undo_deletion(alice)


def test_a_chosen_deletion_is_undone_once(act: Act, alice: ServiceContext, cast: Cast) -> None:
    session = alice.session
    before = all_rows(session)
    chosen = delete(alice, cast, "rsc")
    delete(alice, cast, "training")
    with pytest.raises(NotFound):
        undo_deletion(act(BOB), chosen)
    for _ in range(2):
        undo_deletion(alice, chosen)
        assert session.get(Entry, cast.entries["training"]) is None
    undo_deletion(alice)
    assert all_rows(session) == before


@pytest.mark.parametrize("is_chosen", [False, True])
def test_deletions_are_undone_within_a_day(
    alice: ServiceContext, cast: Cast, *, is_chosen: bool
) -> None:
    deletion = delete(alice, cast)
    later = replace(alice, now=NOW + timedelta(days=1))
    with pytest.raises(NotFound):
        undo_deletion(later, deletion if is_chosen else None)
    degree = keep_degree(alice)
    with pytest.raises(NotFound):
        undo_deletion(alice, degree.id)


def test_an_entry_of_a_closed_cycle_stays_deleted(alice: ServiceContext, cast: Cast) -> None:
    grace = replace(alice, now=datetime(2027, 2, 1, 3, tzinfo=UTC))
    delete(grace, cast)
    # In New York it is February 1.
    later = replace(alice, now=datetime(2027, 2, 1, 6, tzinfo=UTC))
    facts = {
        "association": "NCIMHA",
        "starts_on": date(2026, 1, 1),
        "ends_on": date(2026, 12, 31),
        "grace_ends_on": date(2027, 1, 31),
    }
    refusal = refused_with(lambda: undo_deletion(later))
    assert refusal == Refusal("entry", "cycle-closed", facts)


def test_an_entry_comes_back_while_its_day_has_room(alice: ServiceContext, cast: Cast) -> None:
    delete(alice, cast)
    first, second = log(alice, 200), log(alice, 251)
    refusal = refused_with(lambda: undo_deletion(alice))
    assert refusal == Refusal("minutes", "day-is-full", {"logged": 451, "held_on": HELD_ON})
    alice.session.get_one(Entry, second).minutes = 250
    undo_deletion(alice)
    assert alice.session.get(Entry, cast.entries["training"]) is not None
    assert alice.session.get(Entry, first) is not None


def test_an_entry_that_was_logged_again_stays_deleted(alice: ServiceContext, cast: Cast) -> None:
    session = alice.session
    # The same title already stood in the log before.
    earlier = log(alice, 30, "Infant mental health week")
    session.get_one(Entry, earlier).minutes = 400
    delete(alice, cast)
    with session.begin_nested() as nested:
        undo_deletion(alice)
        nested.rollback()
    session.expire_all()
    session.get_one(Entry, earlier).minutes = 30
    log(alice, 990, "Infant mental health week")
    refusal = refused_with(lambda: undo_deletion(alice))
    assert (refusal.field, refusal.code) == ("entry", "entry-logged-again")
    version = refusal.facts["version"]
    assert refusal.facts == {
        "title": "Infant mental health week",
        "minutes": 990,
        "held_on": HELD_ON,
        "version": version,
    }
    assert version
