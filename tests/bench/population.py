"""Fills a database with made-up endorsees: each with 20 entries in the cycle of AS_OF."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Engine, insert
from sqlmodel import Session

from tracker.db.engine import writing
from tracker.db.tables import METADATA

AS_OF = date(2026, 10, 1)
ASSOCIATION = "NCIMHA"
CATEGORY = "IFS"
PROVIDERS = 400
ENTRIES = 20
_FIRST = date(2026, 1, 1)
_BATCH = 2_000
Rows = dict[str, list[dict[str, Any]]]


def fill(engine: Engine, endorsees: int, *, second_half_of_hours: bool = True) -> None:
    """Insert providers and ``endorsees`` people; without the second half all are short."""
    with writing(engine) as session:
        _insert(session, providers())
        for start in range(0, endorsees, _BATCH):
            rows: Rows = {}
            for number in range(start, min(start + _BATCH, endorsees)):
                _add_endorsee(rows, number, ENTRIES if second_half_of_hours else ENTRIES // 2)
            _insert(session, rows)
        if engine.dialect.name == "postgresql":
            _count_on(session)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(
            "ANALYZE" if engine.dialect.name == "sqlite" else "VACUUM ANALYZE"
        )


def _count_on(session: Session) -> None:
    """Let ids that PostgreSQL gives begin after those that were given here."""
    for table in ("person", "endorsement", "entry"):
        sequence = f"pg_get_serial_sequence('{table}', 'id')"
        session.connection().exec_driver_sql(f"SELECT setval({sequence}, MAX(id)) FROM {table}")  # noqa: S608 - our own names


def _insert(session: Session, rows: Rows) -> None:
    for table in ("person", "endorsement", "membership", "entry", "entry_topic"):
        if table in rows:
            session.connection().execute(insert(METADATA.tables[table]), rows[table])


def providers() -> Rows:
    """So many providers, each an IMHM-C; a tenth stopped qualifying in the middle of the cycle."""
    numbers = range(1, PROVIDERS + 1)
    return {
        "person": [_person(n, f"provider{n}@example.org", provides_rsc=True) for n in numbers],
        "endorsement": [
            {
                "id": n,
                "person_id": n,
                "association": ASSOCIATION,
                "category": "IMHM-C",
                "starts_on": date(2020, 1, 1),
                "ends_on": date(2026, 6, 30) if n % 10 == 0 else None,
            }
            for n in numbers
        ],
    }


def _person(number: int, email: str, *, provides_rsc: bool) -> dict[str, Any]:
    return {
        "id": number,
        "email": email,
        "name": f"Person {number}",
        "highest_degree": "master",
        "provides_rsc": provides_rsc,
        "second_email": None,
    }


def _add_endorsee(rows: Rows, number: int, entries: int) -> None:
    person = PROVIDERS + 1 + number

    def add(table: str, **row: object) -> None:
        rows.setdefault(table, []).append(row)

    add("person", **_person(person, f"endorsee{number}@example.org", provides_rsc=False))
    add(
        "endorsement",
        id=person,
        person_id=person,
        association=ASSOCIATION,
        category=CATEGORY,
        starts_on=date(2018, 1, 1) + timedelta(days=number % 2500),
        ends_on=None,
    )
    add(
        "membership",
        person_id=person,
        organization=ASSOCIATION,
        starts_on=_FIRST,
        ends_on=date(2026, 12, 31),
    )
    for entry in _entries(person, number, entries):
        add("entry", **entry)
        if entry["activity"] == "training" and entry["id"] % 8 == 0:
            add(
                "entry_topic",
                entry_id=entry["id"],
                topic="DEIA",
                person_id=person,
                held_on=entry["held_on"],
                minutes=30,
            )


def _entries(person: int, number: int, entries: int) -> Iterator[dict[str, Any]]:
    for n in range(entries):
        is_rsc = n % 2 == 0
        yield {
            "id": number * ENTRIES + n + 1,
            "person_id": person,
            "activity": "rsc" if is_rsc else "training",
            "held_on": _FIRST + timedelta(days=13 * n + number % 13),
            "minutes": 60 if is_rsc else 90,
            "title": f"Session {n}",
            "provider_id": 1 + (number + n) % PROVIDERS if is_rsc else None,
        }
