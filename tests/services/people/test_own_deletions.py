"""What people delete themselves can be undone for a day, by nobody else."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlmodel import col, select

from tests.services.conftest import Act
from tests.support.cast import ALICE, BOB, NOW, Cast
from tracker.db.applications import Application, Degree, Reference, WithdrawnReference
from tracker.db.corrections import Removal
from tracker.db.log import AuditEvent, Entry
from tracker.db.tables import METADATA
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext
from tracker.services.entries import delete_entry
from tracker.services.removals import (
    DECIDED,
    MAY_UNDO_FOR,
    find_deletion_of,
    find_own_deletion,
    forget_old_deletions,
    get_first_row,
    get_latest_id,
    get_own_deletion,
    keep_for_undo,
    restore,
)
from tracker.services.row_contents import Values

TRAINING, RSC = "training", "rsc"
MINUTE = timedelta(minutes=1)
DEGREE: Values = {"level": "master", "title": "MSW", "awarded_on": date(2010, 6, 1)}


@pytest.fixture
def alice(act: Act) -> ServiceContext:
    return act(ALICE)


def deleted(alice: ServiceContext, cast: Cast, *names: str) -> list[Removal]:
    """The removals of entries that Alice deletes."""
    for name in names:
        delete_entry(alice, cast.entries[name])
    return list(alice.session.exec(select(Removal).order_by(col(Removal.id))).all())


def keep_degree(context: ServiceContext, subject_id: int | None = None) -> Removal:
    """The removal of a degree that the actor has entered and now deletes."""
    degree = Degree(person_id=context.person_id, **DEGREE)
    context.session.add(degree)
    context.session.flush()
    keep_for_undo(context, "degree", degree.id, "MSW", subject_id)
    context.delete_row(degree, set())
    return context.session.exec(select(Removal).where(Removal.kind == "own degree")).one()


def test_a_deletion_keeps_who_deleted_what(alice: ServiceContext, cast: Cast) -> None:
    entry = alice.session.get_one(Entry, cast.entries[TRAINING])
    entry.logged_at = NOW - timedelta(hours=3)
    alice.session.flush()
    [removal] = deleted(alice, cast, TRAINING)
    stored = removal.model_dump(exclude={"id", "content"})
    assert stored == {
        "person_id": cast.people[ALICE],
        "kind": "own entry",
        "description": "Infant mental health week, 2026-05-02",
        "reason": "deleted by its owner",
        "removed_at": NOW,
        "removed_by": ALICE,
        "association": None,
        "subject_id": None,
        "logged_at": NOW - timedelta(hours=3),
        "undone_at": None,
        "undone_by": None,
    }


def test_a_deletion_has_one_audit_event(alice: ServiceContext, cast: Cast) -> None:
    deleted(alice, cast, TRAINING)
    events = alice.session.exec(select(AuditEvent.table_name)).all()
    assert events == ["entry"]


def test_the_highest_number_of_the_table_is_kept(alice: ServiceContext, cast: Cast) -> None:
    [removal] = deleted(alice, cast, TRAINING)
    assert get_latest_id(removal) == max(cast.entries.values())


def test_the_deleted_row_is_read_as_it_was(alice: ServiceContext, cast: Cast) -> None:
    entry = alice.session.get_one(Entry, cast.entries[TRAINING])
    before = entry.model_dump()
    [removal] = deleted(alice, cast, TRAINING)
    assert get_first_row(removal) == ("entry", before)


def test_a_deletion_is_found_for_a_day(alice: ServiceContext, cast: Cast) -> None:
    [removal] = deleted(alice, cast, TRAINING)
    mine = (alice.session, cast.people[ALICE], "entry")
    for waits, expected in ((MAY_UNDO_FOR - MINUTE, removal), (MAY_UNDO_FOR, None)):
        assert find_own_deletion(*mine, NOW + waits) == expected
        assert find_deletion_of(*mine, cast.entries[TRAINING], NOW + waits) == expected


@pytest.mark.parametrize(("email", "kind"), [(BOB, "entry"), (ALICE, "degree")])
def test_deletions_of_others_and_other_kinds_stay_out(
    alice: ServiceContext, cast: Cast, email: str, kind: str
) -> None:
    [removal] = deleted(alice, cast, TRAINING)
    session, person_id = alice.session, cast.people[email]
    assert find_own_deletion(session, person_id, kind, NOW) is None
    assert find_deletion_of(session, person_id, kind, cast.entries[TRAINING], NOW) is None
    other = replace(alice, actor=replace(alice.actor, person_id=person_id))
    with pytest.raises(NotFound):
        get_own_deletion(other, kind, removal.id)


def test_the_last_deletion_is_found_first(alice: ServiceContext, cast: Cast) -> None:
    first, last = deleted(alice, cast, TRAINING, RSC)
    mine = (alice.session, cast.people[ALICE], "entry")
    assert find_own_deletion(*mine, NOW) == last
    restore(alice, last)
    assert find_own_deletion(*mine, NOW) == first


def test_the_deletion_of_one_row_is_found(alice: ServiceContext, cast: Cast) -> None:
    first, last = deleted(alice, cast, TRAINING, RSC)
    mine = (alice.session, cast.people[ALICE], "entry")
    assert find_deletion_of(*mine, cast.entries[TRAINING], NOW) == first
    assert find_deletion_of(*mine, cast.entries[RSC], NOW) == last
    assert find_deletion_of(*mine, cast.entries["old"], NOW) is None
    restore(alice, first)
    assert find_deletion_of(*mine, cast.entries[TRAINING], NOW) is None


def test_a_deletion_is_found_by_its_subject(alice: ServiceContext) -> None:
    removal = keep_degree(alice, 7)
    mine = (alice.session, alice.person_id, "degree", NOW)
    assert find_own_deletion(*mine, 7) == removal
    assert find_own_deletion(*mine, 8) is None
    assert find_own_deletion(*mine) is None


def test_a_deletion_is_read_for_a_day(alice: ServiceContext, cast: Cast) -> None:
    [removal] = deleted(alice, cast, TRAINING)
    in_time = replace(alice, now=NOW + MAY_UNDO_FOR - MINUTE)
    assert get_own_deletion(in_time, "entry", removal.id) == removal
    late = replace(alice, now=NOW + MAY_UNDO_FOR)
    with pytest.raises(NotFound):
        get_own_deletion(late, "entry", removal.id)
    restore(in_time, removal)
    assert get_own_deletion(late, "entry", removal.id).undone_at == in_time.now


def test_a_deletion_undone_meanwhile_is_read_anew(alice: ServiceContext, cast: Cast) -> None:
    [removal] = deleted(alice, cast, TRAINING)
    # Another connection changes it, which this session has not read.
    table = METADATA.tables["removal"]
    alice.session.connection().execute(table.update().values(undone_at=NOW))
    assert removal.undone_at is None
    assert get_own_deletion(alice, "entry", removal.id).undone_at == NOW


def test_an_unknown_deletion_is_not_found(alice: ServiceContext) -> None:
    with pytest.raises(NotFound):
        get_own_deletion(alice, "entry", 7)


def test_an_undone_deletion_is_audited_by_its_row(alice: ServiceContext, cast: Cast) -> None:
    [removal] = deleted(alice, cast, TRAINING)
    assert restore(alice, removal) == []
    assert (removal.undone_at, removal.undone_by) == (NOW, ALICE)
    events = alice.session.exec(select(AuditEvent).order_by(col(AuditEvent.id))).all()
    assert [event.table_name for event in events] == ["entry", "entry"]
    assert events[1].row_id == cast.entries[TRAINING]


def test_deletions_are_forgotten_after_a_day(alice: ServiceContext, cast: Cast) -> None:
    session = alice.session
    deleted(alice, cast, TRAINING)
    for kind, age in (
        ("membership", MAY_UNDO_FOR),
        (f"{DECIDED}leave", MAY_UNDO_FOR),
        (f"{DECIDED}leave", MAY_UNDO_FOR - MINUTE),
    ):
        values: Values = {
            "description": "x",
            "reason": "x",
            "removed_by": "x",
            "content": "{}",
        }
        at = NOW - age
        session.add(Removal(person_id=alice.person_id, kind=kind, removed_at=at, **values))
    session.flush()
    assert forget_old_deletions(session, NOW) == 1
    kinds = ["membership", f"{DECIDED}leave", "own entry"]
    assert sorted(session.exec(select(Removal.kind)).all()) == sorted(kinds)
    assert forget_old_deletions(session, NOW + MAY_UNDO_FOR) == 2
    assert session.exec(select(Removal.kind)).all() == ["membership"]


def test_the_next_deletion_forgets_old_ones(alice: ServiceContext, cast: Cast) -> None:
    deleted(alice, cast, TRAINING)
    later = replace(alice, now=NOW + MAY_UNDO_FOR)
    [removal] = deleted(later, cast, RSC)
    assert removal.removed_at == later.now


def test_a_degree_entered_again_stays_the_only_one(alice: ServiceContext) -> None:
    removal = keep_degree(alice)
    alice.session.add(Degree(person_id=alice.person_id, **DEGREE))
    alice.session.flush()
    with pytest.raises(Refused) as refused:
        restore(alice, removal)
    facts = {"kind": "degree", "taken_by": "master, MSW"}
    assert refused.value.refusals == (Refusal("removal", "removal-place-taken", facts),)
    assert removal.undone_at is None


def test_a_referee_who_is_back_was_never_removed(alice: ServiceContext) -> None:
    session = alice.session
    days: Values = {"association": "NCIMHA", "category": "IFS"}
    asked = [
        Application(person_id=alice.person_id, opened_on=date(year, 1, 1), **days)
        for year in (2025, 2026)
    ]
    session.add_all(asked)
    session.flush()
    pat: Values = {"email": "pat@example.org", "name": "Pat Doe", "role": "supervisor"}
    reference = Reference(application_id=asked[1].id, **pat)
    session.add(reference)
    session.flush()
    keep_for_undo(alice, "reference", reference.id, "Pat Doe", asked[1].id)
    alice.delete_row(reference, set())
    for application, email in ((1, "pat@example.org"), (1, "quinn@example.org"), (0, pat["email"])):
        withdrawn = {**pat, "email": email, "application_id": asked[application].id}
        session.add(WithdrawnReference(**withdrawn, withdrawn_at=NOW))
    session.flush()
    restore(alice, session.exec(select(Removal)).one())
    left = session.exec(select(WithdrawnReference.application_id, WithdrawnReference.email)).all()
    assert sorted(left) == [(asked[0].id, "pat@example.org"), (asked[1].id, "quinn@example.org")]
