"""Writing to SQLite in the thread that answers: nothing is lost, and nobody is held up."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from tests.records.saving.test_writer import Job, addresses, held_by_another, name
from tests.support.cast import ALICE, Cast, fill
from tracker.records.saving import writer as writers
from tracker.records.saving.writer import Writer
from tracker.records.store.engine import reading
from tracker.records.store.queue import Busy

SECONDS = 20


@pytest.fixture
def cast(sqlite_url: str) -> Iterator[Cast]:
    filled = fill(sqlite_url)
    yield filled
    filled.engine.dispose()


def answers(writer: Writer, *jobs: Job) -> list[object]:
    """What becomes of jobs that are asked for together."""

    async def ask() -> list[object]:
        asked = asyncio.gather(*(writer.answer(job) for job in jobs), return_exceptions=True)
        return list(await asyncio.wait_for(asked, SECONDS))

    return asyncio.run(ask())


def answer_while(
    writer: Writer, job: Job, held: AbstractContextManager[None], *, opened: bool = False
) -> tuple[bool, object]:
    """Ask while somebody holds the database, who lets go of it in the same loop, a little later.

    Whether it was answered before, and the answer: there is none if the loop does not go on.
    With ``opened`` something was written in this loop before.
    """

    async def ask() -> tuple[bool, object]:
        if opened:
            await writer.answer(lambda _: None)
        with held:
            asked = asyncio.create_task(writer.answer(job))
            done, _ = await asyncio.wait([asked], timeout=0.2)
        return bool(done), await asyncio.wait_for(asked, SECONDS)

    return asyncio.run(ask())


def test_what_is_asked_for_together_is_written_in_one_transaction_in_its_order(cast: Cast) -> None:
    connections: list[object] = []

    def note(connection: Connection) -> None:
        connections.append(id(connection))

    jobs = note, name("flo@example.org"), name("gus@example.org"), note
    assert answers(Writer(cast.engine), *jobs) == [None, 6, 7, None]
    assert len(set(connections)) == 1
    assert addresses(cast) == {"flo@example.org", "gus@example.org"}


def test_a_job_that_fails_harms_none_that_was_asked_for_with_it(cast: Cast) -> None:
    jobs = [name("flo@example.org"), name(ALICE), name("gus@example.org")]
    flo, alice, gus = answers(Writer(cast.engine), *jobs)
    assert isinstance(alice, IntegrityError)
    assert {flo, gus} == {6, 7}
    assert addresses(cast) == {"flo@example.org", "gus@example.org"}


def test_of_a_job_that_fails_nothing_is_stored(cast: Cast) -> None:
    def job(connection: Connection) -> None:
        name("flo@example.org")(connection)
        raise LookupError

    writer = Writer(cast.engine)
    assert isinstance(answers(writer, job)[0], LookupError)
    assert addresses(cast) == set()
    assert answers(writer, name("gus@example.org")) == [6]


def test_who_gave_up_waiting_is_passed_over(cast: Cast) -> None:
    async def ask(writer: Writer) -> object:
        given_up, other = (
            asyncio.create_task(writer.answer(name(f"{who}@example.org"))) for who in ("flo", "gus")
        )
        # Both are in the line by then, and its work has not begun.
        await asyncio.sleep(0)
        given_up.cancel()
        return await other

    assert asyncio.run(ask(Writer(cast.engine))) == 6
    assert addresses(cast) == {"gus@example.org"}


def test_more_than_are_written_together_are_written_one_lot_after_the_other(cast: Cast) -> None:
    jobs = [name(f"person{number}@example.org") for number in range(70)]
    assert answers(Writer(cast.engine), *jobs) == list(range(6, 76))


def test_so_many_wait_and_no_more(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "_MOST_WAITING", 2)
    jobs = [name(f"{who}@example.org") for who in ("flo", "gus", "hal")]
    flo, gus, hal = answers(Writer(cast.engine), *jobs)
    assert (flo, gus, type(hal)) == (6, 7, Busy)


def test_loops_in_several_threads_write_one_after_the_other(cast: Cast) -> None:
    writer = Writer(cast.engine)
    with ThreadPoolExecutor(4) as threads:
        jobs = [name(f"person{number}@example.org") for number in range(12)]
        found = list(threads.map(lambda job: answers(writer, job)[0], jobs))
    assert sorted(map(str, found)) == sorted(map(str, range(6, 18)))


def test_the_loop_goes_on_while_another_process_has_its_turn(cast: Cast) -> None:
    answered = answer_while(Writer(cast.engine), name("flo@example.org"), held_by_another(cast))
    assert answered == (False, 6)


@contextmanager
def held_by_a_stranger(cast: Cast, how: str) -> Iterator[None]:
    """Somebody who knows nothing of turns writes (IMMEDIATE), or lets nobody read either."""
    stranger = sqlite3.connect(cast.url.removeprefix("sqlite:///"), isolation_level=None)
    stranger.execute(f"BEGIN {how}")
    yield
    stranger.execute("ROLLBACK")
    stranger.close()


def test_the_loop_goes_on_while_a_stranger_writes(cast: Cast) -> None:
    answered = answer_while(
        Writer(cast.engine), name("flo@example.org"), held_by_a_stranger(cast, "IMMEDIATE")
    )
    assert answered == (False, 6)


@contextmanager
def read(cast: Cast) -> Iterator[None]:
    with reading(cast.engine) as connection:
        connection.exec_driver_sql("SELECT * FROM person").fetchone()
        yield


def test_the_loop_goes_on_while_somebody_reads_what_is_to_be_replaced(cast: Cast) -> None:
    answered = answer_while(Writer(cast.engine), name("flo@example.org"), read(cast))
    # Where the library has the WAL fix nobody waits for readers.
    with cast.engine.connect() as asking:
        journal = asking.exec_driver_sql("PRAGMA journal_mode").scalar()
    assert answered == (journal == "wal", 6)


@pytest.mark.parametrize("opened", [True, False])
def test_the_loop_goes_on_while_a_stranger_lets_nobody_read(cast: Cast, *, opened: bool) -> None:
    cast.engine.dispose()
    job = name("flo@example.org")
    answered = answer_while(
        Writer(cast.engine), job, held_by_a_stranger(cast, "EXCLUSIVE"), opened=opened
    )
    assert answered == (False, 6)


def test_who_waits_long_waits_in_one_thread_however_many_they_are(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "_ANSWERED_WITHIN", {"sqlite": 0.3})
    writer = Writer(cast.engine)
    with held_by_another(cast):
        told = [
            one
            for lot in range(3)
            for one in answers(writer, *(name(f"{lot}-{n}@example.org") for n in range(20)))
        ]
        waiting = [thread for thread in threading.enumerate() if thread.name == "turn"]
    assert {type(one) for one in told} == {Busy}
    assert len(waiting) == 1
    assert answers(writer, name("flo@example.org")) == [6]


def test_where_no_thread_can_wait_everybody_is_told_at_once(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(_thread: threading.Thread) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    async def ask(writer: Writer) -> list[object]:
        # The one that opens the database is there by then.
        await writer.answer(lambda _: None)
        with held_by_another(cast), monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", no_thread)
            jobs = [writer.answer(name(f"{n}@example.org")) for n in range(3)]
            return list(await asyncio.gather(*jobs, return_exceptions=True))

    writer = Writer(cast.engine)
    told = asyncio.run(asyncio.wait_for(ask(writer), SECONDS))
    assert {type(one) for one in told} == {Busy}
    assert answers(writer, name("flo@example.org")) == [6]


def test_the_loop_waits_for_no_connection_of_others(cast: Cast) -> None:
    with ExitStack() as others:
        for _ in range(60):
            others.enter_context(cast.engine.connect())
        assert answers(Writer(cast.engine), name("flo@example.org")) == [6]


def test_who_waits_too_long_is_told_so_and_nothing_is_stored(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "_ANSWERED_WITHIN", {"sqlite": 0.2})
    writer = Writer(cast.engine)
    with held_by_another(cast):
        told = answers(writer, name("flo@example.org"), name("gus@example.org"))
    assert [type(one) for one in told] == [Busy, Busy]
    assert addresses(cast) == set()
    assert answers(writer, name("gus@example.org")) == [6]


def test_a_file_for_the_turn_that_cannot_be_opened_is_told(cast: Cast) -> None:
    turn = Path(f"{cast.url.removeprefix('sqlite:///')}-turn")
    turn.unlink(missing_ok=True)
    turn.mkdir()
    (told,) = answers(Writer(cast.engine), name("flo@example.org"))
    assert isinstance(told, IsADirectoryError)
    turn.rmdir()
    assert answers(Writer(cast.engine), name("flo@example.org")) == [6]
