"""Signed-in browsers: whose they are, how long they last, and how they end."""

from datetime import date, datetime, timedelta

import pytest
from sqlmodel import Session, select

from tests.services.conftest import Act
from tests.support.audit_log import LoggedChange, list_changes
from tests.support.cast import ALICE, BOB, CAROL, DAN, DANA, ERIN, EVE, NOW, Cast
from tracker.db.access import ApiToken, BrowserSession, CalendarFeed, SignIn
from tracker.db.applications import Application
from tracker.db.desk import SecondFactor, TeamRole
from tracker.db.people import Endorsement, Person
from tracker.services.browser_sessions import (
    RevokedAccess,
    SessionProof,
    SessionUser,
    browser_handle,
    confirm_session,
    create_browser_session,
    delete_browser_session,
    forget_ended_sessions,
    get_session_user,
    has_recent_visit,
    is_confirmed,
    list_browsers,
    record_visit,
    revoke_all_access,
    sign_out_browser,
    sign_out_everywhere,
    sign_out_other_browsers,
    start_confirmation,
)
from tracker.services.sign_in import CodeProblem, create_sign_in, hash_token

HOME = "alice@home.example"
TODAY = NOW.date()
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


def get_row(session: Session, token: str) -> BrowserSession:
    session.expire_all()
    return session.get_one(BrowserSession, hash_token(token))


def get_user(session: Session, token: str, now: datetime = NOW) -> SessionUser:
    user = get_session_user(session, token, now)
    assert user is not None
    return user


def list_signed_in(session: Session) -> list[str]:
    return sorted(session.exec(select(BrowserSession.email)))


def endorse(session: Session, cast: Cast, email: str, association: str, **days: date) -> None:
    held = Endorsement(
        person_id=cast.people[email],
        association=association,
        category="IFRS",
        starts_on=days.get("starts_on", date(2020, 1, 1)),
        ends_on=days.get("ends_on"),
    )
    session.add(held)
    session.flush()


def apply(session: Session, cast: Cast, email: str, association: str, opened_on: date) -> None:
    session.add(
        Application(
            person_id=cast.people[email],
            association=association,
            category="IFS",
            opened_on=opened_on,
        )
    )
    session.flush()


# Whose a session is.


def test_a_session_knows_its_person(session: Session, cast: Cast) -> None:
    user = get_user(session, create_browser_session(session, ALICE, NOW))
    assert user == SessionUser(
        email=ALICE,
        created_at=NOW,
        seen_at=None,
        person_id=cast.people[ALICE],
        name="Alice Moreno",
        is_endorsed=True,
        has_applied=False,
        provides_rsc=False,
        mail_comes_back=False,
        association="NCIMHA",
        only_association="NCIMHA",
        had_person=True,
        confirmed_at=NOW,
        factor_at=None,
        has_factor=False,
        has_role=False,
    )


def test_a_session_knows_what_its_person_does(session: Session, cast: Cast) -> None:
    apply(session, cast, EVE, "CT-AIMH", date(2026, 1, 1))
    session.get_one(Person, cast.people[EVE]).email_refused_at = NOW
    session.add(SecondFactor(email=EVE, secret=b"", created_at=NOW, confirmed_at=NOW))
    session.add(SecondFactor(email=CAROL, secret=b"", created_at=NOW))
    role = TeamRole(
        association="NCIMHA",
        email=EVE,
        name="Eve Chen",
        role="viewer",
        starts_on=TODAY,
        added_at=NOW,
        added_by=CAROL,
    )
    session.add(role)
    token = create_browser_session(session, EVE, NOW, "Firefox", has_factor=True)
    record_visit(session, token, NOW + SECOND)
    user = get_user(session, token)
    assert (user.is_endorsed, user.has_applied, user.mail_comes_back) == (False, True, True)
    assert (user.association, user.only_association) == (None, "CT-AIMH")
    assert (user.factor_at, user.has_factor, user.has_role) == (NOW, True, True)
    assert user.seen_at == NOW + SECOND
    assert get_user(session, create_browser_session(session, DANA, NOW)).provides_rsc
    carol = get_user(session, create_browser_session(session, CAROL, NOW))
    assert (carol.person_id, carol.name, carol.had_person) == (None, None, False)
    assert (carol.is_endorsed, carol.has_applied, carol.confirmed_at) == (False, False, NOW)
    assert (carol.has_factor, carol.has_role) == (False, False)


def test_a_coordinator_becomes_a_person_later(session: Session, cast: Cast) -> None:
    token = create_browser_session(session, CAROL, NOW)
    session.get_one(Person, cast.people[EVE]).email = CAROL
    session.flush()
    user = get_user(session, token)
    assert (user.person_id, user.had_person) == (cast.people[EVE], False)


def test_a_session_ends_with_its_address(session: Session, cast: Cast) -> None:
    eve = session.get_one(Person, cast.people[EVE])
    eve.second_email = "Eve@Home.example"
    session.flush()
    first, second = (create_browser_session(session, e, NOW) for e in (EVE, "eve@home.example"))
    assert get_user(session, second).person_id == get_user(session, first).person_id == eve.id
    eve.email, eve.second_email = "new@example.org", None
    bob = session.get_one(Person, cast.people[BOB])
    bob.second_email = "eve@home.example"
    session.flush()
    for token in (first, second):
        user = get_user(session, token)
        assert (user.person_id, user.had_person) == (None, True)


@pytest.mark.parametrize(
    ("held", "first", "only"),
    [
        ({"starts_on": date(2024, 2, 29)}, "CT-AIMH", None),
        ({"starts_on": date(2024, 3, 1)}, "NCIMHA", None),
        ({"ends_on": TODAY}, "CT-AIMH", None),
        ({"ends_on": TODAY - DAY}, "CT-AIMH", "NCIMHA"),
    ],
)
def test_the_associations_of_endorsements_are_known(
    session: Session, cast: Cast, held: dict[str, date], first: str, only: str | None
) -> None:
    endorse(session, cast, ALICE, "CT-AIMH", **held)
    user = get_user(session, create_browser_session(session, ALICE, NOW))
    assert (user.association, user.only_association) == (first, only)


def test_applications_name_one_association_only(session: Session, cast: Cast) -> None:
    token = create_browser_session(session, EVE, NOW)
    for opened_on, association, only in (
        (date(2026, 1, 1), "CT-AIMH", "CT-AIMH"),
        (date(2026, 2, 1), "CT-AIMH", "CT-AIMH"),
        (date(2026, 3, 1), "NCIMHA", None),
    ):
        apply(session, cast, EVE, association, opened_on)
        assert get_user(session, token).only_association == only
    endorse(session, cast, EVE, "NCIMHA")
    assert get_user(session, token).only_association == "NCIMHA"


# How long a session lasts.


def test_a_session_stores_where_it_began(session: Session, cast: Cast) -> None:
    row = get_row(session, create_browser_session(session, HOME, NOW, "Firefox on Android"))
    assert row.model_dump(exclude={"token_hash"}) == {
        "email": HOME,
        "person_id": cast.people[ALICE],
        "created_at": NOW,
        "expires_at": NOW + 30 * DAY,
        "browser": "Firefox on Android",
        "seen_at": None,
        # The second address confirms nothing.
        "confirmed_at": None,
        "factor_at": None,
    }
    token = create_browser_session(session, ALICE, NOW, confirms=False)
    assert get_row(session, token).confirmed_at is None


def test_a_session_ends_after_thirty_days(session: Session) -> None:
    token = create_browser_session(session, ALICE, NOW)
    end = NOW + 30 * DAY
    assert get_session_user(session, token, end - SECOND)
    assert get_session_user(session, token, end) is None
    assert get_session_user(session, "other", NOW) is None
    for email, at in ((BOB, NOW - SECOND), (EVE, NOW - 2 * SECOND)):
        create_browser_session(session, email, at)
    assert forget_ended_sessions(session, end - SECOND) == 1
    create_browser_session(session, DANA, end)
    assert list_signed_in(session) == [ALICE, DANA]


def test_a_daily_visit_prolongs_a_session(session: Session) -> None:
    token, other = (create_browser_session(session, ALICE, NOW) for _ in range(2))
    visits = [(NOW, NOW), (NOW + DAY - SECOND, NOW), (NOW + DAY, NOW + DAY)]
    for now, seen_at in visits:
        assert has_recent_visit(get_user(session, token), now) == (now != seen_at)
        record_visit(session, token, now)
        row = get_row(session, token)
        assert (row.seen_at, row.expires_at) == (seen_at, seen_at + 30 * DAY)
    record_visit(session, token, NOW + 31 * DAY)
    assert get_row(session, token).seen_at == NOW + DAY
    row = get_row(session, other)
    assert (row.seen_at, row.expires_at) == (None, NOW + 30 * DAY)


def test_no_session_lasts_over_180_days(session: Session) -> None:
    token = create_browser_session(session, ALICE, NOW)
    for days in (29, 58, 87, 116, 145, 151):
        record_visit(session, token, NOW + days * DAY)
    assert get_row(session, token).expires_at == NOW + 180 * DAY


# Confirming a session with a code.


def test_a_confirmation_lasts_ten_minutes() -> None:
    last = timedelta(minutes=10)
    assert not is_confirmed(None, NOW)
    ages = (-SECOND, 0 * SECOND, last - SECOND, last)
    assert [is_confirmed(NOW - age, NOW) for age in ages] == [False, True, True, False]


def test_a_code_confirms_its_own_session(session: Session, cast: Cast) -> None:
    alice = cast.people[ALICE]
    token, other = (create_browser_session(session, HOME, NOW) for _ in range(2))
    proof, later = SessionProof(token, "ticket"), NOW + timedelta(minutes=9)
    code = start_confirmation(session, alice, ALICE, proof, NOW)
    session.flush()
    for wrong in (SessionProof(other, "ticket"), SessionProof(token, "other")):
        problem = confirm_session(session, alice, wrong, code, later)
        assert problem is CodeProblem.UNKNOWN_LINK
    for person_id in (None, cast.people[BOB]):
        problem = confirm_session(session, person_id, proof, code, later)
        assert problem is CodeProblem.UNKNOWN_LINK
    assert get_row(session, token).confirmed_at is None
    assert confirm_session(session, alice, proof, code, later) == ALICE
    assert get_row(session, token).confirmed_at == later
    assert get_row(session, other).confirmed_at is None


# Lists of sessions, and signing out.


def test_a_persons_sessions_are_listed(session: Session, cast: Cast) -> None:
    first, second, third, ended = (
        create_browser_session(session, email, NOW) for email in (ALICE, ALICE, HOME, HOME)
    )
    # From before the person was stored with it.
    for token, token_hash in ((first, "b" * 64), (third, "a" * 64)):
        row = get_row(session, token)
        row.person_id, row.token_hash = None, token_hash
        session.flush()
    late = create_browser_session(session, ALICE, NOW + 2 * DAY)
    get_row(session, ended).expires_at = NOW + 2 * DAY
    session.flush()
    create_browser_session(session, CAROL, NOW)
    # Bob had this address before.
    bobs = get_row(session, create_browser_session(session, HOME, NOW))
    bobs.person_id = cast.people[BOB]
    session.flush()
    record_visit(session, second, NOW + DAY)
    listed = list_browsers(session, cast.people[ALICE], ALICE, NOW + 2 * DAY)
    hashes = [hash_token(late), hash_token(second), "a" * 64, "b" * 64]
    assert [row.token_hash for row in listed] == hashes
    [carol] = list_browsers(session, None, CAROL, NOW)
    assert carol.email == CAROL
    # A person's session is not listed for an address alone.
    assert list_browsers(session, None, ALICE, NOW + 31 * DAY) == []


def test_one_browser_is_signed_out(session: Session, cast: Cast, act: Act) -> None:
    token = create_browser_session(session, ALICE, NOW, "Firefox")
    create_browser_session(session, ALICE, NOW)
    handle = browser_handle(hash_token(token))
    assert handle == hash_token(token)[:16]
    for stranger in (BOB, CAROL):
        sign_out_browser(act(stranger), stranger, handle)
    assert list_signed_in(session) == [ALICE, ALICE]
    sign_out_browser(act(ALICE), ALICE, handle)
    assert list_signed_in(session) == [ALICE]
    alice = cast.people[ALICE]
    row = {
        "email": ALICE,
        "person_id": alice,
        "browser": "Firefox",
        "created_at": NOW.isoformat(),
    }
    assert list_changes(session, "web_session") == [LoggedChange(ALICE, alice, row, None)]
    own = create_browser_session(session, CAROL, NOW)
    sign_out_browser(act(CAROL), CAROL, browser_handle(hash_token(own)))
    assert list_signed_in(session) == [ALICE]


def test_all_other_browsers_are_signed_out(session: Session, act: Act) -> None:
    token = create_browser_session(session, CAROL, NOW)
    for email in (CAROL, CAROL, ALICE):
        alices = create_browser_session(session, email, NOW)
    sign_out_other_browsers(act(CAROL), CAROL, token)
    assert list_signed_in(session) == [ALICE, CAROL]
    assert get_row(session, token).email == CAROL
    assert [each.row_id for each in list_changes(session, "web_session")] == [0, 0]
    delete_browser_session(session, token)
    create_browser_session(session, HOME, NOW)
    sign_out_other_browsers(act(ALICE), ALICE, alices)
    assert list_signed_in(session) == [ALICE]


@pytest.mark.parametrize("email", [ALICE, HOME])
def test_a_person_is_signed_out_everywhere(session: Session, cast: Cast, email: str) -> None:
    session.get_one(Person, cast.people[ALICE]).second_email = HOME.upper()
    session.flush()
    for each in (ALICE, HOME, BOB):
        create_browser_session(session, each, NOW)
        create_sign_in(session, f"{each} open", each, NOW)
        create_sign_in(session, f"{each} expired", each, NOW - timedelta(minutes=10))
        create_sign_in(session, f"{each} used", each, NOW)
        session.flush()
        session.get_one(SignIn, hash_token(f"{each} used")).used_at = NOW - SECOND
    assert sign_out_everywhere(session, email, "operator", NOW) == (2, 2)
    assert list_signed_in(session) == [BOB]
    session.expire_all()
    voided = session.exec(select(SignIn.email).where(SignIn.used_at == NOW)).all()
    assert sorted(voided) == [ALICE, HOME]
    assert [each.who for each in list_changes(session, "web_session")] == ["operator"] * 2
    assert sign_out_everywhere(session, email, "operator", NOW) == (0, 0)


def test_an_address_without_person_is_signed_out(session: Session) -> None:
    assert sign_out_everywhere(session, CAROL, "operator", NOW) is None
    create_sign_in(session, "token", CAROL, NOW)
    assert sign_out_everywhere(session, CAROL, "operator", NOW) == (0, 1)
    for email in (CAROL, DAN):
        create_browser_session(session, email, NOW)
    assert sign_out_everywhere(session, CAROL, "operator", NOW) == (1, 0)
    assert list_signed_in(session) == [DAN]


def add_lasting_access(session: Session, cast: Cast) -> None:
    """Two calendar addresses, a token that is open, and one that was revoked."""
    for email in (ALICE, ERIN):
        feed = CalendarFeed(person_id=cast.people[email], nonce="nonce", created_at=NOW - DAY)
        session.add(feed)
    for name, revoked_at in (("open", None), ("revoked", NOW - DAY)):
        token = ApiToken(
            association="NCIMHA", name=name, scopes="read", token_hash=name, created_at=NOW - DAY
        )
        token.revoked_at = revoked_at
        session.add(token)
    for email in (ALICE, CAROL):
        create_browser_session(session, email, NOW)
        create_sign_in(session, f"{email} open", email, NOW)
        create_sign_in(session, f"{email} expired", email, NOW - timedelta(minutes=10))
    session.flush()


def test_all_access_can_be_revoked(session: Session, cast: Cast) -> None:
    add_lasting_access(session, cast)
    session.get_one(SignIn, hash_token(f"{CAROL} open")).used_at = NOW - SECOND
    revoked = revoke_all_access(session, "operator", NOW, calendars=True, tokens=True)
    assert revoked == RevokedAccess(sessions=2, codes=1, calendars=2, tokens=1, lost_messages=None)
    session.expire_all()
    assert list_signed_in(session) == []
    assert session.exec(select(SignIn.email).where(SignIn.used_at == NOW)).all() == [ALICE]
    assert session.exec(select(CalendarFeed)).all() == []
    tokens = session.exec(select(ApiToken.revoked_at, ApiToken.id).order_by("id")).all()
    assert [at for at, _ in tokens] == [NOW, NOW - DAY]
    before = {"created_at": (NOW - DAY).isoformat()}
    feeds = list_changes(session, "calendar_feed")
    assert sorted(each.row_id for each in feeds) == sorted([cast.people[ALICE], cast.people[ERIN]])
    assert all(each == ("operator", each.row_id, before, None) for each in feeds)
    after = {"revoked_at": NOW.isoformat()}
    [change] = list_changes(session, "api_token")
    assert change == ("operator", tokens[0][1], {"revoked_at": None}, after)
    whose = [(each.who, each.row_id) for each in list_changes(session, "web_session")]
    assert sorted(whose) == [("operator", 0), ("operator", cast.people[ALICE])]


def test_calendars_and_tokens_can_stay(session: Session, cast: Cast) -> None:
    add_lasting_access(session, cast)
    revoked = revoke_all_access(session, "operator", NOW, calendars=False, tokens=False)
    assert revoked == RevokedAccess(sessions=2, codes=2, calendars=0, tokens=0, lost_messages=None)
    assert len(session.exec(select(CalendarFeed)).all()) == 2
    assert NOW not in session.exec(select(ApiToken.revoked_at)).all()
