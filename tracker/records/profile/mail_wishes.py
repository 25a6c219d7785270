"""Which optional mails people have switched off, on their page or by a mail's own link."""

from collections import defaultdict
from collections.abc import Collection, Sequence

from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy import Connection, delete, insert, select, text

from tracker.records.entries.entry_writes import Author, lock_person
from tracker.records.schema.tables import METADATA
from tracker.records.store.audit import Change, record_changes
from tracker.records.store.keys import find_key, make_key

_MAIL_OFF = METADATA.tables["mail_off"]
_PERSON = METADATA.tables["person"]
_KEY_NAME = "unsubscribe"
_SALT = "mail-off"


def kinds_off(connection: Connection, table: str) -> dict[int, set[str]]:
    """What the people in the temporary ``table`` have switched off, by person."""
    found: defaultdict[int, set[str]] = defaultdict(set)
    query = select(_MAIL_OFF.c.person_id, _MAIL_OFF.c.kind)
    for number, kind in connection.execute(
        query.where(text(f"mail_off.person_id IN (SELECT id FROM {table})"))
    ):
        found[number].add(kind)
    return found


def kinds_off_of(connection: Connection, person_id: int) -> set[str]:
    """What one person has switched off."""
    query = select(_MAIL_OFF.c.kind).where(_MAIL_OFF.c.person_id == person_id)
    return set(connection.scalars(query))


def set_kinds_off(connection: Connection, author: Author, kinds: Collection[str]) -> None:
    """Switch these kinds off and all others on, with one audit event."""
    lock_person(connection, author.person_id)
    before = kinds_off_of(connection, author.person_id)
    own = _MAIL_OFF.c.person_id == author.person_id
    connection.execute(delete(_MAIL_OFF).where(own & _MAIL_OFF.c.kind.not_in(kinds)))
    rows = [
        {"person_id": author.person_id, "kind": kind, "at": author.at}
        for kind in sorted(set(kinds) - before)
    ]
    if rows:
        connection.execute(insert(_MAIL_OFF), rows)
    shapes = [{"off": sorted(each)} for each in (before, set(kinds))]
    change = Change(author.who, author.at, "mail_off", author.person_id, *shapes)
    record_changes(connection, [change])


def email_of(connection: Connection, person_id: int) -> str | None:
    """A person's first address; None where nobody has that id."""
    return connection.scalar(select(_PERSON.c.email).where(_PERSON.c.id == person_id))


def off_token(connection: Connection, person_id: int, kinds: Sequence[str]) -> str:
    """The last part of a link that switches ``kinds`` off for a person.

    Makes the installation's key on the first call, so give it a writing connection.
    """
    return str(_serializer(make_key(connection, _KEY_NAME)).dumps([person_id, *kinds]))


def read_off_token(connection: Connection, token: str) -> tuple[int, tuple[str, ...]] | None:
    """The person and the kinds that a token names; None if it is not ours."""
    key = find_key(connection, _KEY_NAME)
    if key is None:
        return None
    try:
        person_id, *kinds = _serializer(key).loads(token)
    except (BadData, ValueError, TypeError, UnicodeError):
        return None
    return int(person_id), tuple(kinds)


def _serializer(key: str) -> URLSafeSerializer:
    return URLSafeSerializer(key, salt=_SALT)
