"""What a person may say of themselves, and what we know of them."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import delete, exists, func, select, text, update
from sqlmodel import Session

from tracker.db.audit import Change, record_changes
from tracker.db.tables import METADATA
from tracker.services.context import Author, lock_person
from tracker.services.sign_in import Refused, hash_token, use_sign_in

_PERSON = METADATA.tables["person"]


class Profile(NamedTuple):
    """A person's own facts; ``email_refused_at``: since when mail to the first address bounces."""

    name: str
    email: str
    second_email: str | None
    second_email_confirmed_at: datetime | None
    email_refused_at: datetime | None
    time_zone: str | None


def profile_of(session: Session, person_id: int) -> Profile:
    """What is stored of a person who is known to exist."""
    columns = [_PERSON.c[name] for name in Profile._fields]
    return Profile(
        *session.connection().execute(select(*columns).where(_PERSON.c.id == person_id)).one()
    )


def set_time_zone(session: Session, author: Author, time_zone: str | None) -> None:
    """Choose a time zone (an IANA name) or none, with its audit event."""
    change_person(session, author, {"time_zone": time_zone})


def change_person(session: Session, author: Author, values: Mapping[str, object]) -> None:
    """Set columns of a person's own row, with the audit event."""
    lock_person(session, author.person_id)
    stored = profile_of(session, author.person_id)._asdict()
    before = {name: stored[name] for name in values}
    own = _PERSON.c.id == author.person_id
    session.connection().execute(update(_PERSON).where(own).values(values))
    change = Change(author.who, author.at, "person", author.person_id, before, values)
    record_changes(session, [change])


_SESSION = METADATA.tables["web_session"]
_SIGN_IN = METADATA.tables["sign_in"]


class Taken(Exception):  # noqa: N818 - reads as the sentence it prints
    """The address is somebody else's."""


def is_taken(session: Session, person_id: int, email: str) -> bool:
    """Whether the address is anybody's first, or somebody else's second one."""
    first = exists().where(_PERSON.c.email == email)
    others = (func.lower(_PERSON.c.second_email) == email) & (_PERSON.c.id != person_id)
    return bool(session.scalar(select(first | exists().where(others))))


def who_confirms(session: Session, token: str) -> int | None:
    """Whose second address a mail's link is about; None where it is about none."""
    query = select(_SIGN_IN.c.person_id).where(_SIGN_IN.c.token_hash == hash_token(token))
    return session.scalar(query)


def confirm(session: Session, token: str, code: str, now: datetime) -> str | Refused:
    """Use up the token and code: the address is then the person's second one, and the old is not.

    The address, or why not. Raises Taken where it has become somebody else's meanwhile.
    """
    person_id = who_confirms(session, token)
    if person_id is None:
        return Refused.NO_LINK
    email = use_sign_in(session, token, code, now, person_id)
    if isinstance(email, Refused):
        return email
    _take_turns(session)
    if is_taken(session, person_id, email):
        raise Taken
    author = Author(person_id, email, now)
    _end_sessions(session, person_id, besides=email)
    change_person(session, author, {"second_email": email, "second_email_confirmed_at": now})
    return email


def remove(session: Session, author: Author) -> bool:
    """Take the second address out, and sign it out everywhere; False where there is none."""
    if profile_of(session, author.person_id).second_email is None:
        return False
    _end_sessions(session, author.person_id, besides=None)
    # Removed by themselves: a file of the association's does not bring it back.
    values = {"second_email": None, "second_email_confirmed_at": author.at}
    change_person(session, author, values)
    return True


def try_first_again(session: Session, author: Author) -> bool:
    """Take the mark from the first address; False where it has none."""
    if profile_of(session, author.person_id).email_refused_at is None:
        return False
    change_person(session, author, {"email_refused_at": None})
    return True


def _end_sessions(session: Session, person_id: int, *, besides: str | None) -> None:
    """End the sessions and codes of the second address that goes; not those of a first one."""
    profile = profile_of(session, person_id)
    email = (profile.second_email or "").lower()
    if email in ("", profile.email, besides or ""):
        return
    own = _SESSION.c.person_id == person_id
    session.connection().execute(delete(_SESSION).where(own & (_SESSION.c.email == email)))
    unused = (_SIGN_IN.c.email == email) & _SIGN_IN.c.used_at.is_(None)
    if not is_taken(session, person_id, email):
        session.connection().execute(delete(_SIGN_IN).where(unused))


def _take_turns(session: Session) -> None:
    """Let one transaction at a time confirm an address, so that no two take the same one."""
    if session.connection().dialect.name == "postgresql":
        session.connection().execute(
            text("SELECT pg_advisory_xact_lock(hashtext('second address'))")
        )
