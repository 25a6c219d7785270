"""A session that a provider of the demo has logged for others: asked, confirmed and disputed."""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from tracker.demo.cast import Cast
from tracker.demo.stories import Stories
from tracker.jobs.office import Office
from tracker.jobs.session_mail import tell_members
from tracker.records.entries.entry_writes import Author
from tracker.records.groups.group_answers import confirm, dispute, hold_asked
from tracker.records.groups.group_members import Invited, Supervisee, supervisees_of
from tracker.records.groups.group_sessions import Held, log_session
from tracker.records.schema.tables import METADATA

_ENTRY, _PERSON = METADATA.tables["entry"], METADATA.tables["person"]
_MINUTES = 90
_AGO = timedelta(days=2)
_NAMED = 5


def add_group_session(
    office: Office,
    connection: Connection,
    stories: Stories,
    cast: Cast,
    now: datetime,
    shown: Collection[str],
) -> str | None:
    """Store it; the provider's address, None where nobody has supervised enough people.

    ``shown`` are the addresses that the demo opens with one click: these are asked first, and
    have not answered.
    """
    provider = _provider(connection, cast)
    if provider is None:
        return None
    author = Author(provider[0], provider[1], now)
    known = supervisees_of(connection, author.person_id)
    named = sorted(known, key=lambda s: s.email not in shown)[:_NAMED]
    held = Held(now.date() - _AGO, _MINUTES, stories.rsc)
    invited = [Invited(one.email, one.name) for one in named]
    logged = log_session(connection, author, held, invited, "demo")
    tell_members(office, connection, logged.asked, now)
    _answer(office, connection, named, [*logged.asked], now, stories.dispute)
    return provider[1]


def _provider(connection: Connection, cast: Cast) -> tuple[int, str] | None:
    """Whoever of those who qualify has supervised most people."""
    qualified = [p.email for p in cast.providers if p.role == "qualified"]
    query = (
        select(_PERSON.c.id, _PERSON.c.email)
        .join(_ENTRY, _ENTRY.c.provider_id == _PERSON.c.id)
        .where(_PERSON.c.email.in_(qualified))
        .group_by(_PERSON.c.id, _PERSON.c.email)
        .having(func.count(_ENTRY.c.person_id.distinct()) >= _NAMED)
        .order_by(func.count(_ENTRY.c.person_id.distinct()).desc(), _PERSON.c.id)
    )
    row = connection.execute(query).first()
    return (row[0], row[1]) if row else None


def _answer(
    office: Office,
    connection: Connection,
    named: list[Supervisee],
    asked: list[int],
    now: datetime,
    note: str,
) -> None:
    """The last has confirmed it, and the one before disputes it."""
    for person, member_id in list(zip(named, asked, strict=True))[-2:]:
        author = Author(person.id, person.email, now)
        held = hold_asked(connection, person.id, member_id)
        if held is None:
            continue
        if member_id == asked[-1]:
            confirm(connection, office.books, author, held)
        else:
            dispute(connection, office.books, author, held, note)
