"""What is saved of a session that a provider logs for others, and what is refused."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import pytest
from sqlmodel import Session, col, select

from tests.services.conftest import Act
from tests.support.audit_log import LoggedChange, list_changes
from tests.support.cast import ALICE, BOB, DANA, EVE, NOW, Cast
from tracker.db.corrections import FormerEmail
from tracker.db.log import GroupMember, GroupSession
from tracker.db.people import Person
from tracker.services.context import Refusal, Refused, ServiceContext
from tracker.services.group_sessions import (
    GroupSessionInput,
    GroupSessionNeedsConfirmation,
    GroupSessionWarnings,
    Invitation,
    create_group_session,
    list_group_sessions,
    update_group_session,
    validate_members,
    withdraw_group_session,
)

HELD_ON = date(2026, 11, 14)
DAY = timedelta(days=1)
LATER = NOW + timedelta(hours=1)
SECOND_ADDRESS, FORMER, UNKNOWN = "alice@home.example", "before@example.org", "x@example.org"


def enter(
    *emails: str, held_on: date = HELD_ON, minutes: int = 90, title: str = ""
) -> GroupSessionInput:
    return GroupSessionInput(held_on, minutes, title, [Invitation(each) for each in emails])


def create(
    context: ServiceContext,
    entered: GroupSessionInput,
    form_key: str = "key",
    confirmed: Sequence[str] | None = (),
) -> int:
    return create_group_session(context, entered, form_key, confirmed)[0].id


def list_members(session: Session, group_session_id: int) -> list[GroupMember]:
    session.flush()
    session.expire_all()
    query = select(GroupMember).where(GroupMember.group_session_id == group_session_id)
    return list(session.exec(query.order_by(col(GroupMember.id))))


def answer(member: GroupMember, state: str, **more: object) -> None:
    values = {"state": state, "answered_at": NOW if state != "asked" else None, **more}
    for name, value in values.items():
        setattr(member, name, value)


def add_sessions(
    session: Session, provider_id: int, count: int, *emails: str, logged_at: datetime = NOW
) -> None:
    for number in range(count):
        group_session = GroupSession(
            provider_id=provider_id,
            held_on=HELD_ON,
            minutes=60,
            title="RSC",
            form_key=f"{logged_at:%d}-{number}",
            logged_at=logged_at,
        )
        session.add(group_session)
        session.flush()
        session.add_all(
            GroupMember(group_session_id=group_session.id, email=email, asked_at=NOW)
            for email in emails
        )
    session.flush()


def test_a_logged_session_is_saved_completely(cast: Cast, session: Session, act: Act) -> None:
    former = FormerEmail(email=FORMER, person_id=cast.people[EVE], changed_at=NOW)
    session.add(former)
    invitations = [
        Invitation(ALICE, "Alice Moreno"),
        *map(Invitation, (SECOND_ADDRESS, FORMER, UNKNOWN)),
    ]
    entered = GroupSessionInput(HELD_ON, 90, "", invitations)
    group_session, invited = create_group_session(act(DANA), entered, "key", ())
    session.expire_all()
    stored = session.get_one(GroupSession, group_session.id).model_dump()
    facts = {"provider_id": cast.people[DANA], "minutes": 90, "title": "Group RSC"}
    assert stored == {
        "id": group_session.id,
        **facts,
        "held_on": HELD_ON,
        "form_key": "key",
        "logged_at": NOW,
        "withdrawn_at": None,
    }
    assert list_changes(session, "group_session") == [
        LoggedChange(DANA, group_session.id, None, {**facts, "held_on": "2026-11-14"})
    ]
    members = list_members(session, group_session.id)
    assert [each.id for each in members] == invited
    alice, eve = cast.people[ALICE], cast.people[EVE]
    assert [(each.email, each.name, each.person_id) for each in members] == [
        (ALICE, "Alice Moreno", alice),
        (SECOND_ADDRESS, None, alice),
        (FORMER, None, eve),
        (UNKNOWN, None, None),
    ]
    assert {(each.state, each.asked_at, each.reminded_at) for each in members} == {
        ("asked", NOW, None)
    }
    changes = list_changes(session, "group_member")
    assert [each.row_id for each in changes] == invited
    assert changes[0].after is not None
    assert set(changes[0].after) == {
        "group_session_id",
        "email",
        "person_id",
        "state",
        "note",
        "entry_id",
        "asked_at",
    }


@pytest.mark.parametrize(
    ("emails", "title", "stored"),
    [
        ((ALICE,), "", "Individual RSC"),
        ((ALICE, BOB), "", "Group RSC"),
        ((ALICE, BOB), "Monthly group", "Monthly group"),
    ],
)
def test_a_session_without_title_gets_one(
    session: Session, act: Act, emails: tuple[str, ...], title: str, stored: str
) -> None:
    session_id = create(act(DANA), enter(*emails, title=title))
    assert session.get_one(GroupSession, session_id).title == stored


NAMED = tuple(f"p{number}@example.org" for number in range(41))
SELF = [Refusal("others", "member-is-self", {"email": DANA})]
MANY = [Refusal("others", "too-many-members", {"limit": 40})]


@pytest.mark.parametrize(
    ("emails", "invited", "refusals"),
    [
        (NAMED[:40], None, []),
        (NAMED, None, MANY),
        (NAMED[:2], set(NAMED[:39]), []),
        (NAMED[39:], set(NAMED[:39]), MANY),
        ((), None, [Refusal("people", "members-required")]),
        ((), {ALICE}, []),
        ((ALICE, DANA), None, SELF),
        ((*NAMED, DANA), None, SELF + MANY),
        (
            ("dana@home.example",),
            None,
            [Refusal("others", "member-is-self", {"email": "dana@home.example"})],
        ),
    ],
)
def test_all_reasons_against_members_are_given(
    cast: Cast,
    session: Session,
    emails: tuple[str, ...],
    invited: set[str] | None,
    refusals: list[Refusal],
) -> None:
    dana = session.get_one(Person, cast.people[DANA])
    dana.second_email = "Dana@Home.example"
    session.flush()
    invitations = [Invitation(each) for each in emails]
    assert validate_members(session, dana.id, invitations, invited) == refusals


def test_a_session_with_refused_members_is_not_saved(session: Session, act: Act) -> None:
    with pytest.raises(Refused) as refused:
        create(act(DANA), enter(DANA))
    assert list(refused.value.refusals) == SELF
    session_id = create(act(DANA), enter(ALICE))
    with pytest.raises(Refused) as refused:
        update_group_session(act(DANA), session_id, enter(DANA), ())
    assert list(refused.value.refusals) == SELF
    assert len(list_members(session, session_id)) == 1


def test_a_provider_logs_sixty_sessions_a_day(cast: Cast, session: Session, act: Act) -> None:
    dana = cast.people[DANA]
    add_sessions(session, dana, 59)
    add_sessions(session, dana, 1, logged_at=NOW - DAY)
    add_sessions(session, cast.people[EVE], 1)
    create(act(DANA), enter(ALICE))
    with pytest.raises(Refused) as refused:
        create(act(DANA), enter(BOB), "another")
    assert refused.value.refusals == (Refusal("day", "daily-limit-reached", {"limit": 60}),)


def test_a_provider_names_a_person_ten_times(cast: Cast, session: Session, act: Act) -> None:
    dana = cast.people[DANA]
    add_sessions(session, dana, 9, ALICE, BOB)
    add_sessions(session, dana, 1, ALICE, logged_at=NOW - DAY)
    add_sessions(session, cast.people[EVE], 1, ALICE)
    create(act(DANA), enter(ALICE), confirmed=None)
    with pytest.raises(Refused) as refused:
        create(act(DANA), enter(BOB, ALICE), "another", None)
    facts = {"email": ALICE, "limit": 10}
    assert refused.value.refusals == (Refusal("others", "member-daily-limit", facts),)
    create(act(DANA), enter(BOB), "another", None)


def test_a_form_is_saved_once(cast: Cast, session: Session, act: Act) -> None:
    dana = act(DANA)
    session_id = create(dana, enter(ALICE, BOB))
    again, invited = create_group_session(dana, enter(BOB, ALICE), "key", ())
    assert (again.id, invited) == (session_id, [])
    for changed in (
        enter(ALICE, BOB, minutes=60),
        enter(ALICE, BOB, title="Another"),
        enter(ALICE, BOB, held_on=HELD_ON - DAY),
        enter(ALICE, EVE),
        enter(ALICE, BOB, EVE),
    ):
        with pytest.raises(Refused) as refused:
            create(dana, changed)
        facts = {"minutes": 90, "held_on": HELD_ON}
        assert refused.value.refusals == (Refusal("form_key", "form-already-saved", facts),)
    # Keys of others are theirs.
    assert create(act(EVE), enter(ALICE, BOB), confirmed=None) != session_id
    assert len(list_group_sessions(session, cast.people[DANA])) == 1


def test_a_similar_session_is_a_warning(act: Act) -> None:
    dana = act(DANA)
    create(dana, enter(ALICE, held_on=HELD_ON - DAY), "day before")
    withdraw_group_session(dana, create(dana, enter(ALICE), "withdrawn"))
    create(act(EVE), enter(ALICE), "another's", None)
    create(dana, enter(BOB), "of another")
    session_id = create(dana, enter(ALICE, EVE), "similar")
    with pytest.raises(GroupSessionNeedsConfirmation) as asked:
        create(dana, enter(UNKNOWN, ALICE))
    similar = asked.value.warnings.similar
    assert similar is not None
    assert similar.id == session_id
    assert asked.value.warnings.keys == (str(session_id),)
    assert str(asked.value) == str(session_id)
    create(dana, enter(UNKNOWN, ALICE), confirmed=[str(session_id)])


@pytest.mark.parametrize(
    ("minutes", "confirmed", "keys"),
    [
        (90, (), ("2026-11-14",)),
        (4, (), ("2026-11-14", "4min")),
        (4, ("2026-11-14",), ("4min",)),
        (4, ("4min",), ("2026-11-14",)),
    ],
)
def test_a_provider_confirms_each_warning(
    session: Session, act: Act, minutes: int, confirmed: tuple[str, ...], keys: tuple[str, ...]
) -> None:
    # Eve is not an RSC provider.
    with pytest.raises(GroupSessionNeedsConfirmation) as asked:
        create(act(EVE), enter(ALICE, minutes=minutes), confirmed=confirmed)
    assert asked.value.warnings.keys == keys
    assert str(asked.value) == " ".join(keys)
    assert session.exec(select(GroupSession)).all() == []
    create(act(EVE), enter(ALICE, minutes=minutes), confirmed=[*confirmed, *keys])


def test_a_session_without_warnings_has_no_keys() -> None:
    assert GroupSessionWarnings().keys == ()
