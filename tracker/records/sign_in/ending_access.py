"""Ends what opens the site for whoever holds it: what a restored backup brings back to life."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, delete, select, update

from tracker.records.schema.tables import METADATA
from tracker.records.store.audit import Change, record_changes

_CALENDAR = METADATA.tables["calendar_feed"]
_SESSION = METADATA.tables["web_session"]
_SIGN_IN = METADATA.tables["sign_in"]
_TOKEN = METADATA.tables["api_token"]


class Ended(NamedTuple):
    """How many of each were ended."""

    sessions: int
    codes: int
    calendars: int
    tokens: int


def end_all_access(
    connection: Connection, who: str, at: datetime, *, calendars: bool, tokens: bool
) -> Ended:
    """End every session, code and link, and, if asked for, calendar addresses and API tokens.

    Each session, calendar address and token leaves an audit event; ``who`` ends them.
    """
    columns = (_SESSION.c.person_id, _SESSION.c.email, _SESSION.c.browser, _SESSION.c.created_at)
    sessions = connection.execute(delete(_SESSION).returning(*columns)).all()
    events = [
        Change(who, at, _SESSION.name, row.person_id or 0, row._asdict(), None) for row in sessions
    ]
    unused = _SIGN_IN.c.used_at.is_(None) & (_SIGN_IN.c.expires_at > at)
    codes = _count(connection, unused)
    # Its rows stay, so that who asks again and again is still counted.
    connection.execute(update(_SIGN_IN).where(unused).values(used_at=at))
    ended_feeds = _end_calendars(connection, who, at) if calendars else []
    ended_tokens = _end_tokens(connection, who, at) if tokens else []
    record_changes(connection, [*events, *ended_feeds, *ended_tokens])
    return Ended(len(sessions), codes, len(ended_feeds), len(ended_tokens))


def _count(connection: Connection, where: ColumnElement[bool]) -> int:
    return len(connection.scalars(select(_SIGN_IN.c.token_hash).where(where)).all())


def _end_calendars(connection: Connection, who: str, at: datetime) -> list[Change]:
    gone = delete(_CALENDAR).returning(_CALENDAR.c.person_id, _CALENDAR.c.created_at)
    return [
        Change(who, at, _CALENDAR.name, row.person_id, {"created_at": row.created_at}, None)
        for row in connection.execute(gone)
    ]


def _end_tokens(connection: Connection, who: str, at: datetime) -> list[Change]:
    valid = _TOKEN.c.revoked_at.is_(None)
    void = update(_TOKEN).where(valid).values(revoked_at=at).returning(_TOKEN.c.id)
    before, after = {"revoked_at": None}, {"revoked_at": at}
    return [
        Change(who, at, _TOKEN.name, number, before, after)
        for number in connection.scalars(void).all()
    ]
