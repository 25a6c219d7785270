"""Behavior does not depend on the audit log: with and without its rows everything is the same."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete
from sqlmodel import select

import tracker
from tests.support.cast import ALICE, BOB, BOOKS, Cast, acting, fill
from tests.support.databases import copy_sqlite
from tests.support.nights import evaluate_due
from tests.web.all_pages import STOPS, furnish
from tests.web.applicants import fill_with_applicants
from tests.web.client import TRAINING, WebClient, problems, settle_all
from tracker.db.engine import open_engine, writing
from tracker.db.ledgers import StandingRow
from tracker.db.log import AuditEvent
from tracker.services.entries import delete_entry
from tracker.services.entry_rules import DAILY_LIMIT

PACKAGE = Path(tracker.__file__).parent
# Who may know the table: what defines and writes it, the migrations, a backup's check of which
# tables are ours, what erases a person's data from it, and the export of everything about a person,
# which is for people.
MAY_READ = {
    "db/audit.py",
    "db/log.py",
    "db/tables.py",
    "exports/my_data.py",
    "services/backup_files.py",
    "services/erased_identity.py",
    "services/erasure.py",
    "services/timeline.py",
}
# What differs between any two visits: form keys, nonces, tokens, handles of browsers.
RANDOM = re.compile(r"[0-9A-Za-z_-]{22,}|[0-9a-f]{16}")


def prune(cast: Cast) -> None:
    with writing(cast.engine) as session:
        session.connection().execute(delete(AuditEvent))


@pytest.fixture
def pair(migrated_sqlite: Path, tmp_path: Path) -> Iterator[tuple[WebClient, WebClient]]:
    """Two sites with the same contents, except that the second has no audit log."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    cast = fill_with_applicants(fill(copy_sqlite(migrated_sqlite, first)))
    ids = furnish(cast)
    settle_all()
    cast.engine.dispose()
    shutil.copytree(first, second)
    url = f"sqlite:///{second / migrated_sqlite.name}"
    pruned = replace(cast, url=url, engine=open_engine(url))
    prune(pruned)
    assert cast.rows("audit_event")
    sites = WebClient(cast), WebClient(pruned)
    sites[0].ids = sites[1].ids = ids  # type: ignore[attr-defined]
    yield sites
    settle_all()
    cast.engine.dispose()
    pruned.engine.dispose()


def pages(site: WebClient) -> dict[str, str]:
    """Every page as its visitor sees it, by whose and where."""
    ids: dict[str, Any] = site.ids  # type: ignore[attr-defined]
    visitors = {stop.email: site.visit(stop.email) for stop in STOPS}
    texts = {}
    # A timeline is the history.
    for stop in (each for each in STOPS if "/timeline" not in each.path):
        path = stop.path.format(**ids)
        response = visitors[stop.email].get(path)
        texts[f"{stop.email} {path}"] = f"{response.status_code} {RANDOM.sub('…', response.text)}"
    return texts


def test_only_history_reads_the_audit_log() -> None:
    reading = set()
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        text = path.read_text("utf-8")
        if "migrations" not in name and re.search(r"\bAuditEvent\b|[\"']audit_event[\"']", text):
            reading.add(name)
    assert reading == MAY_READ


def test_every_page_is_the_same_without_history(pair: tuple[WebClient, WebClient]) -> None:
    complete, pruned = (pages(site) for site in pair)
    assert len(complete) > 60
    assert pruned == complete


def test_limits_are_the_same_without_history(pair: tuple[WebClient, WebClient]) -> None:
    answers = []
    for site in pair:
        visitor = site.visit(BOB)
        for number in range(DAILY_LIMIT):
            form = {**TRAINING, "title": f"Session {number}", "hours": "0.1", "topic-DEIA": ""}
            form |= {"day": str(1 + number % 20), "month": str(4 + number // 20)}
            assert problems(visitor.log(form)) == []
        if site is pair[1]:
            prune(site.cast)
        refused = visitor.log({**TRAINING, "title": "One more"})
        answers.append((refused.status_code, problems(refused)))
        site.pass_time(days=1, minutes=1)
        assert visitor.log({**TRAINING, "title": "The next day"}).status_code == 303
    assert answers[0] == answers[1]
    assert answers[0][0] != 303


def test_evaluation_is_the_same_without_history(pair: tuple[WebClient, WebClient]) -> None:
    stored = []
    for site in pair:
        night = site.now + timedelta(days=60)
        with writing(site.cast.engine) as session:
            counts = [
                evaluate_due(session, BOOKS, name, night, since=site.now.date())
                for name in BOOKS.associations
            ]
            rows = session.exec(select(StandingRow)).all()
            stored.append((counts, sorted(row.model_dump_json() for row in rows)))
    assert stored[0] == stored[1]


def test_ids_are_the_same_without_history(pair: tuple[WebClient, WebClient]) -> None:
    new_ids = []
    for site in pair:
        newest = max(row["id"] for row in site.cast.rows("entry"))
        (entry,) = site.cast.rows("entry", id=newest)
        emails = {number: email for email, number in site.cast.people.items()}
        with writing(site.cast.engine) as session:
            delete_entry(acting(session, site.cast, emails[entry["person_id"]]), newest)
        if site is pair[1]:
            prune(site.cast)
        assert site.visit(ALICE).log(TRAINING).status_code == 303
        new_ids.append(max(row["id"] for row in site.cast.rows("entry")) - newest)
    assert new_ids == [1, 1]
