"""Signing in with an identity provider: for people with a role on a team."""

import hmac
from base64 import urlsafe_b64decode
from datetime import timedelta
from hashlib import sha256

import pytest
from sqlmodel import Session, col, select

from tests.support.cast import ALICE, BOOKS, CAROL, NOW, Cast
from tracker.db.access import BrowserSession
from tracker.db.desk import TeamRole
from tracker.db.signing_keys import SIGN_IN, get_signing_key
from tracker.services.browser_sessions import create_browser_session
from tracker.services.provider_sign_in import Identity, derive_flow, open_team_session
from tracker.services.sign_in import hash_token
from tracker.services.team import TeamCache

RUTH = "ruth@example.org"


@pytest.fixture
def team(cast: Cast) -> TeamCache:
    return TeamCache(cast.engine, cast.settings, BOOKS, lambda: NOW)


def list_sessions(session: Session) -> list[str]:
    """The addresses of signed-in browsers."""
    return list(session.exec(select(BrowserSession.email).order_by(col(BrowserSession.email))))


def test_a_sign_in_outlasts_an_update_of_the_site(session: Session) -> None:
    """Nothing is stored before it ends, so each version derives the same."""
    key = get_signing_key(session, SIGN_IN)
    flow = derive_flow(session, "browser's token")
    for purpose, secret in flow._asdict().items():
        text = f"provider {purpose}:browser's token".encode()
        assert urlsafe_b64decode(secret + "=") == hmac.new(key, text, sha256).digest()
        # PKCE allows no other length of 32 bytes, and no "=".
        assert len(secret) == 43
    assert set(flow).isdisjoint(derive_flow(session, "another token"))


@pytest.mark.parametrize("has_factor", [False, True])
def test_a_team_member_is_signed_in_unconfirmed(
    session: Session, team: TeamCache, *, has_factor: bool
) -> None:
    earlier = create_browser_session(session, ALICE, NOW)
    create_browser_session(session, ALICE, NOW)
    identity = Identity(f" {CAROL.upper()}", has_factor)
    token = open_team_session(session, team, identity, "Firefox", earlier, NOW)
    assert token is not None
    opened = session.get_one(BrowserSession, hash_token(token))
    assert (opened.email, opened.browser, opened.created_at) == (CAROL, "Firefox", NOW)
    assert (opened.confirmed_at, opened.factor_at) == (None, NOW if has_factor else None)
    assert list_sessions(session) == [ALICE, CAROL]
    assert CAROL in {member.email for member in team.members}


@pytest.mark.parametrize(("days", "signs_in"), [(-1, True), (0, True), (1, False)])
def test_a_role_counts_from_its_first_day(
    session: Session, team: TeamCache, days: int, *, signs_in: bool
) -> None:
    """Without one, the browser's earlier session stays."""
    session.add(
        TeamRole(
            association="NCIMHA",
            email=RUTH,
            name="Ruth Adler",
            role="viewer",
            starts_on=NOW.date() + timedelta(days=days),
            added_at=NOW,
            added_by=CAROL,
        )
    )
    session.flush()
    earlier = create_browser_session(session, ALICE, NOW)
    token = open_team_session(session, team, Identity(RUTH), None, earlier, NOW)
    assert (token is not None) is signs_in
    assert list_sessions(session) == [RUTH if signs_in else ALICE]
    assert open_team_session(session, team, Identity(ALICE), None, "none", NOW) is None
