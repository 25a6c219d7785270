"""The desk's long work: begun by a coordinator, done in batches, and ended once.

A row of `desk_task` says how far the work has come. Each batch stores what it did and moves the row
on in one transaction, so a process that dies loses no batch and repeats none: the next process
finds the row and goes on behind the last batch that was stored. Two processes at one task don't
wait for each other: the row is locked, and the second one leaves it alone.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, delete, exists, select, update

from tracker.db.desk_tasks import DONE, FAILED, STOPPED, WORKING, DeskTask, DeskTaskPiece
from tracker.db.engine import lock_names
from tracker.services.context import Actor, NotFound, Refusal, Refused, ServiceContext
from tracker.services.desk_access import check_association

MAILING, AUDIT_FILE, CERTIFICATES = "mailing", "audit-file", "certificates"
# Files have names in them, and can be made again; the rows say who asked for what.
FILES_KEPT, TASKS_KEPT = timedelta(days=7), timedelta(days=90)
# Of one association. A file of many certificates has 40 MB.
MAX_FILES_BEGUN, MAX_FILES_READY = 5, 10
_LONGEST_PROBLEM = 500
_PIECES_AT_A_TIME = 20
_MAKES_FILE = col(DeskTask.file_name) != ""


class TaskInput(NamedTuple):
    """Work to begin at an association, on the rows with these ids; the rest as of `DeskTask`."""

    association: str
    kind: str
    ids: Sequence[int]
    about_id: int = 0
    file_name: str = ""


class CannotGoOnError(Exception):
    """Work that can't go on before somebody does what the message says, to coordinators."""


class Piece(NamedTuple):
    """A piece of a file, as of `DeskTaskPiece`."""

    name: str
    content: bytes


def create_task(context: ServiceContext, wanted: TaskInput) -> DeskTask:
    """Begin work that has something to do; what is under way already is not begun again.

    Raises NotFound for another association's, and Refused while too many of its files are being
    made. Of files that are ready, only the newest stay.
    """
    check_association(context.actor, wanted.association)
    # Of two who ask for the same, the second one gets what the first one began.
    lock_names(context.session, [f"desk tasks {wanted.association}"])
    arguments = json.dumps(list(wanted.ids))
    query = select(DeskTask).where(
        DeskTask.association == wanted.association,
        DeskTask.kind == wanted.kind,
        DeskTask.about_id == wanted.about_id,
        DeskTask.arguments == arguments,
        DeskTask.state == WORKING,
    )
    task = context.session.exec(query).first()
    if task is not None:
        return task
    if wanted.file_name:
        _make_room(context.session, wanted.association)
    task = DeskTask(
        association=wanted.association,
        kind=wanted.kind,
        about_id=wanted.about_id,
        arguments=arguments,
        asked_at=context.now,
        asked_by=context.actor.label,
        total=len(wanted.ids),
        file_name=wanted.file_name,
    )
    context.session.add(task)
    context.session.flush()
    return task


def _make_room(session: Session, association: str) -> None:
    """Delete all but the newest files of an association. Raises Refused if too many are begun."""
    own = select(DeskTask).where(DeskTask.association == association, _MAKES_FILE)
    begun = session.exec(own.where(DeskTask.state == WORKING)).all()
    if len(begun) >= MAX_FILES_BEGUN:
        raise Refused(Refusal("rows", "task-limit", {"limit": MAX_FILES_BEGUN}))
    ready = session.exec(own.where(DeskTask.state == DONE).order_by(col(DeskTask.id).desc()))
    old = [task.id for task in ready.all()[MAX_FILES_READY - 1 :]]
    session.exec(delete(DeskTaskPiece).where(col(DeskTaskPiece.task_id).in_(old)))


def get_task(session: Session, actor: Actor, task_id: int) -> DeskTask:
    """Work of an association that the actor coordinates. Raises NotFound for any other."""
    task = session.get(DeskTask, task_id, populate_existing=True)
    if task is None:
        raise NotFound
    check_association(actor, task.association)
    return task


def find_unfinished(session: Session, kind: str, about_id: int) -> DeskTask | None:
    """The newest work of a kind about a row, if it works or failed."""
    query = select(DeskTask).where(DeskTask.kind == kind, DeskTask.about_id == about_id)
    task = session.exec(query.order_by(col(DeskTask.id).desc())).first()
    return task if task is not None and task.state in (WORKING, FAILED) else None


def list_tasks(session: Session, association: str, most: int) -> list[DeskTask]:
    """The newest work of an association."""
    query = select(DeskTask).where(DeskTask.association == association)
    return list(session.exec(query.order_by(col(DeskTask.id).desc()).limit(most)))


def list_failed_tasks(session: Session) -> list[DeskTask]:
    """Work of all associations that failed and was not begun again, the oldest first."""
    query = select(DeskTask).where(DeskTask.state == FAILED)
    return list(session.exec(query.order_by(col(DeskTask.id))))


def list_working_tasks(session: Session) -> list[tuple[int, str]]:
    """Id and kind of the work that has not ended, the oldest first."""
    query = select(DeskTask.id, DeskTask.kind).where(DeskTask.state == WORKING)
    return list(session.exec(query.order_by(col(DeskTask.id))))


def lock_task(session: Session, task_id: int) -> DeskTask | None:
    """Work that goes on, locked until the transaction ends; None if it ended or is locked."""
    query = select(DeskTask).where(DeskTask.id == task_id, DeskTask.state == WORKING)
    query = query.with_for_update(skip_locked=True)
    return session.exec(query.execution_options(populate_existing=True)).first()


def list_next_ids(task: DeskTask, most: int) -> list[int]:
    """The next rows to work on, at most so many."""
    ids: list[int] = json.loads(task.arguments)
    return ids[task.done : task.done + most]


def advance_task(
    session: Session, task: DeskTask, steps: int, now: datetime, *, left_out: int = 0
) -> None:
    """Count steps of locked work as done; after the last one the work has ended."""
    task.done += steps
    task.left_out += left_out
    if task.done == task.total:
        task.state, task.ended_at = DONE, now
    session.add(task)
    session.flush()


def stop_task(session: Session, task: DeskTask, now: datetime) -> list[int]:
    """End locked work before its last step; the rows that were not worked on."""
    left = list_next_ids(task, task.total)
    task.state, task.ended_at = STOPPED, now
    session.add(task)
    session.flush()
    return left


def lock_unfinished(session: Session, kind: str, about_id: int) -> DeskTask | None:
    """As `find_unfinished`, once nobody works on it, and locked until the transaction ends."""
    found = find_unfinished(session, kind, about_id)
    if found is None:
        return None
    query = select(DeskTask).where(DeskTask.id == found.id).with_for_update()
    task = session.exec(query.execution_options(populate_existing=True)).one()
    return task if task.state in (WORKING, FAILED) else None


def fail_task(session: Session, task_id: int, problem: str, now: datetime) -> None:
    """End work that can't go on; what is done stays done."""
    task = lock_task(session, task_id)
    if task is not None:
        task.state, task.ended_at = FAILED, now
        task.problem = problem[:_LONGEST_PROBLEM]
        session.add(task)
        session.flush()


def resume_task(context: ServiceContext, task_id: int) -> None:
    """Go on with work that failed. Raises Refused for any other, and NotFound as `get_task`."""
    get_task(context.session, context.actor, task_id)
    resumed = (
        update(DeskTask)
        .where(col(DeskTask.id) == task_id, col(DeskTask.state) == FAILED)
        .values(state=WORKING, ended_at=None, problem="")
    )
    if context.session.exec(resumed).rowcount != 1:
        raise Refused(Refusal("", "task-state"))


def store_pieces(session: Session, task: DeskTask, pieces: Sequence[Piece]) -> None:
    """Store pieces of the file of locked work; the step at which they came is their number."""
    session.add_all(
        DeskTaskPiece(task_id=task.id, name=name, number=task.done, content=content)
        for name, content in pieces
    )
    session.flush()


def read_pieces(session: Session, task_id: int) -> Iterator[Piece]:
    """The pieces of a file, those of one member together and in their order."""
    query = (
        select(DeskTaskPiece.name, DeskTaskPiece.content)
        .where(DeskTaskPiece.task_id == task_id)
        .order_by(col(DeskTaskPiece.name), col(DeskTaskPiece.number))
        .execution_options(yield_per=_PIECES_AT_A_TIME)
    )
    for name, content in session.exec(query):
        yield Piece(name, content)


def has_file(session: Session, task: DeskTask) -> bool:
    """Whether there is a file to download: it is made, and not deleted yet."""
    if task.state != DONE or not task.file_name:
        return False
    has_piece = exists().where(col(DeskTaskPiece.task_id) == task.id)
    return session.exec(select(has_piece)).one()


def forget_old_tasks(session: Session, now: datetime) -> int:
    """Delete files after 7 days, and what is left of ended work after 90; how many of both."""
    has_ended = col(DeskTask.state) != WORKING
    is_old = has_ended & (col(DeskTask.ended_at) < now - FILES_KEPT)
    # Locked, so that none of it goes on meanwhile without what is deleted.
    old = session.exec(select(DeskTask.id).where(is_old).with_for_update()).all()
    forgotten = session.exec(
        delete(DeskTaskPiece).where(col(DeskTaskPiece.task_id).in_(old))
    ).rowcount
    _begin_anew(session, (col(DeskTask.state) == FAILED) & col(DeskTask.id).in_(old))
    is_over = has_ended & (col(DeskTask.ended_at) < now - TASKS_KEPT)
    return forgotten + session.exec(delete(DeskTask).where(is_over)).rowcount


def forget_all_files(session: Session) -> dict[str, int]:
    """Delete every file, and begin those anew that are not ready; how many rows of each table.

    For the erasure of a person: nobody can tell whom a packed file names.
    """
    is_unfinished = col(DeskTask.state).in_((WORKING, FAILED)) & _MAKES_FILE
    # Locked first, so that no batch that is under way stores a piece afterward.
    session.exec(select(DeskTask.id).where(is_unfinished).with_for_update()).all()
    begun = _begin_anew(session, is_unfinished)
    deleted = session.exec(delete(DeskTaskPiece)).rowcount
    return {"desk_task": begun, "desk_task_piece": deleted}


def _begin_anew(session: Session, chosen: ColumnElement[bool]) -> int:
    """Let files that are not ready begin at their first row, as their pieces are deleted."""
    anew = update(DeskTask).where(chosen, _MAKES_FILE).values(done=0, left_out=0)
    return session.exec(anew).rowcount
