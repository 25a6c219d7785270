"""Fills a database with made-up applicants for VAIMH IMHS: hours, work, degrees, references."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from tests.bench.population import PROVIDERS, providers
from tracker.db.engine import writing
from tracker.db.statements import insert_rows
from tracker.db.tables import METADATA

ASSOCIATION = "VAIMH"
CATEGORY = "IMHS"
SESSIONS = 30
_FIRST = date(2024, 1, 10)
_TABLES = (
    *("person", "endorsement", "membership", "application", "degree", "position", "reference"),
    *("attestation", "exam_result", "entry"),
)
Rows = dict[str, list[dict[str, Any]]]


def fill_applicants(engine: Engine, count: int, confirmed: str) -> None:
    """Insert providers and ``count`` applicants, a third of them short of something.

    ``confirmed`` are the keys of what an applicant confirms of a position.
    """
    rows: Rows = {name: [] for name in _TABLES}
    for name, made in providers().items():
        rows[name] += made
    for number in range(count):
        _add(rows, number, confirmed)
    with writing(engine) as session:
        for name in _TABLES:
            insert_rows(session, METADATA.tables[name], rows[name])
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(
            "ANALYZE" if engine.dialect.name == "sqlite" else "VACUUM ANALYZE"
        )


def _add(rows: Rows, number: int, confirmed: str) -> None:
    person, application = PROVIDERS + 1 + number, number + 1
    own = {"person_id": person}
    rows["person"].append(_person(person, number))
    rows["membership"].append(
        {
            **own,
            "organization": ASSOCIATION,
            "starts_on": date(2026, 1, 1),
            "ends_on": date(2026, 12, 31),
        }
    )
    rows["application"].append(_application(application, person))
    rows["degree"].append(
        {
            **own,
            "level": "master",
            "title": "MSW",
            "awarded_on": date(2020, 5, 15),
            "transcript": "official" if number % 7 else "unofficial",
        }
    )
    rows["position"] += [_position(person, year, confirmed) for year in (2019, 2021, 2023)]
    rows["reference"] += [_reference(application, role) for role in _ROLES]
    for what in ("ethics", "agreement", "competencies"):
        signed = {"application_id": application, "what": what, "signed_on": date(2026, 2, 1)}
        rows["attestation"].append(signed)
    rows["exam_result"].append(
        {"application_id": application, "taken_on": date(2026, 3, 1), "passed": number % 5 > 0}
    )
    rows["entry"] += [_entry(person, number, n) for n in range(SESSIONS)]


_ROLES = ("program-supervisor", "rsc-provider", "colleague")


def _person(person: int, number: int) -> dict[str, Any]:
    return {
        "id": person,
        "email": f"applicant{number}@example.org",
        "name": f"Applicant {number}",
        "highest_degree": "master",
        "provides_rsc": False,
        "second_email": None,
    }


def _application(application: int, person: int) -> dict[str, Any]:
    return {
        "id": application,
        "person_id": person,
        "association": ASSOCIATION,
        "category": CATEGORY,
        "opened_on": date(2026, 1, 15),
        "submitted_on": None,
        "decided_on": None,
        "state": "open",
        "purpose": "application",
    }


def _position(person: int, year: int, confirmed: str) -> dict[str, Any]:
    return {
        "person_id": person,
        "title": f"Therapist since {year}",
        "pay": "paid",
        "services": "imh-services",
        "ages": "birth to 36 months",
        "families": 8,
        "supervised": True,
        "trained": True,
        "gives_rsc": False,
        "statements": confirmed,
        "employer": "",
        "starts_on": date(year, 3, 1),
        "ends_on": date(year + 1, 6, 30),
    }


def _reference(application: int, role: str) -> dict[str, Any]:
    return {
        "application_id": application,
        "email": f"{role}@example.org",
        "name": role,
        "role": role,
        "reminders": 0,
        "endorsed_as": "IMHS",
        "vetted": False,
        "role_confirmed": True,
        "relationship": "colleagues",
        "signed_as": role,
        "answered_by_link": True,
        "received_at": datetime(2026, 3, 1, 12, tzinfo=UTC),
    }


def _entry(person: int, number: int, n: int) -> dict[str, Any]:
    is_rsc = n % 3 > 0
    return {
        "person_id": person,
        "activity": "rsc" if is_rsc else "training",
        "held_on": _FIRST + timedelta(days=32 * n + number % 30),
        "minutes": 150 if is_rsc else 240,
        "title": f"Session {n}",
        "provider_id": 1 + (number + n) % PROVIDERS if is_rsc else None,
    }
