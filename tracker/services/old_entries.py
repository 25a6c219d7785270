"""Reads and writes the entries of a person."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple

from rapidfuzz import fuzz
from sqlalchemy import delete, insert, select, update
from sqlalchemy.sql import ColumnElement
from sqlmodel import Session

from tracker.db.audit import Change, record_changes
from tracker.db.log import Entry, EntryTopic
from tracker.db.statements import as_date, run
from tracker.db.tables import METADATA
from tracker.rulebooks import Rulebooks
from tracker.rules.explain import LoggedEntry
from tracker.services.context import Actor, Author, ServiceContext, lock_person
from tracker.services.evaluation import evaluate_people
from tracker.services.group_members import release_entry

_ENTRY = Entry.__table__  # type: ignore[attr-defined]
_TOPIC = EntryTopic.__table__  # type: ignore[attr-defined]


def list_entries(session: Session, person_id: int, first: date, last: date) -> list[LoggedEntry]:
    """A person's entries from ``first`` to ``last``, both days included, newest first."""
    rows = run(session, _OF_PERSON, [person_id, first.isoformat(), last.isoformat()])
    return list(_grouped((*row[:3], as_date(row[3]), *row[4:]) for row in rows))


# What `select_entries` asks, in the words of the driver: every visit of My year asks it.
_OF_PERSON = """
    SELECT e.id, e.person_id, e.activity, e.held_on, e.minutes, e.title, e.provider_id,
        e.provider_name, e.format, e.reference, t.topic, t.minutes
    FROM entry e LEFT JOIN entry_topic t ON t.entry_id = e.id
    WHERE e.person_id = ? AND e.held_on BETWEEN ? AND ?
    ORDER BY e.held_on DESC, e.id DESC, t.topic
"""


def find_entry(session: Session, person_id: int, entry_id: int) -> LoggedEntry | None:
    """One entry of a person's own; None where it is absent or somebody else's."""
    own = (_ENTRY.c.person_id == person_id) & (_ENTRY.c.id == entry_id)
    return next(select_entries(session, own), None)


def select_entries(session: Session, where: ColumnElement[bool]) -> Iterator[LoggedEntry]:
    """The entries that ``where`` picks, with their topics, newest first."""
    query = (
        select(
            _ENTRY.c.id,
            _ENTRY.c.person_id,
            _ENTRY.c.activity,
            _ENTRY.c.held_on,
            _ENTRY.c.minutes,
            _ENTRY.c.title,
            _ENTRY.c.provider_id,
            _ENTRY.c.provider_name,
            _ENTRY.c.format,
            _ENTRY.c.reference,
            _TOPIC.c.topic,
            _TOPIC.c.minutes,
        )
        .outerjoin_from(_ENTRY, _TOPIC, _TOPIC.c.entry_id == _ENTRY.c.id)
        .where(where)
        .order_by(_ENTRY.c.held_on.desc(), _ENTRY.c.id.desc(), _TOPIC.c.topic)
    )
    yield from _grouped(session.connection().execute(query))


def _grouped(rows: Iterable[Sequence[Any]]) -> Iterator[LoggedEntry]:
    for _, of_entry in groupby(rows, key=lambda row: int(row[0])):
        yield _entry(list(of_entry))


def _entry(rows: Sequence[Sequence[Any]]) -> LoggedEntry:
    topics = {row[10]: row[11] for row in rows if row[10] is not None}
    return LoggedEntry._make((*rows[0][:10], topics))


MOST_A_DAY = 60
_A_DAY = timedelta(days=1)


def has_logged_most(session: Session, person_id: int, at: datetime) -> bool:
    """Whether as many sessions as can be were stored for the person in the 24 hours to ``at``."""
    # An import has no form's key. With the sixtieth newest, all that are newer came later.
    newest = run(session, _NEWEST, [person_id, MOST_A_DAY - 1])
    return bool(newest) and is_of_a_day(session, newest[0][0], at)


def is_of_a_day(session: Session, entry_id: int, at: datetime) -> bool:
    """Whether an entry was stored in the 24 hours to ``at``."""
    own = select(_ENTRY_ENTRY_WRITES.c.logged_at).where(_ENTRY_ENTRY_WRITES.c.id == entry_id)
    stored_at = session.scalar(own)
    return stored_at is not None and stored_at > at - _A_DAY


_NEWEST = """
    SELECT id FROM entry WHERE person_id = ? AND form_key IS NOT NULL
    ORDER BY id DESC LIMIT 1 OFFSET ?
"""


_ENTRY_ENTRY_WRITES = METADATA.tables["entry"]
_TOPIC_ENTRY_WRITES = METADATA.tables["entry_topic"]


@dataclass(frozen=True, slots=True)
class Content:
    """What an entry says; minutes, also in ``topics`` (by topic)."""

    activity: str
    held_on: date
    minutes: int
    title: str
    provider_id: int | None
    provider_name: str | None
    format: str | None
    reference: str | None
    topics: dict[str, int]


_COLUMNS = tuple(one.name for one in fields(Content) if one.name != "topics")


class Added(NamedTuple):
    """The entry that a form became; not ``new`` if that form had been saved before."""

    entry: LoggedEntry
    new: bool


class ChangedMeanwhile(Exception):  # noqa: N818 - reads as the sentence it prints
    """The entry is no longer what the form was filled from."""


def content_of(entry: LoggedEntry) -> Content:
    """What a stored entry says."""
    return Content(*entry[2:])


def version_of(entry: LoggedEntry) -> str:
    """A short text that changes when any part of the entry does."""
    whole = json.dumps(asdict(content_of(entry)), default=str, sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()[:32]


def minutes_on(session: Session, person_id: int, day: date, *, without: int | None = None) -> int:
    """The minutes that a person has logged on one day, but for the entry ``without``."""
    sql = "SELECT SUM(minutes) FROM entry WHERE person_id = ? AND held_on = ? AND id <> ?"
    rows = run(session, sql, [person_id, day.isoformat(), without or 0])
    return int(rows[0][0] or 0)


def saved_from(session: Session, person_id: int, form_key: str) -> LoggedEntry | None:
    """The entry that the form with this key became, if it was saved already."""
    sql = "SELECT id FROM entry WHERE person_id = ? AND form_key = ?"
    rows = run(session, sql, [person_id, form_key])
    return find_entry(session, person_id, int(rows[0][0])) if rows else None


def add_entry(
    session: Session, rulebooks: Rulebooks, author: Author, content: Content, form_key: str
) -> Added:
    """Store an entry once for each ``form_key``: a second call gives the first one's entry."""
    lock_person(session, author.person_id)
    before = saved_from(session, author.person_id, form_key)
    if before is not None:
        return Added(before, new=False)
    return Added(add_unsaved(session, rulebooks, author, content, form_key), new=True)


def add_unsaved(
    session: Session, rulebooks: Rulebooks, author: Author, content: Content, form_key: str
) -> LoggedEntry:
    """The same for whoever holds the person's lock and has seen that nothing has this key."""
    values = {"person_id": author.person_id, "form_key": form_key, **_columns(content)}
    values["logged_at"] = author.at
    statement = insert(_ENTRY_ENTRY_WRITES).values(values).returning(_ENTRY_ENTRY_WRITES.c.id)
    entry_id = int(session.connection().execute(statement).scalar_one())
    _insert_topics(session, author.person_id, entry_id, content)
    _finish(session, rulebooks, author, entry_id, before=None, after=content)
    return LoggedEntry(entry_id, author.person_id, *_fields(content))


def change_entry(
    session: Session,
    rulebooks: Rulebooks,
    author: Author,
    entry_id: int,
    *,
    content: Content,
    version: str,
) -> bool:
    """Change a person's own entry; False where it is absent or somebody else's.

    Raises ChangedMeanwhile when it no longer has the ``version`` that the form was filled from.
    """
    lock_person(session, author.person_id)
    stored = find_entry(session, author.person_id, entry_id)
    if stored is None:
        return False
    if version_of(stored) != version:
        raise ChangedMeanwhile
    session.connection().execute(
        delete(_TOPIC_ENTRY_WRITES).where(_TOPIC_ENTRY_WRITES.c.entry_id == entry_id)
    )
    session.connection().execute(
        update(_ENTRY_ENTRY_WRITES)
        .where(_ENTRY_ENTRY_WRITES.c.id == entry_id)
        .values(_columns(content))
    )
    _insert_topics(session, author.person_id, entry_id, content)
    _finish(session, rulebooks, author, entry_id, before=content_of(stored), after=content)
    return True


def delete_entry(session: Session, rulebooks: Rulebooks, author: Author, entry_id: int) -> bool:
    """Delete a person's own entry; False where it is absent or somebody else's.

    A group session that it confirmed is asked about again.
    """
    lock_person(session, author.person_id)
    stored = find_entry(session, author.person_id, entry_id)
    if stored is None:
        return False
    actor = Actor(author.who, author.person_id)
    release_entry(ServiceContext(session, rulebooks, actor, author.at), entry_id)
    session.connection().execute(
        delete(_TOPIC_ENTRY_WRITES).where(_TOPIC_ENTRY_WRITES.c.entry_id == entry_id)
    )
    session.connection().execute(
        delete(_ENTRY_ENTRY_WRITES).where(_ENTRY_ENTRY_WRITES.c.id == entry_id)
    )
    _finish(session, rulebooks, author, entry_id, before=content_of(stored), after=None)
    return True


def _fields(content: Content) -> tuple[Any, ...]:
    return tuple(getattr(content, name) for name in LoggedEntry._fields[2:])


def _columns(content: Content) -> dict[str, Any]:
    return {name: getattr(content, name) for name in _COLUMNS}


def _shape(author: Author, content: Content) -> dict[str, Any]:
    return {"person_id": author.person_id, **_columns(content), "topics": content.topics}


def _insert_topics(session: Session, person_id: int, entry_id: int, content: Content) -> None:
    rows = [
        {
            "entry_id": entry_id,
            "topic": topic,
            "person_id": person_id,
            "held_on": content.held_on,
            "minutes": minutes,
        }
        for topic, minutes in content.topics.items()
    ]
    if rows:
        session.connection().execute(insert(_TOPIC_ENTRY_WRITES), rows)


def _finish(
    session: Session,
    rulebooks: Rulebooks,
    author: Author,
    entry_id: int,
    *,
    before: Content | None,
    after: Content | None,
) -> None:
    shapes = [_shape(author, content) if content else None for content in (before, after)]
    record_changes(session, [Change(author.who, author.at, "entry", entry_id, *shapes)])
    named = {c.provider_id for c in (before, after) if c and c.provider_id is not None}
    evaluate_people(session, rulebooks, {author.person_id}, author.at, named_providers=named)


_NEAR_MINUTES = 15
# Of 100: a letter or two may differ.
_ALIKE = 85.0


class Logged(NamedTuple):
    """An entry of the day, with its minutes; ``provider`` is a name, whoever that is."""

    id: int
    activity: str
    minutes: int
    title: str
    provider_id: int | None
    provider: str | None


def logged_on(session: Session, person_id: int, day: date) -> list[Logged]:
    """All that a person has logged on one day, oldest entry first."""
    rows = run(session, _LOGGED, [person_id, day.isoformat()])
    return [Logged._make((*row[:5], row[5] or row[6])) for row in rows]


_LOGGED = """
    SELECT e.id, e.activity, e.minutes, e.title, e.provider_id, e.provider_name, p.name
    FROM entry e LEFT JOIN person p ON p.id = e.provider_id
    WHERE e.person_id = ? AND e.held_on = ? ORDER BY e.id
"""


def find_duplicate(content: Content, logged: Iterable[Logged]) -> Logged | None:
    """The first of the day's entries that looks like this one, logged before."""
    return next((each for each in logged if _is_twin(content, each)), None)


def _is_twin(content: Content, logged: Logged) -> bool:
    if content.activity != logged.activity:
        return False
    near = abs(content.minutes - logged.minutes) <= _NEAR_MINUTES
    if content.activity != "rsc":
        alike = fuzz.ratio(content.title.casefold(), logged.title.casefold())
        return alike >= (_ALIKE if near else 100)
    # Two sessions with one provider on one day are rare, whatever their lengths.
    return _same_provider(content, logged) if near else _surely_same_provider(content, logged)


def _surely_same_provider(content: Content, logged: Logged) -> bool:
    if content.provider_id or logged.provider_id:
        return content.provider_id == logged.provider_id
    return bool(content.provider_name and logged.provider) and _same_provider(content, logged)


def _same_provider(content: Content, logged: Logged) -> bool:
    if content.provider_id and logged.provider_id:
        return content.provider_id == logged.provider_id
    if content.provider_name and logged.provider and not logged.provider_id:
        ratio = fuzz.ratio(content.provider_name.casefold(), logged.provider.casefold())
        return ratio >= _ALIKE
    # A mere name may be that of a known provider: better asked once too often.
    return True


class SubmissionCheck(NamedTuple):
    """What is stored of a person before they save a form.

    ``was_saved``: the same form was saved already. ``logged`` are the entries of its day, the
    oldest entry first. ``has_most``: within a day no more can be stored.
    """

    was_saved: bool
    logged: list[Logged]
    has_most: bool


def submission_check(
    session: Session, person_id: int, form_key: str, day: date, at: datetime
) -> SubmissionCheck:
    """What is stored when a form is saved at an instant, for a session held on ``day``."""
    held_on = day.isoformat()
    parameters = [held_on, form_key, person_id, MOST_A_DAY - 1, person_id, held_on, form_key]
    rows = run(session, _KNOWN, parameters)
    sixtieth = rows[0][0]
    return SubmissionCheck(
        was_saved=any(row[2] for row in rows),
        logged=[Logged._make((*row[3:8], row[8] or row[9])) for row in rows if row[1]],
        has_most=sixtieth is not None and is_of_a_day(session, sixtieth, at),
    )


_KNOWN = """
    SELECT newest.id, e.held_on = ?, e.form_key = ?, e.id, e.activity, e.minutes, e.title,
        e.provider_id, e.provider_name, p.name
    FROM (SELECT (
        SELECT n.id FROM entry n WHERE n.person_id = ? AND n.form_key IS NOT NULL
        ORDER BY n.id DESC LIMIT 1 OFFSET ?
    ) AS id) newest
    LEFT JOIN entry e ON e.person_id = ? AND (e.held_on = ? OR e.form_key = ?)
    LEFT JOIN person p ON p.id = e.provider_id
    ORDER BY e.id
"""
