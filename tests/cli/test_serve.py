"""What one process of `tracker serve` is put together from."""

from typing import Any

import pytest
from sqlalchemy import Engine

from tests.rules.case_data import TESTS
from tracker.cli import serve
from tracker.db.engine import reading
from tracker.notifications.context import JobContext, open_context


def limits_of(engine: Engine) -> list[str]:
    names = ("statement_timeout", "idle_in_transaction_session_timeout")
    with reading(engine) as session:
        connection = session.connection()
        return [str(connection.exec_driver_sql(f"SHOW {name}").scalar()) for name in names]


def test_a_statement_of_a_job_may_take_long_but_a_frozen_job_not(
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
    assert (limits_of(pages), limits_of(jobs)) == (["30s", "2min"], ["0", "2min"])
    assert patience == 20
    for engine in (pages, jobs):
        engine.dispose()
