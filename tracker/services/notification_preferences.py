"""Which optional mails people have switched off, on their page or by a mail's own link."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime

from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy import delete, insert, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from tracker.db.audit import Change, record_changes
from tracker.db.statements import find_key, make_key
from tracker.db.tables import METADATA
from tracker.services.context import Author, lock_person

_MAIL_OFF = METADATA.tables["mail_off"]
_PERSON = METADATA.tables["person"]
_KEY_NAME = "unsubscribe"
_SALT = "mail-off"


def kinds_off(session: Session, table: str) -> dict[int, set[str]]:
    """What the people in the temporary ``table`` have switched off, by person."""
    found: defaultdict[int, set[str]] = defaultdict(set)
    query = select(_MAIL_OFF.c.person_id, _MAIL_OFF.c.kind)
    for number, kind in session.connection().execute(
        query.where(text(f"mail_off.person_id IN (SELECT id FROM {table})"))
    ):
        found[number].add(kind)
    return found


def kinds_off_of(session: Session, person_id: int) -> set[str]:
    """What one person has switched off."""
    query = select(_MAIL_OFF.c.kind).where(_MAIL_OFF.c.person_id == person_id)
    return set(session.scalars(query))


def set_kinds_off(session: Session, author: Author, kinds: Collection[str]) -> None:
    """Switch these kinds off and all others on, with one audit event."""
    lock_person(session, author.person_id)
    before = kinds_off_of(session, author.person_id)
    own = _MAIL_OFF.c.person_id == author.person_id
    session.connection().execute(delete(_MAIL_OFF).where(own & _MAIL_OFF.c.kind.not_in(kinds)))
    rows = [
        {"person_id": author.person_id, "kind": kind, "at": author.at}
        for kind in sorted(set(kinds) - before)
    ]
    if rows:
        session.connection().execute(insert(_MAIL_OFF), rows)
    shapes = [{"off": sorted(each)} for each in (before, set(kinds))]
    change = Change(author.who, author.at, "mail_off", author.person_id, *shapes)
    record_changes(session, [change])


def email_of(session: Session, person_id: int) -> str | None:
    """A person's first address; None where nobody has that id."""
    return session.scalar(select(_PERSON.c.email).where(_PERSON.c.id == person_id))


def off_token(session: Session, person_id: int, kinds: Sequence[str]) -> str:
    """The last part of a link that switches ``kinds`` off for a person.

    Makes the installation's key on the first call, so give it a writing connection.
    """
    return str(_serializer(make_key(session, _KEY_NAME)).dumps([person_id, *kinds]))


def read_off_token(session: Session, token: str) -> tuple[int, tuple[str, ...]] | None:
    """The person and the kinds that a token names; None if it is not ours."""
    key = find_key(session, _KEY_NAME)
    if key is None:
        return None
    try:
        person_id, *kinds = _serializer(key).loads(token)
    except (BadData, ValueError, TypeError, UnicodeError):
        return None
    return int(person_id), tuple(kinds)


def _serializer(key: str) -> URLSafeSerializer:
    return URLSafeSerializer(key, salt=_SALT)


_UNSUBSCRIBED = METADATA.tables["unsubscribed"]

Wish = tuple[str, str, str]


def unsubscribe_token(session: Session, email: str, kind: str, association: str) -> str:
    """The last part of a link that ends ``kind`` of mail from ``association`` to ``email``.

    Makes the installation's key on the first call, so give it a writing connection.
    """
    return str(
        _serializer_unsubscribing(make_key(session, _KEY_NAME)).dumps([email, kind, association])
    )


def read_unsubscribe_token(session: Session, token: str) -> Wish | None:
    """The address, kind and association that a token names; None if it is not ours."""
    key = find_key(session, _KEY_NAME)
    if key is None:
        return None
    try:
        email, kind, association = _serializer_unsubscribing(key).loads(token)
    except (BadData, ValueError, UnicodeError):
        return None
    return email, kind, association


def unsubscribe(session: Session, wish: Wish, now: datetime) -> None:
    """Store that the address no longer wants that mail; a second time changes nothing."""
    dialect = {"sqlite": sqlite, "postgresql": postgresql}[session.connection().dialect.name]
    values = dict(zip(("email", "kind", "association"), wish, strict=True))
    session.connection().execute(
        dialect.insert(_UNSUBSCRIBED).values(**values, at=now).on_conflict_do_nothing()
    )


def is_unsubscribed(session: Session, email: str, kind: str, association: str) -> bool:
    """Whether the address asked for no more of that mail."""
    query = select(_UNSUBSCRIBED.c.email).where(
        _UNSUBSCRIBED.c.email == email,
        _UNSUBSCRIBED.c.kind == kind,
        _UNSUBSCRIBED.c.association == association,
    )
    return session.scalar(query) is not None


def _serializer_unsubscribing(key: str) -> URLSafeSerializer:
    return URLSafeSerializer(key, salt=_KEY_NAME)
