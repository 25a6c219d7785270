"""The one place where pages write: together where several wait, and each on its own merits."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from threading import Event

import pytest
from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from tests.support.cast import ALICE, BOB, BOOKS, NOW, Cast, fill
from tracker.db import writer as writers
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.db.write_lock import Busy
from tracker.db.writer import Writer
from tracker.services.context import Author
from tracker.services.entries import Content, add_entry
from tracker.services.evaluation import evaluate_people

PERSON = METADATA.tables["person"]
Job = Callable[[Session], object]


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    filled = fill(database_url)
    yield filled
    filled.engine.dispose()


def name(email: str) -> Job:
    """A job that stores a person of this address, and says how many people there are."""

    def job(session: Session) -> object:
        row = {"email": email, "name": email, "highest_degree": "none", "provides_rsc": False}
        session.connection().execute(insert(PERSON).values(row))
        return session.scalar(select(func.count()).select_from(PERSON))

    return job


def log(cast: Cast, email: str, key: str) -> Job:
    """A job that logs an hour of training."""
    author = Author(cast.people[email], email, NOW)
    content = Content("training", date(2026, 3, 2), 60, "Book club", None, None, None, None, {})
    return lambda session: add_entry(session, BOOKS, author, content, key).entry.id


def waiting_together(writer: Writer, *jobs: Job) -> list[Future[object]]:
    """Ask for all the jobs while the writer is busy with something else."""
    with busy_with_another(writer):
        return [writer.submit(job) for job in jobs]


@contextmanager
def busy_with_another(writer: Writer) -> Iterator[None]:
    """While this lasts, what is asked of the writer waits: it has begun another job."""
    begun, may_end = Event(), Event()

    def hold(_connection: Session) -> bool:
        begun.set()
        return may_end.wait(10)

    held = writer.submit(hold)
    assert begun.wait(10)
    yield
    may_end.set()
    assert held.result()


def addresses(cast: Cast) -> set[str]:
    return {str(row["email"]) for row in cast.rows("person")} - set(cast.people)


def standings(cast: Cast) -> list[dict[str, object]]:
    rows = cast.rows("standing")
    return sorted(rows, key=lambda row: (row["endorsement_id"], row["cycle_starts_on"]))


def test_a_job_is_stored_when_it_returns(cast: Cast) -> None:
    assert Writer(cast.engine).run(name("flo@example.org")) == 6
    assert addresses(cast) == {"flo@example.org"}


def test_of_a_job_that_fails_nothing_is_stored(cast: Cast) -> None:
    def job(session: Session) -> None:
        name("flo@example.org")(session)
        raise LookupError

    writer = Writer(cast.engine)
    with pytest.raises(LookupError):
        writer.run(job)
    assert addresses(cast) == set()
    assert writer.run(name("gus@example.org")) == 6


def test_what_waits_is_written_in_one_transaction_in_its_order(cast: Cast) -> None:
    backends: list[object] = []

    def note(session: Session) -> None:
        backends.append(id(session))

    writer = Writer(cast.engine)
    asked = waiting_together(writer, note, name("flo@example.org"), name("gus@example.org"), note)
    assert [one.result() for one in asked] == [None, 6, 7, None]
    assert len(set(backends)) == 1


def test_a_job_that_fails_harms_none_that_waited_with_it(cast: Cast) -> None:
    jobs = [name("flo@example.org"), name(ALICE), name("gus@example.org")]
    flo, alice, gus = waiting_together(Writer(cast.engine), *jobs)
    with pytest.raises(IntegrityError):
        alice.result()
    # On PostgreSQL each is tried again beside the other, and need not see that one's person.
    counted = {"sqlite": [{6, 7}], "postgresql": [{6, 7}, {6}]}[cast.engine.dialect.name]
    assert {flo.result(), gus.result()} in counted
    assert addresses(cast) == {"flo@example.org", "gus@example.org"}


def test_who_gave_up_waiting_is_passed_over(cast: Cast) -> None:
    writer = Writer(cast.engine)
    with busy_with_another(writer):
        given_up, other = (writer.submit(name(f"{who}@example.org")) for who in ("flo", "gus"))
        assert given_up.cancel()
    assert other.result() == 6
    assert addresses(cast) == {"gus@example.org"}


def test_several_who_log_together_are_judged_as_if_each_had_logged_alone(cast: Cast) -> None:
    jobs = [log(cast, ALICE, "1"), log(cast, BOB, "2"), log(cast, ALICE, "3")]
    ids = [one.result() for one in waiting_together(Writer(cast.engine), *jobs)]
    assert len(set(ids)) == 3
    together = standings(cast)
    with writing(cast.engine) as session:
        evaluate_people(session, BOOKS, cast.people.values(), NOW)
    assert together == standings(cast)
    assert len(cast.rows("audit_event")) == 3


def test_of_a_form_that_is_sent_twice_at_once_one_entry_comes(cast: Cast) -> None:
    first, second = waiting_together(Writer(cast.engine), *[log(cast, BOB, "twice")] * 2)
    assert first.result() == second.result()
    assert len(cast.rows("audit_event")) == 1


def test_two_processes_that_lock_each_others_people_both_come_through(cast: Cast) -> None:
    """Two writers on two pools are what two processes are to the database."""
    writers = Writer(cast.engine), Writer(cast.engine)

    def save(number: int) -> object:
        order = (ALICE, BOB) if number % 2 else (BOB, ALICE)
        one, other = waiting_together(
            writers[number % 2], *(log(cast, who, f"{number}") for who in order)
        )
        return one.result(), other.result()

    with ThreadPoolExecutor(2) as threads:
        assert len(set(threads.map(save, range(10)))) == 10
    assert len(cast.rows("audit_event")) == 20


@contextmanager
def held_by_another(cast: Cast) -> Iterator[None]:
    """Another process holds what Alice's saving needs: her row, or the SQLite file."""
    with writing(cast.engine) as session:
        session.connection().execute(
            update(PERSON).where(PERSON.c.email == ALICE).values(name="Alice")
        )
        yield


def test_who_waits_for_a_lock_is_told_in_time_and_nothing_is_stored(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "_SQLITE_TIMEOUT", 0.5)
    monkeypatch.setattr(writers, "_POSTGRESQL_TIMEOUT", 0.5)
    writer = Writer(cast.engine)
    with held_by_another(cast):
        asked = [writer.submit(log(cast, ALICE, key)) for key in ("1", "2")]
        for one in asked:
            with pytest.raises(Busy):
                one.result(10)
    assert cast.rows("audit_event") == []
    assert writer.run(log(cast, ALICE, "3"))
    assert len(cast.rows("audit_event")) == 1


def test_a_lock_that_ends_in_time_is_waited_for(cast: Cast) -> None:
    writer = Writer(cast.engine)
    with held_by_another(cast):
        alice = writer.submit(log(cast, ALICE, "1"))
        with pytest.raises(TimeoutError):
            alice.result(0.6)
    assert alice.result(10)


def test_one_person_who_is_locked_holds_up_no_one_else(
    postgres_database_url: str,
) -> None:
    cast = fill(postgres_database_url)
    writer = Writer(cast.engine)
    with held_by_another(cast):
        held = [writer.submit(log(cast, ALICE, str(number))) for number in range(8)]
        assert writer.submit(log(cast, BOB, "bob")).result(5)
        assert not any(one.done() for one in held)
    assert len({one.result(10) for one in held}) == 8
    cast.engine.dispose()


def test_a_thread_that_cannot_start_fails_who_waits_and_no_one_after(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(_thread: threading.Thread) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    writer = Writer(cast.engine)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(Busy):
            writer.run(name("flo@example.org"))
    assert writer.run(name("gus@example.org")) == 6


def test_so_many_threads_wait_and_no_more(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "_BLOCKED_THREADS", 1)
    monkeypatch.setattr(writers, "_BLOCKED_TIMEOUT", 0.01)
    writer, begun, may_end = Writer(cast.engine), Event(), Event()

    def busy(_connection: Session) -> bool:
        begun.set()
        return may_end.wait(10)

    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(writer.run, busy)
        assert begun.wait(10)
        with pytest.raises(Busy):
            writer.run(name("flo@example.org"))
        may_end.set()
        assert first.result()
    assert writer.run(name("gus@example.org")) == 6
