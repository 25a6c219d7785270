"""Addresses that changed: `previous_email` in people.csv, and files with former addresses."""

from collections.abc import Iterable, Iterator

from sqlmodel import Session, col, select

from tracker.db.people import Person
from tracker.db.statements import in_chunks
from tracker.importer.cells import ImportContext
from tracker.importer.csv_row import PERSON_COLUMNS, CsvRow
from tracker.importer.problems import ImportProblem
from tracker.importer.reader import ImportedFiles
from tracker.importer.schemas import PersonRow
from tracker.refusal_text import format_refusal
from tracker.services.context import Refused, lock_records
from tracker.services.email_changes import find_former_emails, move_email

_BATCH = 1_000


def apply_email_changes(
    session: Session, files: ImportedFiles, context: ImportContext
) -> Iterator[ImportProblem]:
    """Change the addresses of people, and write their present addresses into all rows.

    Yields a problem for each address that can't be changed, and for each former address that
    people.csv gives to somebody.
    """
    people = files.rows_of(PersonRow)
    rows_by_email = {row.email: row for row in people}
    present = dict[str, str]()
    _lock_people(session, people)
    for row in people:
        if row.previous_email is None:
            continue
        if row.previous_email in rows_by_email:
            line = rows_by_email[row.previous_email].file_and_line
            message = f"is the person in {line} too: remove that row if it is the same person"
            yield row.problem("previous_email", message)
            continue
        present[row.previous_email] = row.email
        yield from _change_email(session, row, files, context)
    mentioned = {email for row in files.rows_of(CsvRow) for _, email in row.people()}
    present = find_former_emails(session, mentioned) | present
    for row in people:
        if row.email in present:
            message = (
                f"is the former address of {present[row.email]}: write that one, or, if it is "
                f"another person's now, run `tracker person release-email {row.email}` first"
            )
            yield row.problem("email", message)
    yield from _replace_former_emails(files, present)


def _lock_people(session: Session, rows: Iterable[PersonRow]) -> None:
    """Lock everyone whose address changes in one order, before any address is locked."""
    emails, ids = [row.previous_email for row in rows if row.previous_email], set[int]()
    for chunk in in_chunks(emails, _BATCH):
        ids.update(session.exec(select(Person.id).where(col(Person.email).in_(chunk))))
    lock_records(session, ids)


def _change_email(
    session: Session, row: PersonRow, files: ImportedFiles, context: ImportContext
) -> Iterator[ImportProblem]:
    """Change one person's address, unless that was done before."""
    before = session.exec(select(Person).where(Person.email == row.previous_email)).first()
    if before is None:
        return
    try:
        with session.begin_nested():
            move_email(session, before, row.email, who=context.actor, now=context.now)
        files.changed_emails[str(row.previous_email)] = row.email
    except Refused as refused:
        for refusal in refused.refusals:
            yield row.problem("email", format_refusal(refusal.code, refusal.facts))


def _replace_former_emails(
    files: ImportedFiles, present: dict[str, str]
) -> Iterator[ImportProblem]:
    """Write present addresses into rows; equal rows of one person are one row then."""
    for schema, rows in files.rows.items():
        if schema is PersonRow:
            continue
        kept = list[CsvRow]()
        first_rows = {row.identity(): row for row in rows if row.email not in present}
        for row in rows:
            is_former = row.email in present
            _replace_in_row(row, present)
            identity = row.identity() if is_former else None
            first = first_rows.setdefault(identity, row) if identity else row
            if first is row:
                kept.append(row)
            elif first.model_dump(exclude_unset=True) != row.model_dump(exclude_unset=True):
                yield row.contradicts(first)
        files.rows[schema] = kept


def _replace_in_row(row: CsvRow, present: dict[str, str]) -> None:
    for column in PERSON_COLUMNS:
        email = getattr(row, column, None)
        if email in present:
            row.replace_email(column, present[email])
