"""What changing, withdrawing, and deleting does to a session that a provider logged for others."""

import pytest
from sqlmodel import Session

from tests.services.conftest import Act
from tests.services.groups.test_logged_sessions import (
    DAY,
    HELD_ON,
    LATER,
    SECOND_ADDRESS,
    UNKNOWN,
    answer,
    create,
    enter,
    list_members,
)
from tests.support.audit_log import list_changes
from tests.support.cast import ALICE, BOB, DANA, ERIN, EVE, NOW, Cast, acting
from tracker.db.log import Entry, GroupSession
from tracker.services.context import NotFound
from tracker.services.group_sessions import (
    GroupSessionInput,
    GroupSessionNeedsConfirmation,
    find_group_session,
    list_group_sessions,
    release_entry,
    remove_member,
    update_group_session,
    withdraw_group_session,
)


def test_changes_are_warned_of_as_well(session: Session, act: Act) -> None:
    session_id = create(act(EVE), enter(ALICE), confirmed=None)
    for confirmed, keys in (
        ((), ("2026-11-14", "4min")),
        (("4min",), ("2026-11-14",)),
        (("2026-11-14",), ("4min",)),
    ):
        with pytest.raises(GroupSessionNeedsConfirmation) as asked:
            update_group_session(act(EVE), session_id, enter(minutes=4), confirmed)
        assert asked.value.warnings.keys == keys
    assert session.get_one(GroupSession, session_id).minutes == 90


@pytest.mark.parametrize(
    ("entered", "asked_again"),
    [
        (enter(title="Group RSC"), [BOB]),
        (enter(title="Other"), [BOB, EVE]),
        (enter(minutes=60), [BOB, EVE]),
        (enter(held_on=HELD_ON + DAY), [BOB, EVE]),
    ],
)
def test_a_changed_session_is_asked_about_again(
    cast: Cast,
    session: Session,
    act: Act,
    entered: GroupSessionInput,
    asked_again: list[str],
) -> None:
    other_id = create(act(DANA), enter(ERIN), "other")
    session_id = create(act(DANA), enter(ALICE, BOB, EVE, UNKNOWN))
    alice, bob, eve, unknown = list_members(session, session_id)
    answer(alice, "confirmed")
    answer(bob, "disputed", note="It was one hour", reminded_at=NOW)
    answer(eve, "asked", reminded_at=NOW)
    session.delete(unknown)
    session.flush()
    later = acting(session, cast, DANA, LATER)
    again = update_group_session(later, session_id, entered, ())
    members = {each.email: each for each in list_members(session, session_id)}
    assert again == [members[email].id for email in asked_again]
    for email in asked_again:
        stored = members[email].model_dump(exclude={"id", "group_session_id", "person_id", "name"})
        assert stored == {
            "email": email,
            "state": "asked",
            "answered_at": None,
            "note": None,
            "entry_id": None,
            "asked_at": LATER,
            "reminded_at": None,
        }
    assert (members[ALICE].state, members[ALICE].asked_at) == ("confirmed", NOW)
    if EVE not in asked_again:
        assert (members[EVE].asked_at, members[EVE].reminded_at) == (NOW, NOW)
    stored_session = session.get_one(GroupSession, session_id)
    assert (stored_session.held_on, stored_session.minutes) == (entered.held_on, entered.minutes)
    assert stored_session.title == (entered.title or "Group RSC")
    assert [each.asked_at for each in list_members(session, other_id)] == [NOW]


def test_a_change_can_invite_more_members(cast: Cast, session: Session, act: Act) -> None:
    session_id = create(act(DANA), enter(ALICE))
    same = update_group_session(act(DANA), session_id, enter(ALICE), ())
    assert (same, session.get_one(GroupSession, session_id).title) == ([], "Individual RSC")
    later = acting(session, cast, DANA, LATER)
    notified = update_group_session(later, session_id, enter(ALICE, BOB), ())
    alice, bob = list_members(session, session_id)
    assert notified == [alice.id, bob.id]  # the title changed, too
    assert (bob.email, bob.person_id, bob.asked_at) == (BOB, cast.people[BOB], LATER)
    assert session.get_one(GroupSession, session_id).title == "Group RSC"
    change = list_changes(session, "group_session")[-1]
    unchanged = {"provider_id": cast.people[DANA], "held_on": "2026-11-14", "minutes": 90}
    assert change.before == {**unchanged, "title": "Individual RSC"}
    assert change.after == {**unchanged, "title": "Group RSC"}


def test_only_members_without_entry_are_removed(session: Session, act: Act) -> None:
    session_id = create(act(DANA), enter(ALICE, BOB, EVE))
    other_id = create(act(DANA), enter(ERIN), "other")
    alice, bob, _ = list_members(session, session_id)
    (erin,) = list_members(session, other_id)
    answer(alice, "confirmed")
    answer(bob, "disputed")
    session.flush()
    for person, member_id in ((DANA, alice.id), (DANA, erin.id), (EVE, bob.id)):
        with pytest.raises(NotFound):
            remove_member(act(person), session_id, member_id)
    remove_member(act(DANA), session_id, bob.id)
    assert [each.email for each in list_members(session, session_id)] == [ALICE, EVE]
    removed = list_changes(session, "group_member")[-1]
    assert (removed.row_id, removed.after) == (bob.id, None)
    assert removed.before is not None
    assert removed.before["email"] == BOB
    assert not {"name", "answered_at", "reminded_at"} & set(removed.before)


def test_a_session_is_withdrawn_once(cast: Cast, session: Session, act: Act) -> None:
    session_id = create(act(DANA), enter(ALICE))
    with pytest.raises(NotFound):
        withdraw_group_session(act(EVE), session_id)
    withdraw_group_session(act(DANA), session_id)
    withdraw_group_session(acting(session, cast, DANA, LATER), session_id)
    session.expire_all()
    assert session.get_one(GroupSession, session_id).withdrawn_at == NOW
    changes = list_changes(session, "group_session")
    assert len(changes) == 2
    assert (changes[1].before or {})["withdrawn_at"] is None
    assert (changes[1].after or {})["withdrawn_at"] == "2026-11-22T17:00:00+00:00"
    with pytest.raises(NotFound):
        update_group_session(act(DANA), session_id, enter(), ())
    with pytest.raises(NotFound):
        update_group_session(act(EVE), session_id, enter(), ())


def test_a_provider_lists_own_sessions(cast: Cast, session: Session, act: Act) -> None:
    dana = act(DANA)
    first = create(dana, enter(ALICE), "first")
    second = create(dana, enter(BOB, EVE), "second")
    earlier = create(dana, enter(BOB, held_on=HELD_ON - DAY), "third")
    others = create(act(EVE), enter(BOB), confirmed=None)
    listed = list_group_sessions(session, cast.people[DANA])
    assert [each.id for each in listed] == [second, first, earlier]
    assert [each.email for each in listed[0].members] == [BOB, EVE]
    found = find_group_session(session, cast.people[DANA], first)
    assert found is not None
    assert (found.id, len(found.members)) == (first, 1)
    assert find_group_session(session, cast.people[DANA], others) is None
    # A member who was added since is in what is read next.
    update_group_session(dana, first, enter(EVE), ())
    assert [len(each.members) for each in list_group_sessions(session, cast.people[DANA])] == [
        2,
        2,
        1,
    ]


def test_a_deleted_entry_leaves_no_answer(cast: Cast, session: Session, act: Act) -> None:
    session_id = create(act(DANA), enter(ALICE, SECOND_ADDRESS, BOB))
    other_id = create(act(DANA), enter(ALICE), "other", None)
    entry_ids = []
    for _ in range(2):
        entry = Entry(
            person_id=cast.people[ALICE], activity="rsc", held_on=HELD_ON, minutes=90, title="RSC"
        )
        session.add(entry)
        session.flush()
        entry_ids.append(entry.id)
    alice, second, bob = list_members(session, session_id)
    (other,) = list_members(session, other_id)
    answer(alice, "confirmed", entry_id=entry_ids[0])
    answer(other, "confirmed", entry_id=entry_ids[1])
    for member in (second, bob):
        answer(member, "confirmed")
    session.flush()
    later = acting(session, cast, ALICE, LATER)
    release_entry(later, 0)
    release_entry(later, entry_ids[0])
    facts = [
        (each.state, each.answered_at, each.entry_id, each.reminded_at)
        for each in (*list_members(session, session_id), *list_members(session, other_id))
    ]
    waiting = ("asked", None, None, LATER)
    assert facts == [
        waiting,
        waiting,
        ("confirmed", NOW, None, None),
        ("confirmed", NOW, entry_ids[1], None),
    ]
