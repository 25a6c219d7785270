"""Fills an association's desk for the benchmark: causes, a long timeline, an import, a change."""

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, insert, text
from sqlmodel import Session

from tests.bench.imports import list_bytes
from tests.bench.population import ASSOCIATION, PROVIDERS, Rows, fill
from tests.bench.work import CONFIG, NIGHT
from tests.importer.uploads import ACTOR, Desk
from tests.support.cast import Cast
from tests.support.nights import evaluate_due
from tracker.db.engine import open_engine, writing
from tracker.db.migrate import migrate
from tracker.db.tables import METADATA
from tracker.rulebooks import Rulebooks, load_rulebooks
from tracker.services.context import ServiceContext
from tracker.services.desk_changes import ChangePlan, apply_change
from tracker.services.marks import add_mark

# The person whose timeline is long: an endorsee in the middle of the list.
LONG_TIMELINE = PROVIDERS + 123
EVENTS = 1_300
# Half of the memberships have ended, some addresses bounce, some providers are names only, and
# some endorsees are short of hours.
_CAUSES = (
    "UPDATE membership SET ends_on = '2026-06-30' WHERE person_id % 2 = 0",
    "UPDATE person SET email_refused_at = '2026-09-01 12:00:00' WHERE id > 400 AND id % 50 = 1",
    """UPDATE entry SET provider_id = NULL,
        provider_name = 'Dr. Named ' || (person_id % 40) || ' Provider'
        WHERE person_id % 10 = 3 AND provider_id IS NOT NULL AND id % 20 = 5""",
    "DELETE FROM entry WHERE person_id % 7 = 2 AND id % 20 > 9",
)


def fill_desk(url: str, people: int) -> int:
    """Fill an empty database, and return the id of an import that is planned."""
    migrate(url)
    engine, rulebooks = open_engine(url), load_rulebooks(CONFIG)
    fill(engine, people)
    with writing(engine) as session:
        for statement in _CAUSES:
            session.connection().execute(text(statement))
        for table, rows in _events().items():
            session.connection().execute(insert(METADATA.tables[table]), rows)
        evaluate_due(session, rulebooks, ASSOCIATION, NIGHT)
    with writing(engine) as session:
        _mark_everyone(session, rulebooks, people)
    plan_id = _plan_import(url, engine, people)
    engine.dispose()
    return plan_id


def _events() -> Rows:
    """Changes, emails, and skipped notices, of one person in three years."""
    rows: Rows = {"audit_event": [], "outbox": [], "notice": []}
    for number in range(EVENTS):
        at = NIGHT - timedelta(hours=20 * number)
        if number % 10 < 7:
            rows["audit_event"] += _change(number, at)
        elif number % 10 < 9:
            rows["outbox"].append(_email(number, at))
        else:
            rows["notice"].append(_skipped(number, at.date()))
    return rows


def _change(number: int, at: datetime) -> Iterator[dict[str, Any]]:
    values = {
        "activity": "training",
        "held_on": (at - timedelta(days=2)).date().isoformat(),
        "minutes": 60 + number % 60,
        "title": f"Session {number}",
        "provider_id": None,
        "provider_name": None,
        "format": None,
        "reference": None,
        "topics": {},
    }
    yield {
        "at": at,
        "who": "endorsee122@example.org",
        "table_name": "entry",
        "row_id": 10_000_000 + number,
        "before": None,
        "after": json.dumps(values),
        "person_id": LONG_TIMELINE,
    }


def _email(number: int, at: datetime) -> dict[str, Any]:
    return {
        "dedupe_key": f"day:{LONG_TIMELINE}:{number}",
        "message_id": f"<{number}@bench>",
        "kind": "notice",
        "association": ASSOCIATION,
        "person_id": LONG_TIMELINE,
        "recipient": "endorsee122@example.org",
        "subject": f"Your renewal: reminder {number}",
        "body": b"",
        "state": "sent",
        "created_at": at,
        "next_attempt_at": at,
        "finished_at": at,
    }


def _skipped(number: int, day: date) -> dict[str, Any]:
    return {
        "endorsement_id": LONG_TIMELINE,
        "cycle_starts_on": date(day.year, 1, 1),
        "kind": "renewal",
        "subject_key": str(number),
        "due_on": day,
        "step": -30,
        "decided_on": day,
        "outcome": "skipped",
        "reason": "nothing is missing",
    }


def _mark_everyone(session: Session, rulebooks: Rulebooks, people: int) -> None:
    """A change that touches a row of everybody."""
    ids = frozenset(range(PROVIDERS + 1, PROVIDERS + 1 + people))

    def work(context: ServiceContext) -> None:
        for person_id in sorted(ids):
            add_mark(context, ASSOCIATION, person_id, "called")

    plan = ChangePlan(ASSOCIATION, "Mark everyone as called", ids, ("person_mark",), work)
    apply_change(ServiceContext(session, rulebooks, ACTOR, NIGHT), plan)


def _plan_import(url: str, engine: Engine, rows: int) -> int:
    return Desk(Cast(url, engine)).upload(("roster.csv", list_bytes(rows)))
