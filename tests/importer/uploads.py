"""A coordinator's imports without a browser: lists as bytes, and the work that follows."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from openpyxl import Workbook

from tests.support.cast import BOOKS, CAROL, CONFIG, NOW, Cast
from tracker.db.engine import reading, writing
from tracker.db.imports import ImportPlanRecord, ImportPlanRow
from tracker.importer.plan_records import (
    ImportSummary,
    get_import,
    list_rows,
    mapping_of,
    summary_of,
)
from tracker.importer.plans import (
    ImportRunner,
    create_import,
    save_mapping,
    start_applying,
    start_undoing,
)
from tracker.importer.problems import Progress
from tracker.notifications.context import open_context
from tracker.services.context import Actor, ServiceContext

ASSOCIATION = "NCIMHA"
ACTOR = Actor(CAROL, None, (ASSOCIATION,))
Table = Sequence[Sequence[str]]
T = TypeVar("T")
# What an import may touch, and undoing it restores.
RESTORED = ("person", "endorsement", "membership", "entry", "entry_topic", "imported_row",
            "standing", "vetting", "association_start")  # fmt: skip


@dataclass(frozen=True)
class Desk:
    """The desk of an association's coordinator, and the process that works for it."""

    cast: Cast

    def do(self, service: Callable[..., T], *arguments: object) -> T:
        """Call a service as the coordinator."""
        with writing(self.cast.engine) as session:
            return service(ServiceContext(session, BOOKS, ACTOR, NOW), *arguments)

    @property
    def runner(self) -> ImportRunner:
        settings = self.cast.settings.model_copy(update={"config_dir": CONFIG})
        context = open_context(settings, BOOKS, self.cast.engine)
        return ImportRunner(context, BOOKS, context.transaction)

    def run(self, plan_id: int, progress: Progress | None = None) -> None:
        self.runner.run(plan_id, NOW, progress)

    def upload(self, *files: tuple[str, bytes]) -> int:
        """Upload files, accept the proposal, and have it planned."""

        def create(context: ServiceContext) -> int:
            record = create_import(context, ASSOCIATION, files)
            if record.state == "mapping":
                assert save_mapping(context, record.id, mapping_of(record))
            return record.id

        plan_id = self.do(create)
        self.run(plan_id)
        return plan_id

    def apply(self, plan_id: int) -> None:
        self.do(start_applying, plan_id)
        self.run(plan_id)

    def undo(self, plan_id: int) -> None:
        self.do(start_undoing, plan_id)
        self.run(plan_id)

    def record(self, plan_id: int) -> ImportPlanRecord:
        with reading(self.cast.engine) as session:
            record = get_import(session, ACTOR, plan_id)
            session.expunge(record)
            return record

    def state(self, plan_id: int) -> tuple[str, str]:
        record = self.record(plan_id)
        return record.state, record.problem

    def summary(self, plan_id: int) -> ImportSummary:
        return summary_of(self.record(plan_id))

    def rows(self, plan_id: int) -> list[ImportPlanRow]:
        """What becomes of each row."""
        with reading(self.cast.engine) as session:
            rows = list(list_rows(session, plan_id))
            session.expunge_all()
            return rows

    def outcomes(self, plan_id: int) -> list[tuple[str, int, str]]:
        """Kind, line, and outcome of each row."""
        return [(row.kind, row.line, row.outcome) for row in self.rows(plan_id)]

    def restored(self) -> dict[str, list[dict[str, Any]]]:
        return {table: self.cast.rows(table) for table in RESTORED}


def as_csv(table: Table) -> bytes:
    file = io.StringIO()
    csv.writer(file).writerows(table)
    return file.getvalue().encode()


def as_workbook(**sheets: Table) -> bytes:
    workbook = Workbook()
    workbook.remove(workbook.worksheets[0])
    for name, table in sheets.items():
        sheet = workbook.create_sheet(name)
        for row in table:
            sheet.append(list(row))
            for cell in sheet[sheet.max_row]:
                # Texts that begin like a formula are texts here.
                cell.data_type = "s"
    file = io.BytesIO()
    workbook.save(file)
    return file.getvalue()
