"""Imports by operators, of files in the documented format: planned, applied, and undone.

They are all or nothing, unlike those of coordinators, and can be about every association.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from sqlalchemy import Engine
from sqlmodel import Session

from tracker.db.engine import writing
from tracker.db.imports import ImportPlanRecord
from tracker.db.statements import lock_for_import
from tracker.importer.apply import plan_import
from tracker.importer.cells import ImportContext
from tracker.importer.plan_records import title_of
from tracker.importer.plan_states import APPLIED
from tracker.importer.plan_undo import Remembered, compare_taken_rows, list_stored, read_taken_rows
from tracker.importer.plan_work import CHANGED_TABLES, LONGEST_TITLE
from tracker.importer.problems import ImportRefused
from tracker.importer.reader import ImportedFiles, display_path, find_files, read_files
from tracker.importer.row_plan import CarriedOut, carry_out
from tracker.importer.same_address import SameAddress, find_same_addresses
from tracker.importer.store import ImportReport, store_plan
from tracker.services.context import ServiceContext
from tracker.services.desk_changes import ChangePlan, apply_change
from tracker.services.first_days import list_starts

# Does what follows from what was stored; returns the other people of whom that changes anything.
Finish = Callable[[ServiceContext, ImportReport], Collection[int]]
OpenService = Callable[[Session], ServiceContext]
# The changes of operators are on no association's desk.
_NO_DESK = ""


def plan_paths(
    engine: Engine,
    paths: Iterable[Path],
    context: ImportContext,
    open_service: OpenService,
    finish: Finish,
) -> tuple[CarriedOut, list[SameAddress]]:
    """What importing files would do, row by row, and the rows with one address that differ.

    Nothing is stored. Raises ImportRefused for files that can't be read.
    """
    files = _read(paths, context)
    numbers = {file: number for number, file in enumerate(files.kind_of_file)}
    same_addresses = find_same_addresses(files, numbers)
    with writing(engine) as session:
        lock_for_import(session)
        savepoint = session.begin_nested()
        done = carry_out(session, files, context)
        if done.report.person_ids:
            finish(open_service(session), done.report)
        savepoint.rollback()
        session.expire_all()
    context.progress.finish()
    return done, same_addresses


def import_as_unit(
    engine: Engine,
    paths: list[Path],
    context: ImportContext,
    open_service: OpenService,
    finish: Finish,
) -> tuple[ImportReport, int | None]:
    """Import files so that it can be undone: what was done, and the number of the import.

    The number is None if nothing was added or changed. Raises ImportRefused with every problem;
    then nothing is stored.
    """
    with writing(engine) as session:
        lock_for_import(session)
        service = open_service(session)
        # It is done twice, and rolled back once: what it touches is kept as it was before.
        savepoint = session.begin_nested()
        report, touched = _import(service, _read(paths, context), context, finish)
        savepoint.rollback()
        session.expire_all()
        number = None
        if touched:
            report, number = _apply(service, paths, context, finish, touched)
    context.progress.finish()
    return report, number


def _read(paths: Iterable[Path], context: ImportContext) -> ImportedFiles:
    files = read_files(paths, context)
    if not files.is_readable:
        raise ImportRefused(files.problems)
    return files


def _import(
    service: ServiceContext, files: ImportedFiles, context: ImportContext, finish: Finish
) -> tuple[ImportReport, set[int]]:
    """Store what the files contain: what was done, and of whom anything was added or changed."""
    session = service.session
    report = store_plan(session, plan_import(session, files, context), context)
    if not report.person_ids:
        return report, set()
    return report, {*report.person_ids, *finish(service, report)}


def _apply(
    service: ServiceContext,
    paths: list[Path],
    context: ImportContext,
    finish: Finish,
    touched: Collection[int],
) -> tuple[ImportReport, int]:
    """Import for good, and keep how to undo it."""
    session = service.session
    known = frozenset(list_stored(session, touched))
    record = _create_record(service, paths)
    reports = list[ImportReport]()
    created = set[int]()

    def work(_service: ServiceContext) -> set[int]:
        report, now_touched = _import(service, _read(paths, context), context, finish)
        reports.append(report)
        created.update(now_touched - known)
        return created

    before, days = read_taken_rows(session, known), {each.id for each in list_starts(session)}
    title = f"Import {title_of(record)}"[:LONGEST_TITLE]
    change = apply_change(service, ChangePlan(_NO_DESK, title, known, CHANGED_TABLES, work))
    taken = compare_taken_rows(before, read_taken_rows(session, known | created))
    first_days = [each.association for each in list_starts(session) if each.id not in days]
    record.change_id, record.remembered = change.id, Remembered(taken, first_days).pack()
    session.add(record)
    session.flush()
    return reports[0], record.id


def _create_record(service: ServiceContext, paths: Iterable[Path]) -> ImportPlanRecord:
    """An import on no association's desk, by its files."""
    files = []
    for _, path in find_files(paths, ImportedFiles()):
        data = path.read_bytes()
        name, digest = display_path(path), hashlib.sha256(data).hexdigest()
        files.append({"name": name, "size": len(data), "sha256": digest})
    return ImportPlanRecord(
        association=None,
        state=APPLIED,
        created_at=service.now,
        created_by=service.actor.label,
        changed_at=service.now,
        changed_by=service.actor.label,
        files=json.dumps(files, ensure_ascii=False),
    )
