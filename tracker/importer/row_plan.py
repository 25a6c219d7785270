"""An import that leaves out the rows with problems, and says of every row what became of it.

The same code makes a plan and applies it: to plan is to roll back what it stored.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlmodel import Session

from tracker.importer.apply import plan_import
from tracker.importer.cells import ImportContext
from tracker.importer.csv_row import format_cell
from tracker.importer.problems import ImportProblem, ImportRefused
from tracker.importer.reader import UNKNOWN_PERSON, ImportedFiles
from tracker.importer.schemas import SCHEMAS, PersonRow
from tracker.importer.store import ImportPlan, ImportReport, store_plan
from tracker.importer.table_rows import RowOutcome
from tracker.importer.targets import SHARED, label_of

ADDED, CHANGED, UNCHANGED, REFUSED = "added", "changed", "unchanged", "refused"
OUTCOMES = (ADDED, CHANGED, UNCHANGED, REFUSED)
# A line's file, or table, and its number.
Line = tuple[str, int]
# What an association may not change of what a row did: the problems, none if it may.
ScopeCheck = Callable[[Session, ImportPlan, list[RowOutcome]], Iterable[ImportProblem]]
_KINDS = {schema: kind for kind, schema in SCHEMAS.items()}
# Ids say nothing to people, and differ each time rows are added.
_NOT_SHOWN = {"id", "recorded_by"}


class PlannedRow(NamedTuple):
    """What becomes of one line of a table.

    ``changes`` are a changed row's values before and after, by column. ``reason`` says why a row
    is refused, or left alone although it is in no way like a stored one.
    """

    kind: str
    file: str
    line: int
    email: str
    outcome: str
    reason: str = ""
    changes: Mapping[str, tuple[str, str]] = {}
    code: str = ""

    @property
    def place(self) -> tuple[str, str, int]:
        """What tells rows apart."""
        return self.kind, self.file, self.line


@dataclass(frozen=True, slots=True)
class CarriedOut:
    """What an import did, by row and as a report."""

    rows: list[PlannedRow]
    report: ImportReport


def carry_out(
    session: Session,
    files: ImportedFiles,
    context: ImportContext,
    check_scope: ScopeCheck | None = None,
) -> CarriedOut:
    """Store every row that can be stored, in the caller's transaction.

    A row with a problem is left out, and so is every row that then lacks something.
    """
    refused = _Refused(files)
    refused.add(files.problems)
    while True:
        savepoint = session.begin_nested()
        try:
            plan = plan_import(session, files, context)
            report = store_plan(session, plan, context)
            problems = list(check_scope(session, plan, report.outcomes)) if check_scope else []
            if not problems:
                savepoint.commit()
                return CarriedOut(list(_list_rows(files, report, refused)), report)
        except ImportRefused as error:
            problems = error.problems
        savepoint.rollback()
        session.expire_all()
        refused.add(problems)


class _Refused:
    """The lines that are left out, with their problems."""

    def __init__(self, files: ImportedFiles) -> None:
        self._files = files
        self.problems = defaultdict[Line, list[ImportProblem]](list)
        self.emails = {row.sort_key: row.email for row, _ in files.contradictions}

    def add(self, problems: Collection[ImportProblem]) -> None:
        """Leave out the lines of these problems."""
        for problem in problems:
            if problem.line is None:
                # Of a table as a whole: no row can be left out that would mend it.
                raise ImportRefused(list(problems))
            self.problems[problem.file, problem.line].append(problem)
        files = self._files
        for schema, rows in files.rows.items():
            for row in rows:
                if row.sort_key in self.problems:
                    self.emails[row.sort_key] = row.former_email or row.email
            files.rows[schema] = [row for row in rows if row.sort_key not in self.problems]
        files.people = {row.email for row in files.rows_of(PersonRow)}
        # What lacks something of a row that is left out is left out too.
        files.problems, files.mentions = [], []
        files.incomplete.clear()


def _list_rows(
    files: ImportedFiles, report: ImportReport, refused: _Refused
) -> Iterator[PlannedRow]:
    """One planned row for each line and kind."""
    by_line = defaultdict[Line, list[RowOutcome]](list)
    for outcome in report.outcomes:
        by_line[outcome.row.sort_key].append(outcome)
    for (file, line), outcomes in by_line.items():
        yield _summarize(file, line, outcomes)
    for row, first in files.repeated:
        if row.sort_key not in refused.problems:
            reason = f"the same as {first.file_and_line}"
            yield PlannedRow(_KINDS[type(row)], *row.sort_key, row.email, UNCHANGED, reason)
    for (file, line), problems in refused.problems.items():
        code = next((problem.code for problem in problems if problem.code), "")
        email = refused.emails.get((file, line), "")
        kind = files.kind_of_file[file]
        reasons = dict.fromkeys(_describe(kind, problem) for problem in problems)
        yield PlannedRow(kind, file, line, email, REFUSED, "; ".join(reasons), {}, code)


def _describe(kind: str, problem: ImportProblem) -> str:
    """A problem in the words of pages: ``First day "soon": write the date as …``."""
    if problem.message == UNKNOWN_PERSON:
        return f"nobody has the address {problem.value}, and no row adds a person with it"
    if problem.column is None:
        return problem.sentence
    label = label_of(problem.column if problem.column in SHARED else f"{kind}.{problem.column}")
    message = replace(problem, column=None).sentence
    return f'{label} "{problem.value}": {message}' if problem.value else f"{label}: {message}"


def _summarize(file: str, line: int, outcomes: list[RowOutcome]) -> PlannedRow:
    """What became of a line: of a course, all of its days together."""
    row = outcomes[0].row
    found = {each.outcome for each in outcomes}
    outcome = next(each for each in OUTCOMES if each in found)
    changes = dict[str, tuple[str, str]]()
    for each in outcomes:
        changes |= _format_changes(each.changes)
    email = row.former_email or row.email
    return PlannedRow(_KINDS[type(row)], file, line, email, outcome, "", changes)


def _format_changes(changes: Mapping[str, tuple[Any, Any]]) -> dict[str, tuple[str, str]]:
    shown = {}
    for column, (before, after) in changes.items():
        if column not in _NOT_SHOWN and not column.endswith("_id"):
            shown[column] = (_format(column, before), _format(column, after))
    return shown


def _format(column: str, value: Any) -> str:  # noqa: ANN401 - of any column
    if column == "minutes":
        return format_cell("hours", value)
    if isinstance(value, dict):
        return format_cell("topics", tuple(sorted(value.items())))
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return format_cell(column, value)


def count_outcomes(rows: Iterable[PlannedRow]) -> dict[str, dict[str, int]]:
    """How many rows of each kind have each outcome."""
    counts = dict[str, dict[str, int]]()
    for row in rows:
        of_kind = counts.setdefault(row.kind, dict.fromkeys(OUTCOMES, 0))
        of_kind[row.outcome] += 1
    return counts
