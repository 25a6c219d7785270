"""The form of a requirement in a rulebook: what it counts, from when on, and by which terms."""

from datetime import date, timedelta
from itertools import pairwise
from typing import Annotated, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    StrictBool,
    model_validator,
)

from tracker.formatting import MINUTES_IN_HOUR

MONTHS_IN_YEAR = 12
Text = Annotated[str, Field(min_length=1)]
Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9./-]*$", max_length=40)]
# TOML has dates, numbers, and booleans of its own: `until = 0` is an error, not January 1, 1970.
_THOUSAND_YEARS = timedelta(days=366 * 1000)


def _check_nearness(day: date) -> date:
    """Refuse days so far away that one cannot count from them."""
    if not date.min + _THOUSAND_YEARS <= day <= date.max - _THOUSAND_YEARS:
        message = (
            "is too far away: leave the key out if there is no such day; the last day of a cycle "
            "is that of any real one"
        )
        raise ValueError(message)
    return day


Day = Annotated[date, Strict(), AfterValidator(_check_nearness)]

# What an education may have led to. Only the middle four are degrees, in rising order.
Level = Literal[
    "cda", "associate", "bachelor", "master", "doctorate", "specialization", "certificate", "other"
]
LEVELS: tuple[Level, ...] = get_args(Level)
Degree = Literal["associate", "bachelor", "master", "doctorate"]
DEGREES_RISING: tuple[Degree, ...] = get_args(Degree)
# In rising order: a rule that requires one accepts each that follows.
DEGREES = ("none", *DEGREES_RISING)
# How work was paid. An internship is part of a graduate program.
PAY = ("paid", "volunteer", "internship")
Ages = Literal["birth to 36 months", "3 up to 6 years"]
AGES: tuple[Ages, ...] = get_args(Ages)
# What a position serves: one of the age groups, or both.
POSITION_AGES = (*AGES, "; ".join(AGES))
# How an RSC session was held, as entries record it.
SessionFormat = Literal["individual", "group", "peer"]
FORMATS: tuple[SessionFormat, ...] = get_args(SessionFormat)
# The service of a position that provides RSC to others, as every rulebook names it.
RSC_SERVICE = "rsc"
# What a rule is about: staying endorsed, or becoming endorsed.
Purpose = Literal["renewal", "application"]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
# What is counted in hours.
HOURS = ("training", "rsc")
# Keys that change nothing unless this is counted.
_GOES_WITH = {
    "each_year": "membership",
    "besides": "training",
    "inside": "rsc",
    "reviewed": "signed",
}
_RENEWAL_COUNTS = (*HOURS, "membership", "signed", "submitted")
# What a signed statement can stand for.
_ATTESTABLE = (*HOURS, "membership")


class StrictModel(BaseModel):
    """Unknown keys are errors: a misspelled rule must not be silently absent."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class EducationRule(StrictModel):
    """An education of one of ``levels``, or of one of ``reviewed`` if the reviewers agree.

    ``transcript = "official"`` requires an official transcript of it.
    """

    levels: tuple[Level, ...] = Field(min_length=1)
    reviewed: tuple[Level, ...] = ()
    transcript: Literal["none", "official"] = "none"


class InternshipRule(StrictModel):
    """A supervised graduate internship in place of at most ``years`` of work.

    Its supervisor held one of ``supervisors`` while it lasted. The reviewers decide.
    """

    years: int = Field(strict=True, ge=1, le=10)
    supervisors: tuple[Key, ...] = Field(min_length=1)


class WorkRule(StrictModel):
    """Which positions count: those that offer one of ``services`` and meet all other terms.

    ``statements`` are what an applicant confirms about a position, by key. ``volunteer`` counts
    supervised and trained volunteer work, if the reviewers agree. ``after`` counts days from the
    day of the first such degree, or of one above it. If there is none, days count from the day of
    another education in ``or_after``, if the reviewers agree. ``beyond_paid``: some of it must be
    in addition to paid work; if only paid work is on record, the reviewers decide.
    """

    services: tuple[Key, ...] = Field(min_length=1)
    ages: Ages | None = None
    paid: StrictBool = True
    volunteer: StrictBool = False
    beyond_paid: StrictBool = False
    supervised: StrictBool = False
    after: Degree | None = None
    or_after: tuple[Level, ...] = ()
    statements: dict[Key, Text] = {}
    internship: InternshipRule | None = None


class ReferenceRule(StrictModel):
    """The references required: one for each slot, which lists the roles that may fill it.

    ``instead`` are other sets of slots, to which the reviewers must agree. At least ``endorsed``
    referees hold one of ``categories``, or (with ``vetted``) are vetted by the association on a
    day through ``vetted_until``. A referee in one of ``endorsed_roles`` must be one of those.
    """

    slots: tuple[tuple[Key, ...], ...] = Field(min_length=1)
    instead: tuple[tuple[tuple[Key, ...], ...], ...] = ()
    endorsed: int = Field(strict=True, default=0, ge=0, le=9)
    categories: tuple[Key, ...] = ()
    vetted: StrictBool = False
    vetted_until: Day | None = None
    endorsed_roles: tuple[Key, ...] = ()


class WindowRule(StrictModel):
    """Which RSC sessions count: those of the best span of ``months``, after a degree.

    ``after`` and ``or_after`` are as in `WorkRule`. ``while_giving`` counts only sessions on days
    on which the applicant had a position that provides RSC to others.
    """

    months: int | None = Field(strict=True, default=None, ge=1, le=120)
    after: Degree | None = None
    or_after: tuple[Level, ...] = ()
    while_giving: StrictBool = False


class Source(StrictModel):
    """Where a rule stands: the document's key in this rulebook, and the section within it."""

    document: Key
    section: Text


class Value(StrictModel):
    """What is required from a date on; ``asked = false`` ends the requirement on that date.

    ``hours`` of sessions, ``years`` of work, or how ``many`` of the requirement's unit.
    """

    starts_from: Day = Field(alias="from")
    hours: float | None = Field(strict=True, default=None, gt=0, le=1000)
    years: float | None = Field(strict=True, default=None, gt=0, le=50)
    many: int | None = Field(strict=True, default=None, ge=1, le=1000)
    asked: StrictBool = True
    source: Source

    @property
    def minutes(self) -> int:
        """The hours required, in whole minutes; 0 if it is not about hours."""
        return round((self.hours or 0) * MINUTES_IN_HOUR)

    @property
    def months(self) -> int:
        """The years required, in whole months; 0 if it is not about years."""
        return round((self.years or 0) * MONTHS_IN_YEAR)


class Requirement(StrictModel):
    """What renewals, or applications, of certain categories require, by date.

    ``either`` names a group of requirements of which one is enough. ``inside`` names the RSC
    requirement whose hours include these. ``besides`` names topics whose hours do not count here.
    ``attested_by`` is the statement that, signed with the renewal, stands for what is missing.
    """

    id: Key
    of: Purpose = "renewal"
    label: Text
    about: Text
    categories: tuple[Key, ...] = Field(min_length=1)
    counts: Literal[
        "training",
        "rsc",
        "membership",
        "education",
        "work",
        "references",
        "signed",
        "exam",
        "submitted",
    ]
    unit: Text | None = None
    topic: Key | None = None
    besides: tuple[Key, ...] = ()
    asked_of: Literal["everyone", "those who provide RSC"] = "everyone"
    providers: Key | None = None
    membership: Key | None = None
    each_year: StrictBool = False
    attested_by: Key | None = None
    either: Key | None = None
    inside: Key | None = None
    window: WindowRule | None = None
    education: EducationRule | None = None
    work: WorkRule | None = None
    references: ReferenceRule | None = None
    signed: tuple[Key, ...] = ()
    reviewed: StrictBool = False
    interpretation: Key | None = None
    values: tuple[Value, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _fits_what_it_counts(self) -> Self:
        needed = {
            "rsc": "providers",
            "membership": "membership",
            "education": "education",
            "work": "work",
            "references": "references",
            "signed": "signed",
        }
        for counts, key in needed.items():
            if (self.counts == counts) != bool(getattr(self, key)):
                message = f"{key} goes with counts = {counts!r}, and is needed there"
                raise ValueError(message)
        if self.topic and self.counts not in HOURS:
            message = "a topic is a part of hours: counts must be training or rsc"
            raise ValueError(message)
        if self.window and self.counts != "rsc":
            message = "a window is about RSC hours: counts must be rsc"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _fits_its_purpose(self) -> Self:
        is_rsc_topic = self.topic and self.counts == "rsc"
        only_applications = self.window or self.either or self.besides or is_rsc_topic
        if self.of == "renewal" and (self.counts not in _RENEWAL_COUNTS or only_applications):
            message = 'only an application can require this: write of = "application"'
            raise ValueError(message)
        if self.of == "application" and self.counts == "submitted":
            message = "only a renewal can require this: an application is submitted anyway"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _says_nothing_in_vain(self) -> Self:
        for key, counts in _GOES_WITH.items():
            if getattr(self, key) and self.counts != counts:
                message = f"{key} goes with counts = {counts!r}, not {self.counts!r}: remove it"
                raise ValueError(message)
        only_renewals = self.each_year or self.attested_by or self.asked_of != "everyone"
        if self.of == "application" and only_renewals:
            message = (
                "each_year, attested_by, and asked_of go with renewals: remove them from an "
                "application"
            )
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _is_signed_as_it_can_be(self) -> Self:
        if self.of == "renewal" and self.reviewed:
            message = "reviewed goes with applications: endorsees sign a renewal themselves"
            raise ValueError(message)
        if self.attested_by and self.counts not in _ATTESTABLE:
            message = "attested_by goes with training, rsc, and membership: remove it"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _values_fit(self) -> Self:
        for value in self.values:
            if (value.hours is not None) != (value.asked and self.counts in HOURS):
                message = (
                    f"the value from {value.starts_from}: hours go with training and rsc that "
                    "are required"
                )
                raise ValueError(message)
            is_measured = value.years is not None or value.many is not None
            if is_measured != (value.asked and self.counts == "work"):
                message = (
                    f"the value from {value.starts_from}: years or many go with work that is "
                    "required"
                )
                raise ValueError(message)
        require_order("values", [value.starts_from for value in self.values])
        return self


def require_order(what: str, starts: list[date]) -> None:
    """Raise ValueError unless each date is later than the one before."""
    for earlier, later in pairwise(starts):
        if later <= earlier:
            message = f"{what} must be in order of their from dates: {later} follows {earlier}"
            raise ValueError(message)
