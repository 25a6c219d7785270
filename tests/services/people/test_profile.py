"""What people change in their own profile, and what becomes of an address that they remove."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import pytest
from sqlmodel import Session, col, select, update

from tests.services.conftest import Act
from tests.support.audit_log import LoggedChange, list_changes
from tests.support.cast import ALICE, BOB, CAROL, DANA, ERIN, EVE, NOW, Cast
from tracker.db.access import BrowserSession, SignIn
from tracker.db.people import Person
from tracker.services.browser_sessions import create_browser_session
from tracker.services.context import NotFound, Refusal, Refused
from tracker.services.profile import (
    check_second_email,
    confirm_second_email,
    get_person,
    is_email_taken,
    is_provider,
    remove_second_email,
    retry_first_email,
    revoke_second_email,
    set_provider_settings,
    set_time_zone,
)
from tracker.services.sign_in import CodeProblem, create_sign_in, hash_token

HOME, NEW = "alice@home.example", "new@home.example"
DAY = timedelta(days=1)
TODAY = date(2026, 11, 22)
NOBODY = ""


def add_access(session: Session, email: str) -> None:
    """Sign in a browser with an address, and send it two codes, one of which was used."""
    create_browser_session(session, email, NOW)
    for token in ("open", "used"):
        create_sign_in(session, f"{email} {token}", email, NOW)
    session.flush()
    session.get_one(SignIn, hash_token(f"{email} used")).used_at = NOW
    session.flush()


def list_sessions(session: Session) -> list[str]:
    return sorted(session.exec(select(BrowserSession.email)))


def list_open_codes(session: Session) -> list[str]:
    return sorted(session.exec(select(SignIn.email).where(col(SignIn.used_at).is_(None))))


def test_a_time_zone_is_saved_and_audited(act: Act) -> None:
    context = act(ALICE)
    set_time_zone(context, "America/Denver")
    person = get_person(context.session, context.person_id)
    assert (person.email, person.time_zone) == (ALICE, "America/Denver")
    with pytest.raises(Refused) as refused:
        set_time_zone(context, "Mars/Base")
    assert refused.value.refusals == (Refusal("time_zone", "time-zone-unknown"),)
    set_time_zone(context, None)
    unset, denver = {"time_zone": None}, {"time_zone": "America/Denver"}
    assert list_changes(context.session, "person") == [
        LoggedChange(ALICE, person.id, unset, denver),
        LoggedChange(ALICE, person.id, denver, unset),
    ]
    with pytest.raises(NotFound):
        set_time_zone(act(CAROL), None)


def test_provider_settings_are_saved_and_audited(act: Act) -> None:
    first = act(DANA)
    later = replace(first, now=NOW + DAY)
    line = "x" * 200
    set_provider_settings(first, takes_supervisees=True, line=line, today=TODAY)
    set_provider_settings(later, takes_supervisees=True, line="", today=TODAY)
    set_provider_settings(later, takes_supervisees=False, line="Groups", today=TODAY)
    since = NOW.isoformat()
    states = [(None, None), (since, line), (since, None), (None, "Groups")]
    keys = ("takes_supervisees_since", "provider_line")
    rows = [dict(zip(keys, state, strict=True)) for state in states]
    assert list_changes(first.session, "person") == [
        LoggedChange(DANA, first.person_id, before, after) for before, after in pairwise(rows)
    ]


@pytest.mark.parametrize(
    ("line", "refusal"),
    [
        ("x" * 201, Refusal("line", "text-too-long", {"limit": 200})),
        ("see www.example.org", Refusal("line", "provider-line-has-link")),
    ],
)
def test_a_provider_line_is_short_and_plain(act: Act, line: str, refusal: Refusal) -> None:
    with pytest.raises(Refused) as refused:
        set_provider_settings(act(DANA), takes_supervisees=True, line=line, today=TODAY)
    assert refused.value.refusals == (refusal,)


def test_only_providers_take_supervisees(session: Session, cast: Cast, act: Act) -> None:
    assert is_provider(session, cast.people[DANA], TODAY) is True
    assert is_provider(session, cast.people[ALICE], TODAY) is False
    for email, today in ((ALICE, TODAY), (DANA, date(2019, 12, 31))):
        with pytest.raises(NotFound):
            set_provider_settings(act(email), takes_supervisees=True, line="", today=today)
    # Someone who does not provide RSC anymore can still turn it off.
    session.get_one(Person, cast.people[ALICE]).takes_supervisees_since = NOW
    set_provider_settings(act(ALICE), takes_supervisees=False, line="", today=TODAY)
    assert session.get_one(Person, cast.people[ALICE]).takes_supervisees_since is None


@pytest.mark.parametrize(
    ("email", "code"),
    [
        ("nobody", "email-invalid"),
        (ALICE, "email-is-first"),
        (HOME, "email-is-second"),
        (BOB, None),
    ],
)
def test_a_second_address_is_another_address(email: str, code: str | None) -> None:
    person = Person(name="Alice", email=ALICE, second_email=HOME.upper())
    if code is None:
        check_second_email(person, email)
        check_second_email(Person(name="Alice", email=ALICE), email)
        return
    with pytest.raises(Refused) as refused:
        check_second_email(person, email)
    assert refused.value.refusals == (Refusal("email", code),)


def test_first_and_others_second_addresses_are_taken(session: Session, cast: Cast) -> None:
    alice, bob = cast.people[ALICE], cast.people[BOB]
    session.get_one(Person, alice).second_email = HOME.upper()
    session.flush()
    for person_id, email, is_taken in (
        (alice, ALICE, True),
        (bob, ALICE, True),
        (bob, HOME, True),
        (alice, HOME, False),
        (alice, NEW, False),
    ):
        assert is_email_taken(session, person_id, email) is is_taken


def test_a_confirmed_address_replaces_the_former_one(act: Act) -> None:
    session, alice = act(ALICE).session, act(ALICE).person_id
    get_person(session, alice).second_email = HOME.upper()
    for email in (ALICE, HOME):
        add_access(session, email)
    code = create_sign_in(session, "token", NEW, NOW, alice)
    # The person need not be signed in.
    confirmed = confirm_second_email(act(CAROL), "token", code, {CAROL})
    assert isinstance(confirmed, Person)
    assert confirmed.id == alice
    assert (confirmed.second_email, confirmed.second_email_confirmed_at) == (NEW, NOW)
    assert list_sessions(session) == [ALICE]
    assert list_open_codes(session) == [ALICE]
    before = {"second_email": HOME.upper(), "second_email_confirmed_at": None}
    after = {"second_email": NEW, "second_email_confirmed_at": NOW.isoformat()}
    assert list_changes(session, "person") == [LoggedChange(NEW, alice, before, after)]


def test_confirming_the_same_address_signs_nobody_out(act: Act) -> None:
    session, alice = act(ALICE).session, act(ALICE).person_id
    get_person(session, alice).second_email = HOME.upper()
    add_access(session, HOME)
    code = create_sign_in(session, "token", HOME, NOW, alice)
    confirm_second_email(act(ALICE), "token", code)
    assert get_person(session, alice).second_email == HOME
    assert list_sessions(session) == [HOME]
    assert list_open_codes(session) == [HOME]


def test_adding_a_second_address_ends_nothing(act: Act) -> None:
    session, bob = act(BOB).session, act(BOB).person_id
    # A code for an unknown address, which is not kept.
    create_sign_in(session, "decoy", NOBODY, NOW)
    add_access(session, NEW)
    code = create_sign_in(session, "token", NEW, NOW, bob)
    confirm_second_email(act(BOB), "token", code)
    assert list_open_codes(session) == [NOBODY, NEW]


@pytest.mark.parametrize(("email", "reserved"), [(NEW, {NEW}), (ERIN, set()), (HOME, set())])
def test_an_address_of_someone_else_is_refused(act: Act, email: str, reserved: set[str]) -> None:
    session, bob = act(BOB).session, act(BOB).person_id
    code = create_sign_in(session, "token", email, NOW, bob)
    with pytest.raises(Refused) as refused:
        confirm_second_email(act(BOB), "token", code, reserved)
    assert refused.value.refusals == (Refusal("email", "email-taken"),)
    assert get_person(session, bob).second_email is None


def test_code_problems_are_returned_and_counted(act: Act) -> None:
    session = act(BOB).session
    code = create_sign_in(session, "token", NEW, NOW, act(BOB).person_id)
    sign_in = create_sign_in(session, "sign in", NEW, NOW)
    wrong = f"{(int(code) + 1) % 10**9:09}"
    assert confirm_second_email(act(BOB), "token", wrong) is CodeProblem.WRONG
    assert session.get_one(SignIn, hash_token("token")).wrong_codes == 1
    late = replace(act(BOB), now=NOW + timedelta(minutes=10))
    assert confirm_second_email(late, "token", code) is CodeProblem.EXPIRED
    for token, typed in (("unknown", code), ("sign in", sign_in)):
        assert confirm_second_email(act(BOB), token, typed) is CodeProblem.UNKNOWN_LINK


def test_a_removed_address_stays_removed(act: Act) -> None:
    context = act(ALICE)
    for email in (ALICE, HOME):
        add_access(context.session, email)
    person = remove_second_email(context)
    assert person.id == context.person_id
    # An import does not bring the address back.
    assert (person.second_email, person.second_email_confirmed_at) == (None, NOW)
    assert list_sessions(context.session) == [ALICE]
    before = {"second_email": HOME, "second_email_confirmed_at": None}
    after = {"second_email": None, "second_email_confirmed_at": NOW.isoformat()}
    logged = [LoggedChange(ALICE, person.id, before, after)]
    assert list_changes(context.session, "person") == logged
    with pytest.raises(NotFound):
        remove_second_email(context)


def test_an_address_removed_meanwhile_is_not_found(act: Act) -> None:
    context = act(ALICE)
    person = get_person(context.session, context.person_id)
    # As another process does, behind the back of the session.
    context.session.connection().execute(update(Person).values(second_email=None))
    assert person.second_email == HOME
    with pytest.raises(NotFound):
        remove_second_email(context)


def test_mail_to_the_first_address_is_retried(act: Act) -> None:
    context = act(ALICE)
    assert retry_first_email(context) is None
    person = get_person(context.session, context.person_id)
    person.email_refused_at, person.email_refused_reason = NOW - DAY, "no such user"
    assert retry_first_email(context) == NOW - DAY
    context.session.refresh(person)
    assert person.model_dump(include={"email_refused_at", "email_refused_reason"}) == {
        "email_refused_at": None,
        "email_refused_reason": None,
    }
    refused, retried = {"email_refused_at": (NOW - DAY).isoformat()}, {"email_refused_at": None}
    logged = [LoggedChange(ALICE, person.id, refused, retried)]
    assert list_changes(context.session, "person") == logged


def test_a_revoked_address_is_signed_out(session: Session, cast: Cast) -> None:
    alice = get_person(session, cast.people[ALICE])
    alice.second_email = HOME.upper()
    for email in (ALICE, HOME, BOB):
        add_access(session, email)
    # Another person was signed in with this address before.
    token = create_browser_session(session, HOME, NOW)
    session.get_one(BrowserSession, hash_token(token)).person_id = cast.people[BOB]
    revoke_second_email(session, alice)
    assert list_sessions(session) == [ALICE, HOME, BOB]
    assert list_open_codes(session) == [ALICE, BOB]
    used = session.exec(select(SignIn.email).where(col(SignIn.used_at).is_not(None)))
    assert sorted(used) == [ALICE, HOME, BOB]


@pytest.mark.parametrize(("second_email", "shared"), [(EVE.upper(), False), (HOME, True)])
def test_an_address_that_someone_keeps_stays_open(
    session: Session, cast: Cast, second_email: str, *, shared: bool
) -> None:
    eve = get_person(session, cast.people[EVE])
    eve.second_email = second_email
    email = second_email.lower()
    add_access(session, email)
    revoke_second_email(session, eve)
    assert list_open_codes(session) == [email]
    assert shared or list_sessions(session) == [email]
