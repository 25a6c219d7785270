"""Which members of group sessions are notified, reminded, or waited for."""

from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlmodel import Session, col

from tests.services.conftest import Act
from tests.services.groups.test_logged_sessions import (
    HELD_ON,
    UNKNOWN,
    answer,
    create,
    enter,
    list_members,
)
from tests.support.cast import ALICE, BOB, DANA, ERIN, EVE, NOW, Cast
from tests.support.referees import apply
from tests.support.waiting_mail import add_mail
from tracker.db.log import GroupSession
from tracker.services.group_notifications import (
    find_association,
    had_mail,
    list_group_notifications,
    list_people_with_requests,
    list_unanswered,
    list_unnotified,
    mark_reminded,
)
from tracker.services.group_sessions import withdraw_group_session

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


def test_notifications_name_the_member_and_provider(cast: Cast, session: Session, act: Act) -> None:
    dana = act(DANA)
    known, unknown, _ = list_members(session, create(dana, enter(BOB, UNKNOWN, EVE)))
    (earlier,) = list_members(
        session, create(dana, enter(BOB, held_on=HELD_ON - DAY), "before", None)
    )
    (of_alice,) = list_members(session, create(dana, enter(ALICE), "of Alice", None))
    ids = [known.id, unknown.id, earlier.id, of_alice.id]
    # What another process changes in the meantime is read.
    stored = session.get_one(GroupSession, known.group_session_id)
    statement = update(GroupSession).where(col(GroupSession.id) == stored.id)
    session.connection().execute(statement.values(title="Corrected"))
    found = list_group_notifications(session, ids)
    by_member = {each.member.id: each for each in found}
    assert set(by_member) == set(ids)
    assert [each.member.id for each in found if each.person] == [of_alice.id, earlier.id, known.id]
    notification = by_member[known.id]
    assert notification.person is not None
    assert (notification.person.id, notification.provider) == (cast.people[BOB], "Dana Ruiz")
    assert notification.session is stored
    assert stored.title == "Corrected"
    assert by_member[unknown.id].person is None


def test_unanswered_requests_are_those_of_the_association(
    cast: Cast, session: Session, act: Act
) -> None:
    dana = act(DANA)
    members = list_members(session, create(dana, enter(ALICE, BOB, ERIN, EVE, UNKNOWN)))
    alice, bob, erin, eve, _ = members
    apply(session, cast.people[EVE], association="NCIMHA")
    withdraw_group_session(dana, create(dana, enter(ALICE, BOB), "withdrawn", None))
    for association, expected in (("NCIMHA", [alice, bob, eve]), ("CT-AIMH", [erin])):
        listed = list_unanswered(session, association, NOW + SECOND)
        assert [each.member.id for each in listed] == [each.id for each in expected]
        assert list_unanswered(session, association, NOW) == []
    answer(alice, "confirmed")
    session.flush()
    ids = [bob.id]
    mark_reminded(session, ids, NOW, asked_before=NOW)
    listed = list_unanswered(session, "NCIMHA", NOW + SECOND)
    assert [each.member.id for each in listed] == [bob.id, eve.id]
    mark_reminded(session, ids, NOW + DAY, asked_before=NOW + SECOND)
    session.expire_all()
    assert bob.reminded_at == NOW + DAY
    listed = list_unanswered(session, "NCIMHA", NOW + SECOND)
    assert [each.member.id for each in listed] == [eve.id]


def test_members_without_mail_since_are_notified(session: Session, act: Act) -> None:
    alice, bob, _ = list_members(session, create(act(DANA), enter(ALICE, BOB, ERIN)))

    def list_ids(start: timedelta, end: timedelta) -> list[int]:
        found = list_unnotified(session, "NCIMHA", "session", NOW + start, NOW + end)
        return [each.member.id for each in found]

    assert list_ids(0 * SECOND, SECOND) == [alice.id, bob.id]
    assert list_ids(-SECOND, 0 * SECOND) == []
    assert list_ids(SECOND, 2 * SECOND) == []
    add_mail(session, "another kind", person_id=alice.person_id)
    add_mail(session, "before", kind="session", person_id=alice.person_id, created_at=NOW - SECOND)
    add_mail(session, "at once", kind="session", person_id=bob.person_id)
    assert list_ids(0 * SECOND, SECOND) == [alice.id]
    answer(alice, "disputed")
    session.flush()
    assert list_ids(0 * SECOND, SECOND) == []


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, True),
        ({"kind": "entry"}, True),
        ({"kind": "notices"}, False),
        ({"state": "sent"}, True),
        ({"state": "dropped"}, False),
        ({"created_at": NOW}, False),
        ({"email": BOB}, False),
    ],
)
def test_mail_since_then_is_found(
    cast: Cast, session: Session, values: dict[str, object], *, expected: bool
) -> None:
    email = str(values.get("email", ALICE))
    more = {name: value for name, value in values.items() if name != "email"}
    mail = {"kind": "session", "created_at": NOW + SECOND, "person_id": cast.people[email], **more}
    add_mail(session, "mail", **mail)
    assert had_mail(session, cast.people[ALICE], ["session", "entry"], NOW) is expected


def test_people_with_open_requests_are_found(cast: Cast, session: Session, act: Act) -> None:
    dana = act(DANA)
    _, bob, _ = list_members(session, create(dana, enter(ALICE, BOB, EVE)))
    answer(bob, "confirmed")
    withdraw_group_session(dana, create(dana, enter(ERIN, BOB), "withdrawn", None))
    people = [cast.people[each] for each in (ALICE, BOB, ERIN)]
    assert list_people_with_requests(session, people) == {cast.people[ALICE]}


def test_coordinators_of_an_endorsement_help_first(cast: Cast, session: Session) -> None:
    for email in (ALICE, EVE):
        apply(session, cast.people[email], association="CT-AIMH")
    for email, association in ((ALICE, "NCIMHA"), (EVE, "CT-AIMH"), (DANA, None)):
        assert find_association(session, cast.people[email]) == association
