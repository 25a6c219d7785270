"""Whom a provider can choose by name, and what becomes of the members of the last group."""

from datetime import timedelta

from sqlmodel import Session

from tests.services.conftest import Act
from tests.services.groups.test_confirmations import log_own
from tests.services.groups.test_logged_sessions import (
    HELD_ON,
    answer,
    create,
    enter,
    list_members,
)
from tests.support.cast import ALICE, BOB, DANA, ERIN, EVE, Cast
from tracker.db.people import Person
from tracker.services.group_choices import find_last_group, list_supervisees
from tracker.services.group_sessions import GroupSessionInput, Invitation, withdraw_group_session

DAY = timedelta(days=1)


def test_supervisees_are_listed_by_name(cast: Cast, session: Session, act: Act) -> None:
    alice, bob, dana, erin, eve = (cast.people[each] for each in (ALICE, BOB, DANA, ERIN, EVE))
    asked = list_members(session, create(act(DANA), enter(BOB, ERIN, EVE)))
    answer(asked[0], "confirmed")
    answer(asked[2], "disputed")
    (of_eve,) = list_members(session, create(act(EVE), enter(ERIN), "another's", None))
    answer(of_eve, "confirmed")
    log_own(session, erin, eve)
    log_own(session, dana, dana)
    session.get_one(Person, bob).name = "adam Osei"
    session.flush()
    assert [each.id for each in list_supervisees(session, dana)] == [bob, alice]
    assert [each.id for each in list_supervisees(session, eve)] == [erin]


def test_the_last_group_is_divided_by_choice(cast: Cast, session: Session, act: Act) -> None:
    dana = act(DANA)
    people = [session.get_one(Person, cast.people[each]) for each in (ALICE, BOB)]
    assert find_last_group(session, cast.people[DANA], people) is None
    chosen = [
        Invitation(EVE, "Eve Chen"),
        Invitation(BOB),
        Invitation(ERIN),
        Invitation(ALICE, "Alice Moreno"),
    ]
    entered = GroupSessionInput(HELD_ON - 3 * DAY, 90, "", chosen)
    group = list_members(session, create(dana, entered, "group"))
    answer(group[2], "disputed")
    create(dana, enter(ALICE, BOB, held_on=HELD_ON - 4 * DAY), "before", None)
    create(dana, enter(ALICE, held_on=HELD_ON - 2 * DAY), "individual", None)
    withdrawn = create(dana, enter(ALICE, BOB, held_on=HELD_ON - DAY), "withdrawn", None)
    withdraw_group_session(dana, withdrawn)
    create(act(EVE), enter(ALICE, BOB), "another's", None)
    last = find_last_group(session, cast.people[DANA], people)
    assert last is not None
    assert (last.held_on, last.people, last.emails) == (HELD_ON - 3 * DAY, people[:1], [BOB])
    assert last.left_out == [
        ("Eve Chen", "not listed"),
        (ERIN, "reported a problem"),
    ]


def test_two_members_make_a_group(cast: Cast, session: Session, act: Act) -> None:
    create(act(DANA), enter(ALICE, BOB))
    last = find_last_group(session, cast.people[DANA], [])
    assert last is not None
    assert last.emails == [ALICE, BOB]
