"""One change for many people of the list: each row of a selection that can, as one unit.

A row that can't is left alone, with the reason. What a row may is decided by the service that
changes one person; here is only what makes a change pointless for somebody.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import chain
from typing import NamedTuple

from sqlalchemy import select
from sqlmodel import Session, col

from tracker.db.ledgers import StandingRow
from tracker.db.statements import in_chunks
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext
from tracker.services.dashboard import state_on
from tracker.services.evaluation import days_at, deferred_evaluation, parse_results
from tracker.services.grants import grant_extension, grant_waiver
from tracker.services.marks import add_mark
from tracker.services.memberships import MembershipTerm, record_membership
from tracker.services.people_list import RowKind
from tracker.services.selections import SelectedPeople, SelectedRow
from tracker.services.time_requests import Grant

_BATCH = 1_000
# Changes the person of a row, or raises Refused; returns what the endorsee gets a letter about.
RowChange = Callable[[ServiceContext, SelectedRow], Grant | None]


class BulkOutcome(NamedTuple):
    """What happens to a row: nothing, for the reason of ``refusal``, or what was chosen.

    ``now_status`` and ``now_due_on`` are as of before the change; they differ from the row's if it
    changed since it was chosen.
    """

    row: SelectedRow
    refusal: Refusal | None
    now_status: str
    now_due_on: date | None

    @property
    def is_done(self) -> bool:
        """Whether the row is changed."""
        return self.refusal is None

    @property
    def has_moved(self) -> bool:
        """Whether the row has changed since it was chosen."""
        return (self.now_status, self.now_due_on) != (self.row.status, self.row.due_on)


@dataclass
class BulkChange:
    """A change of every row of a selection that can; ``outcomes`` are those of the last run.

    ``once``: it is about people, so of several rows of a person only the first counts.
    ``expected`` is the `digest` of the preview that the coordinator saw; empty: there was none.
    """

    selection: SelectedPeople
    change: RowChange
    once: bool = False
    expected: str = ""
    outcomes: list[BulkOutcome] = field(default_factory=list)

    @property
    def changed(self) -> list[BulkOutcome]:
        """The rows that were changed."""
        return [outcome for outcome in self.outcomes if outcome.refusal is None]

    @property
    def digest(self) -> str:
        """Names the outcomes: another one means that somebody changed."""
        text = repr(
            [
                (one.row.key, one.refusal and one.refusal.code, one.now_status, one.now_due_on)
                for one in self.outcomes
            ]
        )
        return hashlib.sha256(text.encode()).hexdigest()

    def run(self, context: ServiceContext) -> list[Grant]:
        """Change the rows, evaluated at the end, and return what there are letters about.

        Raises Refused, once, if the outcomes are not the expected ones: the coordinator shall see
        who changed. Raises it, too, if they were expected and nobody can be changed.
        """
        states = _read_states(context, self.selection)
        self.outcomes = []
        grants, seen = [], set[int]()
        with deferred_evaluation(context.session):
            for row in self.selection.rows:
                is_again = self.once and row.person_id in seen
                seen.add(row.person_id)
                grant, refusal = self._change_row(context, row, is_again=is_again)
                self.outcomes.append(BulkOutcome(row, refusal, *_find_state(states, row)))
                if grant is not None:
                    grants.append(grant)
        expected, self.expected = self.expected, ""
        if expected and expected != self.digest:
            raise Refused(Refusal("state", "changed-since-preview"))
        if expected and not self.changed:
            raise Refused(Refusal("rows", "nobody-can"))
        return grants

    def _change_row(
        self, context: ServiceContext, row: SelectedRow, *, is_again: bool
    ) -> tuple[Grant | None, Refusal | None]:
        """Change one row; services refuse before they change anything."""
        if is_again:
            return None, Refusal("", "same-person")
        try:
            return self.change(context, row), None
        except Refused as refused:
            return None, refused.refusals[0]
        except NotFound:
            return None, Refusal("", "row-gone")


def list_requirements(session: Session, selected: SelectedPeople) -> dict[str, str]:
    """The requirements of the selected renewals that can be waived: labels by id."""
    labels: dict[str, str] = {}
    renewals = {row.key[1:] for row in selected.rows if row.key.kind is RowKind.RENEWAL}
    for ids in in_chunks(sorted({number for number, _ in renewals}), _BATCH):
        query = select(
            col(StandingRow.endorsement_id),
            col(StandingRow.cycle_starts_on),
            col(StandingRow.requirements),
        ).where(col(StandingRow.endorsement_id).in_(ids))
        texts = {
            requirements
            for number, cycle_starts_on, requirements in session.connection().execute(query)
            if (number, cycle_starts_on) in renewals
        }
        for result in chain.from_iterable(map(parse_results, sorted(texts))):
            if result.outcome != "excused":
                labels.setdefault(result.id, result.label)
    return labels


def waive(requirement: str, reason: str) -> RowChange:
    """Waive a requirement of the renewals that are short of it."""

    def change(context: ServiceContext, row: SelectedRow) -> Grant:
        cycle_starts_on = _require_renewal(row)
        standing = context.session.get(StandingRow, (row.key.id, cycle_starts_on))
        results = parse_results(standing.requirements) if standing else []
        outcomes = {result.id: result.outcome for result in results}
        if standing is not None and outcomes.get(requirement, "excused") == "excused":
            raise Refused(Refusal("requirement", "requirement-not-asked"))
        if outcomes.get(requirement) == "met":
            raise Refused(Refusal("requirement", "requirement-met"))
        return grant_waiver(context, row.key.id, cycle_starts_on, requirement, reason)

    return change


def extend(due_on: date, reason: str) -> RowChange:
    """Set a later due date of renewals that are not complete."""

    def change(context: ServiceContext, row: SelectedRow) -> Grant:
        cycle_starts_on = _require_renewal(row)
        standing = context.session.get(StandingRow, (row.key.id, cycle_starts_on))
        if standing is not None and standing.status == "met":
            raise Refused(Refusal("due_on", "renewal-met"))
        return grant_extension(context, row.key.id, cycle_starts_on, due_on, reason)

    return change


def add_membership(term: MembershipTerm) -> RowChange:
    """Record a membership term."""

    def change(context: ServiceContext, row: SelectedRow) -> None:
        record_membership(context, row.person_id, term)

    return change


def mark(association: str, label: str) -> RowChange:
    """Mark people with a label."""

    def change(context: ServiceContext, row: SelectedRow) -> None:
        add_mark(context, association, row.person_id, label)

    return change


def _require_renewal(row: SelectedRow) -> date:
    if row.key.cycle_starts_on is None:
        raise Refused(Refusal("", "row-without-renewal"))
    return row.key.cycle_starts_on


# By endorsement and first day of the cycle.
_States = Mapping[tuple[int, date], tuple[str, date | None]]


def _read_states(context: ServiceContext, selection: SelectedPeople) -> _States:
    """How the renewals of a selection stand now."""
    today = days_at(context.rulebooks, context.now)(selection.association)
    renewals = [row.key.id for row in selection.rows if row.key.kind is RowKind.RENEWAL]
    states: dict[tuple[int, date], tuple[str, date | None]] = {}
    for ids in in_chunks(sorted(set(renewals)), _BATCH):
        query = select(
            col(StandingRow.endorsement_id),
            col(StandingRow.cycle_starts_on),
            state_on(today),
            col(StandingRow.due_on),
        ).where(col(StandingRow.endorsement_id).in_(ids))
        for endorsement_id, cycle_starts_on, status, due_on in context.session.connection().execute(
            query
        ):
            states[endorsement_id, cycle_starts_on] = (status, due_on)
    return states


def _find_state(states: _States, row: SelectedRow) -> tuple[str, date | None]:
    if row.key.cycle_starts_on is None:
        return row.status, row.due_on
    return states.get((row.key.id, row.key.cycle_starts_on), ("", None))
