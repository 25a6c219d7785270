"""`tracker person export` and `tracker person erase`."""

import os
import sys
from collections.abc import Collection
from pathlib import Path

import typer

from tracker import clock
from tracker.cli.context import is_terminal, open_app
from tracker.db.engine import reading, writing
from tracker.errors import UserError
from tracker.exports.my_data import list_evidence, write_my_data
from tracker.formatting import format_count
from tracker.refusal_text import format_refusal
from tracker.services.context import Actor, Refused, ServiceContext
from tracker.services.erasure import Erased, erase_person
from tracker.services.evidence import list_stored_names
from tracker.services.evidence_storage import EvidenceFolder
from tracker.services.merging import find_record
from tracker.services.sign_in import normalize_email
from tracker.settings import Settings


def _explain(refused: Refused) -> UserError:
    sentences = [format_refusal(each.code, each.facts) for each in refused.refusals]
    return UserError("\n".join(sentences))


class FilesLeftError(UserError):
    """A person is erased, and files of theirs are left."""

    heading = "The person is erased, but these files could not be deleted:"


def _open_evidence(
    settings: Settings, email: str, names: Collection[str], mode: int
) -> EvidenceFolder | None:
    """The folder with a person's files, to be used as ``mode`` says; None if they have none.

    Raises UserError if the person has files and there is no such folder.
    """
    if not names:
        return None
    folder = settings.evidence_folder
    if folder is None:
        problem = "no folder for files is set"
    elif not os.access(folder, mode) or not folder.is_dir():
        problem = f"the folder {folder} does not exist, or this user has no permission to use it"
    else:
        return EvidenceFolder(folder)
    raise UserError(
        f"{email} has {format_count(len(names), 'file')}, but {problem}. "
        "Set TRACKER_EVIDENCE_DIR to the folder that the site uses"
    )


def export(email: str, file: Path) -> None:
    """Write the archive of "All my data" into a new file that only its owner can read."""
    with open_app() as app, reading(app.engine) as session:
        try:
            person = find_record(session, normalize_email(email))
        except Refused as refused:
            raise _explain(refused) from None
        names = list_stored_names(session, person.id)
        folder = _open_evidence(app.settings, email, names, os.R_OK | os.X_OK)
        files = list_evidence(session, person.id, folder) if folder else ()
        try:
            opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise UserError(f"{file} can't be created: {error.strerror}") from error
        try:
            with os.fdopen(opened, "wb") as target:
                write_my_data(session, person.id, target, clock.now(), files)
        except BaseException:
            file.unlink()
            raise
    sys.stdout.write(f"{file} holds everything about {email}. It contains personal data.\n")
    if folder and (missing := len(names) - folder.count(names)):
        sys.stdout.write(
            f"Without {missing} of {format_count(len(names), 'file')}: not found in {folder.path}. "
            "Does TRACKER_EVIDENCE_DIR name the folder that the site uses?\n"
        )


def ask_before_erasing(email: str) -> None:
    """Ask whether a person is to be erased; typer.Abort if not.

    Raises UserError if nobody has the address, or nobody is there to answer.
    """
    with open_app() as app, reading(app.engine) as session:
        try:
            person = find_record(session, normalize_email(email))
        except Refused as refused:
            raise _explain(refused) from None
    whom = f"{person.name} <{person.email}>"
    if not is_terminal():
        raise UserError(
            f"Nobody is there to answer whether {whom} should be erased for good. "
            "Add --yes to erase them without a question, or --dry-run to see what would go"
        )
    typer.confirm(f"Erase {whom} for good? This can't be undone", abort=True)


def erase(email: str, reason: str, *, dry_run: bool) -> None:
    """Erase the person and their files, and print what was deleted and changed.

    Raises FilesLeftError for files that could not be deleted.
    """
    with open_app() as app:
        staff = [coordinator.email for coordinator in app.settings.coordinators]
        with writing(app.engine, empties_journal=True) as session:
            step = session.begin_nested()
            context = ServiceContext(session, app.rulebooks, Actor("tracker person"), clock.now())
            try:
                erased = erase_person(context, normalize_email(email), reason, staff)
            except Refused as refused:
                raise _explain(refused) from None
            folder = _open_evidence(app.settings, email, erased.files, os.W_OK | os.X_OK)
            if dry_run:
                step.rollback()
            else:
                step.commit()
    _print_counts(erased)
    if dry_run:
        count = folder.count(erased.files) if folder else 0
        sys.stdout.write(f"Files deleted: {count}\nThis was a dry run. Nothing was changed.\n")
        return
    # After the commit: a file without a row is harmless, and goes after a month by itself.
    left = folder.delete(erased.files) if folder else []
    sys.stdout.write(
        f"Files deleted: {len(erased.files) - len(left)}\n"
        f"What is left has the number {erased.number}. Backups still hold the person until you "
        "delete them. Note the number and the day outside the database: if you restore a backup, "
        "erase the person again.\n"
    )
    if left:
        lines = [f"{each.path}: {each.reason}" for each in left]
        hint = "Delete them by hand. If TRACKER_EVIDENCE_DIR is wrong, they are in another folder."
        raise FilesLeftError("\n".join([*lines, hint]))


def _print_counts(erased: Erased) -> None:
    for heading, counts in (("Rows deleted", erased.deleted), ("Rows changed", erased.changed)):
        sys.stdout.write(f"{heading}:\n")
        for table, count in sorted(counts.items()):
            sys.stdout.write(f"{count:>8}  {table}\n")
