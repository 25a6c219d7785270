"""Stored imports: finding them, what is in them, and what lists of an association meant before."""

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, delete, func, select

from tracker.db.imports import ImportMemory, ImportPlanRecord, ImportPlanRow
from tracker.db.statements import insert_rows, upsert
from tracker.importer.mapping import ImportMapping, mapped_headings, signature_of
from tracker.importer.plan_states import APPLIED, DISCARDED
from tracker.importer.proposals import Memory
from tracker.importer.row_plan import OUTCOMES, PlannedRow
from tracker.importer.workbooks import Sheet
from tracker.plain_text import plain_name
from tracker.services.context import Actor, NotFound, ServiceContext

_LONGEST_SOURCE = 200


@dataclass
class ImportSummary:
    """What a plan says besides its rows.

    ``look_alikes`` are people who may be the same as others, of whom some are ``undecided``;
    ``same_addresses`` rows of the upload with one address, as `SameAddress` reads them;
    ``letters`` the addresses to which applying it sends one; ``left_out`` the number of rows that a
    value leaves out; ``similar`` that of rows that may be stored sessions. ``person_ids`` are the
    stored people of whom it changes anything.
    """

    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    look_alikes: list[dict[str, Any]] = field(default_factory=list)
    undecided: int = 0
    same_addresses: list[dict[str, Any]] = field(default_factory=list)
    letters: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left_out: int = 0
    similar: int = 0
    person_ids: list[int] = field(default_factory=list)

    @property
    def totals(self) -> dict[str, int]:
        """The number of rows by outcome."""
        totals = dict.fromkeys(OUTCOMES, 0)
        for of_kind in self.counts.values():
            for outcome, count in of_kind.items():
                totals[outcome] += count
        return totals


def summary_of(record: ImportPlanRecord) -> ImportSummary:
    """The summary of a stored plan; an empty one before there is a plan."""
    return ImportSummary(**json.loads(record.summary)) if record.summary else ImportSummary()


def pack_summary(summary: ImportSummary) -> str:
    """A summary as it is stored."""
    return json.dumps(asdict(summary), ensure_ascii=False)


def mapping_of(record: ImportPlanRecord) -> ImportMapping:
    """What the columns and values of an import's files mean."""
    return ImportMapping.from_json(record.mapping) if record.mapping else ImportMapping()


def files_of(record: ImportPlanRecord) -> list[dict[str, Any]]:
    """Name, size in bytes, SHA-256, and number of rows of each file."""
    files: list[dict[str, Any]] = json.loads(record.files)
    return files


def title_of(record: ImportPlanRecord) -> str:
    """An import by its files: ``roster.xlsx and 2 more``."""
    names = [file["name"] for file in files_of(record)]
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def describe_files(uploads: Iterable[tuple[str, bytes]], sheets: Sequence[Sheet]) -> str:
    """The files of an import as they are stored."""
    described = []
    for name, data in uploads:
        rows = sum(len(sheet.rows) for sheet in sheets if sheet.file == name)
        digest = hashlib.sha256(data).hexdigest()
        described.append({"name": name, "size": len(data), "sha256": digest, "rows": rows})
    return json.dumps(described, ensure_ascii=False)


def pack_sheets(sheets: Sequence[Sheet]) -> bytes:
    """The cells of sheets as they are stored."""
    text = json.dumps([asdict(sheet) for sheet in sheets], ensure_ascii=False)
    return zlib.compress(text.encode())


def unpack_sheets(record: ImportPlanRecord) -> list[Sheet]:
    """The sheets of an import. Raises NotFound once their cells are deleted."""
    if record.sheets is None:
        raise NotFound
    sheets = []
    for stored in json.loads(zlib.decompress(record.sheets)):
        rows = [(line, cells) for line, cells in stored.pop("rows")]
        sheets.append(Sheet(rows=rows, **stored))
    return sheets


def get_import(session: Session, actor: Actor, plan_id: int) -> ImportPlanRecord:
    """An import of an association that the actor coordinates. Raises NotFound for any other."""
    record = session.get(ImportPlanRecord, plan_id, populate_existing=True)
    if record is None or not (actor.is_operator or record.association in actor.coordinates):
        raise NotFound
    return record


def find_import_of(session: Session, actor: Actor, change_id: int) -> int | None:
    """The applied import of the actor's association that is this change on its desk, if any."""
    query = select(ImportPlanRecord.id).where(
        ImportPlanRecord.change_id == change_id,
        ImportPlanRecord.state == APPLIED,
        col(ImportPlanRecord.association).in_(actor.coordinates),
    )
    return session.exec(query).first()


def list_imports(session: Session, association: str, most: int) -> list[ImportPlanRecord]:
    """The newest imports of an association."""
    query = select(ImportPlanRecord).where(
        ImportPlanRecord.association == association, ImportPlanRecord.state != DISCARDED
    )
    return list(session.exec(query.order_by(col(ImportPlanRecord.id).desc()).limit(most)))


def _chosen(plan_id: int, outcome: str, kind: str) -> list[ColumnElement[bool]]:
    chosen: list[ColumnElement[bool]] = [col(ImportPlanRow.plan_id) == plan_id]
    if outcome:
        chosen.append(col(ImportPlanRow.outcome) == outcome)
    if kind:
        chosen.append(col(ImportPlanRow.kind) == kind)
    return chosen


def list_rows(
    session: Session, plan_id: int, outcome: str = "", kind: str = ""
) -> Iterator[ImportPlanRow]:
    """The rows of a plan in the order of the files, those of an outcome or kind alone."""
    query = select(ImportPlanRow).where(*_chosen(plan_id, outcome, kind))
    yield from session.exec(query.order_by(col(ImportPlanRow.number)))


def list_page_of_rows(
    session: Session, plan_id: int, chosen: tuple[str, str], skip: int, most: int
) -> tuple[list[ImportPlanRow], int]:
    """Some rows of a plan with an outcome and kind (empty: any), and how many there are."""
    where = _chosen(plan_id, *chosen)
    query = select(ImportPlanRow).where(*where).order_by(col(ImportPlanRow.number))
    count = session.exec(select(func.count()).select_from(ImportPlanRow).where(*where)).one()
    return list(session.exec(query.offset(skip).limit(most))), count


def store_rows_of_plan(
    session: Session, plan_id: int, rows: Iterable[tuple[PlannedRow, Mapping[str, str]]]
) -> None:
    """Store what becomes of each row, with its cells, in the place of an earlier plan's rows."""
    session.exec(delete(ImportPlanRow).where(col(ImportPlanRow.plan_id) == plan_id))
    stored = []
    for number, (row, cells) in enumerate(rows, start=1):
        values: dict[str, Any] = {"plan_id": plan_id, "number": number, "undone": ""}
        values |= {"kind": row.kind, "file": row.file, "line": row.line, "email": row.email}
        values |= {"outcome": row.outcome, "reason": row.reason, "code": row.code}
        values["cells"] = json.dumps(dict(cells), ensure_ascii=False)
        values["changes"] = format_changes(row)
        stored.append(values)
    insert_rows(session, ImportPlanRow, stored)


def format_changes(row: PlannedRow) -> str:
    """A row's changes as they are stored and compared."""
    return json.dumps(dict(row.changes), ensure_ascii=False, sort_keys=True) if row.changes else ""


def load_memory(session: Session, association: str) -> Memory:
    """What an association's lists meant before."""
    sheets, headings, values = dict[str, Any](), dict[str, str](), dict[str, dict[str, str]]()
    query = select(ImportMemory).where(ImportMemory.association == association)
    for each in session.exec(query):
        if each.topic == "sheet":
            sheets[each.source] = json.loads(each.meaning)
        elif each.topic == "heading":
            headings[each.source] = each.meaning
        else:
            values.setdefault(each.topic, {})[each.source] = each.meaning
    return Memory(sheets, headings, values)


def remember(
    context: ServiceContext, association: str, sheets: Sequence[Sheet], mapping: ImportMapping
) -> None:
    """Remember what columns and values mean, for the association's next import."""
    meanings = dict[tuple[str, str], str]()
    for sheet, mapped in zip(sheets, mapping.sheets, strict=True):
        by_heading = mapped_headings(sheet, mapped)
        meanings["sheet", signature_of(sheet)] = json.dumps(by_heading, ensure_ascii=False)
        for heading, target in zip(sheet.heading, mapped.targets, strict=True):
            if target and plain_name(heading):
                meanings["heading", plain_name(heading)] = target
    for target, values in mapping.values.items():
        meanings |= {(target, text): value for text, value in values.items()}
    stored = []
    for (topic, source), meaning in meanings.items():
        if len(source) <= _LONGEST_SOURCE:
            values_of = {"association": association, "topic": topic, "source": source}
            stored.append({**values_of, "meaning": meaning, "changed_at": context.now})
    key = ["association", "topic", "source"]
    upsert(context.session, ImportMemory, stored, key=key, update=["meaning", "changed_at"])
