"""Which stored position a row of positions.csv is about, if only one of them names an employer.

Files from before the column, and those that name the employer of a known job, are about it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date

from sqlmodel import Session, col, select, update

from tracker.db.applications import Position
from tracker.db.audit import Change
from tracker.formatting import format_list
from tracker.importer.cells import ImportContext
from tracker.importer.known_records import KnownRecords
from tracker.importer.problems import ImportProblem
from tracker.importer.schemas import PositionRow
from tracker.importer.table_rows import chunked
from tracker.plain_text import normalize_text

# A person's address, the title, and the first day.
_Job = tuple[str, str, date]


@dataclass
class PositionPlan:
    """What is known of employers.

    ``employers`` are those of jobs whose rows name none. ``named`` are rows that name the employer
    of a stored position without one, with its id. ``problems`` are rows that may be about several.
    """

    employers: dict[_Job, str] = field(default_factory=dict)
    named: list[tuple[PositionRow, int]] = field(default_factory=list)
    problems: list[ImportProblem] = field(default_factory=list)

    def employer_of(self, row: PositionRow) -> str:
        """The employer of a row's position; empty if none is known."""
        return row.employer or self.employers.get(_job_of(row), "")


def plan_positions(session: Session, known: KnownRecords) -> PositionPlan:
    """Compare the rows with the stored positions of their people."""
    plan = PositionPlan()
    rows = defaultdict[_Job, list[PositionRow]](list)
    for row in known.files.rows_of(PositionRow):
        rows[_job_of(row)].append(row)
    stored = _load_positions(session, known, {email for email, _, _ in rows})
    for job, of_job in rows.items():
        positions = stored[job]
        employers = [position.employer for position in positions]
        if len(of_job) == 1 and of_job[0].employer not in employers:
            _plan_job(plan, of_job[0], positions)
    return plan


def _plan_job(plan: PositionPlan, row: PositionRow, positions: list[Position]) -> None:
    """Plan the only row of a job, whose employer no stored position has."""
    employers = [position.employer for position in positions]
    if row.employer:
        if employers == [""]:
            plan.named.append((row, positions[0].id))
    elif len(employers) == 1:
        plan.employers[_job_of(row)] = employers[0]
    elif employers:
        names = format_list(employers)
        message = f"must say which of the stored positions is meant: those at {names}"
        plan.problems.append(row.problem("employer", message))


def name_employers(
    session: Session, plan: PositionPlan, context: ImportContext
) -> Iterator[Change]:
    """Store the employers that rows name; yields the audit events."""
    for row, position_id in plan.named:
        statement = update(Position).where(col(Position.id) == position_id)
        session.exec(statement.values(employer=row.employer))
        yield context.change("position", position_id, {"employer": ""}, {"employer": row.employer})


def _load_positions(
    session: Session, known: KnownRecords, emails: Iterable[str]
) -> defaultdict[_Job, list[Position]]:
    stored = defaultdict[_Job, list[Position]](list)
    by_id = known.ids_of(emails)
    for ids in chunked(by_id):
        for position in session.exec(select(Position).where(col(Position.person_id).in_(ids))):
            title = normalize_text(position.title)
            stored[by_id[position.person_id], title, position.starts_on].append(position)
    return stored


def _job_of(row: PositionRow) -> _Job:
    return row.email, row.title, row.starts_on
