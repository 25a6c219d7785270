"""Create, update, delete, and read entries: one logged session each."""

import dataclasses
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any

import sqlalchemy
from sqlalchemy import ColumnElement, Row, bindparam, delete, insert, update
from sqlmodel import Session, col, func, select

from tracker.db.corrections import Removal
from tracker.db.entry_reviews import EntryDecision
from tracker.db.log import Entry, EntryTopic
from tracker.db.statements import insert_rows
from tracker.db.tables import METADATA
from tracker.formatting import MINUTES_IN_DAY
from tracker.rules.explain import LoggedEntry
from tracker.rules.providers import explain_unqualified
from tracker.rules.reasons import Reason
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext, lock_person
from tracker.services.endorsements import refusal_of_lock
from tracker.services.entry_rules import (
    DAILY_LIMIT,
    INPUT_FIELDS,
    EntryInput,
    EntryRules,
    EntryWarnings,
    find_warnings,
    load_entry_rules,
    usual_title,
    validate_entry,
)
from tracker.services.evaluation import evaluate_people
from tracker.services.evidence import release_files
from tracker.services.group_sessions import release_entry
from tracker.services.removals import keep_for_undo
from tracker.services.row_contents import delete_rows
from tracker.services.rsc_providers import check_provider, load_providers

ONE_DAY = timedelta(days=1)
# What is not a column of an entry, but rows of their own.
_JOINED = ("topics", "exclusions")
# Built once, because building a statement takes as long as running it.
_ENTRIES = (
    sqlalchemy.select(
        *(getattr(Entry, name) for name in LoggedEntry._fields if name not in _JOINED),
        col(EntryTopic.topic),
        col(EntryTopic.minutes).label("topic_minutes"),
        col(EntryDecision.association),
        col(EntryDecision.reason),
    )
    .outerjoin(EntryTopic, col(EntryTopic.entry_id) == col(Entry.id))
    .outerjoin(EntryDecision, col(EntryDecision.entry_id) == col(Entry.id))
    .order_by(col(Entry.held_on).desc(), col(Entry.id).desc(), col(EntryTopic.topic))
)
_OWN_ENTRIES_WITHIN = _ENTRIES.where(
    col(Entry.person_id) == bindparam("person_id"),
    col(Entry.held_on).between(bindparam("first"), bindparam("last")),
)
_BY_PERSON = col(Entry.person_id) == bindparam("person_id")
# The entry that a form was saved as, and how many the person logged since an instant: those that
# are there, and those that they deleted. Imported entries have no such instant, and do not count.
LOGGED = select(
    select(Entry.id).where(_BY_PERSON, Entry.form_key == bindparam("form_key")).scalar_subquery(),
    select(func.count())
    .where(_BY_PERSON, col(Entry.logged_at) > bindparam("since"))
    .scalar_subquery()
    + select(func.count())
    .where(
        Removal.person_id == bindparam("person_id"),
        col(Removal.logged_at) > bindparam("since"),
        col(Removal.undone_at).is_(None),
    )
    .scalar_subquery(),
)
# A row of the ORM takes four times as long, and this is what most people do most often.
_INSERT = insert(METADATA.tables["entry"]).returning(col(Entry.id))


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
    parameters = {
        "person_id": person_id,
        "form_key": source.form_key,
        "since": context.now - ONE_DAY,
    }
    saved_id, logged = session.connection().execute(LOGGED, parameters).one()
    if saved_id is not None:
        return _return_saved(session, saved_id, entry)
    rules = load_entry_rules(session, context.rulebooks, person_id, context.now)
    others = list_entries(session, person_id, entry.held_on, entry.held_on)
    refusals, uncounted = list_refusals(entry, rules, others), None
    if not source.is_from_provider:
        refused_provider, uncounted = _check_provider(context, person_id, entry, rules)
        refusals += refused_provider
    if logged >= DAILY_LIMIT:
        refusals.append(Refusal("minutes", "daily-limit-reached", {"limit": DAILY_LIMIT}))
    if refusals:
        raise Refused(*refusals)
    if source.confirmed is not None:
        warnings = find_warnings(entry, others, source.confirmed, uncounted)
        if warnings is not None:
            raise NeedsConfirmation(warnings)
    saved = store_entry(context, person_id, entry, source.form_key)
    # It can be the first to name a provider, whose spans are not stored then.
    providers = () if entry.provider_id is None else (entry.provider_id,)
    now, rulebooks = context.now, context.rulebooks
    evaluate_people(session, rulebooks, {person_id}, now, named_providers=providers)
    return saved


def store_entry(
    context: ServiceContext, person_id: int, entry: EntryInput, form_key: str
) -> LoggedEntry:
    """Insert an entry that has passed every check; the caller evaluates the person."""
    values = entry.values() | {"person_id": person_id, "form_key": form_key}
    del values["topics"]
    values["logged_at"] = context.now
    entry_id = context.session.connection().execute(_INSERT, values).scalar_one()
    _record(context, person_id, entry_id, after=entry)
    return LoggedEntry(entry_id, person_id, **entry.values())


def _return_saved(session: Session, entry_id: int, entry: EntryInput) -> LoggedEntry:
    """What a form was saved as the first time. Raises Refused if the form has changed since."""
    saved = next(select_entries(session, col(Entry.id) == entry_id))
    if entry_input_of(saved) != entry:
        raise Refused(Refusal("form_key", "form-already-saved", describe_entry(saved)))
    return saved


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
    refusals, uncounted = _check_provider(context, person_id, entry, rules)
    refusals = list_refusals(entry, rules.for_editing(stored), others) + refusals
    if entry_version(stored) != version:
        refusals.append(Refusal("version", "entry-changed-meanwhile", describe_entry(stored)))
    if refusals:
        raise Refused(*refusals)
    # Only a new entry can be a duplicate.
    warnings = find_warnings(entry, (), confirmed, uncounted)
    if warnings is not None:
        raise NeedsConfirmation(warnings)
    session.exec(delete(EntryTopic).where(col(EntryTopic.entry_id) == entry_id))
    values = entry.values()
    del values["topics"]
    session.exec(update(Entry).where(col(Entry.id) == entry_id).values(values))
    _record(context, person_id, entry_id, before=entry_input_of(stored), after=entry)
    evaluate_entries(context, person_id)
    return logged_entry_of(entry_id, person_id, entry)


def delete_entry(context: ServiceContext, entry_id: int) -> None:
    """Delete the actor's own entry; for a day `undo_deletion` brings it back, with its files.

    A group session that it confirmed waits for an answer again. Raises NotFound, and Refused if
    the entry's cycle is closed.
    """
    session = context.session
    stored, _ = _lock_own_entry(context, entry_id)
    release_entry(context, entry_id)
    kept = keep_for_undo(context, "entry", entry_id, f"{stored.title}, {stored.held_on}")
    release_files(context, entry_id)
    delete_rows(context, kept.rows[1:])
    session.exec(delete(Entry).where(col(Entry.id) == entry_id))
    _record(context, stored.person_id, entry_id, before=entry_input_of(stored))
    evaluate_entries(context, stored.person_id)


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
    for _, of_entry in groupby(rows, key=attrgetter("id")):
        topics: dict[str, int] = {}
        exclusions: dict[str, str] = {}
        columns: list[Any]
        for row in of_entry:
            *columns, topic, minutes, association, reason = tuple(row)
            if topic is not None:
                topics[topic] = minutes
            if association is not None:
                exclusions[association] = reason
        yield LoggedEntry._make((*columns, topics, exclusions))


def entry_input_of(entry: LoggedEntry) -> EntryInput:
    """A stored entry as it could be entered again."""
    return EntryInput(**{name: getattr(entry, name) for name in INPUT_FIELDS})


def logged_entry_of(entry_id: int, person_id: int, entry: EntryInput) -> LoggedEntry:
    """What is entered, as it is read once it is stored."""
    return LoggedEntry(entry_id, person_id, **entry.values())


def entry_version(entry: LoggedEntry) -> str:
    """A short text that changes whenever any part of the entry does."""
    content = entry_input_of(entry).values()
    whole = json.dumps(content, default=str, sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()[:32]


def describe_entry(entry: LoggedEntry) -> dict[str, Any]:
    """What refusals say about a stored entry."""
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
    lock = rules.lock_of(stored)
    if lock is not None:
        raise Refused(refusal_of_lock("entry", lock))
    return stored, rules


def _check_provider(
    context: ServiceContext, person_id: int, entry: EntryInput, rules: EntryRules
) -> tuple[list[Refusal], Reason | None]:
    """Why the person may not name a known provider; or else why no session with them counts."""
    provider_id = entry.provider_id
    if provider_id is None or entry.activity != "rsc":
        return [], None
    if provider_id == person_id:
        return [Refusal("provider", "provider-is-self")], None
    session = context.session
    use = check_provider(session, person_id, rules.provider_rules, provider_id, entry.held_on)
    if not use.may_be_named:
        return [Refusal("provider", "provider-not-offered")], None
    if use.counts or not rules.provider_rules:
        return [], None
    provider = load_providers(session, {provider_id})[provider_id]
    association, rule = context.rulebooks.provider_rules[min(rules.provider_rules)]
    return [], explain_unqualified(association, rule, provider, entry.held_on)


def list_refusals(
    entry: EntryInput, rules: EntryRules, others: Collection[LoggedEntry | EntryInput]
) -> list[Refusal]:
    """Every reason to refuse an entry, except its provider.

    ``others`` are the person's other entries of its day.
    """
    refusals = validate_entry(entry, rules)
    logged = sum(other.minutes for other in others)
    if logged + entry.minutes > MINUTES_IN_DAY >= entry.minutes:
        facts = {"logged": logged, "held_on": entry.held_on}
        refusals.append(Refusal("minutes", "day-is-full", facts))
    return refusals


def _record(
    context: ServiceContext,
    person_id: int,
    entry_id: int,
    *,
    before: EntryInput | None = None,
    after: EntryInput | None = None,
) -> None:
    """Store the topics, and record the change."""
    if after is not None:
        same = {"entry_id": entry_id, "person_id": person_id, "held_on": after.held_on}
        topics = [{**same, "topic": name, "minutes": m} for name, m in after.topics.items()]
        insert_rows(context.session, EntryTopic, topics)
    old, new = (
        {"person_id": person_id, **each.values()} if each else None for each in (before, after)
    )
    context.record_change("entry", entry_id, before=old, after=new)


def evaluate_entries(context: ServiceContext, person_id: int) -> None:
    """Evaluate a person whose entries have changed, before the transaction ends.

    A change of an entry can only name providers whose spans are stored already.
    """
    session, rulebooks, now = context.session, context.rulebooks, context.now
    evaluate_people(session, rulebooks, {person_id}, now, named_providers=())
