"""The tokens with which programs of an association sign in, and the answers to their requests.

Only a hash of a token is stored: its secret is shown once, when it is created.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import update
from sqlmodel import Session, col, select

from tracker.db.access import ApiAnswer, ApiToken
from tracker.db.statements import upsert
from tracker.services.sign_in import generate_token, hash_token

SCOPES = ("standings:read", "entries:read", "entries:write")
ANSWERS_KEPT_DAYS = 7
# Lets people recognize a leaked secret in logs and source code.
_PREFIX = "ert_"
# Not seen by others: the work that claims a key is not committed yet.
_UNDER_WAY = 0


def create_token(
    session: Session,
    *,
    association: str,
    name: str,
    scopes: Sequence[str],
    now: datetime,
    expires_at: datetime | None = None,
) -> tuple[int, str]:
    """The id and the secret of a new token, which is void from ``expires_at`` on (None: never)."""
    secret = f"{_PREFIX}{generate_token()}"
    token = ApiToken(
        association=association,
        name=name,
        scopes=" ".join(sorted(set(scopes))),
        token_hash=hash_token(secret),
        created_at=now,
        expires_at=expires_at,
    )
    session.add(token)
    session.flush()
    return token.id, secret


def find_caller(session: Session, secret: str, now: datetime) -> ApiToken | None:
    """The token with this secret; None if it is unknown, expired, or revoked."""
    query = select(ApiToken).where(ApiToken.token_hash == hash_token(secret))
    token = session.exec(query).first()
    return token if token is not None and state_of(token, now) == "valid" else None


def note_use(session: Session, token_id: int, today: date) -> None:
    """Store the day on which a token was last used."""
    own = col(ApiToken.id) == token_id
    session.exec(update(ApiToken).where(own).values(last_used_on=today))


def list_tokens(session: Session) -> Sequence[ApiToken]:
    """Every token, oldest first."""
    return session.exec(select(ApiToken).order_by(col(ApiToken.id))).all()


def revoke_token(session: Session, token_id: int, now: datetime) -> bool:
    """Void a token now; False if there is none with that id. A second time changes nothing."""
    token = session.get(ApiToken, token_id)
    if token is None:
        return False
    token.revoked_at = token.revoked_at or now
    session.flush()
    return True


def state_of(token: ApiToken, now: datetime) -> str:
    """Whether a token is "valid", "expired", or "revoked"."""
    if token.revoked_at is not None:
        return "revoked"
    if token.expires_at is not None and token.expires_at <= now:
        return "expired"
    return "valid"


def claim_key(
    session: Session, token_id: int, key: str, request_hash: str, now: datetime
) -> ApiAnswer | None:
    """None if the key is new, which makes it the caller's; else what it was answered before.

    The body of an answer that is no longer kept is empty.

    Of two requests at once the second waits here until the first has committed.
    """
    claim = {
        "token_id": token_id,
        "key": key,
        "request_hash": request_hash,
        "status": _UNDER_WAY,
        "body": "",
        "at": now,
    }
    if upsert(session, ApiAnswer, [claim], key=["token_id", "key"]):
        return None
    return session.get_one(ApiAnswer, (token_id, key))


def keep_answer(session: Session, token_id: int, key: str, status: int, body: str) -> None:
    """Store what a claimed key was answered."""
    own = (col(ApiAnswer.token_id) == token_id) & (col(ApiAnswer.key) == key)
    session.exec(update(ApiAnswer).where(own).values(status=status, body=body))


def forget_answers(session: Session, token_id: int | None, now: datetime) -> int:
    """Empty a token's answers that are older than seven days (None: all tokens'); return how many.

    Their keys and the hashes of their requests stay, so that no key ever serves another session.
    """
    oldest = now - timedelta(days=ANSWERS_KEPT_DAYS)
    old = (col(ApiAnswer.at) < oldest) & (col(ApiAnswer.body) != "")
    if token_id is not None:
        old &= col(ApiAnswer.token_id) == token_id
    return session.exec(update(ApiAnswer).where(old).values(body="")).rowcount
