"""Nothing can be saved, as somebody else writes or the database fails: nothing typed is lost."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event

from tests.support.cast import ALICE, BASE_URL, Cast, fill
from tests.support.files import PDF
from tests.web.api.calling import Program, make
from tests.web.client import TRAINING, WebClient, text_of
from tests.web.frame.test_signed_out_forms import kept
from tests.web.frame.test_small_pages import token_for
from tracker.db import writer
from tracker.db.engine import open_engine, writing
from tracker.master_key import MasterKey
from tracker.services.context import lock_person

FILES = {"files": ("proof.pdf", PDF, "application/pdf")}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_SQLITE_TIMEOUT", 0.2)
    monkeypatch.setattr(writer, "_POSTGRESQL_TIMEOUT", 0.2)


def test_a_busy_save_keeps_what_was_typed(cast: Cast, tmp_path: Path) -> None:
    settings = cast.settings.model_copy(update={"evidence_dir": tmp_path / "evidence"})
    web = WebClient(cast, settings=settings)
    alice = web.visit(ALICE)
    alice.get("/log")
    typed = {**TRAINING, "form_key": "0" * 31 + "1"}
    with writing(web.cast.engine) as session:
        lock_person(session, web.cast.people[ALICE])
        for files in ({}, FILES):
            page = alice.client.post(
                "/log?again=1", data=typed, files=files, headers={"Origin": BASE_URL}
            )
            assert page.status_code == 503
            assert page.headers["retry-after"] == "10"
            assert "Many people are saving at the same time" in text_of(page)
            assert "Nothing was saved. Everything you typed is kept" in text_of(page)
            assert ("Files can't be kept" in text_of(page)) == bool(files)
            assert kept(page) == typed
            assert 'action="/log?again=1"' in page.text
        assert alice.get("/healthz").text == "ok"
        assert alice.get("/my-year").status_code == 200
        assert not [*(tmp_path / "evidence").glob("[0-9a-f]*")]
    assert alice.post("/log", kept(page)).status_code == 303
    assert len(web.cast.rows("entry", form_key=typed["form_key"])) == 1


@contextmanager
def read_only(engine: Engine) -> Iterator[None]:
    """Let no transaction write, as on a read-only disk or a replica."""

    def forbid(connection: Any, _record: object, _proxy: object) -> None:  # noqa: ANN401 - a driver's
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA query_only = ON")
        else:
            connection.read_only = True

    def permit(connection: Any, _record: object) -> None:  # noqa: ANN401 - a driver's
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA query_only = OFF")
        else:
            connection.read_only = None

    listeners = (("checkout", forbid), ("checkin", permit))
    for name, listener in listeners:
        event.listen(engine, name, listener)
    try:
        yield
    finally:
        for name, listener in listeners:
            event.remove(engine, name, listener)


def test_a_database_that_takes_nothing_keeps_what_was_typed(web: WebClient) -> None:
    alice = web.visit(ALICE)
    alice.get("/log")
    typed = {**TRAINING, "form_key": "0" * 31 + "2"}
    with read_only(web.cast.engine):
        page = alice.post("/log", typed)
        assert page.status_code == 503
        assert page.headers["retry-after"] == "10"
        assert "We can't show or save anything right now" in text_of(page)
        assert "may not be saved. Everything you typed is kept" in text_of(page)
        assert kept(page) == typed
        assert alice.get("/my-year").status_code == 200
    assert alice.post("/log", kept(page)).status_code == 303
    assert len(web.cast.rows("entry", form_key=typed["form_key"])) == 1


def test_a_program_can_send_the_same_again(web: WebClient) -> None:
    program = Program(web, make(web))
    with read_only(web.cast.engine):
        answer = program.log("one")
    assert answer.status_code == 503
    assert "can't be used right now. You can send the same request" in answer.json()["detail"]
    assert program.log("one").status_code == 201


def test_every_busy_form_keeps_its_text(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    with writing(sqlite_web.cast.engine):
        page = alice.post("/profile/mail", {"kinds": "early"})
    assert page.status_code == 503
    assert kept(page) == {"kinds": "early"}


@pytest.fixture
def hasty_web(postgres_database_url: str) -> Iterator[WebClient]:
    """The site with a server that ends each statement after a fifth of a second."""
    cast = fill(postgres_database_url)
    pages = create_engine(
        postgres_database_url,
        connect_args={"options": "-c timezone=UTC -c statement_timeout=200"},
        execution_options={"master_key": MasterKey.beside(postgres_database_url)},
    )
    yield WebClient(replace(cast, engine=pages))
    for engine in (pages, cast.engine):
        engine.dispose()


@contextmanager
def locked(url: str, table: str) -> Iterator[None]:
    """Let nobody else use a table."""
    engine = open_engine(url)
    with writing(engine) as session:
        session.connection().exec_driver_sql(f"LOCK TABLE {table}")
        yield
    engine.dispose()


def test_a_statement_timeout_counts_as_busy(hasty_web: WebClient) -> None:
    token = token_for(hasty_web.cast.engine)
    with locked(hasty_web.cast.url, "unsubscribed"):
        page = hasty_web.visit().post(f"/unsubscribe/{token}")
    assert page.status_code == 503
    assert "Nothing was saved. Everything you typed is kept" in text_of(page)


def test_a_statement_timeout_tells_programs_to_wait(hasty_web: WebClient) -> None:
    program = Program(hasty_web, make(hasty_web))
    with locked(hasty_web.cast.url, "entry"):
        answer = program.get("/standings")
    assert (answer.status_code, answer.headers.get("retry-after")) == (503, "10")
    assert answer.json()["detail"].startswith("The database is busy. Nothing was saved.")
