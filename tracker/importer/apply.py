"""Imports files: all of them or nothing, in one transaction."""

from collections.abc import Callable, Iterable
from pathlib import Path

from sqlalchemy import Engine
from sqlmodel import Session

from tracker.db.engine import writing
from tracker.db.statements import lock_for_import
from tracker.importer.application_items import (
    check_application_items,
    check_references,
    load_application_items,
)
from tracker.importer.applications import (
    check_applications,
    check_new_endorsements,
    check_undecided_applications,
    load_applications,
)
from tracker.importer.cells import ImportContext
from tracker.importer.entry_plan import (
    check_entries,
    check_hours_of_days,
    check_submitted,
    plan_entries,
)
from tracker.importer.former_emails import apply_email_changes
from tracker.importer.known_records import (
    check_absence_limits,
    check_endorsements,
    check_extensions,
    check_leave_and_cycles,
    check_people,
    load_known_records,
)
from tracker.importer.positions import plan_positions
from tracker.importer.problems import ImportRefused
from tracker.importer.reader import ImportedFiles, read_files
from tracker.importer.shared_addresses import list_address_notes
from tracker.importer.store import ImportPlan, ImportReport, store_plan

AfterImport = Callable[[Session, ImportReport], None]


def import_paths(
    engine: Engine,
    paths: Iterable[Path],
    context: ImportContext,
    after: AfterImport | None = None,
) -> ImportReport:
    """Import files and folders. The same content twice changes nothing.

    ``after`` is called before the commit if anything was added or changed. Raises ImportRefused
    with every problem; then nothing is stored.
    """
    files = read_files(paths, context)
    if not files.is_readable:
        raise ImportRefused(files.problems)
    with writing(engine) as session:
        lock_for_import(session)
        plan = plan_import(session, files, context)
        report = store_plan(session, plan, context)
        if after and report.person_ids:
            after(session, report)
    context.progress.finish()
    return report


def plan_import(session: Session, files: ImportedFiles, context: ImportContext) -> ImportPlan:
    """Compare the files with the database. Raises ImportRefused with every problem."""
    email_problems = list(apply_email_changes(session, files, context))
    known = load_known_records(session, files)
    applications = load_applications(session, known)
    items = load_application_items(session, known, applications, context)
    entries = plan_entries(session, known, context.similar)
    positions = plan_positions(session, known)
    problems = [
        *files.problems,
        *email_problems,
        *check_people(known),
        *check_endorsements(known),
        # Before what belongs to endorsements, because applications lead to them.
        *check_applications(known, applications),
        *check_undecided_applications(known, applications),
        *check_new_endorsements(known, applications),
        *check_application_items(known, items),
        *check_references(session, known, items),
        *check_leave_and_cycles(known),
        *check_absence_limits(session, known, context.vocabulary.rulebooks),
        *check_extensions(session, known),
        *positions.problems,
        *check_entries(known, entries, context),
        *check_hours_of_days(known, entries),
        *check_submitted(session, known, entries),
    ]
    if problems:
        raise ImportRefused(problems)
    notes = list_address_notes(session, files)
    return ImportPlan(known, applications, items, entries, positions, notes)
