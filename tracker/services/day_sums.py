"""Reads the hours of renewals day by day, for rulebooks that ask when and how they were held.

Few rulebooks do, so this is a query of its own beside that of `tracker.services.facts`.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from sqlmodel import Session

from tracker.db.engine import is_postgresql
from tracker.db.statements import make_temporary_table, stream_rows, with_values
from tracker.rules.standing import DaySum

# For so many endorsements SQLite needs the windows in a table with an index.
_MANY = 200
_COLUMNS = {
    "id": "integer",
    "association": "varchar",
    "category": "varchar",
    "endorsed_on": "date",
    "starts_on": "date",
    "counted_until": "date",
    "provider_rule": "varchar",
}
_TABLE = "days_window"
_INDEX = ("association", "category", "endorsed_on")


class DaysWindow(NamedTuple):
    """One cycle to read days for: sessions count from ``starts_on`` through ``counted_until``.

    Its ``number`` and an endorsement's id are the key of what is read. Days are ISO texts.
    """

    number: int
    association: str
    category: str
    endorsed_on: str
    starts_on: str
    counted_until: str
    provider_rule: str | None


class Exclusions(NamedTuple):
    """SQL: no association has decided that an entry (or an entry's topic) does not count."""

    of_entries: str = ""
    of_topics: str = ""


def read_days(
    session: Session,
    windows: Sequence[DaysWindow],
    endorsement_ids: Sequence[int],
    exclusions: Exclusions,
) -> Mapping[tuple[int, int], list[DaySum]]:
    """The day sums of these endorsements, by the number of the window and the endorsement's id.

    Without windows there are none; if there are windows, there is at least one endorsement.
    """
    found: defaultdict[tuple[int, int], list[DaySum]] = defaultdict(list)
    if not windows:
        return found
    clause, parameters = "", ()
    if len(endorsement_ids) > _MANY and not is_postgresql(session):
        make_temporary_table(session, _TABLE, _COLUMNS, _INDEX, windows)
    else:
        clause, parameters = with_values(session, _TABLE, _COLUMNS, windows)
        clause = f"WITH {clause}"
    mark = "%s" if is_postgresql(session) else "?"
    marks = ", ".join([mark] * len(endorsement_ids))
    sql = _days_sql(clause, marks, exclusions)
    values = (*parameters, *endorsement_ids, *endorsement_ids)
    for number, endorsement_id, held_on, *rest in stream_rows(session, sql, values):
        day = date.fromisoformat(held_on) if isinstance(held_on, str) else held_on
        found[number, endorsement_id].append(DaySum(day, *rest))
    return found


def _days_sql(clause: str, marks: str, exclusions: Exclusions) -> str:
    """The query: a row for each day, activity, format, and topic of each window."""
    # SQLite takes the tables in the order written because of the CROSS JOIN.
    windows = f"""FROM endorsement en
        CROSS JOIN {_TABLE} w"""
    wanted = f"""w.association = en.association AND w.category = en.category
        AND w.endorsed_on = en.starts_on AND en.id IN ({marks})"""
    return f"""
    {clause}
    SELECT w.id, en.id, e.held_on, e.activity, e.format, CAST(NULL AS VARCHAR), SUM(e.minutes)
    {windows}
    JOIN entry e ON e.person_id = en.person_id
        AND e.held_on BETWEEN w.starts_on AND w.counted_until {exclusions.of_entries}
    LEFT JOIN provider_span s ON s.rule = w.provider_rule AND s.provider_id = e.provider_id
        AND e.held_on BETWEEN s.starts_on AND s.ends_on
    WHERE {wanted} AND (e.activity = 'training' OR s.rule IS NOT NULL)
    GROUP BY w.id, en.id, e.held_on, e.activity, e.format
    UNION ALL
    SELECT w.id, en.id, t.held_on, e.activity, e.format, t.topic, SUM(t.minutes)
    {windows}
    JOIN entry_topic t ON t.person_id = en.person_id
        AND t.held_on BETWEEN w.starts_on AND w.counted_until {exclusions.of_topics}
    JOIN entry e ON e.id = t.entry_id
    WHERE {wanted}
    GROUP BY w.id, en.id, t.held_on, e.activity, e.format, t.topic
    """
