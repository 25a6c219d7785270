"""`tracker person export` and `tracker person erase`."""

import os
import sys
from pathlib import Path

from tracker import clock
from tracker.cli.context import open_app
from tracker.db.engine import reading, writing
from tracker.errors import UserError
from tracker.exports.my_data import list_evidence, write_my_data
from tracker.refusal_text import format_refusal
from tracker.services.context import Actor, Refused, ServiceContext
from tracker.services.erasure import erase_person
from tracker.services.evidence_storage import EvidenceFolder
from tracker.services.merging import find_record
from tracker.services.sign_in import normalize_email


def _explain(refused: Refused) -> UserError:
    sentences = [format_refusal(each.code, each.facts) for each in refused.refusals]
    return UserError("\n".join(sentences))


def export(email: str, file: Path) -> None:
    """Write the archive of "All my data" into a new file that only its owner can read."""
    with open_app() as app, reading(app.engine) as session:
        try:
            person = find_record(session, normalize_email(email))
        except Refused as refused:
            raise _explain(refused) from None
        evidence = app.settings.evidence_folder
        files = list_evidence(session, person.id, EvidenceFolder(evidence)) if evidence else ()
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


def erase(email: str, reason: str, *, dry_run: bool) -> None:
    """Erase the person and their files, and print what was deleted and changed."""
    with open_app() as app:
        staff = [coordinator.email for coordinator in app.settings.coordinators]
        with writing(app.engine) as session:
            step = session.begin_nested()
            context = ServiceContext(session, app.rulebooks, Actor("tracker person"), clock.now())
            try:
                erased = erase_person(context, normalize_email(email), reason, staff)
            except Refused as refused:
                raise _explain(refused) from None
            if dry_run:
                step.rollback()
            else:
                step.commit()
        evidence = app.settings.evidence_folder
        # After the commit: a file without a row is harmless, and goes after a month by itself.
        if evidence is not None and not dry_run:
            EvidenceFolder(evidence).remove(erased.files)
    for heading, counts in (("Rows deleted", erased.deleted), ("Rows changed", erased.changed)):
        sys.stdout.write(f"{heading}:\n")
        for table, count in sorted(counts.items()):
            sys.stdout.write(f"{count:>8}  {table}\n")
    sys.stdout.write(f"Files deleted: {len(erased.files)}\n")
    if dry_run:
        sys.stdout.write("This was a dry run. Nothing was changed.\n")
        return
    sys.stdout.write(
        f"What is left has the number {erased.number}. Backups still hold the person until you "
        "delete them.\n"
    )
