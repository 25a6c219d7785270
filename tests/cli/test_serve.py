"""What one process of `tracker serve` is put together from."""

from typing import Any

import pytest
from sqlalchemy import Engine

from tests.rules.case_data import TESTS
from tracker.cli import serve
from tracker.db.engine import reading
from tracker.notifications.context import JobContext, open_context


def limit_of(engine: Engine) -> str:
    with reading(engine) as session:
        return str(session.connection().exec_driver_sql("SHOW statement_timeout").scalar())


def test_only_page_connections_have_a_statement_timeout(
    postgres_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_DATABASE_URL", postgres_database_url)
    monkeypatch.setenv("TRACKER_CONFIG_DIR", str(TESTS.parent / "config"))
    monkeypatch.setattr(serve, "configure_logs", lambda: None)
    contexts: list[tuple[Any, ...]] = []

    def open_and_keep(*parts: Any) -> JobContext:  # noqa: ANN401
        contexts.append(parts)
        return open_context(*parts)

    monkeypatch.setattr(serve, "open_context", open_and_keep)
    pages = serve.create_app().state.site.engine
    ((_, _, jobs, patience),) = contexts
    assert (limit_of(pages), limit_of(jobs), patience) == ("30s", "0", 20)
    for engine in (pages, jobs):
        engine.dispose()
