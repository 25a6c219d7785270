"""An import as the tests make it: files as text, a fixed day, small vocabulary."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from tracker.db.engine import reading
from tracker.db.tables import METADATA
from tracker.importer.apply import AfterImport, import_paths
from tracker.importer.cells import ImportContext
from tracker.importer.problems import ImportProblem, ImportRefused, Progress, ProgressCallback
from tracker.importer.store import ImportReport
from tracker.importer.vocabulary import Vocabulary
from tracker.rules.cycles import Cycle
from tracker.rules.model import RatingQuestion

AS_OF = date(2024, 6, 30)
NOW = datetime(2024, 6, 30, 12, tzinfo=UTC)


def _calendar_year(_association: str, category: str, endorsed_on: date, day: date) -> Cycle | None:
    """As of a rulebook that knows renewals of an IFS alone."""
    if category != "IFS" or day.year < endorsed_on.year:
        return None
    first, last = date(day.year, 1, 1), date(day.year, 12, 31)
    return Cycle(first, last, last, 31, is_first=day.year == endorsed_on.year, share=Fraction(1))


WORK = RatingQuestion.model_validate(
    {
        "id": "work",
        "asks": "How do you rate it?",
        "categories": ["IFS"],
        "scale": ["Good", "Fair"],
        "from": date(2020, 1, 1),
        "source": {"document": "guide", "section": "References"},
    }
)
VOCABULARY = Vocabulary(
    categories={"NCIMHA": ["IFA", "IFS", "IMHM-C"], "CT-AIMH": ["IFS"]},
    organizations=["NCIMHA", "CT-AIMH", "MI-AIMH"],
    training_topics=["DEIA", "RSC"],
    rsc_topics=["RSC-GIVEN"],
    services=["prevention", "intervention", "rsc"],
    statements=["attachment", "whole-family"],
    roles={
        ("NCIMHA", "IFA"): ["supervisor", "teacher"],
        ("NCIMHA", "IFS"): ["supervisor", "teacher", "parent"],
        ("NCIMHA", "IMHM-C"): [],
        ("CT-AIMH", "IFS"): ["supervisor"],
    },
    attestations={"NCIMHA": ["ethics", "agreement"], "CT-AIMH": ["ethics"]},
    time_zones={"NCIMHA": "America/New_York", "CT-AIMH": "America/New_York"},
    requirements={("NCIMHA", "IFS"): ["training", "rsc"]},
    ratings={"NCIMHA": [WORK]},
    cycle_of=_calendar_year,
)
CONTEXT = ImportContext(VOCABULARY, AS_OF, "tests", NOW, month_first=True)
WRITTEN = (
    "person",
    "endorsement",
    "vetting",
    "membership",
    "leave",
    "waiver",
    "renewal",
    "entry",
    "entry_topic",
    "imported_row",
    "audit_event",
    "application",
    "degree",
    "position",
    "reference",
    "attestation",
    "exam_result",
)
# Alice logs hours, Bob provides RSC, Carol is new.
PEOPLE = """email,name,provides_rsc
alice@example.org,Alice,no
bob@example.org,Bob,yes
"""


@dataclass
class Importer:
    """Imports texts into one database."""

    engine: Engine
    folder: Path

    def run(self, **files: str | bytes) -> ImportReport:
        """Import ``<keyword>.csv`` with each keyword's text."""
        self.write(**files)
        return self.run_on(self.folder)

    def write(self, **files: str | bytes) -> None:
        """Put ``<keyword>.csv`` with each keyword's text into the folder, and nothing else."""
        for path in self.folder.glob("*.csv"):
            path.unlink()
        for kind, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            (self.folder / f"{kind}.csv").write_bytes(data)

    def run_on(
        self,
        *paths: Path,
        after: AfterImport | None = None,
        progress: ProgressCallback | None = None,
    ) -> ImportReport:
        """Import files and folders as they lie there."""
        context = replace(CONTEXT, progress=Progress(progress))
        return import_paths(self.engine, paths, context, after)

    def problems(self, **files: str | bytes) -> list[ImportProblem]:
        """The problems for which the files are refused; none if they are taken."""
        self.write(**files)
        return self.problems_of_written_files()

    def problems_of_written_files(self) -> list[ImportProblem]:
        """The problems for which the files of the folder are refused."""
        try:
            self.run_on(self.folder)
        except ImportRefused as refused:
            return refused.problems
        return []

    def problem_texts(self, **files: str | bytes) -> list[str]:
        """The problems as they are printed, without the folder."""
        return [str(each).replace(f"{self.folder}/", "") for each in self.problems(**files)]

    def rows(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        """Some columns (default: all) of all rows of a table, in the order of its key."""
        found = METADATA.tables[table]
        picked = [found.c[column] for column in columns] or list(found.c)
        with reading(self.engine) as session:
            query = select(*picked).order_by(*found.primary_key)
            return [tuple(row) for row in session.connection().execute(query)]

    def all_rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table that an import writes."""
        return {name: self.rows(name) for name in WRITTEN}
