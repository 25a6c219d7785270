"""Signing in with an identity provider: for people who work for an association, and nobody else.

Nobody gets a role by signing in: the verified address must have one already. An emailed link and
code sign in everybody, people on teams too.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlmodel import Session

from tracker.db.signing_keys import SIGN_IN, get_signing_key
from tracker.services.browser_sessions import create_browser_session, delete_browser_session
from tracker.services.sign_in import normalize_email
from tracker.services.team import TeamCache


class FlowSecrets(NamedTuple):
    """What binds a sign-in to the browser that began it: state, nonce, and PKCE's code verifier.

    All three follow from the token in that browser's cookie, so nothing is stored before it ends.
    """

    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the provider says has signed in: a verified address.

    ``has_second_factor``: in a way that counts as the second factor of the desk.
    """

    email: str
    has_second_factor: bool = False


def derive_flow(session: Session, browser_token: str) -> FlowSecrets:
    """The secrets of the sign-in that was begun in the browser with this token."""
    key = get_signing_key(session, SIGN_IN)

    def derive(purpose: str) -> str:
        digest = hmac.digest(key, f"provider {purpose}:{browser_token}".encode(), hashlib.sha256)
        return urlsafe_b64encode(digest).decode().rstrip("=")

    return FlowSecrets(derive("state"), derive("nonce"), derive("verifier"))


def open_team_session(
    session: Session,
    team: TeamCache,
    identity: Identity,
    browser: str | None,
    earlier_token: str,
    now: datetime,
) -> str | None:
    """Sign in a browser for an address with a role today; return the token for its cookie.

    None without a role. The session that the browser had (``earlier_token``) ends. The new one is
    not confirmed (see `is_confirmed`): the provider may have asked for nothing, because somebody
    signed in there before.
    """
    email = normalize_email(identity.email)
    team.refresh(session)
    active, _ = team.read(session, now)
    if email not in {member.email for member in active}:
        return None
    delete_browser_session(session, earlier_token)
    return create_browser_session(
        session,
        email,
        now,
        browser,
        confirms=False,
        has_factor=identity.has_second_factor,
    )
