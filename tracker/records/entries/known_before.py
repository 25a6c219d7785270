"""What a new session is held against, in one statement: everybody who saves asks it."""

from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import Connection

from tracker.records.entries.daily_most import MOST_A_DAY, is_of_a_day
from tracker.records.entries.twins import Logged
from tracker.records.store.quick import run


class Known(NamedTuple):
    """What is stored of a person before they save a form.

    ``was_saved``: the same form was saved already. ``logged`` are the entries of its day, the
    oldest entry first. ``has_most``: within a day no more can be stored.
    """

    was_saved: bool
    logged: list[Logged]
    has_most: bool


def known_before(
    connection: Connection, person_id: int, form_key: str, day: date, at: datetime
) -> Known:
    """What is stored when a form is saved at an instant, for a session held on ``day``."""
    held_on = day.isoformat()
    parameters = [held_on, form_key, person_id, MOST_A_DAY - 1, person_id, held_on, form_key]
    rows = run(connection, _KNOWN, parameters)
    sixtieth = rows[0][0]
    return Known(
        was_saved=any(row[2] for row in rows),
        logged=[Logged._make((*row[3:8], row[8] or row[9])) for row in rows if row[1]],
        has_most=sixtieth is not None and is_of_a_day(connection, sixtieth, at),
    )


_KNOWN = """
    SELECT newest.id, e.held_on = ?, e.form_key = ?, e.id, e.activity, e.minutes, e.title,
        e.provider_id, e.provider_name, p.name
    FROM (SELECT (
        SELECT n.id FROM entry n WHERE n.person_id = ? AND n.form_key IS NOT NULL
        ORDER BY n.id DESC LIMIT 1 OFFSET ?
    ) AS id) newest
    LEFT JOIN entry e ON e.person_id = ? AND (e.held_on = ? OR e.form_key = ?)
    LEFT JOIN person p ON p.id = e.provider_id
    ORDER BY e.id
"""
