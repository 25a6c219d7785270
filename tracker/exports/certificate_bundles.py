"""The certificates of many people in one ZIP file, made by the desk's long work.

Typesetting takes a process of its own for each certificate and must hold no lock. So a batch reads
what is printed, makes the files outside of any transaction, and stores them if nothing of it has
changed and nobody was faster.
"""

from datetime import datetime

from sqlmodel import Session

from tracker.branding import Look
from tracker.exports import pdf_files
from tracker.exports.certificate_files import Printable, certificate_pdf, find_printable
from tracker.exports.desk_files import FileContext
from tracker.formatting import use_locale
from tracker.rulebooks import Rulebooks
from tracker.services.certificate_checks import (
    CertificateState,
    get_certificate,
    list_newest_certificates,
)
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext
from tracker.services.desk_tasks import (
    CERTIFICATES,
    CannotGoOnError,
    Piece,
    TaskInput,
    advance_task,
    create_task,
    list_next_ids,
    lock_task,
    store_pieces,
)
from tracker.services.evaluation import days_at
from tracker.services.selections import SelectedPeople

# The file is in the database for a week: 40 KB for each certificate.
MAX_CERTIFICATES = 1_000
BATCH = 5
_LONGEST_NAME = 80
_NO_PDF = (
    "The machine that works on this can't make PDF files. Ask the operator of this site to install "
    "the extra pdf there, then try again."
)


def start_certificates(context: ServiceContext, selected: SelectedPeople) -> int:
    """Have the certificates of the selected people prepared; the id of the task.

    While the same ones are being prepared, that is it. Raises Refused if there are none, or too
    many of them.
    """
    association = selected.association
    issued = list_newest_certificates(context.session, association, selected.person_ids)
    if not issued:
        raise Refused(Refusal("rows", "no-certificates"))
    if len(issued) > MAX_CERTIFICATES:
        raise Refused(Refusal("rows", "too-many-certificates", {"limit": MAX_CERTIFICATES}))
    today = days_at(context.rulebooks, context.now)(association)
    name = f"certificates-{association.lower()}-{today.isoformat()}.zip"
    ids = [one.id for one in issued]
    wanted = TaskInput(association, CERTIFICATES, ids, file_name=name)
    return create_task(context, wanted).id


def add_certificates(context: FileContext, task_id: int, now: datetime) -> bool:
    """Add the next certificates that are valid today; False if there is nothing to do for now.

    Raises CannotGoOnError where PDF files can't be made: pages may run on a machine that can.
    """
    if not pdf_files.AVAILABLE:
        raise CannotGoOnError(_NO_PDF)
    with context.transaction() as session:
        task = lock_task(session, task_id)
        if task is None:
            return False
        place, ids, association = task.done, list_next_ids(task, BATCH), task.association
        printed = _list_printable(session, context.rulebooks, (association, ids), now)
    base_url, look = context.settings.base_url, context.settings.read_look(association)
    try:
        made = [piece for one in printed if (piece := _typeset(one, base_url, look))]
    except pdf_files.BusyError:
        return False
    with context.transaction() as session:
        task = lock_task(session, task_id)
        if task is None or task.done != place:
            return False
        if printed == _list_printable(session, context.rulebooks, (association, ids), now):
            store_pieces(session, task, made)
            advance_task(session, task, len(ids), now, left_out=len(ids) - len(made))
    return True


def _list_printable(
    session: Session, rulebooks: Rulebooks, wanted: tuple[str, list[int]], now: datetime
) -> list[Printable]:
    """Those of an association's certificates with these ids that are valid."""
    association, ids = wanted
    printable = []
    for certificate_id in ids:
        try:
            issued = get_certificate(session, certificate_id, associations={association})
        except NotFound:
            continue
        found = find_printable(session, rulebooks, issued, now)
        if found is not None and found.verified.state is CertificateState.VALID:
            printable.append(found)
    return printable


def _typeset(printable: Printable, base_url: str, look: Look | None) -> Piece | None:
    """The certificate as a member of the ZIP file; None if it can't be typeset."""
    verified = printable.verified
    name = "".join(c if c.isalnum() else "-" for c in verified.name[:_LONGEST_NAME])
    try:
        with use_locale(printable.rulebook.locale):
            content = certificate_pdf(printable, base_url, look)
    except pdf_files.TypesettingError:
        return None
    return Piece(f"{name}-{verified.category}-{verified.number}.pdf", content)
