"""Derives the stage of renewals from their standings, submissions, audits, absences, and ends.

Set-based: what is stored of any number of renewals is read by a few statements. A stage is never
stored, so it can't contradict what it follows from.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import and_, exists
from sqlalchemy import select as select_columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from tracker.db.applications import REINSTATEMENT, Application
from tracker.db.audits import AuditCase
from tracker.db.ledgers import StandingRow
from tracker.db.people import REMOVED, Endorsement, Leave
from tracker.db.statements import in_chunks
from tracker.db.submissions import Submission
from tracker.rulebooks import Rulebooks
from tracker.rules.absence_rules import AbsenceKind, read_kind
from tracker.rules.absences import find_absence
from tracker.rules.cycles import Cycle
from tracker.rules.stages import Stage, WayFacts, derive_stage, find_window
from tracker.rules.standing import Absence, Standing, Status
from tracker.services.audit_facts import FAILED
from tracker.services.facts import Triple

_BATCH = 1_000


class LastSubmission(NamedTuple):
    """The state of a renewal's last submission and of its audit, and when documents are due.

    ``failed_audit``: an audit of the renewal, this submission or one before, did not pass.
    """

    state: str
    audit: str | None = None
    documents_due_on: date | None = None
    case_id: int | None = None
    failed_audit: bool = False


class StoredRenewal(NamedTuple):
    """What a list has read of a renewal's stored standing; ``status`` may be one of STATES.

    ``ends_on`` is the endorsement's last day.
    """

    endorsement_id: int
    triple: Triple
    cycle_starts_on: date
    cycle_ends_on: date | None
    due_on: date | None
    status: str
    ends_on: date | None


@dataclass(frozen=True, slots=True)
class WayRecords:
    """What is stored about the way of renewals, beside their standings.

    Submissions are by endorsement and first day of the cycle, the others by endorsement.
    """

    rulebooks: Rulebooks
    submissions: Mapping[tuple[int, date], LastSubmission]
    absences: Mapping[int, tuple[Absence, ...]]
    removals: Mapping[int, Stage]

    def find_stage(self, standing: Standing, today: date) -> Stage | None:
        """The stage of a renewal that was judged just now; ``today`` is its legal day."""
        facts, cycle, due_on = standing.facts, standing.plan.cycle, standing.due_on
        window = None
        if standing.plan.is_submitted and cycle is not None and due_on is not None:
            window = find_window(cycle, due_on)
        last = self.submissions.get((facts.subject_id, cycle.starts_on)) if cycle else None
        absence = _find_kind(facts.leaves, standing.status, due_on, today)
        way = WayFacts(standing.status, cycle.ends_on if cycle else None, window, absence=absence)
        return self._derive(way, last, facts.subject_id, facts.ends_on, today)

    def find_stored_stage(self, renewal: StoredRenewal, today: date) -> Stage | None:
        """The stage of a renewal by its stored standing."""
        number = renewal.endorsement_id
        leaves = self.absences.get(number, ())
        absence = _find_kind(leaves, renewal.status, renewal.due_on, today)
        cycle = self.find_cycle(renewal)
        window = find_window(cycle, renewal.due_on) if cycle and renewal.due_on else None
        way = WayFacts(renewal.status, renewal.cycle_ends_on, window, absence=absence)
        last = self.submissions.get((number, renewal.cycle_starts_on))
        return self._derive(way, last, number, renewal.ends_on, today)

    def _derive(
        self,
        way: WayFacts,
        last: LastSubmission | None,
        endorsement_id: int,
        ends_on: date | None,
        today: date,
    ) -> Stage | None:
        if last is not None:
            way = way._replace(
                submission=last.state, audit=last.audit, failed_audit=last.failed_audit
            )
        if ends_on is not None and ends_on < today:
            way = way._replace(has_ended=True, removal=self.removals.get(endorsement_id))
        return derive_stage(way, today)

    def list_reinstated(self) -> frozenset[int]:
        """The removed endorsements whose holders were reinstated since."""
        removals = self.removals.items()
        return frozenset(number for number, stage in removals if stage is Stage.REINSTATED)

    def find_cycle(self, renewal: StoredRenewal) -> Cycle | None:
        """The cycle of a renewal that is submitted; None if nobody submits it."""
        association, category, starts_on = renewal.triple
        if association not in self.rulebooks.submitting:
            return None
        day = max(renewal.cycle_starts_on, starts_on)
        plan = self.rulebooks.plan(association, category, starts_on, day)
        return plan.cycle if plan is not None and plan.is_submitted else None


def find_last_day(
    session: Session, rulebooks: Rulebooks, held: Endorsement, cycle_starts_on: date
) -> date | None:
    """The last day on which a renewal can be submitted; None if nobody submits it.

    An extension counts as far as the stored standing knows of it.
    """
    if held.association not in rulebooks.associations:
        return None
    day = max(cycle_starts_on, held.starts_on)
    plan = rulebooks.plan(held.association, held.category, held.starts_on, day)
    if plan is None or plan.cycle is None or not plan.is_submitted:
        return None
    stored = session.get(StandingRow, (held.id, cycle_starts_on))
    due_on = stored.due_on if stored else None
    return find_window(plan.cycle, due_on or plan.cycle.due_on).closes_on


def read_ways(
    session: Session,
    rulebooks: Rulebooks,
    *,
    association: str | None = None,
    endorsement_ids: Collection[int] | None = None,
) -> WayRecords:
    """What is stored about the renewals of an association, or of these endorsements; or of all."""
    if endorsement_ids is None:
        one = [] if association is None else [col(Endorsement.association) == association]
        return WayRecords(rulebooks, *_read(session, one))
    submissions: dict[tuple[int, date], LastSubmission] = {}
    absences: dict[int, tuple[Absence, ...]] = {}
    removals: dict[int, Stage] = {}
    for ids in in_chunks(sorted(endorsement_ids), _BATCH):
        some = _read(session, [col(Endorsement.id).in_(ids)])
        submissions |= some[0]
        absences |= some[1]
        removals |= some[2]
    return WayRecords(rulebooks, submissions, absences, removals)


def _read(
    session: Session, wanted: Sequence[Any]
) -> tuple[
    dict[tuple[int, date], LastSubmission], dict[int, tuple[Absence, ...]], dict[int, Stage]
]:
    """The submissions, absences, and removals of `WayRecords`."""
    connection = session.connection()
    submissions: dict[tuple[int, date], LastSubmission] = {}
    query: Any = (
        select_columns(
            col(Submission.endorsement_id),
            col(Submission.cycle_starts_on),
            col(Submission.state),
            col(AuditCase.state),
            col(AuditCase.due_on),
            col(AuditCase.id),
        )
        .join(Endorsement, col(Endorsement.id) == Submission.endorsement_id)
        .outerjoin(AuditCase, col(AuditCase.submission_id) == Submission.id)
        .where(*wanted)
        .order_by(col(Submission.id))
    )
    for endorsement_id, starts_on, *rest in connection.execute(query).all():
        key, last = (endorsement_id, starts_on), LastSubmission(*rest)
        has_failed = last.audit in FAILED or (key in submissions and submissions[key].failed_audit)
        submissions[key] = last._replace(failed_audit=has_failed)
    leaves: defaultdict[int, tuple[Absence, ...]] = defaultdict(tuple)
    on_leave: Any = (
        select_columns(
            col(Leave.endorsement_id), col(Leave.starts_on), col(Leave.ends_on), col(Leave.kind)
        )
        .join(Endorsement)
        .where(*wanted)
    )
    for endorsement_id, starts_on, ends_on, kind in connection.execute(on_leave).all():
        absence = Absence(starts_on, ends_on or date.max, read_kind(kind))
        leaves[endorsement_id] += (absence,)
    return submissions, leaves, _read_removals(session, wanted)


def _read_removals(session: Session, conditions: Sequence[Any]) -> dict[int, Stage]:
    """By endorsement: that it was removed after a lapse, or that it was reinstated since.

    A reinstatement begins a new endorsement; the removed one keeps its days.
    """
    later = aliased(Endorsement)
    begun_anew = exists().where(
        col(later.person_id) == Endorsement.person_id,
        col(later.association) == Endorsement.association,
        col(later.category) == Endorsement.category,
        col(later.starts_on) > Endorsement.ends_on,
    )
    granted = exists().where(
        col(Application.person_id) == Endorsement.person_id,
        col(Application.association) == Endorsement.association,
        col(Application.category) == Endorsement.category,
        col(Application.purpose) == REINSTATEMENT,
        col(Application.state) == "endorsed",
        col(Application.opened_on) > Endorsement.ends_on,
    )
    query: Any = select_columns(col(Endorsement.id), and_(begun_anew, granted))
    removed = query.where(col(Endorsement.ended_as) == REMOVED, *conditions)
    return {
        endorsement_id: Stage.REINSTATED if is_back else Stage.REMOVED
        for endorsement_id, is_back in session.connection().execute(removed).all()
    }


def _find_kind(
    leaves: Iterable[Absence], status: str, due_on: date | None, today: date
) -> AbsenceKind | None:
    """The kind of days away today or, if they excuse the renewal, on its due date."""
    absence = find_absence(leaves, today)
    if absence is None and status == Status.EXCUSED and due_on is not None:
        absence = find_absence(leaves, due_on)
    return absence.kind if absence else None
