"""The writer of web requests: nothing is lost or doubled, and no request holds up another."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import date
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, func, select

from tests.support.cast import ALICE, BOB, BOOKS, NOW, Cast, fill
from tests.support.overlap import overlap_call
from tracker.db import writer as writer_module
from tracker.db.engine import reading, writing
from tracker.db.errors import Busy
from tracker.db.people import Person
from tracker.db.writer import Writer
from tracker.services.context import Actor, ServiceContext
from tracker.services.entries import EntrySource, create_entry
from tracker.services.entry_rules import EntryInput
from tracker.services.evaluation import deferred_evaluation, evaluate_people

pytestmark = pytest.mark.usefixtures("durable_sqlite")

Save = Callable[[Session], object]
TIMEOUT = 20
FLO, GUS, HAL = "flo@example.org", "gus@example.org", "hal@example.org"
# The cast has five people.
FIRST_NEW = 6


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    filled = fill(database_url)
    yield filled
    filled.engine.dispose()


@pytest.fixture
def postgres_cast(postgres_database_url: str) -> Iterator[Cast]:
    filled = fill(postgres_database_url)
    yield filled
    filled.engine.dispose()


@pytest.fixture
def sqlite_cast(sqlite_url: str) -> Iterator[Cast]:
    filled = fill(sqlite_url)
    yield filled
    filled.engine.dispose()


def add_person(email: str) -> Save:
    """A save that stores a person of this address and returns how many people there are."""

    def save(session: Session) -> object:
        session.add(Person(email=email, name=email))
        return session.exec(select(func.count()).select_from(Person)).one()

    return save


def log_training(cast: Cast, email: str, key: str) -> Save:
    """A save that logs an hour of training and returns the entry's id."""
    person_id = cast.people[email]
    entry = EntryInput("training", date(2026, 3, 2), 60, "Book club")

    def save(session: Session) -> int:
        context = ServiceContext(session, BOOKS, Actor(email, person_id), NOW)
        return create_entry(context, person_id, entry, EntrySource(key)).id

    return save


def new_addresses(cast: Cast) -> set[str]:
    return {str(row["email"]) for row in cast.rows("person")} - set(cast.people)


def standings(cast: Cast) -> list[dict[str, object]]:
    rows = cast.rows("standing")
    return sorted(rows, key=lambda row: (row["endorsement_id"], row["cycle_starts_on"]))


@contextmanager
def writer_busy(writer: Writer) -> Iterator[None]:
    """Keep the writer busy with a save that has begun."""
    begun, may_end = Event(), Event()

    def hold(_session: Session) -> bool:
        begun.set()
        return may_end.wait(10)

    held = writer.submit(hold)
    assert begun.wait(10)
    yield
    may_end.set()
    assert held.result()


def submit_together(writer: Writer, *saves: Save) -> list[Future[object]]:
    """Submit all the saves while the writer is busy."""
    with writer_busy(writer):
        return [writer.submit(save) for save in saves]


def run_in_loop(writer: Writer, *saves: Save) -> list[object]:
    """The results of saves that one event loop runs at the same time; errors are results too."""

    async def run_all() -> list[object]:
        running = asyncio.gather(*(writer.run_async(s) for s in saves), return_exceptions=True)
        return list(await asyncio.wait_for(running, TIMEOUT))

    return asyncio.run(run_all())


def run_while(
    writer: Writer, save: Save, held: AbstractContextManager[None]
) -> tuple[bool, object]:
    """Run a save in an event loop that itself ends what ``held`` holds, a little later.

    Whether the save was done before that, and its result; a loop that is blocked never ends it.
    """

    async def run() -> tuple[bool, object]:
        with held:
            running = asyncio.create_task(writer.run_async(save))
            done, _ = await asyncio.wait([running], timeout=0.2)
        return bool(done), await asyncio.wait_for(running, TIMEOUT)

    return asyncio.run(run())


@contextmanager
def held_by_another(cast: Cast) -> Iterator[None]:
    """Another process holds what Alice's save needs: her row, or the SQLite file."""
    with writing(cast.engine) as session:
        session.connection().execute(
            text("UPDATE person SET name = 'Alice' WHERE email = :email"), {"email": ALICE}
        )
        yield


@contextmanager
def held_by_other_program(cast: Cast, mode: str) -> Iterator[None]:
    """A program without our lock file writes (IMMEDIATE), or stops even readers (EXCLUSIVE)."""
    other = sqlite3.connect(cast.url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute(f"BEGIN {mode}")
    yield
    other.execute("ROLLBACK")
    other.close()


def no_thread(_thread: threading.Thread) -> None:
    message = "can't start new thread"
    raise RuntimeError(message)


def set_timeout(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(writer_module, "_SQLITE_TIMEOUT", seconds)
    monkeypatch.setattr(writer_module, "_POSTGRESQL_TIMEOUT", seconds)


def test_a_save_is_stored_when_it_returns(cast: Cast) -> None:
    assert Writer(cast.engine).run(add_person(FLO)) == FIRST_NEW
    assert new_addresses(cast) == {FLO}


def test_a_failed_save_stores_nothing(cast: Cast) -> None:
    def fail(session: Session) -> None:
        add_person(FLO)(session)
        raise LookupError

    writer = Writer(cast.engine)
    with pytest.raises(LookupError):
        writer.run(fail)
    assert new_addresses(cast) == set()
    assert isinstance(run_in_loop(writer, fail)[0], LookupError)
    assert new_addresses(cast) == set()
    assert writer.run(add_person(GUS)) == FIRST_NEW


def test_waiting_saves_share_one_transaction_in_order(sqlite_cast: Cast) -> None:
    sessions: list[object] = []

    def note(session: Session) -> None:
        sessions.append(id(session))

    saves = submit_together(
        Writer(sqlite_cast.engine), note, add_person(FLO), add_person(GUS), note
    )
    assert [save.result() for save in saves] == [None, 6, 7, None]
    assert len(set(sessions)) == 1
    assert new_addresses(sqlite_cast) == {FLO, GUS}


def test_saves_of_one_loop_are_written_in_order(sqlite_cast: Cast) -> None:
    # More than one batch.
    saves = [add_person(f"person{number}@example.org") for number in range(70)]
    assert run_in_loop(Writer(sqlite_cast.engine), *saves) == list(range(6, 76))


def test_saves_of_several_loops_are_all_written(cast: Cast) -> None:
    writer = Writer(cast.engine)
    with ThreadPoolExecutor(4) as threads:
        saves = [add_person(f"person{number}@example.org") for number in range(12)]
        counts = list(threads.map(lambda save: run_in_loop(writer, save)[0], saves))
    assert len(new_addresses(cast)) == 12
    if cast.engine.dialect.name == "sqlite":
        assert sorted(map(str, counts)) == sorted(map(str, range(6, 18)))


def test_a_failed_save_does_not_harm_others(cast: Cast) -> None:
    saves = add_person(FLO), add_person(ALICE), add_person(GUS)
    flo, alice, gus = submit_together(Writer(cast.engine), *saves)
    with pytest.raises(IntegrityError):
        alice.result()
    # On PostgreSQL each has its own transaction, and need not see the other's person.
    counts = {"sqlite": [{6, 7}], "postgresql": [{6, 7}, {6}]}[cast.engine.dialect.name]
    assert {flo.result(), gus.result()} in counts
    assert new_addresses(cast) == {FLO, GUS}


def test_a_canceled_save_is_skipped(sqlite_cast: Cast) -> None:
    writer = Writer(sqlite_cast.engine)
    with writer_busy(writer):
        canceled, other = (writer.submit(add_person(email)) for email in (FLO, GUS))
        assert canceled.cancel()
    assert other.result() == FIRST_NEW
    assert new_addresses(sqlite_cast) == {GUS}


def test_a_canceled_request_of_a_loop_is_skipped(sqlite_cast: Cast) -> None:
    writer = Writer(sqlite_cast.engine)

    async def cancel_first() -> object:
        with writer_busy(writer):
            canceled, other = (
                asyncio.create_task(writer.run_async(add_person(email))) for email in (FLO, GUS)
            )
            # Both are queued by then, and neither has begun.
            await asyncio.sleep(0)
            canceled.cancel()
            await asyncio.sleep(0)
        return await other

    assert asyncio.run(cancel_first()) == FIRST_NEW
    assert new_addresses(sqlite_cast) == {GUS}


def test_entries_logged_together_are_evaluated_as_if_alone(cast: Cast) -> None:
    saves = [log_training(cast, who, key) for who, key in ((ALICE, "1"), (BOB, "2"), (ALICE, "3"))]
    writer = Writer(cast.engine, deferred_evaluation)
    ids = [save.result() for save in submit_together(writer, *saves)]
    assert len(set(ids)) == 3
    together = standings(cast)
    with writing(cast.engine) as session:
        evaluate_people(session, BOOKS, cast.people.values(), NOW)
    assert together == standings(cast)
    assert len(cast.rows("audit_event")) == 3


def test_a_form_sent_twice_becomes_one_entry(cast: Cast) -> None:
    saves = [log_training(cast, BOB, "twice")] * 2
    first, second = submit_together(Writer(cast.engine), *saves)
    assert first.result() == second.result()
    assert len(cast.rows("audit_event")) == 1


def test_writers_locking_the_same_people_both_finish(cast: Cast) -> None:
    """Two writers on two pools are what two processes are to the database."""
    writers = Writer(cast.engine), Writer(cast.engine)

    def save(number: int) -> object:
        order = (ALICE, BOB) if number % 2 else (BOB, ALICE)
        saves = (log_training(cast, who, f"{number}") for who in order)
        first, second = submit_together(writers[number % 2], *saves)
        return first.result(), second.result()

    with ThreadPoolExecutor(2) as threads:
        assert len(set(threads.map(save, range(10)))) == 10
    assert len(cast.rows("audit_event")) == 20


def test_waiting_too_long_is_busy_and_stores_nothing(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_timeout(monkeypatch, 0.5)
    writer = Writer(cast.engine)
    with held_by_another(cast):
        saves = [writer.submit(log_training(cast, ALICE, key)) for key in ("1", "2")]
        for save in saves:
            with pytest.raises(Busy):
                save.result(10)
        results = run_in_loop(writer, *(log_training(cast, ALICE, key) for key in ("3", "4")))
        assert [type(result) for result in results] == [Busy, Busy]
    assert cast.rows("audit_event") == []
    assert writer.run(log_training(cast, ALICE, "5"))
    assert len(cast.rows("audit_event")) == 1


def test_a_lock_that_ends_in_time_is_waited_for(cast: Cast) -> None:
    writer = Writer(cast.engine)
    with held_by_another(cast):
        alice = writer.submit(log_training(cast, ALICE, "1"))
        with pytest.raises(TimeoutError):
            alice.result(0.6)
    assert alice.result(10)


def test_a_locked_person_holds_up_nobody_else(postgres_database_url: str) -> None:
    cast = fill(postgres_database_url)
    writer = Writer(cast.engine)
    with held_by_another(cast):
        held = [writer.submit(log_training(cast, ALICE, str(number))) for number in range(8)]
        assert writer.submit(log_training(cast, BOB, "bob")).result(5)
        assert not any(save.done() for save in held)
    assert len({save.result(10) for save in held}) == 8
    cast.engine.dispose()


def test_without_a_thread_saves_are_busy_once(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer(cast.engine)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(Busy):
            writer.run(add_person(FLO))
        results = run_in_loop(writer, add_person(FLO), add_person(HAL))
        assert {type(result) for result in results} == {Busy}
    assert writer.run(add_person(GUS)) == FIRST_NEW


def test_only_so_many_threads_are_blocked(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "_BLOCKED_THREADS", 1)
    monkeypatch.setattr(writer_module, "_BLOCKED_TIMEOUT", 0.01)
    writer, begun, may_end = Writer(cast.engine), Event(), Event()

    def hold(_session: Session) -> bool:
        begun.set()
        return may_end.wait(10)

    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(writer.run, hold)
        assert begun.wait(10)
        with pytest.raises(Busy):
            writer.run(add_person(FLO))
        may_end.set()
        assert first.result()
    assert writer.run(add_person(GUS)) == FIRST_NEW


def test_only_so_many_saves_wait(sqlite_cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "_MOST_WAITING", 2)
    writer = Writer(sqlite_cast.engine)
    with writer_busy(writer):
        flo, gus = writer.submit(add_person(FLO)), writer.submit(add_person(GUS))
        assert isinstance(run_in_loop(writer, add_person(HAL))[0], Busy)
    assert (flo.result(), gus.result()) == (6, 7)


def test_many_waiting_saves_need_one_thread(
    sqlite_cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_timeout(monkeypatch, 0.3)
    writer = Writer(sqlite_cast.engine)
    before = set(threading.enumerate())
    with held_by_another(sqlite_cast):
        saves = [add_person(f"{number}@example.org") for number in range(60)]
        results = run_in_loop(writer, *saves)
        waiting = set(threading.enumerate()) - before
    assert {type(result) for result in results} == {Busy}
    assert len(waiting) == 1
    assert run_in_loop(writer, add_person(FLO)) == [FIRST_NEW]


def test_the_loop_runs_while_another_process_writes(cast: Cast) -> None:
    save = log_training(cast, ALICE, "1")
    done, entry_id = run_while(Writer(cast.engine), save, held_by_another(cast))
    assert not done
    assert entry_id == cast.rows("audit_event")[0]["row_id"]


@pytest.mark.parametrize("mode", ["IMMEDIATE", "EXCLUSIVE"])
@pytest.mark.parametrize("opened", [True, False])
def test_the_loop_runs_while_another_program_writes(
    sqlite_cast: Cast, mode: str, *, opened: bool
) -> None:
    sqlite_cast.engine.dispose()
    writer = Writer(sqlite_cast.engine)
    if opened:
        writer.run(lambda _session: None)
    held = held_by_other_program(sqlite_cast, mode)
    assert run_while(writer, add_person(FLO), held) == (False, FIRST_NEW)


@contextmanager
def held_by_reader(cast: Cast) -> Iterator[None]:
    with reading(cast.engine) as session:
        session.exec(select(Person.id)).first()
        yield


def test_the_loop_runs_while_a_reader_reads(sqlite_cast: Cast) -> None:
    result = run_while(Writer(sqlite_cast.engine), add_person(FLO), held_by_reader(sqlite_cast))
    # With WAL nobody waits for readers.
    with sqlite_cast.engine.connect() as connection:
        journal = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
    assert result == (journal == "wal", FIRST_NEW)


def test_the_writer_needs_no_connection_of_others(sqlite_cast: Cast) -> None:
    with ExitStack() as others:
        for _ in range(60):
            others.enter_context(sqlite_cast.engine.connect())
        assert run_in_loop(Writer(sqlite_cast.engine), add_person(FLO)) == [FIRST_NEW]


def test_a_lock_file_that_cannot_be_opened_is_an_error(sqlite_cast: Cast) -> None:
    lock_file = Path(f"{sqlite_cast.url.removeprefix('sqlite:///')}-turn")
    lock_file.unlink(missing_ok=True)
    lock_file.mkdir()
    writer = Writer(sqlite_cast.engine)
    (error,) = run_in_loop(writer, add_person(FLO))
    assert isinstance(error, IsADirectoryError)
    lock_file.rmdir()
    assert run_in_loop(writer, add_person(GUS)) == [FIRST_NEW]


def test_a_save_that_lost_a_race_runs_again(postgres_cast: Cast) -> None:
    engine = postgres_cast.engine
    writer = Writer(engine)

    def find_or_add(session: Session) -> str:
        known = session.exec(select(Person.name).where(Person.email == GUS)).first()
        if known is None:
            session.add(Person(email=GUS, name="second"))
        return known or "second"

    _, name = overlap_call(
        engine,
        lambda session: session.add(Person(email=GUS, name="first")),
        lambda: writer.run(find_or_add),
    )
    assert name == "first"


def test_a_save_that_always_fails_runs_twice(postgres_cast: Cast) -> None:
    runs = []

    def collide(session: Session) -> None:
        runs.append(1)
        session.add(Person(email=ALICE, name="Alice"))

    with pytest.raises(IntegrityError):
        Writer(postgres_cast.engine).run(collide)
    assert len(runs) == 2
