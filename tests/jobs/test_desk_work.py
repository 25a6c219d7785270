"""The desk's long work goes on behind a process that died, and is done once."""

import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from zipfile import ZipFile

import pytest
from sqlmodel import Session
from structlog.testing import capture_logs

from tests.support.auditing import acts
from tests.support.cast import ATTESTING, BOOKS, KAI
from tests.support.desk_work import (
    PEOPLE,
    LongWork,
    email_of,
    fill_desk,
    print_quickly,
    use_small_batches,
)
from tracker.branding import Look
from tracker.checks.contents import check_contents
from tracker.checks.environment import Finding
from tracker.db.desk_tasks import DeskTask
from tracker.db.engine import reading, writing
from tracker.exports import audit_file, certificate_bundles, pdf_files
from tracker.exports.audit_file import pack_audit
from tracker.exports.certificate_files import Printable, certificate_pdf
from tracker.exports.desk_files import write_zip
from tracker.jobs.health_metrics import read_health_metrics
from tracker.notifications import mailing_sending
from tracker.services.audit_draws import get_draw
from tracker.services.context import Actor, NotFound, Refused, ServiceContext
from tracker.services.desk_tasks import (
    AUDIT_FILE,
    CERTIFICATES,
    FILES_KEPT,
    MAILING,
    MAX_FILES_BEGUN,
    MAX_FILES_READY,
    TASKS_KEPT,
    TaskInput,
    advance_task,
    create_task,
    forget_old_tasks,
    get_task,
    has_file,
    lock_task,
    read_pieces,
    resume_task,
)
from tracker.services.erasure import erase_person
from tracker.services.mailings import stop_mailing

KINDS = (MAILING, AUDIT_FILE, CERTIFICATES)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_batches(monkeypatch.setattr)


@pytest.fixture
def work(database_url: str) -> Iterator[LongWork]:
    cast = fill_desk(database_url)
    yield LongWork(cast)
    cast.engine.dispose()


@pytest.fixture
def shared_work(postgres_database_url: str) -> Iterator[LongWork]:
    """On PostgreSQL, which several processes may write to at once."""
    cast = fill_desk(postgres_database_url)
    yield LongWork(cast)
    cast.engine.dispose()


def check_whole(work: LongWork, kind: str) -> None:
    """What there is at the end: everybody once, and nothing twice."""
    if kind == MAILING:
        assert work.mailed() == work.people
        recipients = work.cast.rows("mailing_recipient")
        assert [row["person_id"] for row in recipients] == work.people
        assert {row["outcome"] for row in recipients} == {"sent"}
    elif kind == AUDIT_FILE:
        lines = b"".join(part for _, part in work.made()["renewals.csv"]).decode().splitlines()
        assert len(lines) == 1 + len(PEOPLE)
        assert {line.split(",")[1] for line in lines[1:]} == set(PEOPLE)
    else:
        contents = [part.decode() for [(_, part)] in work.made().values()]
        assert sorted(contents) == sorted(PEOPLE)


def check_part(work: LongWork, kind: str, done: int) -> None:
    """What was committed is what the task says, whenever the process died."""
    if kind == MAILING:
        assert len(work.mailed()) == len(work.cast.rows("mailing_recipient")) == done
    elif kind == AUDIT_FILE:
        numbers = [number for number, _ in work.made().get("renewals.csv", [])]
        assert numbers == list(range(0, done, 2))
    else:
        assert len(work.made()) == done


@pytest.mark.parametrize("kind", KINDS)
def test_work_killed_at_any_statement_is_done_once(work: LongWork, kind: str) -> None:
    task_id, statements, kills, done = work.start(kind), 0, 0, 0
    # The first batch is killed at its first statement, then at its second one, and so on.
    while not work.lives_for(task_id, statements):
        kills += 1
        before, done = done, work.task(task_id).done
        check_part(work, kind, done)
        statements = 0 if done > before else statements + 1
    assert kills > 3 * len(PEOPLE)
    assert work.task(task_id).state == "done"
    check_whole(work, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_work_that_has_ended_is_not_done_again(work: LongWork, kind: str) -> None:
    task_id = work.start(kind)
    assert work.runner.run_waiting() == 1
    ended = work.task(task_id)
    assert (ended.state, ended.done, ended.ended_at) == ("done", 5, work.now)
    before = {name: work.cast.rows(name) for name in ("outbox", "desk_task", "desk_task_piece")}
    work.runner.run(task_id)
    assert work.runner.run_waiting() == 0
    assert before == {name: work.cast.rows(name) for name in before}
    check_whole(work, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_two_workers_at_once_do_it_once(shared_work: LongWork, kind: str) -> None:
    task_id, together = shared_work.start(kind), threading.Barrier(2)

    def run(_number: int) -> None:
        together.wait()
        # One of them may find the task locked, and leaves it; a tick comes back to it.
        for _ in range(len(PEOPLE)):
            shared_work.runner.run(task_id)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(run, range(2)))
    shared_work.runner.run(task_id)
    assert shared_work.task(task_id).state == "done"
    check_whole(shared_work, kind)


def test_a_worker_leaves_a_task_that_another_one_holds(shared_work: LongWork) -> None:
    task_id = shared_work.start(MAILING)
    with writing(shared_work.cast.engine) as session:
        assert lock_task(session, task_id) is not None
        shared_work.runner.run(task_id)
        assert shared_work.mailed() == []
    shared_work.runner.run(task_id)
    check_whole(shared_work, MAILING)


def test_certificates_that_another_worker_stored_are_not_stored_again(
    work: LongWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = work.start(CERTIFICATES)

    def print_late(printable: Printable, base_url: str, look: Look | None) -> bytes:
        monkeypatch.setattr(certificate_bundles, "certificate_pdf", print_quickly)
        work.runner.run(task_id)
        return print_quickly(printable, base_url, look)

    monkeypatch.setattr(certificate_bundles, "certificate_pdf", print_late)
    work.runner.run(task_id)
    check_whole(work, CERTIFICATES)


def test_a_certificate_whose_name_changes_meanwhile_is_printed_again(
    work: LongWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = work.start(CERTIFICATES)

    def correct(printable: Printable, base_url: str, look: Look | None) -> bytes:
        monkeypatch.setattr(certificate_bundles, "certificate_pdf", print_quickly)
        with writing(work.cast.engine) as session:
            rename = "UPDATE person SET name = 'Hal K. Keawe' WHERE name = 'Hal Keawe'"
            session.connection().exec_driver_sql(rename)
        return print_quickly(printable, base_url, look)

    monkeypatch.setattr(certificate_bundles, "certificate_pdf", correct)
    work.runner.run(task_id)
    # Its certificate has the wrong name, and is replaced when the person is evaluated.
    assert work.task(task_id).left_out == 1
    assert b"Hal Keawe" not in [part for [(_, part)] in work.made().values()]


def erase(work: LongWork, name: str) -> None:
    with writing(work.cast.engine) as session:
        context = ServiceContext(
            session, acts(session, work.cast, KAI, work.now).rulebooks, Actor("cli"), work.now
        )
        erase_person(context, email_of(name), "Asked for it", ())


def test_a_small_mailing_is_sent_at_once(work: LongWork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailing_sending, "BATCH", len(PEOPLE))
    with pytest.raises(IndexError):
        work.start(MAILING)
    check_whole(work, MAILING)
    assert work.cast.rows("desk_task") == []


def test_whom_a_mailing_skips_is_recorded_when_it_begins(work: LongWork) -> None:
    with writing(work.cast.engine) as session:
        twin = "UPDATE person SET second_email = 'ivo@example.org', email_refused_at = "
        twin += "'2027-11-01 00:00:00+00:00', second_email_confirmed_at = email_refused_at"
        session.connection().exec_driver_sql(f"{twin} WHERE name = 'Noa Ikaika'")
    task_id = work.start(MAILING)
    assert work.task(task_id).total == 4
    work.runner.run(task_id)
    outcomes = {row["person_id"]: row["reason"] for row in work.cast.rows("mailing_recipient")}
    assert outcomes == dict.fromkeys(work.people) | {work.people[4]: "same-address"}
    assert work.mailed() == work.people[:4]


def test_someone_mailed_since_it_began_is_skipped(work: LongWork) -> None:
    task_id = work.start(MAILING)
    work.start(MAILING)
    work.runner.run(task_id + 1)
    work.runner.run(task_id)
    assert work.mailed() == work.people
    reasons = [row["reason"] for row in work.cast.rows("mailing_recipient", mailing_id=1)]
    assert reasons == ["mailed-today"] * len(PEOPLE)
    assert work.task(task_id).left_out == len(PEOPLE)


def test_emails_to_people_who_are_gone_are_not_counted(work: LongWork) -> None:
    task_id = work.start(MAILING)
    erase(work, PEOPLE[0])
    work.runner.run(task_id)
    assert work.mailed() == work.people[1:]
    assert (work.task(task_id).done, work.task(task_id).left_out) == (len(PEOPLE), 1)


def test_a_stopped_mailing_writes_to_nobody_more(work: LongWork) -> None:
    task_id = work.start(MAILING)
    work.runner.run(task_id, seconds=0)
    assert work.mailed() == work.people[:2]
    with writing(work.cast.engine) as session:
        assert stop_mailing(work.acting(session), 1) == len(PEOPLE)
    assert (work.task(task_id).state, work.task(task_id).done) == ("stopped", 2)
    assert work.runner.run_waiting() == 0
    assert {row["state"] for row in work.cast.rows("outbox", kind="mailing")} == {"dropped"}
    recipients = work.cast.rows("mailing_recipient")
    assert {row["person_id"]: row["reason"] for row in recipients} == dict.fromkeys(
        work.people, "stopped"
    )
    [mailing] = work.cast.rows("mailing")
    assert mailing["state"] == "stopped"


def test_failed_work_says_so_and_goes_on_where_it_stopped(
    work: LongWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = work.start(MAILING)
    work.runner.run(task_id, seconds=0)
    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(mailing_sending, "plan_letter", lambda *_: 1 / 0)
        work.runner.run(task_id)
    assert [each["event"] for each in logs] == ["the desk's work failed"]
    failed = work.task(task_id)
    assert (failed.state, failed.done) == ("failed", 2)
    assert failed.problem.startswith("Something went wrong on our side.")
    with reading(work.cast.engine) as session:
        assert read_health_metrics(session).failed_work == 1
        found = list(check_contents(session, BOOKS, work.cast.settings, work.now))
    assert [one.id for one in found if isinstance(one, Finding) and one.id == "T505"] == ["T505"]
    assert work.runner.run_waiting() == 0
    with writing(work.cast.engine) as session:
        resume_task(work.acting(session), task_id)
        with pytest.raises(Refused):
            resume_task(work.acting(session), task_id)
    work.runner.run_waiting()
    check_whole(work, MAILING)


def test_certificates_wait_for_a_machine_that_makes_pdf_files(
    work: LongWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = work.start(CERTIFICATES)
    with monkeypatch.context() as patch:
        patch.setattr(pdf_files, "AVAILABLE", False)
        work.runner.run_waiting()
    failed = work.task(task_id)
    assert (failed.state, failed.done) == ("failed", 0)
    assert "install the extra pdf there, then try again" in failed.problem
    with writing(work.cast.engine) as session:
        resume_task(work.acting(session), task_id)
    work.runner.run_waiting()
    check_whole(work, CERTIFICATES)


def test_one_failure_stops_no_other_work(work: LongWork, monkeypatch: pytest.MonkeyPatch) -> None:
    mailing, packing = work.start(MAILING), work.start(AUDIT_FILE)
    monkeypatch.setattr(mailing_sending, "plan_letter", lambda *_: 1 / 0)
    with capture_logs():
        work.runner.run_waiting()
    assert (work.task(mailing).state, work.task(packing).state) == ("failed", "done")


def test_each_waiting_task_gets_a_batch_in_turn(
    work: LongWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks, seen = [work.start(MAILING), work.start(AUDIT_FILE)], list[list[int]]()

    def look(session: Session, task: DeskTask, steps: int, now: datetime, *, left_out: int) -> None:
        advance_task(session, task, steps, now, left_out=left_out)
        seen.append([task.done, work.task(tasks[1]).done])

    monkeypatch.setattr(mailing_sending, "advance_task", look)
    work.runner.run_waiting()
    assert seen == [[2, 0], [4, 2], [5, 4]]


def test_an_audit_file_in_batches_is_the_one_made_at_once(work: LongWork) -> None:
    task_id = work.start(AUDIT_FILE)
    assert work.start(AUDIT_FILE) == task_id
    work.runner.run_waiting()
    batched = io.BytesIO()
    with reading(work.cast.engine) as session:
        write_zip(batched, read_pieces(session, task_id), work.now)
        whole = io.BytesIO(pack_audit(session, get_draw(session, 1, {ATTESTING}), work.now))
    with ZipFile(batched) as ours, ZipFile(whole) as theirs:
        assert sorted(ours.namelist()) == sorted(theirs.namelist())
        assert {name: ours.read(name) for name in ours.namelist()} == {
            name: theirs.read(name) for name in theirs.namelist()
        }


@pytest.mark.skipif(not pdf_files.AVAILABLE, reason="typst is not installed")
def test_certificates_are_real_pdf_files(work: LongWork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate_bundles, "certificate_pdf", certificate_pdf)
    work.start(CERTIFICATES)
    work.runner.run_waiting(seconds=0)
    contents = [part for [(_, part)] in work.made().values()]
    assert [part[:5] for part in contents] == [b"%PDF-", b"%PDF-"]
    assert {name.partition("-IFS-")[0] for name in work.made()} == {"Hal-Keawe", "Ivo-Kane"}


def test_files_go_after_a_week_and_tasks_after_three_months(work: LongWork) -> None:
    task_id = work.start(AUDIT_FILE)
    work.runner.run_waiting()

    def forget(at: timedelta) -> tuple[bool, int]:
        with writing(work.cast.engine) as session:
            forget_old_tasks(session, work.now + at)
            tasks = work.cast.rows("desk_task")
            return bool(tasks) and has_file(session, work.task(task_id)), len(tasks)

    assert forget(FILES_KEPT) == (True, 1)
    second = timedelta(seconds=1)
    with writing(work.cast.engine) as session:
        forget_old_tasks(session, work.now + FILES_KEPT + second)
    assert work.made() == {}
    with writing(work.cast.engine) as session:
        forget_old_tasks(session, work.now + TASKS_KEPT + second)
    assert work.cast.rows("desk_task") == []


def test_erasing_a_person_deletes_files_and_begins_them_again(work: LongWork) -> None:
    ready, begun = work.start(AUDIT_FILE), 0
    work.runner.run_waiting()
    begun = work.start(CERTIFICATES)
    work.runner.run(begun, seconds=0)
    assert work.task(begun).done == 2
    gone = PEOPLE[0]
    erase(work, gone)
    assert work.made() == {}
    assert (work.task(ready).state, work.task(begun).done) == ("done", 0)
    work.runner.run_waiting()
    contents = sorted(part.decode() for [(_, part)] in work.made().values())
    assert contents == sorted(set(PEOPLE) - {gone})
    assert work.task(begun).left_out == 1


def test_only_some_files_are_made_at_a_time_and_kept(work: LongWork) -> None:
    def begin(number: int) -> None:
        with writing(work.cast.engine) as session:
            wanted = TaskInput(ATTESTING, AUDIT_FILE, [number], 1, "audit.zip")
            create_task(work.acting(session), wanted)

    for number in range(MAX_FILES_READY + 1):
        begin(number)
        work.runner.run_waiting()
    kept = sorted({row["task_id"] for row in work.cast.rows("desk_task_piece")})
    assert kept == list(range(2, MAX_FILES_READY + 2))
    for number in range(MAX_FILES_BEGUN):
        begin(number)
    begin(0)
    with pytest.raises(Refused, match="task-limit"):
        begin(MAX_FILES_BEGUN)


def test_another_associations_work_is_out_of_reach(work: LongWork) -> None:
    task_id = work.start(AUDIT_FILE)
    other = Actor("dan@example.org", None, ("CT-AIMH",))
    with writing(work.cast.engine) as session:
        foreign = ServiceContext(session, work.acting(session).rulebooks, other, work.now)
        with pytest.raises(NotFound):
            get_task(session, other, task_id)
        with pytest.raises(NotFound):
            resume_task(foreign, task_id)
        with pytest.raises(NotFound):
            audit_file.start_audit_file(foreign, 1)
