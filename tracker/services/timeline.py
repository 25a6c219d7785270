"""Everything that happened to a person, as far as coordinators of some associations may see it.

The items are typed, newest first: changes of records (the audit log, which only people read),
decisions, emails, notices that were not sent, and sign-ins. Pages find the words.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from itertools import groupby
from typing import Any

from sqlalchemy import select as select_columns
from sqlmodel import Session, col, or_, select

from tracker.clock import instant_of, local_day
from tracker.db.access import SecurityEvent
from tracker.db.applications import Application
from tracker.db.ledgers import SECOND_COPY, Notice
from tracker.db.log import AuditEvent, Entry
from tracker.db.people import Endorsement, Person
from tracker.db.tables import METADATA
from tracker.rulebooks import Rulebooks
from tracker.rules.standing import Span
from tracker.services.merged_records import list_record_ids
from tracker.services.security_events import SIGN_IN, SIGN_OUT
from tracker.services.timeline_scope import RecordedChange, TimelineScope, load_scope, values_of

# When a notice is decided is known by its day alone: it comes before what happens during the day.
_DAY_BEGINS = time(0, 0)
# So many changes of one kind at one instant are one item.
_MANY = 4
# Tables of which a decision is a change of state; a first state is a fact.
_DECIDED = {
    "time_request": {"granted", "declined"},
    "application": {"endorsed", "declined"},
}
_DECISIONS = {
    *("review", "settled_cycle", "submission", "audit_case"),
    *("entry_confirmation", "entry_decision", "entry_question"),
}


class TimelineKind(StrEnum):
    """What an item of a timeline is, as filters name it."""

    CHANGE = "changes"
    DECISION = "decisions"
    EMAIL = "emails"
    UNDELIVERED = "undelivered"
    SKIPPED = "skipped"
    SIGN_IN = "sign-ins"


@dataclass(frozen=True, slots=True)
class DecidedNotice:
    """One step of one notice: sent with an email, or skipped for a ``reason``.

    ``due_on`` is the date that the step counts from, ``step`` the days from there (negative:
    before). ``subject_key`` is the provider's id if the ``kind`` is about one.
    """

    id: int
    decided_on: date
    association: str
    category: str
    kind: str
    step: int
    due_on: date
    cycle_starts_on: date
    reason: str | None
    message_id: str | None
    subject_key: str


@dataclass(frozen=True, slots=True)
class SentEmail:
    """One email and what became of it; ``notices`` are those of it that may be seen.

    ``subject`` is None if the email is about another association that is not the reader's.
    ``is_copy``: it went to the second address, because the first one was refused.
    """

    id: int
    kind: str
    association: str | None
    recipient: str
    subject: str | None
    state: str
    created_at: datetime
    finished_at: datetime | None
    bounced: bool | None
    error: str | None
    is_copy: bool
    notices: tuple[DecidedNotice, ...]

    @property
    def has_failed(self) -> bool:
        """Whether it will never arrive: the address or the mail server refused it."""
        return self.state == "failed"


@dataclass(frozen=True, slots=True)
class SignInEvent:
    """Somebody signed in or out as the person, or could not; never from where."""

    what: str
    outcome: str


@dataclass(frozen=True, slots=True)
class ChangeBatch:
    """Changes of one kind that were saved together, such as an import's."""

    changes: tuple[RecordedChange, ...]


Content = RecordedChange | ChangeBatch | SentEmail | DecidedNotice | SignInEvent


@dataclass(frozen=True, slots=True)
class TimelineItem:
    """Something that happened at an instant; of a skipped notice only the day is known.

    ``about`` are days that it concerns, by which it belongs to a cycle.
    """

    at: datetime
    kind: TimelineKind
    content: Content
    about: tuple[date, ...]

    def is_in(self, span: Span) -> bool:
        """Whether it concerns a cycle: the first and last day are included."""
        return any(span.starts_on <= day <= span.ends_on for day in self.about)


def list_timeline(
    session: Session,
    rulebooks: Rulebooks,
    person_id: int,
    associations: Collection[str],
) -> list[TimelineItem]:
    """What happened to a person, newest first; the caller has checked who may read it."""
    scope = load_scope(session, rulebooks, person_id, associations)
    ids = list_record_ids(session, person_id)
    notices = list_notices(session, ids, associations)
    items = [
        *_list_changes(session, scope, ids),
        *_list_emails(session, scope, ids, notices),
        *_list_skipped(rulebooks, notices),
        *_list_sign_ins(session, scope, ids),
    ]
    items.reverse()
    return _batch(sorted(items, key=lambda item: item.at, reverse=True))


def _batch(items: Iterable[TimelineItem]) -> list[TimelineItem]:
    """The same items, with many changes of one kind at one instant as one."""
    batched: list[TimelineItem] = []
    for _, grouped in groupby(items, key=_occasion):
        group = list(grouped)
        changes = tuple(i.content for i in group if isinstance(i.content, RecordedChange))
        if len(changes) < _MANY:
            batched += group
        else:
            about = {day for item in group for day in item.about}
            batch = ChangeBatch(changes)
            batched.append(TimelineItem(group[0].at, group[0].kind, batch, tuple(sorted(about))))
    return batched


def _occasion(item: TimelineItem) -> object:
    """What changes that belong together have in common; None for other items."""
    content = item.content
    if not isinstance(content, RecordedChange):
        return None
    shape = (content.before is None, content.after is None)
    return item.at, item.kind, content.who, content.table, shape


def count_by_kind(items: Iterable[TimelineItem]) -> Mapping[TimelineKind, int]:
    """How many items there are of each kind; a failed email is among the emails, too."""
    counts = dict.fromkeys(TimelineKind, 0)
    for item in items:
        for kind in kinds_of(item):
            counts[kind] += 1
    return counts


def kinds_of(item: TimelineItem) -> tuple[TimelineKind, ...]:
    """The filters under which an item is listed."""
    if isinstance(item.content, SentEmail) and item.content.has_failed:
        return TimelineKind.EMAIL, TimelineKind.UNDELIVERED
    return (item.kind,)


def list_notices(
    session: Session, person_ids: Collection[int], associations: Collection[str]
) -> list[DecidedNotice]:
    """Every notice about these associations that was decided for a person, oldest first."""
    notices = []
    for owner in (Endorsement, Application):
        query = (
            select(Notice, owner.association, owner.category)
            .join(owner)
            .where(col(owner.person_id).in_(person_ids), col(owner.association).in_(associations))
        )
        for notice, association, category in session.exec(query):
            notices.append(_view_notice(notice, association, category))
    return sorted(notices, key=lambda notice: notice.id)


def _view_notice(notice: Notice, association: str, category: str) -> DecidedNotice:
    shared = ("id", "decided_on", "kind", "step", "due_on", "cycle_starts_on", "reason")
    values = {name: getattr(notice, name) for name in (*shared, "message_id", "subject_key")}
    return DecidedNotice(association=association, category=category, **values)


def _list_changes(
    session: Session, scope: TimelineScope, ids: Collection[int]
) -> Iterator[TimelineItem]:
    query = select(AuditEvent).where(col(AuditEvent.person_id).in_(ids))
    events = session.exec(query.order_by(col(AuditEvent.id))).all()
    changes = [
        RecordedChange(
            event.at,
            event.who,
            event.table_name,
            event.row_id,
            json.loads(event.before) if event.before else None,
            json.loads(event.after) if event.after else None,
        )
        for event in events
    ]
    scope.learn(changes)
    for change in changes:
        if scope.shows(change):
            kind = TimelineKind.DECISION if _is_decision(change) else TimelineKind.CHANGE
            about = scope.days_of(change) or (scope.day(change.at),)
            yield TimelineItem(change.at, kind, change, about)


def _is_decision(change: RecordedChange) -> bool:
    if change.table in _DECISIONS:
        return True
    states = _DECIDED.get(change.table, ())
    was, now = (values_of(each).get("state") for each in (change.before, change.after))
    return was != now and (was in states or now in states)


# Of the columns of the outbox, those that an email shows; not its body.
_EMAIL_COLUMNS = (
    "id",
    "kind",
    "association",
    "recipient",
    "subject",
    "state",
    "created_at",
    "finished_at",
    "bounced",
)


def _list_emails(
    session: Session,
    scope: TimelineScope,
    ids: Collection[int],
    notices: Sequence[DecidedNotice],
) -> Iterator[TimelineItem]:
    by_message: defaultdict[str | None, list[DecidedNotice]] = defaultdict(list)
    for notice in notices:
        if notice.message_id:
            by_message[notice.message_id].append(notice)
    # Not the bodies: each is some kilobytes while it waits.
    columns = [METADATA.tables["outbox"].c[name] for name in (*_EMAIL_COLUMNS, *_KEYS)]
    query = select_columns(*columns).where(columns[-1].in_(ids)).order_by(columns[0])
    rows = session.connection().execute(query).all()
    message_ids = {row.dedupe_key: row.message_id for row in rows}
    for row in rows:
        original = message_ids.get(row.dedupe_key.removesuffix(SECOND_COPY))
        about = tuple(by_message.get(original, ()))
        is_own = row.association in {None, *scope.associations}
        if is_own or about:
            email = _view_email(row, about, has_subject=is_own)
            days = tuple(notice.cycle_starts_on for notice in about)
            day = scope.day(row.created_at)
            yield TimelineItem(row.created_at, TimelineKind.EMAIL, email, days or (day,))


_KEYS = ("last_error", "message_id", "dedupe_key", "person_id")


def _view_email(row: Any, about: tuple[DecidedNotice, ...], *, has_subject: bool) -> SentEmail:  # noqa: ANN401 - a row of the outbox
    values = {name: getattr(row, name) for name in _EMAIL_COLUMNS}
    if not has_subject:
        values["subject"] = None
    is_copy = row.dedupe_key.endswith(SECOND_COPY)
    return SentEmail(**values, error=row.last_error, is_copy=is_copy, notices=about)


def _list_skipped(rulebooks: Rulebooks, notices: Iterable[DecidedNotice]) -> Iterator[TimelineItem]:
    for notice in notices:
        if notice.message_id is None:
            rulebook = rulebooks.associations.get(notice.association)
            zone = rulebook.time_zone if rulebook else "UTC"
            at = instant_of(notice.decided_on, _DAY_BEGINS, zone)
            yield TimelineItem(at, TimelineKind.SKIPPED, notice, (notice.cycle_starts_on,))


def _list_sign_ins(
    session: Session, scope: TimelineScope, ids: Collection[int]
) -> Iterator[TimelineItem]:
    query = select(SecurityEvent).where(
        col(SecurityEvent.person_id).in_(ids),
        or_(SecurityEvent.kind == SIGN_IN, SecurityEvent.kind == SIGN_OUT),
    )
    for event in session.exec(query):
        content = SignInEvent(event.kind, event.outcome)
        yield TimelineItem(event.at, TimelineKind.SIGN_IN, content, (scope.day(event.at),))


def list_recorded_after(items: Iterable[TimelineItem], day: date, zone: str) -> list[TimelineItem]:
    """The changes and decisions that were recorded after a day."""
    recorded = (TimelineKind.CHANGE, TimelineKind.DECISION)
    return [i for i in items if i.kind in recorded and local_day(i.at, zone) > day]


def list_noticed(items: Iterable[TimelineItem]) -> list[tuple[DecidedNotice, SentEmail | None]]:
    """Every notice in a timeline, with the email that it is part of (None: skipped).

    If an email also went to the second address, it is the one of the two that was delivered.
    """
    noticed: dict[int, tuple[DecidedNotice, SentEmail | None]] = {}
    for item in items:
        content = item.content
        if isinstance(content, DecidedNotice):
            noticed[content.id] = content, None
        elif isinstance(content, SentEmail):
            for notice in content.notices:
                if notice.id not in noticed or content.state == "sent":
                    noticed[notice.id] = notice, content
    return [noticed[number] for number in sorted(noticed)]


def list_names(session: Session, ids: Collection[int]) -> dict[int, str]:
    """The names of people, by id."""
    return dict(session.exec(select(Person.id, Person.name).where(col(Person.id).in_(ids))).all())


def list_session_titles(session: Session, person_id: int) -> Sequence[tuple[int, str, date]]:
    """The id, title, and day of each session that a person has logged."""
    columns = col(Entry.id), col(Entry.title), col(Entry.held_on)
    query = select(*columns).where(Entry.person_id == person_id)
    return session.exec(query).all()
