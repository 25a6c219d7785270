"""How ready each application is: facts read and judged as a renewal's are."""

from collections.abc import Callable, Iterator
from datetime import date

from sqlalchemy import Connection, text

from tracker.records.candidates import read_candidates
from tracker.records.facts import as_date
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
    """Stream the standings of all applications that are not decided yet, in any order.

    ``day_of`` gives each association's as-of date, ``only`` a temporary table of applications.
    The rules are those of that date, or of the day on which the application was submitted.
    """
    asked = {
        number: (books.application_plan(name, category, min(submitted or as_of, as_of)), as_of)
        for number, name, category, submitted in _undecided(connection, only)
        if name in books.associations and association in (None, name)
        for as_of in (day_of(name),)
    }
    for plan, facts, as_of in read_candidates(connection, books, asked):
        standing = judge(plan, facts, as_of)
        if standing is not None:
            yield standing


def _undecided(connection: Connection, only: str | None) -> list[tuple[int, str, str, date | None]]:
    where = f"AND id IN (SELECT id FROM {only})" if only else ""
    rows = connection.execute(
        text(
            "SELECT id, association, category, submitted_on FROM application "
            f"WHERE state IN ('open', 'submitted') {where} ORDER BY id"
        )
    )
    return [
        (number, name, category, as_date(submitted) if submitted else None)
        for number, name, category, submitted in rows
    ]
