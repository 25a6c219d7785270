"""Which sessions a person is asked about, and what becomes of each answer."""

from datetime import date, timedelta

import pytest
from sqlalchemy import update
from sqlmodel import Session, col, select

from tests.services.conftest import Act
from tests.services.groups.test_logged_sessions import (
    HELD_ON,
    LATER,
    SECOND_ADDRESS,
    UNKNOWN,
    answer,
    create,
    enter,
    list_members,
)
from tests.support.cast import ALICE, BOB, DANA, ERIN, EVE, NOW, Cast, acting
from tracker.db.log import Entry, GroupMember, GroupSession
from tracker.db.people import Person
from tracker.services.context import NotFound, Refusal, Refused
from tracker.services.entry_rules import EntryInput
from tracker.services.group_confirmations import (
    confirm_group_session,
    dispute_group_session,
    find_confirmation_request,
    find_created_entry,
    list_confirmation_requests,
    list_own_entries,
)
from tracker.services.group_sessions import withdraw_group_session

DAY = timedelta(days=1)


def ask(act: Act, session: Session, *emails: str, held_on: date = HELD_ON) -> list[int]:
    """Dana logs a session; the ids of its members."""
    session_id = create(act(DANA), enter(*emails, held_on=held_on), f"{emails}{held_on}", None)
    return [each.id for each in list_members(session, session_id)]


def log_own(session: Session, person_id: int, provider_id: int, **more: object) -> int:
    values = {"activity": "rsc", "held_on": HELD_ON, "minutes": 30, "title": "Mine", **more}
    entry = Entry.model_validate({"person_id": person_id, "provider_id": provider_id, **values})
    session.add(entry)
    session.flush()
    return entry.id


def list_waiting(session: Session, person_id: int) -> list[int]:
    return [each.member.id for each in list_confirmation_requests(session, person_id)]


def test_open_requests_are_listed_by_day(cast: Cast, session: Session, act: Act) -> None:
    bob = cast.people[BOB]
    assert list_waiting(session, bob) == []
    (first,) = ask(act, session, BOB)
    _, second = ask(act, session, ALICE, BOB)
    (earlier,) = ask(act, session, BOB, held_on=HELD_ON - DAY)
    (withdrawn,) = ask(act, session, BOB, held_on=HELD_ON - 2 * DAY)
    (disputed,) = ask(act, session, BOB, held_on=HELD_ON - 3 * DAY)
    answer(session.get_one(GroupMember, disputed), "disputed")
    session.flush()
    of_withdrawn = session.get_one(GroupMember, withdrawn).group_session_id
    withdraw_group_session(act(DANA), of_withdrawn)
    assert list_waiting(session, bob) == [earlier, first, second]
    assert list_waiting(session, cast.people[EVE]) == []
    requests = list_confirmation_requests(session, bob)
    assert [each.format for each in requests] == ["individual", "individual", "group"]
    assert {each.provider for each in requests} == {"Dana Ruiz"}
    assert requests[2].entry == EntryInput(
        activity="rsc",
        held_on=HELD_ON,
        minutes=90,
        title="Group RSC",
        provider_id=cast.people[DANA],
        format="group",
    )
    assert requests[2].form_key == f"group-session-{requests[2].group_session.id}"
    # What another process changes in the meantime is read.
    session.connection().execute(update(GroupSession).values(title="Corrected"))
    assert {each.entry.title for each in list_confirmation_requests(session, bob)} == {"Corrected"}


def test_two_addresses_make_one_individual_request(cast: Cast, session: Session, act: Act) -> None:
    first, second = ask(act, session, SECOND_ADDRESS, ALICE)
    alice = cast.people[ALICE]
    (request,) = list_confirmation_requests(session, alice)
    assert (request.member.id, request.format) == (first, "individual")
    entry_id = confirm_group_session(act(ALICE), second, is_another=True)
    rows = list_members(session, request.group_session.id)
    assert [(each.state, each.entry_id) for each in rows] == [
        ("confirmed", entry_id),
        ("confirmed", None),
    ]
    found = find_confirmation_request(session, alice, second)
    assert found is not None
    # The first address holds the entry.
    assert found.member.id == first
    assert confirm_group_session(act(ALICE), second) == entry_id
    dispute_group_session(act(ALICE), second, "")
    assert {each.state for each in list_members(session, request.group_session.id)} == {"disputed"}
    found = find_confirmation_request(session, alice, second)
    assert found is not None
    assert found.member.id == second


def test_an_unknown_address_makes_a_group(cast: Cast, session: Session, act: Act) -> None:
    (member_id,) = ask(act, session, BOB)
    bob, session_id = cast.people[BOB], session.get_one(GroupMember, member_id).group_session_id
    # Its row can have the number of a person.
    other = GroupMember(id=bob, group_session_id=session_id, email=UNKNOWN, asked_at=NOW)
    session.add(other)
    session.flush()
    assert [each.format for each in list_confirmation_requests(session, bob)] == ["group"]


@pytest.mark.parametrize("is_second", [False, True])
def test_an_address_that_became_known_is_asked(
    cast: Cast, session: Session, act: Act, *, is_second: bool
) -> None:
    _, member_id = ask(act, session, ALICE, UNKNOWN)
    eve = session.get_one(Person, cast.people[EVE])
    if is_second:
        eve.second_email = UNKNOWN.upper()
    else:
        eve.email = UNKNOWN
    session.flush()
    assert list_waiting(session, eve.id) == [member_id]
    entry_id = confirm_group_session(act(EVE), member_id)
    member = session.get_one(GroupMember, member_id)
    assert (member.person_id, member.state, member.entry_id) == (eve.id, "confirmed", entry_id)


def test_a_shared_address_is_asked_of_nobody(cast: Cast, session: Session, act: Act) -> None:
    (member_id,) = ask(act, session, UNKNOWN)
    (known,) = ask(act, session, EVE)
    for email in (BOB, EVE):
        session.get_one(Person, cast.people[email]).second_email = UNKNOWN
    session.flush()
    assert list_waiting(session, cast.people[BOB]) == []
    assert list_waiting(session, cast.people[EVE]) == [known]
    for email in (BOB, EVE):
        assert find_confirmation_request(session, cast.people[email], member_id) is None


def test_requests_of_others_are_not_found(cast: Cast, session: Session, act: Act) -> None:
    (member_id,) = ask(act, session, ALICE)
    assert find_confirmation_request(session, cast.people[BOB], member_id) is None
    assert find_confirmation_request(session, cast.people[ALICE], member_id + 1) is None
    with pytest.raises(NotFound):
        confirm_group_session(act(BOB), member_id)
    with pytest.raises(NotFound):
        dispute_group_session(act(BOB), member_id, "")
    # An address that becomes somebody else's does not show what its owner before was asked.
    session.get_one(Person, cast.people[ALICE]).email = "alice@new.example"
    session.flush()
    session.get_one(Person, cast.people[EVE]).email = ALICE
    session.flush()
    assert find_confirmation_request(session, cast.people[EVE], member_id) is None


def test_own_entries_of_that_session_are_offered(cast: Cast, session: Session, act: Act) -> None:
    (member_id,) = ask(act, session, BOB)
    (other_id,) = ask(act, session, BOB, held_on=HELD_ON - DAY)
    bob, dana, eve = (cast.people[email] for email in (BOB, DANA, EVE))
    mine = log_own(session, bob, dana)
    log_own(session, bob, dana, held_on=HELD_ON + DAY)
    log_own(session, bob, eve)
    log_own(session, eve, dana)
    log_own(session, bob, dana, activity="training")
    confirming = log_own(session, bob, dana)
    answer(session.get_one(GroupMember, other_id), "confirmed", entry_id=confirming)
    session.flush()
    request = find_confirmation_request(session, bob, member_id)
    assert request is not None
    assert [each.id for each in list_own_entries(session, bob, request)] == [mine]
    for options, code in (
        ({}, "group-session-logged"),
        ({"own_entry_id": confirming}, "own-entry-not-offered"),
        ({"own_entry_id": confirming, "is_another": True}, "own-entry-not-offered"),
    ):
        with pytest.raises(Refused) as refused:
            confirm_group_session(act(BOB), member_id, **options)  # type: ignore[arg-type]
        assert refused.value.refusals == (Refusal("confirm", code),)
    assert confirm_group_session(act(BOB), member_id, own_entry_id=mine) == mine
    request = find_confirmation_request(session, bob, member_id)
    assert request is not None
    assert find_created_entry(session, bob, request) is None
    dispute_group_session(act(BOB), member_id, "")
    assert session.get(Entry, mine) is not None


def test_a_confirmed_session_is_logged_once(cast: Cast, session: Session, act: Act) -> None:
    member_id, _ = ask(act, session, BOB, ERIN)
    bob = cast.people[BOB]
    dispute_group_session(act(BOB), member_id, "It was one hour")
    request = find_confirmation_request(session, bob, member_id)
    assert request is not None
    assert find_created_entry(session, bob, request) is None
    member = session.get_one(GroupMember, member_id)
    facts = (member.state, member.note, member.answered_at, member.entry_id)
    assert facts == ("disputed", "It was one hour", NOW, None)
    later = acting(session, cast, BOB, LATER)
    entry_id = confirm_group_session(later, member_id)
    assert confirm_group_session(act(BOB), member_id, own_entry_id=0) == entry_id
    session.expire_all()
    facts = (member.state, member.note, member.answered_at, member.entry_id)
    assert facts == ("confirmed", None, LATER, entry_id)
    query = select(Entry).where(Entry.person_id == bob, col(Entry.title) == "Group RSC")
    (entry,) = session.exec(query)
    assert (entry.id, entry.format, entry.minutes) == (entry_id, "group", 90)
    request = find_confirmation_request(session, bob, member_id)
    assert request is not None
    created = find_created_entry(session, bob, request)
    assert created is not None
    assert created.id == entry_id
    dispute_group_session(act(BOB), member_id, "")
    assert session.get(Entry, entry_id) is None
    session.expire_all()
    assert (member.state, member.note, member.entry_id) == ("disputed", None, None)
    # The other member is still asked.
    assert [each.state for each in list_members(session, member.group_session_id)] == [
        "disputed",
        "asked",
    ]


def test_answers_that_are_too_late_are_refused(session: Session, act: Act) -> None:
    member_id, confirmed_id = ask(act, session, BOB, EVE)
    confirm_group_session(act(EVE), confirmed_id)
    with pytest.raises(Refused) as refused:
        dispute_group_session(act(EVE), confirmed_id, "", saw_confirmed=False)
    assert refused.value.refusals == (Refusal("confirm", "group-session-confirmed"),)
    withdraw_group_session(act(DANA), session.get_one(GroupMember, member_id).group_session_id)
    withdrawn = (Refusal("confirm", "group-session-withdrawn"),)
    with pytest.raises(Refused) as refused:
        confirm_group_session(act(BOB), member_id)
    assert refused.value.refusals == withdrawn
    with pytest.raises(Refused) as refused:
        dispute_group_session(act(BOB), member_id, "")
    assert refused.value.refusals == withdrawn
    dispute_group_session(act(EVE), confirmed_id, "")
    assert session.get_one(GroupMember, confirmed_id).state == "disputed"


def test_a_note_has_at_most_500_characters(session: Session, act: Act) -> None:
    (member_id,) = ask(act, session, BOB)
    with pytest.raises(Refused) as refused:
        dispute_group_session(act(BOB), member_id, "x" * 501, saw_confirmed=False)
    assert refused.value.refusals == (Refusal("note", "text-too-long", {"limit": 500}),)
    dispute_group_session(act(BOB), member_id, "x" * 500, saw_confirmed=False)
    assert session.get_one(GroupMember, member_id).note == "x" * 500
