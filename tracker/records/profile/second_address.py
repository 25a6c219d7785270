"""A person's second address: asked for, confirmed, removed; and trying the first one again.

It signs in and gets mail, so it is used only once a code that went there was typed.
"""

from datetime import datetime

from sqlalchemy import Connection, delete, exists, func, select, text

from tracker.records.entries.entry_writes import Author
from tracker.records.profile.profile import change_person, profile_of
from tracker.records.schema.tables import METADATA
from tracker.records.sign_in.sign_in import Refused, hashed, use_sign_in

_PERSON = METADATA.tables["person"]
_SESSION = METADATA.tables["web_session"]
_SIGN_IN = METADATA.tables["sign_in"]


class Taken(Exception):  # noqa: N818 - reads as the sentence it prints
    """The address is somebody else's."""


def is_taken(connection: Connection, person_id: int, email: str) -> bool:
    """Whether the address is anybody's first, or somebody else's second one."""
    first = exists().where(_PERSON.c.email == email)
    others = (func.lower(_PERSON.c.second_email) == email) & (_PERSON.c.id != person_id)
    return bool(connection.scalar(select(first | exists().where(others))))


def who_confirms(connection: Connection, token: str) -> int | None:
    """Whose second address a mail's link is about; None where it is about none."""
    query = select(_SIGN_IN.c.person_id).where(_SIGN_IN.c.token_hash == hashed(token))
    return connection.scalar(query)


def confirm(connection: Connection, token: str, code: str, now: datetime) -> str | Refused:
    """Use up the token and code: the address is then the person's second one, and the old is not.

    The address, or why not. Raises Taken where it has become somebody else's meanwhile.
    """
    person_id = who_confirms(connection, token)
    if person_id is None:
        return Refused.NO_LINK
    email = use_sign_in(connection, token, code, now, person_id)
    if isinstance(email, Refused):
        return email
    _take_turns(connection)
    if is_taken(connection, person_id, email):
        raise Taken
    author = Author(person_id, email, now)
    _end_sessions(connection, person_id, besides=email)
    change_person(connection, author, {"second_email": email, "second_email_confirmed_at": now})
    return email


def remove(connection: Connection, author: Author) -> bool:
    """Take the second address out, and sign it out everywhere; False where there is none."""
    if profile_of(connection, author.person_id).second_email is None:
        return False
    _end_sessions(connection, author.person_id, besides=None)
    # Removed by themselves: a file of the association's does not bring it back.
    values = {"second_email": None, "second_email_confirmed_at": author.at}
    change_person(connection, author, values)
    return True


def try_first_again(connection: Connection, author: Author) -> bool:
    """Take the mark from the first address; False where it has none."""
    if profile_of(connection, author.person_id).email_refused_at is None:
        return False
    change_person(connection, author, {"email_refused_at": None})
    return True


def _end_sessions(connection: Connection, person_id: int, *, besides: str | None) -> None:
    """End the sessions and codes of the second address that goes; not those of a first one."""
    profile = profile_of(connection, person_id)
    email = (profile.second_email or "").lower()
    if email in ("", profile.email, besides or ""):
        return
    own = _SESSION.c.person_id == person_id
    connection.execute(delete(_SESSION).where(own & (_SESSION.c.email == email)))
    unused = (_SIGN_IN.c.email == email) & _SIGN_IN.c.used_at.is_(None)
    if not is_taken(connection, person_id, email):
        connection.execute(delete(_SIGN_IN).where(unused))


def _take_turns(connection: Connection) -> None:
    """Let one transaction at a time confirm an address, so that no two take the same one."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('second address'))"))
