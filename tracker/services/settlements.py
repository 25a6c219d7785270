"""Stores what cycles came to when they closed or were accepted, and since when records differ."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import bindparam, update
from sqlmodel import Session, col, select

from tracker.clock import local_day
from tracker.db.audit import Change, record_changes
from tracker.db.ledgers import SettledCycle
from tracker.db.people import Endorsement, Person
from tracker.db.statements import upsert
from tracker.db.submissions import Submission
from tracker.rulebooks import Rulebooks
from tracker.rules.reasons import Reason
from tracker.rules.renewal import judge_renewal
from tracker.rules.settlement import list_differences, record_outcome, settle
from tracker.rules.stages import Stage
from tracker.rules.standing import CycleSettlement, Standing, Status
from tracker.rules.transitions import Act, may
from tracker.services.facts import format_settlement
from tracker.services.submission_facts import is_signed_by_another

# Why a renewal was accepted without a coordinator.
MEETS_ALL = "It meets every requirement."
_SYSTEM = "evaluation"
# Built once, because building a statement takes as long as running it.
_SETTLED = select(
    col(SettledCycle.endorsement_id),
    col(SettledCycle.cycle_starts_on),
    col(SettledCycle.differs_since),
).where(col(SettledCycle.endorsement_id).in_(bindparam("ids", expanding=True)))
_NOTE = update(SettledCycle).where(
    col(SettledCycle.endorsement_id) == bindparam("endorsement"),
    col(SettledCycle.cycle_starts_on) == bindparam("cycle"),
)


def settle_closed(
    session: Session,
    rulebooks: Rulebooks,
    standings: Iterable[Standing],
    since: date,
    day_of: Callable[[str], date],
) -> int:
    """Settle the cycles that closed from the day before ``since`` until yesterday; return how many.

    ``since`` is the day of the last evaluation. What closed before is left to today's records:
    the endorsement may have come later, and the rest of its past may be yet to come.
    """
    rows = []
    for standing in standings:
        cycle, due_on = standing.plan.cycle, standing.due_on
        if cycle is None or due_on is None:
            continue
        # First of all, as most cycles closed long ago.
        if cycle.grace_ends_on(due_on) < since:
            continue
        today = day_of(standing.plan.association)
        settlement = settle(standing, today, rulebooks.digest_of(standing.plan.association))
        if settlement is not None:
            rows.append(_settled_row(standing, settlement))
    return _store(session, rows)


def accept_complete(
    session: Session, rulebooks: Rulebooks, standings: Iterable[Standing], now: datetime
) -> None:
    """Accept the submitted renewals that meet every requirement, and settle their cycles.

    A renewal whose audit did not pass waits for a coordinator in any case: otherwise, signing the
    same statement again would undo the audit.
    """
    complete = {key: standing for standing in standings if (key := _find_complete(standing))}
    if not complete:
        return
    rows = []
    waiting = select(Submission).where(
        col(Submission.endorsement_id).in_({endorsement_id for endorsement_id, _ in complete}),
        col(Submission.returned_at).is_(None),
    )
    for submission in session.exec(waiting):
        key = (submission.endorsement_id, submission.cycle_starts_on)
        standing = complete.get(key)
        if standing is None or _waits_for_coordinator(submission, standing):
            continue
        if may(Act.ACCEPT_COMPLETE, submission.state):
            accepted = {
                "state": Stage.ACCEPTED.value,
                "accepted_at": now,
                "accepted_because": MEETS_ALL,
            }
            submission.sqlmodel_update(accepted)
            session.add(submission)
            record_changes(session, [_describe_acceptance(submission, now)])
        today = local_day(now, standing.plan.rulebook.time_zone)
        digest = rulebooks.digest_of(standing.plan.association)
        rows.append(_settled_row(standing, record_outcome(standing, today, digest)))
    session.flush()
    _store(session, rows)


def _find_complete(standing: Standing) -> tuple[int, date] | None:
    """Which renewal is submitted, meets every requirement, and is not settled; else None."""
    cycle, facts = standing.plan.cycle, standing.facts
    is_waiting = facts.submitted is not None and standing.settled_on is None
    if cycle is None or not is_waiting or standing.status is not Status.MET:
        return None
    return facts.subject_id, cycle.starts_on


def _waits_for_coordinator(submission: Submission, standing: Standing) -> bool:
    """Whether a complete renewal is signed under another name, or its audit did not pass."""
    if submission.state != Stage.SUBMITTED:
        return False
    audit, facts = standing.facts.audit, standing.facts
    return (audit is not None and audit.has_failed) or is_signed_by_another(
        submission.statements, submission.signed_name, facts.name
    )


def _describe_acceptance(submission: Submission, now: datetime) -> Change:
    about = {"endorsement_id": submission.endorsement_id}
    after = {
        **about,
        "state": Stage.ACCEPTED.value,
        "accepted_because": submission.accepted_because,
    }
    before = {**about, "state": Stage.SUBMITTED.value, "accepted_because": None}
    return Change(_SYSTEM, now, "submission", submission.id, before, after)


def _settled_row(standing: Standing, settlement: CycleSettlement) -> dict[str, Any]:
    assert standing.plan.cycle is not None  # noqa: S101 - only cycles are settled
    return {
        "endorsement_id": standing.facts.subject_id,
        "cycle_starts_on": standing.plan.cycle.starts_on,
        "settled_on": settlement.settled_on,
        "content": format_settlement(settlement),
    }


def _store(session: Session, rows: Sequence[Mapping[str, Any]]) -> int:
    """Store settled cycles; a row that exists is replaced only if its cycle was reopened.

    A cycle can be settled already when an earlier day is evaluated, on which it was not.
    """
    key = ("endorsement_id", "cycle_starts_on")
    changed = ("settled_on", "content", "reopened_at", "reopened_by", "reopening_reason")
    is_reopened = col(SettledCycle.reopened_at).is_not(None)
    return upsert(session, SettledCycle, rows, key=key, update=changed, where=is_reopened)


def differences_of(standing: Standing, rulebooks: Rulebooks, today: date) -> list[Reason]:
    """What would differ if a settled cycle were judged by today's records; empty if nothing."""
    settlement = standing.facts.settlement
    if settlement is None:
        return []
    facts = standing.facts._replace(settlement=None)
    by_records = judge_renewal(standing.plan, facts, today)
    digest = rulebooks.digest_of(standing.plan.association)
    if settlement.rules_digest == rulebooks.digest:
        # Earlier versions stored the digest of all rulebooks.
        digest = rulebooks.digest
    return list_differences(settlement, by_records, digest)


def note_differences(
    session: Session,
    rulebooks: Rulebooks,
    settled: Sequence[Standing],
    day_of: Callable[[str], date],
) -> None:
    """Note since when records differ from what was ``settled``, for the coordinators' list."""
    noted = {}
    ids = sorted({standing.facts.subject_id for standing in settled})
    for endorsement_id, starts_on, since in session.connection().execute(_SETTLED, {"ids": ids}):
        noted[endorsement_id, starts_on] = since
    for standing in settled:
        assert standing.plan.cycle is not None  # noqa: S101 - only cycles are settled
        key = (standing.facts.subject_id, standing.plan.cycle.starts_on)
        today = day_of(standing.plan.association)
        differs = bool(differences_of(standing, rulebooks, today))
        if differs != (noted[key] is not None):
            note = _NOTE.values(differs_since=today if differs else None)
            session.connection().execute(note, {"endorsement": key[0], "cycle": key[1]})


def list_differing(
    session: Session, association: str
) -> Sequence[tuple[SettledCycle, Endorsement, Person]]:
    """The settled cycles of an association for which today's records differ, in any order."""
    query = (
        select(SettledCycle, Endorsement, Person)
        .join(Endorsement, col(Endorsement.id) == SettledCycle.endorsement_id)
        .join(Person)
        .where(
            Endorsement.association == association,
            col(SettledCycle.differs_since).is_not(None),
            col(SettledCycle.reopened_at).is_(None),
        )
    )
    return session.exec(query).all()
