"""The notice ledger: every decision, and who may have one today."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, TextClause, func, or_, select, text
from sqlmodel import Session

from tracker.db.ledgers import Notice, StandingRow
from tracker.db.people import Endorsement, Person
from tracker.db.statements import insert_rows
from tracker.db.tables import METADATA
from tracker.rules.notice_config import NoticeConfig
from tracker.rules.notices import Decision, Key, Kind
from tracker.rules.standing import ApplicationStanding
from tracker.services.rsc_providers import Horizon, people_with_cutoffs

_NOTICE = Notice.__table__  # type: ignore[attr-defined]
_STANDING = StandingRow.__table__  # type: ignore[attr-defined]
_ENDORSEMENT = Endorsement.__table__  # type: ignore[attr-defined]
_PERSON = Person.__table__  # type: ignore[attr-defined]
_APPLICATION = METADATA.tables["application"]
_DAY = timedelta(days=1)


def people_to_consider(
    session: Session,
    config: NoticeConfig,
    association: str,
    last: date | None,
    as_of: date,
    used_since: date,
) -> list[int]:
    """Whom a step may have reached since the run of ``last`` (None: whom it ever may), sorted.

    A step reaches by its date, or because the standing was judged anew since then.
    """
    of_association = select(_ENDORSEMENT.c.person_id).where(
        _ENDORSEMENT.c.association == association
    )
    if last is None:
        return sorted(set(session.scalars(of_association)))
    steps = [-d for d in config.renewal.before] + list(config.renewal.after)
    membership = [-d for d in config.membership.before] + [1]
    reached = or_(
        _STANDING.c.judged_on >= last,
        *(_STANDING.c.due_on.between(*_moved_by(last, as_of, s)) for s in steps),
        *(_STANDING.c.membership_until.between(*_moved_by(last, as_of, s)) for s in membership),
    )
    people = set(
        session.scalars(
            select(_ENDORSEMENT.c.person_id)
            .join(_STANDING, _STANDING.c.endorsement_id == _ENDORSEMENT.c.id)
            .where(_STANDING.c.association == association, reached)
        )
    )
    horizons = [
        Horizon(used_since, *_moved_by(last, as_of, -before))
        for before in config.provider_cutoff.before
    ]
    ending = people_with_cutoffs(session, horizons)
    people |= ending & set(session.scalars(of_association)) if ending else set()
    return sorted(people)


def _moved_by(last: date, as_of: date, step: int) -> tuple[date, date]:
    """The dates whose ``step`` falls after ``last`` and not after ``as_of``."""
    return last + _DAY - step * _DAY, as_of - step * _DAY


def lock_people(session: Session, table: str) -> None:
    """Keep the people in ``table`` to this transaction, in one order for all who do so.

    SQLite needs none of it: there a transaction that writes is the only one.
    """
    if session.connection().dialect.name == "postgresql":
        query = select(_PERSON.c.id).where(text(f"person.id IN (SELECT id FROM {table})"))
        # Not the key: entries of these people may be saved meanwhile.
        session.connection().execute(
            query.order_by(_PERSON.c.id).with_for_update(key_share=True)
        ).all()


def decided_for(session: Session, table: str) -> dict[int, dict[Key, date]]:
    """By endorsement in the temporary ``table``: the decisions taken, each with its cycle."""
    found: defaultdict[int, dict[Key, date]] = defaultdict(dict)
    query = select(
        _NOTICE.c.endorsement_id,
        _NOTICE.c.kind,
        _NOTICE.c.subject_key,
        _NOTICE.c.due_on,
        _NOTICE.c.step,
        _NOTICE.c.cycle_starts_on,
    ).where(text(f"endorsement_id IN (SELECT id FROM {table})"))
    for endorsement_id, kind, subject_key, due_on, step, starts_on in session.connection().execute(
        query
    ):
        found[endorsement_id][Key(Kind(kind), subject_key, due_on, step)] = starts_on
    return found


def addresses_of(session: Session, table: str) -> dict[int, str]:
    """Where to write to the people in ``table``: the first address of each.

    While that one is refused, the outbox sends what goes there to the second as well.
    """
    query = select(_PERSON.c.id, _PERSON.c.email)
    rows = session.connection().execute(query.where(text(f"person.id IN (SELECT id FROM {table})")))
    return {row[0]: row[1] for row in rows}


def record_decisions(
    session: Session, decisions: Iterable[tuple[Decision, str | None]], decided_on: date
) -> None:
    """Write decisions, each with the Message-ID of the mail that it became part of."""
    rows = [_row(decision, message_id, decided_on) for decision, message_id in decisions]
    insert_rows(session, _NOTICE, rows)


def _row(decision: Decision, message_id: str | None, decided_on: date) -> dict[str, Any]:
    return {
        **_subject(decision),
        **decision.key._asdict(),
        "kind": decision.key.kind.value,
        "decided_on": decided_on,
        "outcome": "skipped" if decision.skipped else "sent",
        "reason": decision.skipped,
        "message_id": None if decision.skipped else message_id,
    }


def _subject(decision: Decision) -> dict[str, Any]:
    standing = decision.standing
    if isinstance(standing, ApplicationStanding):
        return {
            "endorsement_id": None,
            "application_id": standing.facts.subject_id,
            "cycle_starts_on": standing.facts.candidate.opened_on,
        }
    return {
        "endorsement_id": standing.facts.subject_id,
        "application_id": None,
        "cycle_starts_on": standing.plan.cycle.starts_on if standing.plan.cycle else None,
    }


def all_decisions(session: Session) -> Iterator[Sequence[Any]]:
    """Every decision about a renewal or an application, oldest first, streamed.

    Columns: email, association, category, kind, step, due_on, decided_on, outcome, reason,
    message_id.
    """
    query = (
        select(
            _PERSON.c.email,
            func.coalesce(_ENDORSEMENT.c.association, _APPLICATION.c.association),
            func.coalesce(_ENDORSEMENT.c.category, _APPLICATION.c.category),
            _NOTICE.c.kind,
            _NOTICE.c.step,
            _NOTICE.c.due_on,
            _NOTICE.c.decided_on,
            _NOTICE.c.outcome,
            _NOTICE.c.reason,
            _NOTICE.c.message_id,
        )
        .select_from(_NOTICE)
        .outerjoin(_ENDORSEMENT, _ENDORSEMENT.c.id == _NOTICE.c.endorsement_id)
        .outerjoin(_APPLICATION, _APPLICATION.c.id == _NOTICE.c.application_id)
        .join(
            _PERSON,
            _PERSON.c.id == func.coalesce(_ENDORSEMENT.c.person_id, _APPLICATION.c.person_id),
        )
        .order_by(_NOTICE.c.id)
    )
    yield from session.connection().execute(query.execution_options(stream_results=True))


_NOTICE_APPLICATION_NOTICES = METADATA.tables["notice"]
_REFERENCE = METADATA.tables["reference"]
_UNDECIDED = ("open", "submitted")


def undecided_in(session: Session, association: str) -> dict[int, int]:
    """The undecided applications of an association, each with its person."""
    return _undecided(session, _APPLICATION.c.association == association)


def undecided_of(session: Session, people: str) -> dict[int, int]:
    """The undecided applications, at any association, of those in the temporary table."""
    return _undecided(session, text(f"application.person_id IN (SELECT id FROM {people})"))


def _undecided(session: Session, which: ColumnElement[bool] | TextClause) -> dict[int, int]:
    query = select(_APPLICATION.c.id, _APPLICATION.c.person_id).where(
        which, _APPLICATION.c.state.in_(_UNDECIDED)
    )
    return {row[0]: row[1] for row in session.connection().execute(query)}


def decided_for_applications(session: Session, table: str) -> dict[int, dict[Key, bool]]:
    """By application in the temporary ``table``: the decisions taken; True: it was sent."""
    found: defaultdict[int, dict[Key, bool]] = defaultdict(dict)
    columns = ("application_id", "kind", "subject_key", "due_on", "step", "outcome")
    query = select(*(_NOTICE_APPLICATION_NOTICES.c[name] for name in columns)).where(
        text(f"notice.application_id IN (SELECT id FROM {table})")
    )
    for application_id, kind, subject_key, due_on, step, outcome in session.connection().execute(
        query
    ):
        found[application_id][Key(Kind(kind), subject_key, due_on, step)] = outcome == "sent"
    return found


def last_asked(session: Session, table: str) -> dict[int, datetime]:
    """By application in the temporary ``table``: when its last referee was asked, if any was."""
    query = (
        select(_REFERENCE.c.application_id, func.max(_REFERENCE.c.asked_at))
        .where(
            text(f"reference.application_id IN (SELECT id FROM {table})"),
            _REFERENCE.c.asked_at.is_not(None),
        )
        .group_by(_REFERENCE.c.application_id)
    )
    return {row[0]: row[1] for row in session.connection().execute(query)}
