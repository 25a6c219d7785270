"""The file of an audit: what it takes to redo the draw, and what was decided about whom."""

import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from sqlmodel import Session

from tracker.db.audits import AuditDraw
from tracker.exports.desk_files import FileContext, write_zip
from tracker.services.audit_draws import get_draw, list_drawn, parse_strata
from tracker.services.audits import (
    AuditedRenewal,
    list_audited_entries,
    list_cases,
    list_cases_by_id,
    list_deleted_items,
)
from tracker.services.context import ServiceContext
from tracker.services.desk_tasks import (
    AUDIT_FILE,
    Piece,
    TaskInput,
    advance_task,
    create_task,
    list_next_ids,
    lock_task,
    store_pieces,
)
from tracker.services.evidence import list_entry_files
from tracker.spreadsheet_csv import csv_lines

# Redoes the draw of any audit file with nothing but Python; it stands beside the frame.
REDO = '''"""Redo the draw by RFC 3797, beside frame.txt: python redo.py SEED CATEGORY NUMBER."""

import hashlib
import sys

seed, category, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
text = open("frame.txt", encoding="utf-8", newline="").read()
print("SHA-256 of the frame:", hashlib.sha256(text.encode()).hexdigest())
pool = [line for line in text.splitlines() if line.rsplit(" ", 2)[0] == category]
key = f"{seed}/{category}/".encode()
for n in range(number):
    counter = n.to_bytes(2, "big")
    digest = hashlib.md5(counter + key + counter).digest()
    print(n + 1, pool.pop(int.from_bytes(digest, "big") % len(pool)))
'''
# So many renewals are read while the coordinator waits for the file, or in one batch.
BATCH = 40
_DRAW_COLUMNS = ("fact", "value")
_DRAWN_COLUMNS = ("position", "category", "endorsement", "cycle_starts_on")
_CASE_COLUMNS = (
    *("position", "name", "category", "cycle_starts_on", "cycle_ends_on", "state", "due_on"),
    *("extended_because", "asked_at", "sent_at", "note", "decided_at", "decided_by"),
    *("decided_because", "appealed_at", "appeal"),
)
_SESSION_COLUMNS = (
    *("position", "name", "held_on", "activity", "title", "minutes", "documents"),
    *("verdict", "reason", "decided_at", "decided_by"),
)


def pack_audit(session: Session, fixed: AuditDraw, now: datetime) -> bytes:
    """The audit file as a ZIP. Before the draw it has only what was fixed."""
    packed = io.BytesIO()
    write_zip(
        packed, _list_pieces(session, fixed, list_cases(session, fixed.id), is_first=True), now
    )
    return packed.getvalue()


def start_audit_file(context: ServiceContext, draw_id: int) -> int | None:
    """Have the audit file of a large draw made; the id of the task, or None if it is small.

    While one is being made of the draw, that is it. Raises NotFound for another association's.
    """
    fixed = get_draw(context.session, draw_id, context.associations)
    # So that of two requests the second one finds what the first one began.
    context.session.refresh(fixed, with_for_update=True)
    cases = list_cases(context.session, draw_id)
    if len(cases) <= BATCH:
        return None
    ids = [one.case.id for one in cases]
    wanted = TaskInput(fixed.association, AUDIT_FILE, ids, draw_id, audit_file_name(fixed))
    return create_task(context, wanted).id


def audit_file_name(fixed: AuditDraw) -> str:
    """The name under which an audit file is saved."""
    return f"audit-{fixed.association.lower()}-{fixed.id}.zip"


def add_audited_renewals(context: FileContext, task_id: int, now: datetime) -> bool:
    """Add the next renewals to an audit file that is being made; False if there is none to make.

    What is said of a renewal is as of the moment at which it was added.
    """
    with context.transaction() as session:
        task = lock_task(session, task_id)
        if task is None:
            return False
        fixed = session.get_one(AuditDraw, task.about_id)
        ids = list_next_ids(task, BATCH)
        cases = list_cases_by_id(session, ids)
        store_pieces(session, task, _list_pieces(session, fixed, cases, is_first=not task.done))
        advance_task(session, task, len(ids), now, left_out=len(ids) - len(cases))
    return True


def _list_pieces(
    session: Session, fixed: AuditDraw, cases: Sequence[AuditedRenewal], *, is_first: bool
) -> list[Piece]:
    """These renewals as pieces of the file; the first ones with headings, and what was fixed."""
    pieces = []
    if is_first:
        pieces.append(Piece("frame.txt", fixed.frame.encode()))
        pieces.append(Piece("redo.py", REDO.encode()))
        pieces.append(Piece("draw.csv", _csv(_DRAW_COLUMNS, _list_facts(fixed))))
    if fixed.drawn_at is None:
        return pieces
    if is_first:
        drawn = [(n, *line) for n, line in enumerate(list_drawn(fixed), start=1)]
        pieces.append(Piece("drawn.csv", _csv(_DRAWN_COLUMNS, drawn)))
    sessions = (row for audited in cases for row in _list_sessions(session, audited))
    for name, columns, rows in (
        ("renewals.csv", _CASE_COLUMNS, map(_list_case, cases)),
        ("sessions.csv", _SESSION_COLUMNS, sessions),
    ):
        text = _csv(columns, rows)
        pieces.append(Piece(name, text if is_first else text.partition(b"\n")[2]))
    return pieces


def _csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    texts = ([_format(value) for value in row] for row in rows)
    return b"".join(csv_lines(columns, texts))


def _format(value: object) -> str:
    """A value as text: days and instants in ISO format."""
    if value is None:
        return ""
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _list_facts(fixed: AuditDraw) -> Iterator[tuple[str, object]]:
    yield "method", "RFC 3797, for each category with the key SEED/CATEGORY/"
    yield "association", fixed.association
    yield "cycles end from", fixed.ends_from
    yield "cycles end through", fixed.ends_through
    yield "quota", f"{fixed.amount}%" if fixed.quota == "share" else fixed.amount
    yield "SHA-256 of frame.txt", fixed.frame_hash
    yield "seed", fixed.seed
    yield "fixed at", fixed.frozen_at
    yield "fixed by", fixed.frozen_by
    yield "drawn at", fixed.drawn_at
    yield "drawn by", fixed.drawn_by
    for stratum in parse_strata(fixed):
        yield f"drawn of {stratum.category}", f"{stratum.to_draw} of {stratum.size}"


def _list_case(audited: AuditedRenewal) -> list[object]:
    case, submission, person, endorsement = audited
    values = case.model_dump()
    dumped = [values[name] for name in _CASE_COLUMNS[5:]]
    days = (submission.cycle_starts_on, submission.cycle_ends_on)
    return [case.position, person.name, endorsement.category, *days, *dumped]


def _list_sessions(session: Session, audited: AuditedRenewal) -> Iterator[list[object]]:
    files = list_entry_files(session, audited.person.id)
    for entry, item in list_audited_entries(session, audited):
        names = "; ".join(file.name for file in files.get(entry.id, []))
        about = [entry.held_on, entry.activity, entry.title, entry.minutes, names]
        found: list[object] = ["", "", "", ""]
        if item is not None:
            found = [item.verdict, item.reason, item.decided_at, item.decided_by]
        yield [audited.case.position, audited.person.name, *about, *found]
    for item in list_deleted_items(session, audited):
        about = [item.held_on, "", item.title, item.minutes, "the session was deleted since"]
        found = [item.verdict, item.reason, item.decided_at, item.decided_by]
        yield [audited.case.position, audited.person.name, *about, *found]
