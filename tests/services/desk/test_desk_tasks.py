"""Long work of the desk: begun once, done in steps, ended, resumed, and forgotten."""

import json
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update
from sqlmodel import Session, col, select

from tests.support.cast import BOOKS, CAROL, DAN, NOW
from tracker.db.desk_tasks import DeskTask, DeskTaskPiece
from tracker.services.context import Actor, NotFound, Refusal, Refused, ServiceContext
from tracker.services.desk_tasks import (
    Piece,
    TaskInput,
    advance_task,
    create_task,
    fail_task,
    find_unfinished,
    forget_all_files,
    forget_old_tasks,
    get_task,
    has_file,
    list_failed_tasks,
    list_next_ids,
    list_tasks,
    list_working_tasks,
    lock_task,
    lock_unfinished,
    read_pieces,
    resume_task,
    stop_task,
    store_pieces,
)

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
MAILING = TaskInput("NCIMHA", "mailing", [3, 1, 2], 7)
FILE = TaskInput("NCIMHA", "audit-file", [1], 7, "audit.zip")
STATES = ("working", "done", "failed", "stopped")


@pytest.fixture
def carol(session: Session) -> ServiceContext:
    return ServiceContext(session, BOOKS, Actor(CAROL, None, ("NCIMHA",)), NOW)


@pytest.fixture
def dan(session: Session) -> ServiceContext:
    return ServiceContext(session, BOOKS, Actor(DAN, None, ("CT-AIMH",)), NOW)


def end(task: DeskTask, state: str, ended_at: datetime = NOW) -> DeskTask:
    task.state, task.ended_at = state, None if state == "working" else ended_at
    return task


def begin(context: ServiceContext, wanted: TaskInput = MAILING, state: str = "working") -> DeskTask:
    """One more task in a state."""
    task = end(create_task(context, wanted), state)
    context.session.flush()
    return task


def begin_each(context: ServiceContext, wanted: TaskInput = MAILING) -> dict[str, DeskTask]:
    """Tasks about the same row, one in each state; the last begun one works."""
    return {state: begin(context, wanted, state) for state in reversed(STATES)}


def names_of(session: Session) -> list[tuple[int, str]]:
    pieces = select(DeskTaskPiece.task_id, DeskTaskPiece.name)
    return list(session.exec(pieces.order_by(col(DeskTaskPiece.task_id), col(DeskTaskPiece.name))))


def test_a_task_has_what_was_asked_for(carol: ServiceContext) -> None:
    task = create_task(carol, FILE)
    assert task.model_dump(exclude={"id"}) == {
        "association": "NCIMHA",
        "kind": "audit-file",
        "about_id": 7,
        "arguments": "[1]",
        "asked_at": NOW,
        "asked_by": CAROL,
        "state": "working",
        "done": 0,
        "total": 1,
        "left_out": 0,
        "file_name": "audit.zip",
        "problem": "",
        "ended_at": None,
    }
    assert carol.session.get(DeskTask, task.id) is task


def test_the_same_work_is_not_begun_twice(carol: ServiceContext, dan: ServiceContext) -> None:
    task = create_task(carol, MAILING)
    assert create_task(carol, MAILING) is task
    others = [
        create_task(dan, MAILING._replace(association="CT-AIMH")),
        create_task(carol, MAILING._replace(kind="certificates")),
        create_task(carol, MAILING._replace(about_id=8)),
        create_task(carol, MAILING._replace(ids=[3, 1])),
    ]
    assert len({task.id, *(other.id for other in others)}) == 5
    end(task, "failed")
    carol.session.flush()
    assert create_task(carol, MAILING) is not task


def test_work_of_other_associations_is_not_found(
    carol: ServiceContext, dan: ServiceContext
) -> None:
    task = create_task(carol, MAILING)
    assert get_task(carol.session, carol.actor, task.id) is task
    for attempt in (
        lambda: create_task(dan, MAILING),
        lambda: get_task(dan.session, dan.actor, task.id),
        lambda: get_task(carol.session, carol.actor, task.id + 1),
        lambda: resume_task(dan, task.id),
    ):
        with pytest.raises(NotFound):
            attempt()


def test_a_task_is_read_as_others_left_it(carol: ServiceContext) -> None:
    task = create_task(carol, MAILING)
    carol.session.connection().execute(update(DeskTask).values(done=1))
    assert get_task(carol.session, carol.actor, task.id).done == 1
    carol.session.connection().execute(update(DeskTask).values(done=2))
    locked = lock_task(carol.session, task.id)
    assert locked is not None
    assert locked.done == 2
    carol.session.connection().execute(update(DeskTask).values(done=3))
    unfinished = lock_unfinished(carol.session, "mailing", 7)
    assert unfinished is not None
    assert unfinished.done == 3
    ended = update(DeskTask).values(state="done", ended_at=NOW)
    carol.session.connection().execute(ended)
    assert lock_unfinished(carol.session, "mailing", 7) is None


def test_few_files_are_begun_at_a_time(carol: ServiceContext, dan: ServiceContext) -> None:
    """Neither mailings, nor files of other associations, nor those that are ready count."""
    create_task(carol, MAILING)
    create_task(dan, FILE._replace(association="CT-AIMH"))
    begin(carol, FILE, "done")
    for number in range(5):
        create_task(carol, FILE._replace(about_id=number))
    with pytest.raises(Refused) as refused:
        create_task(carol, FILE._replace(about_id=5))
    assert refused.value.refusals == (Refusal("rows", "task-limit", {"limit": 5}),)
    # What is begun already is found all the same, and mailings go on.
    assert create_task(carol, FILE._replace(about_id=4)).about_id == 4
    create_task(carol, MAILING._replace(about_id=8))


def test_only_the_newest_files_stay(carol: ServiceContext, dan: ServiceContext) -> None:
    other = create_task(dan, FILE._replace(association="CT-AIMH"))
    failed = begin(carol, FILE, "failed")
    tasks = [other, failed, *(begin(carol, FILE, "done") for _ in range(10))]
    for task in tasks:
        store_pieces(carol.session, task, [Piece("a.csv", b"a")])
    create_task(carol, MAILING)
    assert len(names_of(carol.session)) == 12
    create_task(carol, FILE)
    # Nine of ten are left, beside the one that is begun.
    left = [other, failed, *tasks[3:]]
    assert names_of(carol.session) == [(task.id, "a.csv") for task in left]


@pytest.mark.parametrize("state", STATES)
def test_the_newest_work_is_unfinished_if_it_works_or_failed(
    carol: ServiceContext, state: str
) -> None:
    session = carol.session
    assert find_unfinished(session, "mailing", 7) is None
    assert lock_unfinished(session, "mailing", 7) is None
    begin(carol, state="failed")
    task = begin(carol, state=state)
    begin(carol, MAILING._replace(about_id=8))
    begin(carol, MAILING._replace(kind="certificates"))
    expected = task if state in ("working", "failed") else None
    assert find_unfinished(session, "mailing", 7) is expected
    assert lock_unfinished(session, "mailing", 7) is expected


def test_tasks_are_listed_by_state(carol: ServiceContext, dan: ServiceContext) -> None:
    own = begin_each(carol)
    other = begin_each(dan, FILE._replace(association="CT-AIMH"))
    newest = list_tasks(carol.session, "NCIMHA", 3)
    assert newest == [own[state] for state in STATES[:3]]
    assert list_failed_tasks(carol.session) == [own["failed"], other["failed"]]
    assert list_working_tasks(carol.session) == [
        (own["working"].id, "mailing"),
        (other["working"].id, "audit-file"),
    ]
    locked = {state: lock_task(carol.session, task.id) is not None for state, task in own.items()}
    assert locked == {"working": True, "done": False, "failed": False, "stopped": False}


def test_a_task_ends_with_its_last_step(carol: ServiceContext) -> None:
    session, task = carol.session, create_task(carol, MAILING)
    assert list_next_ids(task, 2) == [3, 1]
    advance_task(session, task, 2, NOW + DAY, left_out=1)
    session.expire_all()
    assert (task.done, task.left_out, task.state, task.ended_at) == (2, 1, "working", None)
    assert list_next_ids(task, 2) == [2]
    advance_task(session, task, 1, NOW + DAY)
    session.expire_all()
    assert (task.done, task.left_out, task.state, task.ended_at) == (3, 1, "done", NOW + DAY)
    assert list_next_ids(task, 2) == []


def test_a_stopped_task_names_what_is_left(carol: ServiceContext) -> None:
    session, task = carol.session, create_task(carol, MAILING)
    advance_task(session, task, 1, NOW)
    assert stop_task(session, task, NOW + DAY) == [1, 2]
    session.expire_all()
    assert (task.done, task.state, task.ended_at) == (1, "stopped", NOW + DAY)


def test_failed_work_can_go_on(carol: ServiceContext) -> None:
    session, task = carol.session, create_task(carol, MAILING)
    other = begin(carol, MAILING._replace(about_id=8), "failed")
    advance_task(session, task, 1, NOW)
    fail_task(session, task.id, "x" * 501, NOW + DAY)
    session.expire_all()
    assert (task.done, task.state, task.ended_at) == (1, "failed", NOW + DAY)
    assert task.problem == "x" * 500
    # It has ended already.
    fail_task(session, task.id, "again", NOW)
    assert task.ended_at == NOW + DAY
    resume_task(carol, task.id)
    session.refresh(task)
    session.refresh(other)
    resumed = {"done": 1, "state": "working", "ended_at": None, "problem": ""}
    assert task.model_dump(include={*resumed}) == resumed
    assert other.state == "failed"


@pytest.mark.parametrize("state", ["working", "done", "stopped"])
def test_only_failed_work_is_resumed(carol: ServiceContext, state: str) -> None:
    task = begin(carol, state=state)
    with pytest.raises(Refused) as refused:
        resume_task(carol, task.id)
    assert refused.value.refusals == (Refusal("", "task-state"),)
    carol.session.expire_all()
    assert task.state == state


def test_pieces_of_a_file_are_read_in_order(carol: ServiceContext) -> None:
    session = carol.session
    task, other = create_task(carol, MAILING), create_task(carol, MAILING._replace(about_id=8))
    store_pieces(session, other, [Piece("a.csv", b"other")])
    store_pieces(session, task, [Piece("b.pdf", b"0"), Piece("a.csv", b"1,")])
    advance_task(session, task, 2, NOW)
    store_pieces(session, task, [Piece("a.csv", b"2")])
    assert list(read_pieces(session, task.id)) == [
        Piece("a.csv", b"1,"),
        Piece("a.csv", b"2"),
        Piece("b.pdf", b"0"),
    ]
    numbers = select(DeskTaskPiece.number).where(DeskTaskPiece.task_id == task.id)
    assert sorted(session.exec(numbers)) == [0, 0, 2]


@pytest.mark.parametrize(
    ("wanted", "state", "has_piece", "expected"),
    [
        (FILE, "done", True, True),
        (FILE, "done", False, False),
        (FILE, "working", True, False),
        (FILE, "failed", True, False),
        (MAILING, "done", True, False),
    ],
)
def test_only_files_that_are_ready_can_be_downloaded(
    carol: ServiceContext, wanted: TaskInput, state: str, *, has_piece: bool, expected: bool
) -> None:
    other, task = begin(carol, wanted, "done"), begin(carol, wanted, state)
    store_pieces(carol.session, task if has_piece else other, [Piece("a.csv", b"a")])
    assert has_file(carol.session, task) is expected


def test_files_are_forgotten_after_a_week(carol: ServiceContext) -> None:
    session = carol.session
    tasks = [begin(carol, FILE._replace(about_id=number), "done") for number in range(2)]
    failed = [begin(carol, FILE._replace(about_id=number), "failed") for number in range(2)]
    mailing = begin(carol, state="failed")
    working = create_task(carol, FILE._replace(about_id=5))
    for task in (*tasks, *failed, mailing, working):
        task.done, task.left_out = 1, 1
        store_pieces(session, task, [Piece("a.csv", b"a")])
    for task in (tasks[0], failed[0], mailing):
        task.ended_at = NOW - 7 * DAY - SECOND
    for task in (tasks[1], failed[1]):
        task.ended_at = NOW - 7 * DAY
    session.flush()
    assert forget_old_tasks(session, NOW) == 3
    session.expire_all()
    kept = [tasks[1], failed[1], working]
    assert names_of(session) == [(task.id, "a.csv") for task in kept]
    # A failed file that can go on begins anew, as its pieces are gone.
    assert (failed[0].done, failed[0].left_out) == (0, 0)
    assert [(task.done, task.left_out) for task in (*tasks, failed[1], mailing, working)] == [
        (1, 1)
    ] * 5


def test_ended_work_is_forgotten_after_90_days(carol: ServiceContext) -> None:
    session = carol.session
    old = begin_each(carol)
    recent = begin(carol, MAILING._replace(about_id=8), "done")
    for task in (old["done"], old["failed"], old["stopped"]):
        task.ended_at = NOW - 90 * DAY - SECOND
    recent.ended_at = NOW - 90 * DAY
    session.flush()
    assert forget_old_tasks(session, NOW) == 3
    assert list_tasks(session, "NCIMHA", 9) == [recent, old["working"]]


def test_an_erasure_deletes_every_file(carol: ServiceContext, dan: ServiceContext) -> None:
    session = carol.session
    files = begin_each(carol, FILE)
    elsewhere = create_task(dan, FILE._replace(association="CT-AIMH"))
    mailing = create_task(carol, MAILING)
    for task in (*files.values(), elsewhere, mailing):
        task.done, task.left_out = 1, 1
        store_pieces(session, task, [Piece("a.csv", b"a")])
    session.flush()
    assert forget_all_files(session) == {"desk_task": 3, "desk_task_piece": 6}
    session.expire_all()
    assert names_of(session) == []
    begun_anew = [files["working"], files["failed"], elsewhere]
    assert [(task.done, task.left_out) for task in begun_anew] == [(0, 0)] * 3
    others = [files["done"], files["stopped"], mailing]
    assert [(task.done, task.left_out) for task in others] == [(1, 1)] * 3
    assert json.loads(mailing.arguments) == [3, 1, 2]
