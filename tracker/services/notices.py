"""The notice ledger: whom a notice may be due to, what was decided, and recording decisions."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, case, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, func, or_, select

from tracker.db.applications import UNDECIDED, Application, Reference
from tracker.db.ledgers import SECOND_COPY, Notice, Outbox, StandingRow
from tracker.db.people import Endorsement, Person
from tracker.db.statements import in_chunks, insert_rows
from tracker.db.tables import METADATA
from tracker.rules.notice_config import NoticeConfig
from tracker.rules.notices import Decision, Key, Kind
from tracker.rules.standing import ApplicationStanding
from tracker.services import dead_addresses
from tracker.services.rsc_providers import Horizon, people_with_cutoffs

_DAY = timedelta(days=1)
_IDS_PER_QUERY = 1_000


def day_key(person_id: int, day: date) -> str:
    """The outbox key of a person's one mail of a local day, which notices and mailings share.

    Whichever comes first is the mail of that day. A notice that comes second waits for the next
    day, and a mailing skips the person.
    """
    return f"day:{person_id}:{day}"


class RecordedDecision(NamedTuple):
    """A decision on record; the fields of `tracker notices --json`.

    ``outcome`` is ``sent``, ``skipped``, or ``failed``: the email was refused for good, at the
    second address too if there is one, and ``reason`` has the answer. ``delivery`` is the state of
    the email in the outbox, so what is to be sent and has not left yet is ``waiting``.
    """

    email: str
    association: str
    category: str
    kind: str
    step: int
    due_on: date
    decided_on: date
    outcome: str
    reason: str | None
    message_id: str | None
    delivery: str | None


def list_people_to_consider(
    session: Session,
    config: NoticeConfig,
    association: str,
    last: date | None,
    as_of: date,
) -> set[int]:
    """People whom a step may have reached since the run of ``last`` (None: since ever).

    A step reaches a person by its date, or because their standing was judged since then. A
    provider's last day concerns people with a recent session.
    """
    endorsees = select(Endorsement.person_id).where(Endorsement.association == association)
    if last is None:
        return set(session.exec(endorsees))
    conditions: list[ColumnElement[bool]] = [col(StandingRow.judged_on) >= last]
    for step in config.renewal.steps:
        conditions += [col(StandingRow.due_on).between(*due_dates(last, as_of, step))]
    for step in config.membership.steps:
        conditions += [col(StandingRow.membership_until).between(*due_dates(last, as_of, step))]
    reached = (
        select(Endorsement.person_id)
        .join(StandingRow)
        .where(StandingRow.association == association, or_(*conditions))
    )
    people: set[int] = set(session.exec(reached))
    recent_from = config.provider_cutoff.recent_from(as_of)
    horizons = [
        Horizon(recent_from, *due_dates(last, as_of, -days))
        for days in config.provider_cutoff.before
    ]
    with_cutoffs = people_with_cutoffs(session, horizons)
    if with_cutoffs:
        people |= with_cutoffs.intersection(session.exec(endorsees).all())
    return people


def due_dates(last: date, as_of: date, step: int) -> tuple[date, date]:
    """The first and the last date whose ``step`` falls after ``last`` and not after ``as_of``."""
    return last + _DAY - step * _DAY, as_of - step * _DAY


def lock_people(session: Session, people: Sequence[int]) -> None:
    """Keep these people to this transaction; everyone who does so takes them in the same order.

    SQLite ignores it: there only one transaction writes at a time.
    """
    query = select(Person.id).where(col(Person.id).in_(people)).order_by(col(Person.id))
    # Not the key: entries of these people may be saved meanwhile.
    locked = query.with_for_update(key_share=True)
    session.connection().execute(locked).all()


def list_decided_for_endorsements(
    session: Session, endorsement_ids: Sequence[int], undelivered: Collection[str] = ()
) -> dict[int, dict[Key, date]]:
    """By endorsement: what was decided, and for the cycle with which first day.

    Without the decisions that are part of the ``undelivered`` messages.
    """
    decided: defaultdict[int, dict[Key, date]] = defaultdict(dict)
    for key, notice in _list_notices(session, "endorsement_id", endorsement_ids):
        if notice.message_id not in undelivered:
            decided[notice.endorsement_id][key] = notice.cycle_starts_on
    return decided


def list_decided_for_applications(
    session: Session, application_ids: Sequence[int], undelivered: Collection[str] = ()
) -> dict[int, dict[Key, bool]]:
    """By application: what was decided; True if it was sent.

    Without the decisions that are part of the ``undelivered`` messages.
    """
    decided: defaultdict[int, dict[Key, bool]] = defaultdict(dict)
    for key, notice in _list_notices(session, "application_id", application_ids):
        if notice.message_id not in undelivered:
            decided[notice.application_id][key] = notice.outcome == "sent"
    return decided


class SentDecision(NamedTuple):
    """A decision on record as part of a message; ``subject`` as in `Decision`."""

    id: int
    subject: tuple[bool, int]
    key: Key
    message_id: str
    decided_on: date


def list_sent_decisions(session: Session, message_ids: Collection[str]) -> list[SentDecision]:
    """The decisions that these messages hold."""
    table = METADATA.tables["notice"]
    query = table.select().where(table.c.message_id.in_(message_ids)).order_by(table.c.id)
    decisions = []
    for row in session.connection().execute(query).all():
        key = Key(Kind(row.kind), row.subject_key, row.due_on, row.step)
        is_application = row.application_id is not None
        subject = (is_application, row.application_id if is_application else row.endorsement_id)
        decisions.append(SentDecision(row.id, subject, key, row.message_id, row.decided_on))
    return decisions


def replace_decision(
    session: Session, decision: SentDecision, message_id: str, decided_on: date
) -> None:
    """Record that a decision left with another message than the one that waited."""
    table = METADATA.tables["notice"]
    reason = f"decided again: the email of {decision.decided_on} had not left"
    values = {"message_id": message_id, "decided_on": decided_on, "reason": reason}
    session.connection().execute(update(table).where(table.c.id == decision.id).values(**values))


def drop_decision(session: Session, decision: SentDecision, reason: str, decided_on: date) -> None:
    """Record that a decision's message was dropped before it left, and why."""
    table = METADATA.tables["notice"]
    values = {"outcome": "skipped", "reason": reason, "message_id": None, "decided_on": decided_on}
    session.connection().execute(update(table).where(table.c.id == decision.id).values(**values))


def delete_decision(session: Session, decision: SentDecision) -> None:
    """Forget a decision whose message was dropped, so that tomorrow's run decides again."""
    table = METADATA.tables["notice"]
    session.connection().execute(table.delete().where(table.c.id == decision.id))


def _list_notices(session: Session, column: str, ids: Sequence[int]) -> Iterator[tuple[Key, Any]]:
    # Columns, not objects: there are many, and none is changed.
    table = METADATA.tables["notice"]
    for chunk in in_chunks(ids, _IDS_PER_QUERY):
        query = table.select().where(table.c[column].in_(chunk))
        for row in session.connection().execute(query).all():
            yield Key(Kind(row.kind), row.subject_key, row.due_on, row.step), row


def list_addresses(session: Session, people: Sequence[int]) -> dict[int, str]:
    """Each person's first address, or the second one while the first does not work."""
    found = dead_addresses.list_addresses(session, people)
    return {number: each.working or each.first for number, each in found.items()}


def record_decisions(
    session: Session, decisions: Iterable[tuple[Decision, str | None]], decided_on: date
) -> None:
    """Record decisions, each with the Message-ID of the mail that it is part of (None: skipped)."""
    rows: list[dict[str, Any]] = []
    for decision, message_id in decisions:
        standing = decision.standing
        subject_id = standing.facts.subject_id
        if isinstance(standing, ApplicationStanding):
            endorsement_id, application_id = None, subject_id
            starts_on: date | None = standing.facts.candidate.opened_on
        else:
            endorsement_id, application_id = subject_id, None
            starts_on = standing.plan.cycle.starts_on if standing.plan.cycle else None
        rows.append(
            {
                "endorsement_id": endorsement_id,
                "application_id": application_id,
                "cycle_starts_on": starts_on,
                **decision.key._asdict(),
                "kind": decision.key.kind.value,
                "decided_on": decided_on,
                "outcome": "skipped" if decision.skipped else "sent",
                "reason": decision.skipped,
                "message_id": message_id,
            }
        )
    insert_rows(session, METADATA.tables["notice"], rows)


def consider_again(session: Session, deferred: Iterable[Decision], as_of: date) -> None:
    """Have tomorrow's run consider these decisions: it takes up all that was judged since today.

    It considers every application anyway.
    """
    ids = {d.standing.facts.subject_id for d in deferred if not d.is_about_application}
    if ids:
        endorsements = col(StandingRow.endorsement_id).in_(ids)
        session.connection().execute(
            update(StandingRow).where(endorsements).values(judged_on=as_of)
        )


def list_decisions(session: Session) -> Iterator[RecordedDecision]:
    """Every decision about a renewal or an application, oldest first, streamed."""
    person_id = func.coalesce(Endorsement.person_id, Application.person_id)
    second = aliased(Outbox)
    has_failed = and_(col(Outbox.state) == "failed", col(second.state).is_distinct_from("sent"))
    query = (
        select(  # type: ignore[call-overload]
            Person.email,
            func.coalesce(Endorsement.association, Application.association),
            func.coalesce(Endorsement.category, Application.category),
            Notice.kind,
            Notice.step,
            Notice.due_on,
            Notice.decided_on,
            case((has_failed, "failed"), else_=Notice.outcome),
            case((has_failed, Outbox.last_error), else_=Notice.reason),
            Notice.message_id,
            case((col(second.state) == "sent", "sent"), else_=Outbox.state),
        )
        .select_from(Notice)
        .outerjoin(Outbox, col(Outbox.message_id) == Notice.message_id)
        .outerjoin(second, col(second.dedupe_key) == col(Outbox.dedupe_key) + SECOND_COPY)
        .outerjoin(Endorsement)
        .outerjoin(Application)
        .join(Person, col(Person.id) == person_id)
        .order_by(col(Notice.id))
        .execution_options(stream_results=True)
    )
    return (RecordedDecision(*row) for row in session.exec(query))


def list_undecided_applications(session: Session, association: str) -> dict[int, int]:
    """The undecided applications of an association, each with its person."""
    query = select(Application.id, Application.person_id).where(
        Application.association == association, col(Application.state).in_(UNDECIDED)
    )
    return dict(session.exec(query).all())


def list_undecided_of_people(session: Session, people: Sequence[int]) -> list[int]:
    """The undecided applications of these people, at any association."""
    query = select(Application.id).where(
        col(Application.person_id).in_(people), col(Application.state).in_(UNDECIDED)
    )
    return list(session.exec(query))


def list_last_asked(session: Session, application_ids: Sequence[int]) -> dict[int, datetime]:
    """By application: when its latest referee was asked, if any was."""
    last_asked: dict[int, datetime] = {}
    for chunk in in_chunks(application_ids, _IDS_PER_QUERY):
        query = (
            select(Reference.application_id, func.max(Reference.asked_at))
            .where(col(Reference.application_id).in_(chunk))
            .group_by(col(Reference.application_id))
        )
        last_asked |= {number: asked_at for number, asked_at in session.exec(query) if asked_at}
    return last_asked
