"""Create, update, delete, and read entries: one logged session each."""

import dataclasses
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Any

import sqlalchemy
from sqlalchemy import ColumnElement, Row, bindparam, delete
from sqlmodel import Session, col, func, select

from tracker.db.log import Entry, EntryTopic
from tracker.formatting import MINUTES_IN_DAY
from tracker.rules.explain import LoggedEntry
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext, lock_person
from tracker.services.endorsements import refusal_of_lock
from tracker.services.entry_rules import (
    DAILY_LIMIT,
    EntryInput,
    EntryRules,
    EntryWarnings,
    find_warnings,
    load_entry_rules,
    usual_title,
    validate_entry,
)
from tracker.services.evaluation import evaluate_people
from tracker.services.group_sessions import release_entry
from tracker.services.rsc_providers import may_name

_ONE_DAY = timedelta(days=1)
_COLUMNS = tuple(name for name in LoggedEntry._fields if name != "topics")
# Built once, because building a statement takes as long as running it.
_ENTRIES = (
    sqlalchemy.select(
        *(getattr(Entry, name) for name in _COLUMNS),
        col(EntryTopic.topic),
        col(EntryTopic.minutes).label("topic_minutes"),
    )
    .outerjoin(EntryTopic, col(EntryTopic.entry_id) == col(Entry.id))
    .order_by(col(Entry.held_on).desc(), col(Entry.id).desc(), col(EntryTopic.topic))
)
_OWN_ENTRIES_WITHIN = _ENTRIES.where(
    col(Entry.person_id) == bindparam("person_id"),
    col(Entry.held_on).between(bindparam("first"), bindparam("last")),
)
_ENTRY_OF_FORM = _ENTRIES.where(
    col(Entry.person_id) == bindparam("person_id"), col(Entry.form_key) == bindparam("form_key")
)
_COUNT_LOGGED = select(func.count()).where(
    col(Entry.person_id) == bindparam("person_id"), col(Entry.logged_at) > bindparam("since")
)
_INPUT_FIELDS = tuple(field.name for field in dataclasses.fields(EntryInput))


@dataclass(frozen=True, slots=True)
class EntrySource:
    """Where a new entry comes from.

    ``form_key`` is saved once for each person, however often it is sent. ``confirmed`` are the
    keys of the warnings that the person has confirmed; None, for programs, skips the warnings.
    ``is_from_provider``: the provider logged the session, so the person may name them.
    """

    form_key: str
    confirmed: Collection[str] | None = None
    is_from_provider: bool = False


class NeedsConfirmation(Exception):  # noqa: N818 - reads as the sentence it is
    """Nothing was saved yet: the person is asked whether these warnings are mistakes."""

    def __init__(self, warnings: EntryWarnings) -> None:
        super().__init__(" ".join(warnings.keys))
        self.warnings = warnings


def create_entry(
    context: ServiceContext, person_id: int, entry: EntryInput, source: EntrySource
) -> LoggedEntry:
    """Save a new entry once for each form key; a second call returns the stored entry.

    Raises Refused with every reason, NeedsConfirmation for what looks like a mistake, and
    NotFound if the actor is another person.
    """
    if context.actor.person_id not in (None, person_id):
        raise NotFound
    session = context.session
    lock_person(session, person_id)
    title = entry.title or usual_title(entry.activity, entry.format)
    entry = dataclasses.replace(entry, title=title)
    session.flush()
    connection = session.connection()
    key = {"person_id": person_id, "form_key": source.form_key}
    for saved in _read_entries(connection.execute(_ENTRY_OF_FORM, key)):
        if entry_input_of(saved) == entry:
            return saved
        raise Refused(Refusal("form_key", "form-already-saved", _describe(saved)))
    rules = load_entry_rules(session, context.rulebooks, person_id, context.now)
    others = list_entries(session, person_id, entry.held_on, entry.held_on)
    refusals = _list_refusals(
        session, entry, rules, others, is_from_provider=source.is_from_provider
    )
    # Imported entries have no such instant, and do not count.
    since = {"person_id": person_id, "since": context.now - _ONE_DAY}
    if connection.execute(_COUNT_LOGGED, since).scalar_one() >= DAILY_LIMIT:
        refusals.append(Refusal("minutes", "daily-limit-reached", {"limit": DAILY_LIMIT}))
    if refusals:
        raise Refused(*refusals)
    if source.confirmed is not None:
        warnings = find_warnings(entry, others, source.confirmed)
        if warnings is not None:
            raise NeedsConfirmation(warnings)
    columns = dataclasses.asdict(entry)
    del columns["topics"]
    row = Entry(person_id=person_id, form_key=source.form_key, logged_at=context.now, **columns)
    return _save(context, row, entry, before=None)


def update_entry(
    context: ServiceContext,
    entry_id: int,
    entry: EntryInput,
    *,
    version: str,
    confirmed: Collection[str],
) -> LoggedEntry:
    """Change the actor's own entry, unless it changed since its form was filled in.

    ``version`` is as of `entry_version`, ``confirmed`` as of `EntrySource`. Raises NotFound,
    Refused, and NeedsConfirmation.
    """
    session, person_id = context.session, context.person_id
    stored, rules = _lock_own_entry(context, entry_id)
    title = entry.title or usual_title(entry.activity, entry.format)
    entry = dataclasses.replace(entry, title=title)
    same_day = list_entries(session, person_id, entry.held_on, entry.held_on)
    others = [other for other in same_day if other.id != entry_id]
    refusals = _list_refusals(session, entry, rules.for_editing(stored), others)
    if entry_version(stored) != version:
        refusals.append(Refusal("version", "entry-changed-meanwhile", _describe(stored)))
    if refusals:
        raise Refused(*refusals)
    # Only a new entry can be a duplicate.
    warnings = find_warnings(entry, (), confirmed)
    if warnings is not None:
        raise NeedsConfirmation(warnings)
    session.exec(delete(EntryTopic).where(col(EntryTopic.entry_id) == entry_id))
    row = session.get_one(Entry, entry_id, populate_existing=True)
    columns = dataclasses.asdict(entry)
    del columns["topics"]
    for name, value in columns.items():
        setattr(row, name, value)
    return _save(context, row, entry, before=entry_input_of(stored))


def delete_entry(context: ServiceContext, entry_id: int) -> None:
    """Delete the actor's own entry.

    A group session that it confirmed waits for an answer again. Raises NotFound, and Refused if
    the entry's cycle is closed.
    """
    session = context.session
    stored, _ = _lock_own_entry(context, entry_id)
    release_entry(context, entry_id)
    session.exec(delete(EntryTopic).where(col(EntryTopic.entry_id) == entry_id))
    session.exec(delete(Entry).where(col(Entry.id) == entry_id))
    _finish(context, stored.person_id, entry_id, before=entry_input_of(stored), after=None)


def list_entries(session: Session, person_id: int, first: date, last: date) -> list[LoggedEntry]:
    """A person's entries from ``first`` to ``last``, both days included, newest first."""
    session.flush()
    parameters = {"person_id": person_id, "first": first, "last": last}
    return list(_read_entries(session.connection().execute(_OWN_ENTRIES_WITHIN, parameters)))


def find_entry(session: Session, person_id: int, entry_id: int) -> LoggedEntry | None:
    """One of a person's own entries; None if it does not exist or is another person's."""
    own = (col(Entry.person_id) == person_id) & (col(Entry.id) == entry_id)
    return next(select_entries(session, own), None)


def select_entries(session: Session, where: ColumnElement[bool]) -> Iterator[LoggedEntry]:
    """The entries that ``where`` selects, with their topics, newest first."""
    session.flush()
    return _read_entries(session.connection().execute(_ENTRIES.where(where)))


def _read_entries(rows: Iterable[Row[Any]]) -> Iterator[LoggedEntry]:
    for _, of_entry in groupby(rows, key=lambda row: row.id):
        topics: dict[str, int] = {}
        for row in of_entry:
            if row.topic is not None:
                topics[row.topic] = row.topic_minutes
        columns = {name: getattr(row, name) for name in _COLUMNS}
        yield LoggedEntry(**columns, topics=topics)


def entry_input_of(entry: LoggedEntry) -> EntryInput:
    """A stored entry as it could be entered again."""
    return EntryInput(**{name: getattr(entry, name) for name in _INPUT_FIELDS})


def logged_entry_of(entry_id: int, person_id: int, entry: EntryInput) -> LoggedEntry:
    """What is entered, as it is read once it is stored."""
    return LoggedEntry(entry_id, person_id, **dataclasses.asdict(entry))


def entry_version(entry: LoggedEntry) -> str:
    """A short text that changes whenever any part of the entry does."""
    content = dataclasses.asdict(entry_input_of(entry))
    whole = json.dumps(content, default=str, sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()[:32]


def _describe(entry: LoggedEntry) -> dict[str, Any]:
    return {
        "minutes": entry.minutes,
        "held_on": entry.held_on,
        "version": entry_version(entry),
    }


def _lock_own_entry(context: ServiceContext, entry_id: int) -> tuple[LoggedEntry, EntryRules]:
    """The actor's own entry, which nobody else changes meanwhile, if its cycle is open."""
    session, person_id = context.session, context.person_id
    lock_person(session, person_id)
    stored = find_entry(session, person_id, entry_id)
    if stored is None:
        raise NotFound
    rules = load_entry_rules(session, context.rulebooks, person_id, context.now)
    lock = rules.lock_on(stored.held_on)
    if lock is not None:
        raise Refused(refusal_of_lock("entry", lock))
    return stored, rules


def _list_refusals(
    session: Session,
    entry: EntryInput,
    rules: EntryRules,
    others: Collection[LoggedEntry],
    *,
    is_from_provider: bool = False,
) -> list[Refusal]:
    """Every reason to refuse an entry; ``others`` are the person's other entries of its day."""
    refusals = validate_entry(entry, rules)
    logged = sum(other.minutes for other in others)
    if logged + entry.minutes > MINUTES_IN_DAY >= entry.minutes:
        facts = {"logged": logged, "held_on": entry.held_on}
        refusals.append(Refusal("minutes", "day-is-full", facts))
    if is_from_provider or entry.provider_id is None or entry.activity != "rsc":
        return refusals
    if entry.provider_id == rules.person_id:
        refusals.append(Refusal("provider", "provider-is-self"))
    elif not may_name(session, rules.person_id or 0, rules.provider_rules, entry.provider_id):
        refusals.append(Refusal("provider", "provider-not-offered"))
    return refusals


def _save(
    context: ServiceContext, row: Entry, entry: EntryInput, *, before: EntryInput | None
) -> LoggedEntry:
    session = context.session
    session.add(row)
    session.flush()
    for topic, minutes in entry.topics.items():
        session.add(
            EntryTopic(
                entry_id=row.id,
                topic=topic,
                person_id=row.person_id,
                held_on=row.held_on,
                minutes=minutes,
            )
        )
    session.flush()
    _finish(context, row.person_id, row.id, before=before, after=entry)
    return logged_entry_of(row.id, row.person_id, entry)


def _finish(
    context: ServiceContext,
    person_id: int,
    entry_id: int,
    *,
    before: EntryInput | None,
    after: EntryInput | None,
) -> None:
    """Record the change, and evaluate the person before the transaction ends."""
    states: list[dict[str, Any] | None] = []
    providers = set()
    for entry in (before, after):
        states.append({"person_id": person_id, **dataclasses.asdict(entry)} if entry else None)
        if entry and entry.provider_id is not None:
            providers.add(entry.provider_id)
    context.record_change("entry", entry_id, before=states[0], after=states[1])
    evaluate_people(
        context.session,
        context.rulebooks,
        {person_id},
        context.now,
        named_providers=providers,
    )
