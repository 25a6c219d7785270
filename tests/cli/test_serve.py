"""What one process of `tracker serve` is put together from."""

from typing import Any

import pytest
from sqlalchemy import Engine

from tests.rules.world import TESTS
from tracker.cli import serve
from tracker.db.engine import reading


def limit_of(engine: Engine) -> str:
    with reading(engine) as session:
        return str(session.connection().exec_driver_sql("SHOW statement_timeout").scalar())


def test_only_what_pages_ask_has_a_limit_and_jobs_wait_for_others_for_a_while(
    postgres_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_DATABASE_URL", postgres_database_url)
    monkeypatch.setenv("TRACKER_CONFIG_DIR", str(TESTS.parent / "config"))
    monkeypatch.setattr(serve, "configure_logs", lambda: None)
    offices: list[tuple[Any, ...]] = []
    monkeypatch.setattr(serve, "open_context", lambda *parts: offices.append(parts))
    pages = serve.serving().state.site.engine
    ((_, _, jobs, patience),) = offices
    assert (limit_of(pages), limit_of(jobs), patience) == ("30s", "0", 20)
    for engine in (pages, jobs):
        engine.dispose()
