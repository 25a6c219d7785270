"""Two coordinators press the same button of the desk at the same moment."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from sqlmodel import Session

from tests.support.cast import ALICE, BOOKS, CAROL, NOW, Cast
from tests.support.desk_work import LongWork, fill_desk
from tests.support.overlap import overlap
from tests.support.paying import IVY, add_payers, lee, payment_for
from tracker.db.desk_tasks import DeskTask
from tracker.db.engine import writing
from tracker.services.attention import read_queue
from tracker.services.context import Actor, NotFound, Refused, ServiceContext
from tracker.services.desk_changes import ChangePlan, apply_change, list_people_of, undo_change
from tracker.services.desk_tasks import (
    CERTIFICATES,
    TaskInput,
    create_task,
    forget_old_tasks,
    resume_task,
)
from tracker.services.fees import record_payment
from tracker.services.grants import grant_waiver
from tracker.services.saved_filters import save_filter
from tracker.services.snoozes import SnoozeInput, end_snooze, snooze_cause

TOMORROW = date(2026, 11, 23)


def carol(session: Session) -> ServiceContext:
    return ServiceContext(session, BOOKS, Actor(CAROL, None, ("NCIMHA",)), NOW)


def codes(error: object) -> list[str]:
    assert isinstance(error, Refused), error
    return [one.code for one in error.refusals]


@pytest.fixture
def work(postgres_database_url: str) -> Iterator[LongWork]:
    """Five people, whose accepted renewals are audited."""
    filled = fill_desk(postgres_database_url)
    yield LongWork(filled)
    filled.engine.dispose()


def test_a_change_undone_twice_is_undone_once(cast: Cast) -> None:
    alice, held = cast.people[ALICE], cast.endorsements[ALICE]

    def waive(context: ServiceContext) -> None:
        grant_waiver(context, held, date(2026, 1, 1), "rsc", "Illness")

    plan = ChangePlan("NCIMHA", "Waive RSC", frozenset([alice]), ("waiver",), waive)
    with writing(cast.engine) as session:
        change_id = apply_change(carol(session), plan).id
    overlap(
        cast.engine,
        lambda s: undo_change(carol(s), change_id),
        lambda s: undo_change(carol(s), change_id),
    )
    with writing(cast.engine) as session:
        assert [one.outcome for one in list_people_of(session, change_id)] == ["reversed"]


def snooze(session: Session, cause: str, note: str = "") -> None:
    snooze_cause(carol(session), SnoozeInput("NCIMHA", cause, TOMORROW, note))


def find_cause(cast: Cast) -> str:
    with writing(cast.engine) as session:
        return read_queue(session, BOOKS, "NCIMHA", NOW).open[0].attention.key


def test_the_second_snooze_of_a_cause_is_refused(cast: Cast) -> None:
    cause = find_cause(cast)
    _, error = overlap(cast.engine, lambda s: snooze(s, cause), lambda s: snooze(s, cause, "No"))
    assert codes(error) == ["snoozed-meanwhile"]
    assert [row["note"] for row in cast.rows("snooze")] == [""]


def test_a_snooze_ends_once(cast: Cast) -> None:
    cause = find_cause(cast)
    with writing(cast.engine) as session:
        snooze(session, cause)
    _, error = overlap(
        cast.engine,
        lambda s: end_snooze(carol(s), "NCIMHA", cause),
        lambda s: end_snooze(carol(s), "NCIMHA", cause),
    )
    assert isinstance(error, NotFound)


def test_two_filters_do_not_share_a_name(cast: Cast) -> None:
    _, error = overlap(
        cast.engine,
        lambda s: save_filter(carol(s), "NCIMHA", "Late", "status=overdue"),
        lambda s: save_filter(carol(s), "NCIMHA", "late", "status=overdue"),
    )
    assert codes(error) == ["filter-name-taken"]


def test_a_payment_sent_twice_is_recorded_once(cast: Cast) -> None:
    with writing(cast.engine) as session:
        add_payers(session, cast)
    new = payment_for(cast, 7500, IVY)
    first, second = overlap(
        cast.engine, lambda s: record_payment(lee(s), new), lambda s: record_payment(lee(s), new)
    )
    assert first == second
    assert len(cast.rows("payment_share")) == 1


def test_long_work_begun_twice_is_one_task(cast: Cast) -> None:
    wanted = TaskInput("NCIMHA", CERTIFICATES, [1, 2, 3], file_name="certificates.zip")
    first, second = overlap(
        cast.engine,
        lambda s: create_task(carol(s), wanted).id,
        lambda s: create_task(carol(s), wanted).id,
    )
    assert first == second


def test_a_night_keeps_what_failed_work_needs(work: LongWork) -> None:
    task_id = work.start(CERTIFICATES)
    work.runner.run(task_id)
    with writing(work.cast.engine) as session:
        task = session.get_one(DeskTask, task_id)
        task.state, task.done, task.ended_at = "failed", 1, work.now - timedelta(days=8)
    pieces = work.made()
    overlap(
        work.cast.engine,
        lambda s: resume_task(work.acting(s), task_id),
        lambda s: forget_old_tasks(s, work.now),
    )
    assert work.made() == pieces
    assert work.task(task_id).done == 1
