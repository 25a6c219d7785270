"""The CSV files that an import reads and an export writes: one model a file, one field a column.

A field with a default is an optional column; the default is also what an empty cell means.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, PrivateAttr, ValidationInfo

from tracker.db.applications import (
    STATES,
    TRANSCRIPTS,
    Application,
    Attestation,
    Degree,
    ExamResult,
    Position,
    Reference,
)
from tracker.db.log import Entry
from tracker.db.people import (
    DEGREES,
    Endorsement,
    Leave,
    Membership,
    Person,
    Renewal,
    Vetting,
    Waiver,
)
from tracker.importer import cells
from tracker.importer.course_days import COLUMN as COURSE_COLUMN
from tracker.importer.course_days import DAY_COLUMNS, split_course
from tracker.importer.csv_row import CsvRow
from tracker.importer.problems import ImportProblem
from tracker.plain_text import plain_name
from tracker.rules.requirement import (
    FORMATS,
    INDIVIDUAL,
    LEVELS,
    MEMBERSHIP_KINDS,
    PAY,
    RSC_SERVICE,
)

SHARED_ADDRESS = "shared-address"


class PersonRow(CsvRow):
    """people.csv: anyone whom the other files mention.

    ``previous_email`` is an address that the person had before.
    """

    key = ("email",)
    table = Person
    table_key = ("email",)

    name: cells.PersonName
    second_email: cells.Email | None = None
    highest_degree: Annotated[str, cells.one_of(*DEGREES)] = "none"
    provides_rsc: cells.YesNo = False
    previous_email: cells.OtherEmail | None = None

    def contradicts(self, first: CsvRow) -> ImportProblem:
        """The problem that an earlier row has the same address.

        Its code says whether that row has another name, so that they may be two people.
        """
        message = (
            f"is the address in {first.file_and_line} too: keep one row if they are one person; "
            "two people need an address each, because they sign in with it"
        )
        is_other = plain_name(self.name) != plain_name(getattr(first, "name", ""))
        code = SHARED_ADDRESS if is_other else ""
        return replace(self.problem("email", message), code=code)


class CategoryRow(CsvRow):
    """A row about one person in one category at one association."""

    association: cells.Association
    category: cells.Category

    @property
    def held(self) -> tuple[str, str, str]:
        """Email, association, and category."""
        return self.email, self.association, self.category


class EndorsementRow(CategoryRow):
    """endorsements.csv."""

    key = ("email", "association", "category", "starts_on")
    table = Endorsement
    table_key = ("person_id", "association", "category", "starts_on")

    starts_on: cells.Day
    ends_on: cells.EndDay | None = None


class VettingRow(CsvRow):
    """vetting.csv: associations' acceptance of RSC providers."""

    key = ("email", "association", "starts_on")
    table = Vetting
    table_key = ("person_id", "association", "starts_on")

    association: cells.Association
    starts_on: cells.Day
    ends_on: cells.EndDay | None = None


class MembershipRow(CsvRow):
    """memberships.csv."""

    key = ("email", "organization", "starts_on")
    table = Membership
    table_key = ("person_id", "organization", "starts_on")

    open_ended: ClassVar = {"ends_on": cells.FOR_LIFE}

    organization: cells.Organization
    starts_on: cells.Day
    ends_on: cells.MembershipEnd
    kind: Annotated[str, cells.one_of(*MEMBERSHIP_KINDS)] = INDIVIDUAL


class ApplicationRow(CategoryRow):
    """applications.csv. Without a state it is open, or submitted if submitted_on is given."""

    key = ("email", "association", "category", "opened_on")
    table = Application
    table_key = ("person_id", "association", "category", "opened_on")
    audited = True

    opened_on: cells.PastDay
    submitted_on: cells.PastDay | None = None
    decided_on: cells.PastDay | None = None
    state: Annotated[str, cells.one_of(*STATES)] | None = None
    answer: cells.Text500 | None = None


class OfEndorsement(CategoryRow):
    """A row that belongs to an endorsement."""


class LeaveRow(OfEndorsement):
    """leave.csv: belongs to the endorsement that is valid on its first day."""

    key = ("email", "association", "category", "starts_on")
    table = Leave
    table_key = ("endorsement_id", "starts_on")

    starts_on: cells.Day
    ends_on: cells.EndDay | None = None
    reason: cells.Text500 | None = None
    kind: Annotated[str, cells.one_of("leave", "inactive", "emeritus")] = "leave"


class CycleRow(OfEndorsement):
    """A row about one renewal cycle of the endorsement that began on ``endorsed_on``."""

    audited = True

    endorsed_on: cells.Day
    cycle_starts_on: cells.CycleStart


class WaiverRow(CycleRow):
    """waivers.csv."""

    key = ("email", "association", "category", "endorsed_on", "cycle_starts_on", "requirement")
    table = Waiver
    table_key = ("endorsement_id", "cycle_starts_on", "requirement")

    requirement: cells.RequirementId
    reason: cells.Text500


class ExtensionRow(CycleRow):
    """extensions.csv."""

    key = ("email", "association", "category", "endorsed_on", "cycle_starts_on")
    table = Renewal
    table_key = ("endorsement_id", "cycle_starts_on")

    extended_due_on: cells.ExtendedDueDate
    reason: cells.Text500


class DegreeRow(CsvRow):
    """degrees.csv."""

    key = ("email", "level", "title")
    table = Degree
    table_key = ("person_id", "level", "title")
    audited = True

    level: Annotated[str, cells.one_of(*LEVELS)]
    title: cells.Text200
    awarded_on: cells.PastDay
    transcript: Annotated[str, cells.one_of(*TRANSCRIPTS)] = "none"


def _check_provides_rsc(provides: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - a cell
    if not provides and RSC_SERVICE in info.data.get("services", "").split("; "):
        raise ValueError(
            f"must be yes, because services include {RSC_SERVICE}; "
            f"otherwise remove {RSC_SERVICE} from services"
        )
    return provides


class PositionRow(CsvRow):
    """positions.csv. Without gives_rsc, the services say whether the person provides RSC."""

    key = ("email", "title", "starts_on", "employer")
    table = Position
    table_key = ("person_id", "title", "starts_on", "employer")
    remedy = (
        "keep one, with all of its ages and services separated by semicolons; or, if these are two "
        "jobs, say for whom each one is in the column employer"
    )
    audited = True

    title: cells.Text200
    pay: Annotated[str, cells.one_of(*PAY)]
    services: cells.Services
    starts_on: cells.Day
    ends_on: cells.EndDay | None = None
    ages: cells.Ages | None = None
    families: cells.Families = 0
    supervised: cells.YesNo = False
    trained: cells.YesNo = False
    gives_rsc: Annotated[cells.YesNo, AfterValidator(_check_provides_rsc)] | None = None
    statements: cells.Statements = ""
    supervisor_email: cells.OtherEmail | None = None
    employer: cells.Text200 = ""


class OfApplication(CategoryRow):
    """A row that belongs to an application. The column ``day`` has its day."""

    audited = True
    day: ClassVar[str]

    @property
    def subject(self) -> Any:  # noqa: ANN401 - text or date
        """What the row is about: referee, document, or day of an exam."""
        return getattr(self, self.key[-1])


class ReferenceRow(OfApplication):
    """references.csv: whom an applicant names, and the answer if there is one."""

    key = ("email", "association", "category", "referee_email")
    table = Reference
    table_key = ("application_id", "email")
    day = "received_on"

    referee_email: cells.OtherEmail
    referee_name: cells.PersonName
    role: cells.Role
    received_on: cells.PastDay | None = None
    relationship: cells.Text500 | None = None
    signed_as: cells.Text200 | None = None
    role_confirmed: cells.YesNo | None = None
    endorsed_by: cells.EndorsingAssociation | None = None
    endorsed_as: cells.RefereeCategory | None = None
    vetted: cells.YesNo | None = None
    ratings: cells.Ratings | None = None


class AttestationRow(OfApplication):
    """attestations.csv: what an applicant has signed."""

    key = ("email", "association", "category", "what")
    table = Attestation
    table_key = ("application_id", "what")
    day = "signed_on"

    what: cells.AttestationName
    signed_on: cells.PastDay


class ExamRow(OfApplication):
    """exams.csv: written examinations."""

    key = ("email", "association", "category", "taken_on")
    table = ExamResult
    table_key = ("application_id", "taken_on")
    day = "taken_on"

    taken_on: cells.PastDay
    passed: cells.YesNo


def _instead_of(column: str) -> AfterValidator:
    """Refuse a cell if the row's cell in ``column`` is not empty."""

    def check(text: str, info: ValidationInfo) -> str:
        if info.data.get(column):
            raise ValueError(f"must be empty if {column} is given")
        return text

    return AfterValidator(check)


_ENTRY_TEXTS = ("title", "provider_name", "reference", "shared_reference")


class EntryRow(CsvRow):
    """entries.csv: logged sessions. Minutes, also in ``topics``.

    A ``reference`` identifies the session in later imports; several sessions can have the same
    ``shared_reference``. A provider without a known address is given by name. ``similar`` decides
    whether a row that looks like a stored session is that session. A line with ``days`` is a row
    for each of them (`split_course`); of those, a reference and the day identify the session.
    """

    table = Entry

    activity: Annotated[str, cells.one_of("training", "rsc")]
    date: cells.PastDay
    hours: cells.SessionLength
    title: cells.Text300
    topics: cells.TopicMinutes = ()
    provider_email: cells.OtherEmail | None = None
    provider_name: Annotated[cells.Text200, _instead_of("provider_email")] | None = None
    format: Annotated[str, cells.one_of(*FORMATS)] | None = None
    reference: cells.Text200 | None = None
    shared_reference: Annotated[cells.Text200, _instead_of("reference")] | None = None
    similar: Annotated[str, cells.one_of("same", "new")] | None = None
    days: str | None = None
    _literal_texts: dict[str, str] = PrivateAttr(default_factory=dict)

    def set_cells(self, cells_by_column: Mapping[str, str]) -> None:
        """Remember the texts that are written differently in the file."""
        for column, text in self.texts().items():
            literal = cells.clean_literally(cells_by_column[column])
            if literal != text:
                self._literal_texts[column] = literal

    @property
    def literal_texts(self) -> Mapping[str, str]:
        """The texts that normalization changed, as they are in the file, by column."""
        return self._literal_texts

    def texts(self) -> dict[str, str]:
        """The normalized texts that people write, by column."""
        texts = {column: getattr(self, column) for column in _ENTRY_TEXTS}
        return {column: text for column, text in texts.items() if text}

    def identity(self) -> tuple[Any, ...] | None:
        """The person and the reference, of a course with the day; None without a reference."""
        return (self.email, self.own_reference) if self.reference else None

    @property
    def own_reference(self) -> str | None:
        """What identifies the session besides its person, if the row has a reference."""
        return f"{self.reference}@{self.date}" if self.days else self.reference

    @classmethod
    def split(cls, cells_by_column: Mapping[str, str]) -> list[dict[str, str]]:
        """A row for each of the days of a course."""
        return split_course(cells_by_column)

    @classmethod
    def written_column(cls, column: str, cells_by_column: Mapping[str, str]) -> str:
        """The column ``days`` for what a course's row has from there."""
        is_of_course = column in DAY_COLUMNS and cells_by_column.get(COURSE_COLUMN)
        return COURSE_COLUMN if is_of_course else column

    def problem(self, column: str, message: str) -> ImportProblem:
        """A problem with the row's value in ``column``, or with the day of a course."""
        is_of_course = self.days and column in DAY_COLUMNS
        return super().problem(COURSE_COLUMN if is_of_course else column, message)

    def contradicts(self, first: CsvRow) -> ImportProblem:
        """The problem that an earlier row with the same reference is another session."""
        message = (
            f"contradicts {first.file_and_line}, which has the same reference: keep one, or write "
            "it in a column shared_reference if both are sessions"
        )
        return self.problem("reference", message)


# By the name of the file. People come first, because the others mention them. Leave, waivers, and
# extensions belong to endorsements, which can result from applications.
SCHEMAS: dict[str, type[CsvRow]] = {
    "people": PersonRow,
    "endorsements": EndorsementRow,
    "vetting": VettingRow,
    "memberships": MembershipRow,
    "applications": ApplicationRow,
    "leave": LeaveRow,
    "waivers": WaiverRow,
    "extensions": ExtensionRow,
    "degrees": DegreeRow,
    "positions": PositionRow,
    "references": ReferenceRow,
    "attestations": AttestationRow,
    "exams": ExamRow,
    "entries": EntryRow,
}
