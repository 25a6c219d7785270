"""What an import would change: the files beside the database, and every problem between them."""

from dataclasses import dataclass

from sqlmodel import Session

from tracker.importer.application_items import (
    ApplicationItems,
    check_application_items,
    check_references,
    load_application_items,
)
from tracker.importer.applications import Applications, check_applications, load_applications
from tracker.importer.cells import ImportContext
from tracker.importer.entry_plan import (
    EntryPlan,
    check_entries,
    check_hours_of_days,
    plan_entries,
)
from tracker.importer.known_records import (
    KnownRecords,
    check_endorsements,
    check_extensions,
    check_leave_and_cycles,
    check_people,
    load_known_records,
)
from tracker.importer.problems import ImportRefused
from tracker.importer.reader import ImportedFiles
from tracker.importer.schemas import EntryRow


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What is known of everything that the files refer to, and what to do with entries."""

    known: KnownRecords
    applications: Applications
    items: ApplicationItems
    entries: EntryPlan


def plan_import(session: Session, files: ImportedFiles, context: ImportContext) -> ImportPlan:
    """Compare the files with the database. Raises ImportRefused with every problem."""
    known = load_known_records(session, files)
    applications = load_applications(session, files, known)
    items = load_application_items(session, files, applications, context)
    entries = plan_entries(session, files.rows_of(EntryRow), known)
    problems = [
        *files.problems,
        *check_people(files, known),
        *check_endorsements(files, known),
        # Before what belongs to endorsements, because applications lead to them.
        *check_applications(files, known, applications),
        *check_application_items(files, known, items),
        *check_references(session, files, items),
        *check_leave_and_cycles(files, known),
        *check_extensions(session, files, known),
        *check_entries(files.rows_of(EntryRow), entries, context),
        *check_hours_of_days(entries, known),
    ]
    if problems:
        raise ImportRefused(problems)
    return ImportPlan(known, applications, items, entries)
