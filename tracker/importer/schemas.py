"""The CSV files that an import reads and an export writes: one model a file, one field a column.

A field with a default is an optional column; the default is also what an empty cell means.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    PrivateAttr,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from sqlmodel import SQLModel

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
from tracker.formatting import format_hours
from tracker.importer.cells import (
    Association,
    AttestationName,
    Category,
    CycleStart,
    Day,
    Email,
    EndDay,
    ExtendedDueDate,
    Families,
    ImportContext,
    OneOf,
    Organization,
    OtherEmail,
    PastDay,
    RefereeCategory,
    RequirementId,
    Role,
    Services,
    SessionLength,
    Statements,
    Text200,
    Text300,
    Text500,
    TopicMinutes,
    YesNo,
    clean,
)
from tracker.importer.problems import ImportProblem
from tracker.refusal_text import format_refusal
from tracker.rules.requirement import AGES, LEVELS, PAY
from tracker.services.entry_rules import EntryInput, validate_entry

# The service of a position that provides RSC, as the rulebooks name it.
RSC = "rsc"
# The columns that mention people whom people.csv or the database must have.
PERSON_COLUMNS = ("email", "provider_email", "supervisor_email")


class CsvRow(BaseModel):
    """A row of a file. ``model_fields_set`` are the columns that the file has."""

    # Two rows with the same key columns are about the same thing; no key: each is about its own.
    key: ClassVar[tuple[str, ...]] = ()
    table: ClassVar[type[SQLModel]]
    # The columns of the table that identify a row in it.
    table_key: ClassVar[tuple[str, ...]] = ()
    # Whether changes leave audit events, as changes on the pages do.
    audited: ClassVar[bool] = False

    email: Email
    _file: str = PrivateAttr("")
    _line: int = PrivateAttr(0)

    @field_validator("*", mode="wrap")
    @classmethod
    def _read_cell(
        cls, cell: str, read: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> object:
        text = clean(cell)
        if text:
            return read(text)
        field = cls.model_fields[str(info.field_name)]
        if field.is_required():
            raise ValueError("must not be empty")
        return field.default

    @classmethod
    def columns(cls) -> list[str]:
        """All columns of the file, in the documented order."""
        return list(cls.model_fields)

    @classmethod
    def required_columns(cls) -> list[str]:
        """The columns without which a file is refused."""
        return [name for name, field in cls.model_fields.items() if field.is_required()]

    def set_place(self, file: str, line: int) -> None:
        """Remember where the row begins; the heading is on line 1."""
        self._file, self._line = file, line

    @property
    def place(self) -> str:
        """The file and the line on which the row begins."""
        return f"{self._file}:{self._line}"

    @property
    def sort_key(self) -> tuple[str, int]:
        """Sorts rows by file and line."""
        return self._file, self._line

    def identity(self) -> tuple[Any, ...] | None:
        """What the row is about, within its file; None if it stands for itself."""
        return tuple(getattr(self, column) for column in self.key) or None

    def people(self) -> Iterator[tuple[str, str]]:
        """Each person whom the row mentions: the column and the address."""
        for column in PERSON_COLUMNS:
            email = getattr(self, column, None)
            if email:
                yield column, email

    def problems(self, context: ImportContext) -> list[ImportProblem]:  # noqa: ARG002 - for most files
        """What is wrong between cells that are right on their own."""
        return []

    def contradicts(self, first: "CsvRow") -> ImportProblem:
        """The problem that an earlier row says something else about the same thing."""
        names = [format_cell(column, getattr(self, column)) for column in self.key[1:]]
        subject = ", ".join(names) or "person"
        message = f"contradicts {first.place}, which is about the same {subject}: keep one"
        return self.problem("email", message)

    def problem(self, column: str, message: str) -> ImportProblem:
        """A problem with the row's value in ``column``."""
        value = format_cell(column, getattr(self, column)) or None
        return ImportProblem(self._file, message, self._line, column, value)


def format_cell(column: str, value: Any) -> str:  # noqa: ANN401 - any field's value
    """A value as the cell from which it is read."""
    if column == "hours":
        return format_hours(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return "; ".join(f"{topic}:{format_hours(minutes)}" for topic, minutes in value)
    return value.isoformat() if isinstance(value, date) else str(value)


class PersonRow(CsvRow):
    """people.csv: anyone whom the other files mention."""

    key = ("email",)
    table = Person
    table_key = ("email",)

    name: Text200
    second_email: Email | None = None
    highest_degree: Annotated[str, AfterValidator(OneOf(DEGREES))] = "none"
    provides_rsc: YesNo = False


class CategoryRow(CsvRow):
    """A row about one person in one category at one association."""

    association: Association
    category: Category

    @property
    def held(self) -> tuple[str, str, str]:
        """Email, association, and category."""
        return self.email, self.association, self.category


class EndorsementRow(CategoryRow):
    """endorsements.csv."""

    key = ("email", "association", "category", "starts_on")
    table = Endorsement
    table_key = ("person_id", "association", "category", "starts_on")

    starts_on: Day
    ends_on: EndDay | None = None


class VettingRow(CsvRow):
    """vetting.csv: associations' acceptance of RSC providers."""

    key = ("email", "association", "starts_on")
    table = Vetting
    table_key = ("person_id", "association", "starts_on")

    association: Association
    starts_on: Day
    ends_on: EndDay | None = None


class MembershipRow(CsvRow):
    """memberships.csv."""

    key = ("email", "organization", "starts_on")
    table = Membership
    table_key = ("person_id", "organization", "starts_on")

    organization: Organization
    starts_on: Day
    ends_on: EndDay


class ApplicationRow(CategoryRow):
    """applications.csv. Without a state it is open, or submitted if submitted_on is given."""

    key = ("email", "association", "category", "opened_on")
    table = Application
    table_key = ("person_id", "association", "category", "opened_on")
    audited = True

    opened_on: PastDay
    submitted_on: PastDay | None = None
    decided_on: PastDay | None = None
    state: Annotated[str, AfterValidator(OneOf(STATES))] | None = None


class LeaveRow(CategoryRow):
    """leave.csv: belongs to the endorsement that is valid on its first day."""

    key = ("email", "association", "category", "starts_on")
    table = Leave
    table_key = ("endorsement_id", "starts_on")

    starts_on: Day
    ends_on: EndDay | None = None
    reason: Text500 | None = None


class CycleRow(CategoryRow):
    """A row about one renewal cycle of the endorsement that began on ``endorsed_on``."""

    audited = True

    endorsed_on: Day
    cycle_starts_on: CycleStart


class WaiverRow(CycleRow):
    """waivers.csv."""

    key = ("email", "association", "category", "endorsed_on", "cycle_starts_on", "requirement")
    table = Waiver
    table_key = ("endorsement_id", "cycle_starts_on", "requirement")

    requirement: RequirementId
    reason: Text500


class ExtensionRow(CycleRow):
    """extensions.csv."""

    key = ("email", "association", "category", "endorsed_on", "cycle_starts_on")
    table = Renewal
    table_key = ("endorsement_id", "cycle_starts_on")

    extended_due_on: ExtendedDueDate
    reason: Text500


class DegreeRow(CsvRow):
    """degrees.csv."""

    key = ("email", "level", "title")
    table = Degree
    table_key = ("person_id", "level", "title")
    audited = True

    level: Annotated[str, AfterValidator(OneOf(LEVELS))]
    title: Text200
    awarded_on: PastDay
    transcript: Annotated[str, AfterValidator(OneOf(TRANSCRIPTS))] = "none"


def _check_provides_rsc(provides: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - a cell
    if not provides and RSC in info.data.get("services", "").split("; "):
        raise ValueError(
            f"must be yes, because services include {RSC}; otherwise remove {RSC} from services"
        )
    return provides


class PositionRow(CsvRow):
    """positions.csv. Without gives_rsc, the services say whether the person provides RSC."""

    key = ("email", "title", "starts_on")
    table = Position
    table_key = ("person_id", "title", "starts_on")
    audited = True

    title: Text200
    pay: Annotated[str, AfterValidator(OneOf(PAY))]
    services: Services
    starts_on: Day
    ends_on: EndDay | None = None
    ages: Annotated[str, AfterValidator(OneOf(AGES))] | None = None
    families: Families = 0
    supervised: YesNo = False
    trained: YesNo = False
    gives_rsc: Annotated[YesNo, AfterValidator(_check_provides_rsc)] | None = None
    statements: Statements = ""
    supervisor_email: OtherEmail | None = None


class ReferenceRow(CategoryRow):
    """references.csv: whom an applicant names, and the answer if there is one."""

    key = ("email", "association", "category", "referee_email")
    table = Reference
    table_key = ("application_id", "email")
    audited = True
    day: ClassVar[str] = "received_on"

    referee_email: OtherEmail
    referee_name: Text200
    role: Role
    received_on: PastDay | None = None
    relationship: Text500 | None = None
    signed_as: Text200 | None = None
    role_confirmed: YesNo | None = None
    endorsed_by: Organization | None = None
    endorsed_as: RefereeCategory | None = None
    vetted: YesNo | None = None


class AttestationRow(CategoryRow):
    """attestations.csv: what an applicant has signed."""

    key = ("email", "association", "category", "what")
    table = Attestation
    table_key = ("application_id", "what")
    audited = True
    day: ClassVar[str] = "signed_on"

    what: AttestationName
    signed_on: PastDay


class ExamRow(CategoryRow):
    """exams.csv: written examinations."""

    key = ("email", "association", "category", "taken_on")
    table = ExamResult
    table_key = ("application_id", "taken_on")
    audited = True
    day: ClassVar[str] = "taken_on"

    taken_on: PastDay
    passed: YesNo


def _check_one_provider(name: str, info: ValidationInfo) -> str:
    if info.data.get("provider_email"):
        raise ValueError("must be empty if provider_email is given")
    return name


def _check_one_reference(reference: str, info: ValidationInfo) -> str:
    if info.data.get("reference"):
        raise ValueError("must be empty if reference is given")
    return reference


class EntryRow(CsvRow):
    """entries.csv: logged sessions. Minutes, also in ``topics``.

    A ``reference`` identifies the session in later imports; several sessions can have the same
    ``shared_reference``. A provider without a known address is given by name.
    """

    table = Entry

    activity: Annotated[str, AfterValidator(OneOf(("training", "rsc")))]
    date: PastDay
    hours: SessionLength
    title: Text300
    topics: TopicMinutes = ()
    provider_email: OtherEmail | None = None
    provider_name: Annotated[Text200, AfterValidator(_check_one_provider)] | None = None
    format: Annotated[str, AfterValidator(OneOf(("individual", "group")))] | None = None
    reference: Text200 | None = None
    shared_reference: Annotated[Text200, AfterValidator(_check_one_reference)] | None = None

    def identity(self) -> tuple[Any, ...] | None:
        """The person and the reference; None without one."""
        return (self.email, self.reference) if self.reference else None

    def contradicts(self, first: CsvRow) -> ImportProblem:
        """The problem that an earlier row with the same reference is another session."""
        message = (
            f"contradicts {first.place}, which has the same reference: keep one, or write it in a "
            "column shared_reference if both are sessions"
        )
        return self.problem("reference", message)

    def entry_values(self, person_ids: Mapping[str, int]) -> dict[str, Any]:
        """The columns of the entry, and its topics with their minutes.

        A provider whom the files add has the id 0 until people are stored.
        """
        provider_id = person_ids.get(self.provider_email, 0) if self.provider_email else None
        return {
            "person_id": person_ids.get(self.email, 0),
            "activity": self.activity,
            "held_on": self.date,
            "minutes": self.hours,
            "title": self.title,
            "provider_id": provider_id,
            "provider_name": self.provider_name,
            "format": self.format,
            "reference": self.reference or self.shared_reference,
            "topics": dict(self.topics),
        }

    def problems(self, context: ImportContext) -> list[ImportProblem]:
        """Why the entry can't be saved."""
        errors = find_entry_problems(self.entry_values({}), context)
        return [self.problem(column, message) for column, message in errors]


# The columns of the fields that a refusal names, where they have other names.
_COLUMN_OF_FIELD = {"held_on": "date", "minutes": "hours", "provider": "provider_email"}


def find_entry_problems(
    values: Mapping[str, Any], context: ImportContext
) -> Iterator[tuple[str, str]]:
    """Why an entry with these values (as of `EntryRow.entry_values`) can't be saved, by column."""
    fields = {name: value for name, value in values.items() if name != "person_id"}
    for refusal in validate_entry(EntryInput(**fields), context.entry_rules):
        # Topics are refused one by one: topics.DEIA
        field = refusal.field.partition(".")[0]
        column = _COLUMN_OF_FIELD.get(field, field)
        if column == "provider_email" and values["provider_name"]:
            column = "provider_name"
        yield column, format_refusal(refusal.code, refusal.facts)


OfApplication = ReferenceRow | AttestationRow | ExamRow
OfEndorsement = LeaveRow | WaiverRow | ExtensionRow
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
