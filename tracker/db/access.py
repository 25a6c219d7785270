"""Tables of who may come in, and by what: sign-ins, sessions, tokens, secret addresses.

Tokens and codes are stored as hashes only; the keys of links are derived from a master key that is
not in the database.
"""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Index
from sqlmodel import Field, SQLModel

from tracker.db.types import IDS_NEVER_REUSED, Instant


class SignIn(SQLModel, table=True):
    """A sign-in that was asked for: hashes of its link's token and of its typed code.

    With a ``person_id`` it opens no session: it confirms that ``email`` is that person's second
    address, or that the person is at a signed-in browser.
    """

    __tablename__ = "sign_in"
    token_hash: str = Field(primary_key=True, max_length=64)
    code_hash: str = Field(max_length=64)
    email: str = Field(index=True, max_length=254)
    created_at: datetime = Field(sa_type=Instant)
    expires_at: datetime = Field(sa_type=Instant)
    used_at: datetime | None = Field(default=None, sa_type=Instant)
    wrong_codes: int = 0
    person_id: int | None = Field(default=None, foreign_key="person.id")


class SignInTry(SQLModel, table=True):
    """Somebody asked for a code, typed one, named a second address, or guessed at certificates.

    Counted by client and by address (known or not), or by person. Both are hashes, and the rows are
    forgotten after a day.
    """

    __tablename__ = "sign_in_try"
    __table_args__ = (
        CheckConstraint("kind IN ('ask', 'code', 'address', 'verify')", name="sign_in_try_kind"),
        Index("sign_in_try_client", "client_hash", "at"),
        Index("sign_in_try_address", "address_hash", "at"),
        Index("sign_in_try_at", "at"),
    )
    id: int = Field(default=None, primary_key=True)
    kind: str = Field(max_length=10)
    at: datetime = Field(sa_type=Instant)
    client_hash: str = Field(max_length=64)
    address_hash: str | None = Field(default=None, max_length=64)


class SecurityEvent(SQLModel, table=True):
    """A sign-in, a refusal, or a download: what happened, to whose record, and from where.

    ``client_hash`` is a keyed hash of the internet address, which tells events of one client from
    those of another; ``request_id`` is that of the log's lines. Rows are kept for a year.
    """

    __tablename__ = "security_event"
    __table_args__ = (Index("security_event_person", "person_id", "at"),)
    id: int = Field(default=None, primary_key=True)
    at: datetime = Field(sa_type=Instant)
    kind: str = Field(max_length=20)
    outcome: str = Field(max_length=20)
    person_id: int | None = Field(default=None, foreign_key="person.id")
    client_hash: str | None = Field(default=None, max_length=64)
    request_id: str | None = Field(default=None, max_length=32)


class BrowserSession(SQLModel, table=True):
    """A signed-in browser: the hash of its cookie's token, and whose it is.

    ``person_id`` is the person whose address ``email`` was when it signed in, if anybody's.
    ``browser`` says in words what it is, ``seen_at`` when it last came (kept once a day),
    ``confirmed_at`` when a code from the person's email was last entered in it, and ``factor_at``
    when the second factor was.
    """

    __tablename__ = "web_session"
    token_hash: str = Field(primary_key=True, max_length=64)
    email: str = Field(index=True, max_length=254)
    created_at: datetime = Field(sa_type=Instant)
    expires_at: datetime = Field(sa_type=Instant)
    browser: str | None = Field(default=None, max_length=100)
    seen_at: datetime | None = Field(default=None, sa_type=Instant)
    confirmed_at: datetime | None = Field(default=None, sa_type=Instant)
    factor_at: datetime | None = Field(default=None, sa_type=Instant)
    person_id: int | None = Field(default=None, index=True, foreign_key="person.id")


class CalendarFeed(SQLModel, table=True):
    """A person's calendar address: it holds while ``nonce`` is the one that it was signed with."""

    __tablename__ = "calendar_feed"
    person_id: int = Field(primary_key=True, foreign_key="person.id")
    nonce: str = Field(max_length=64)
    created_at: datetime = Field(sa_type=Instant)


class ApiToken(SQLModel, table=True):
    """What a program of an association signs in with; ``scopes`` are separated by spaces."""

    __tablename__ = "api_token"
    __table_args__ = (IDS_NEVER_REUSED,)
    id: int = Field(default=None, primary_key=True)
    association: str = Field(max_length=40)
    name: str = Field(max_length=100)
    scopes: str = Field(max_length=200)
    token_hash: str = Field(unique=True, max_length=64)
    created_at: datetime = Field(sa_type=Instant)
    expires_at: datetime | None = Field(default=None, sa_type=Instant)
    revoked_at: datetime | None = Field(default=None, sa_type=Instant)
    last_used_on: date | None = None


class ApiAnswer(SQLModel, table=True):
    """What a request with an idempotency key was answered, so that a second one gets the same.

    The ``body`` is emptied after a week; the row stays, so that its key serves no other request.
    """

    __tablename__ = "api_answer"
    token_id: int = Field(primary_key=True, foreign_key="api_token.id")
    key: str = Field(primary_key=True, max_length=100)
    request_hash: str = Field(max_length=64)
    status: int
    body: str
    at: datetime = Field(sa_type=Instant)


class Unsubscribed(SQLModel, table=True):
    """An address that no longer wants an optional kind of mail from an association."""

    __tablename__ = "unsubscribed"
    email: str = Field(primary_key=True, max_length=254)
    kind: str = Field(primary_key=True, max_length=40)
    association: str = Field(primary_key=True, max_length=40)
    at: datetime = Field(sa_type=Instant)


class KeyGeneration(SQLModel, table=True):
    """The generation of the key for one purpose, which is derived from the master key and ``salt``.

    ``fingerprint`` shows whether the master key is the right one, and nothing about the key.
    """

    __tablename__ = "key_generation"
    purpose: str = Field(primary_key=True, max_length=40)
    number: int
    salt: str = Field(max_length=64)
    fingerprint: str = Field(max_length=64)


class Secret(SQLModel, table=True):
    """A key with which an earlier version signed links that are still valid; encrypted."""

    __tablename__ = "secret"
    name: str = Field(primary_key=True, max_length=40)
    value: str = Field(max_length=500)


class BadgeKey(SQLModel, table=True):
    """A key pair that signs badges, or did; ``public_key`` is a JWK, ``key_id`` its thumbprint.

    ``private_key`` is encrypted with a key that is derived from the master key.
    """

    __tablename__ = "badge_key"
    __table_args__ = IDS_NEVER_REUSED
    id: int = Field(default=None, primary_key=True)
    key_id: str = Field(unique=True, max_length=43)
    public_key: str = Field(max_length=1000)
    private_key: bytes
    created_at: datetime = Field(sa_type=Instant)
