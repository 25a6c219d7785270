"""How ready each application is: facts read and judged as a renewal's are."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, text

from tracker.records.judging.candidates import read_candidates
from tracker.records.store.quick import as_date
from tracker.rulebooks import Rulebooks
from tracker.rules.judge import judge
from tracker.rules.standing import Standing


def judge_applications(
    connection: Connection,
    books: Rulebooks,
    day_of: Callable[[str], date],
    *,
    association: str | None = None,
    only: str | None = None,
) -> Iterator[Standing]:
    """Stream the standings of all applications that were not decided yet, in any order.

    ``day_of`` gives each association's as-of date, ``only`` a temporary table of applications.
    The rules are those of that date, or of the day on which the application was submitted.
    """
    names = [name for name in books.associations if association in (None, name)]
    asked = {}
    for row in _applications(connection, names, min(map(day_of, names), default=date.max), only):
        as_of = day_of(row.association)
        if row.decided_on is None or as_of < row.decided_on:
            rules_on = min(row.submitted_on or as_of, as_of)
            plan = books.application_plan(row.association, row.category, rules_on)
            asked[row.id] = (plan, as_of)
    for plan, facts, as_of in read_candidates(connection, books, asked):
        standing = judge(plan, facts, as_of)
        if standing is not None:
            yield standing


class _Row(NamedTuple):
    id: int
    association: str
    category: str
    submitted_on: date | None
    decided_on: date | None


def _applications(
    connection: Connection, associations: Sequence[str], earliest: date, only: str | None
) -> list[_Row]:
    """Those of the associations that are undecided now, or were decided after ``earliest``."""
    where = f"AND id IN (SELECT id FROM {only})" if only else ""
    rows = connection.execute(
        text(
            "SELECT id, association, category, submitted_on, decided_on FROM application "
            "WHERE association IN :associations "
            f"AND (decided_on IS NULL OR decided_on > :earliest) {where} ORDER BY id"
        ).bindparams(bindparam("associations", expanding=True)),
        {"associations": associations, "earliest": earliest.isoformat()},
    )
    return [_Row(*row[:3], *(as_date(day) if day else None for day in row[3:])) for row in rows]
