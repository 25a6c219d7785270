"""What a coordinator's import may change: what is the association's, also of shared people."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, select

from tracker.db.applications import Application
from tracker.db.people import Endorsement, Vetting
from tracker.importer.csv_row import CsvRow
from tracker.importer.known_records import KnownRecords
from tracker.importer.problems import ImportProblem
from tracker.importer.schemas import (
    ApplicationRow,
    DegreeRow,
    EndorsementRow,
    EntryRow,
    MembershipRow,
    PersonRow,
    PositionRow,
    VettingRow,
)
from tracker.importer.store import ImportPlan
from tracker.importer.table_rows import RowOutcome, chunked

# What belongs to a person, and so to every association that the person belongs to.
_PERSONAL = (PersonRow, EntryRow, DegreeRow, PositionRow)
# By these rows people belong to an association.
_JOINING: tuple[type[EndorsementRow | ApplicationRow | VettingRow], ...] = (
    EndorsementRow,
    ApplicationRow,
    VettingRow,
)


@dataclass(frozen=True, slots=True)
class ImportScope:
    """For which ``association`` a coordinator imports, and the ``organizations`` it accepts.

    ``person_id`` is the coordinator's own: nobody changes their own records.
    """

    association: str
    organizations: Collection[str]
    person_id: int | None

    def check(
        self, session: Session, plan: ImportPlan, outcomes: Iterable[RowOutcome]
    ) -> Iterator[ImportProblem]:
        """The rows that touch what is not the association's."""
        known = plan.known
        belongs, mentioned = _load_associations(session, known), _list_mentioned(known)
        joining = self._list_joining(known)
        for outcome in outcomes:
            row = outcome.row
            associations = belongs[row.email]
            is_here = self.association in associations or row.email in joining
            if not associations and row.email in mentioned:
                is_here = True
            problem = self._check_row(row) or self._check_belonging(row, is_here=is_here)
            if problem is None and outcome.outcome != "unchanged":
                is_own = self._is_own(row, plan)
                problem = self._check_change(row, associations, is_own=is_own)
            if problem is not None:
                yield problem

    def _list_joining(self, known: KnownRecords) -> set[str]:
        """The people whom the files make the association's."""
        joining = set[str]()
        for schema in _JOINING:
            rows = known.files.rows_of(schema)
            joining.update(row.email for row in rows if row.association == self.association)
        return joining

    def _check_row(self, row: CsvRow) -> ImportProblem | None:
        """Whether a row is about the association."""
        association = getattr(row, "association", self.association)
        if association != self.association:
            return row.problem("association", f"this import is for {self.association}")
        if isinstance(row, MembershipRow) and row.organization not in self.organizations:
            message = f"{self.association} accepts no membership in it"
            return row.problem("organization", message)
        return None

    def _check_belonging(self, row: CsvRow, *, is_here: bool) -> ImportProblem | None:
        """Whether a row's person belongs to the association, or will with this import."""
        if is_here:
            return None
        if isinstance(row, PersonRow):
            message = (
                f"no endorsement, application, or vetting by {self.association} is here or comes "
                "with this person, so nobody would see them: add one to the upload"
            )
            return row.problem("email", message)
        return row.problem("email", f"is not the address of anyone at {self.association}")

    def _is_own(self, row: CsvRow, plan: ImportPlan) -> bool:
        person_id = plan.known.person_ids.get(row.email)
        return person_id is not None and person_id == self.person_id

    def _check_change(
        self, row: CsvRow, associations: Collection[str], *, is_own: bool
    ) -> ImportProblem | None:
        """Whether a row may change what it is about."""
        if is_own:
            message = "is you: another coordinator has to change your records"
            return row.problem("email", message)
        if isinstance(row, _PERSONAL) and set(associations) - {self.association}:
            message = (
                "also belongs to another association, so an import changes only what is "
                f"{self.association}'s: not names, addresses, degrees, jobs, or hours"
            )
            return row.problem("email", message)
        return None


def _list_mentioned(known: KnownRecords) -> set[str]:
    """The people who come with others: providers and supervisors."""
    mentioned = set[str]()
    for row in known.files.rows_of(CsvRow):
        mentioned.update(email for column, email in row.people() if column != "email")
    return mentioned


def _load_associations(session: Session, known: KnownRecords) -> defaultdict[str, set[str]]:
    """The associations of which each person holds, held, or applied for something, by address.

    As they are stored by now: what the import adds is among them, and no reason to refuse.
    """
    by_id = {person_id: email for email, person_id in known.person_ids.items()}
    belongs = defaultdict[str, set[str]](set)
    tables: tuple[Any, ...] = (Endorsement, Application, Vetting)
    for table in tables:
        for ids in chunked(by_id):
            query = select(table.person_id, table.association)
            for person_id, association in session.exec(query.where(col(table.person_id).in_(ids))):
                belongs[by_id[person_id]].add(association)
    return belongs
