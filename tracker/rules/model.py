"""What an initial requirement asks beyond hours: the terms that a rulebook may set."""

from datetime import date
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    StrictBool,
    field_validator,
    model_validator,
)

from tracker.formatting import MINUTES_IN_HOUR

Text = Annotated[str, Field(min_length=1)]
Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9./-]*$", max_length=40)]
# TOML has dates, numbers and booleans of its own: `until = 0` is a slip, not January 1, 1970.
Day = Annotated[date, Strict()]

# What an education may have led to. Only the middle four are degrees, in rising order.
LEVELS = (
    "cda",
    "associate",
    "bachelor",
    "master",
    "doctorate",
    "specialization",
    "certificate",
    "other",
)
Level = Literal[
    "cda", "associate", "bachelor", "master", "doctorate", "specialization", "certificate", "other"
]
DEGREES_RISING = ("associate", "bachelor", "master", "doctorate")
Degree = Literal["associate", "bachelor", "master", "doctorate"]
# How work was paid. An internship is part of a graduate programme.
PAY = ("paid", "volunteer", "internship")
AGES = ("birth to 36 months", "3 up to 6 years")
Ages = Literal["birth to 36 months", "3 up to 6 years"]


class StrictModel(BaseModel):
    """Unknown keys are errors: a misspelt rule must not be silently absent."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class EducationRule(StrictModel):
    """An education: one of ``levels``; one of ``reviewed`` where the reviewers agree.

    ``transcript = "official"`` asks for an official transcript of it.
    """

    levels: tuple[Level, ...] = Field(min_length=1)
    reviewed: tuple[Level, ...] = ()
    transcript: Literal["none", "official"] = "none"


class InternshipRule(StrictModel):
    """A supervised graduate internship in the place of at most ``years`` of work.

    Its supervisor held one of ``supervisors`` while it lasted. The reviewers decide.
    """

    years: int = Field(strict=True, ge=1, le=10)
    supervisors: tuple[Key, ...] = Field(min_length=1)


class WorkRule(StrictModel):
    """Which positions count: those that offer one of ``services``, and all that follows.

    ``statements`` are what an applicant confirms of a position, by key. ``volunteer`` counts
    supervised and trained volunteer work, where the reviewers agree. ``after`` counts days
    from the first such degree, or one above it, on (its day included); where there is none,
    from another education in ``or_after`` on, where the reviewers agree.
    """

    services: tuple[Key, ...] = Field(min_length=1)
    ages: Ages | None = None
    paid: StrictBool = True
    volunteer: StrictBool = False
    supervised: StrictBool = False
    after: Degree | None = None
    or_after: tuple[Level, ...] = ()
    statements: dict[Key, Text] = {}
    internship: InternshipRule | None = None


class ReferenceRule(StrictModel):
    """The references asked for: one for each slot, which lists the roles that may fill it.

    ``instead`` are other sets of slots, which the reviewers must agree to. At least
    ``endorsed`` referees hold one of ``categories``, or (with ``vetted``) are vetted by the
    association on a day up to ``vetted_until``, which is included. Whoever gives a reference
    in one of ``endorsed_roles`` must be one of those.
    """

    slots: tuple[tuple[Key, ...], ...] = Field(min_length=1)
    instead: tuple[tuple[tuple[Key, ...], ...], ...] = ()
    endorsed: int = Field(strict=True, default=0, ge=0, le=9)
    categories: tuple[Key, ...] = ()
    vetted: StrictBool = False
    vetted_until: Day | None = None
    endorsed_roles: tuple[Key, ...] = ()


class WindowRule(StrictModel):
    """Which RSC sessions count: those of the best span of ``months``, of a degree's day or later.

    ``or_after`` is as in `Work`. ``while_giving`` counts only sessions on days on which a
    position had the applicant give RSC to others.
    """

    months: int | None = Field(strict=True, default=None, ge=1, le=120)
    after: Degree | None = None
    or_after: tuple[Level, ...] = ()
    while_giving: StrictBool = False


class Source(StrictModel):
    """Where a rule stands: the document's key in this rulebook, and the section within it."""

    document: Key
    section: Text


class Document(StrictModel):
    """A source document: ``file`` is how its file name begins.

    ``sections`` are its headings and table rows in its own order. Where they are given, whatever
    cites the document cites one of them.
    """

    file: Text
    title: Text
    sections: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _has_each_section_once(self) -> Self:
        for number, section in enumerate(self.sections):
            if section in self.sections[:number]:
                message = f"the section {section!r} stands there more than once"
                raise ValueError(message)
        return self


class Advice(StrictModel):
    """What a source recommends or describes, and nobody must do: shown, never judged.

    ``hours`` are what is *typical*. ``requirement`` is the id beside which it is shown.
    """

    requirement: Key
    categories: tuple[Key, ...] = Field(min_length=1)
    says: Text
    hours: float | None = Field(strict=True, default=None, gt=0, le=1000)
    source: Source


class Interpretation(StrictModel):
    """A reading taken where a source is silent or ambiguous.

    Without ``document`` it is about the section of that name everywhere; without ``categories``
    about all of them.
    """

    id: Key
    document: Key | None = None
    section: Text
    categories: tuple[Key, ...] = ()
    says: Text
    readings: tuple[Text, ...] = Field(min_length=1)
    taken: Text
    change: str = ""
    since: Day


# In rising order: a rule that asks for one accepts each that follows.
DEGREES = ("none", *DEGREES_RISING)

FirstCycle = Literal["all hours", "no hours", "fraction by month", "fraction by year"]
# What a rule is about: staying endorsed, or becoming so.
Purpose = Literal["renewal", "application"]
PURPOSES: tuple[Purpose, ...] = ("renewal", "application")
_HOURS = ("training", "rsc")
MONTHS_IN_YEAR = 12


class Category(StrictModel):
    """A category of endorsement that the association issues or accepts from providers."""

    name: Text


class CycleScheme(StrictModel):
    """How cycles run from a date on.

    ``fixed`` cycles end on ``ends_on`` and each ``years`` before and after it; ``anniversary``
    cycles count from the day of endorsement. A cycle is due ``due_days_after_end`` days after
    its last day, grace runs ``grace_days`` further; both last days included.
    """

    starts_from: Day = Field(alias="from")
    kind: Literal["fixed", "anniversary"]
    years: int = Field(strict=True, ge=1, le=10)
    ends_on: Day | None = None
    due_days_after_end: int = Field(strict=True, default=0, ge=0, le=366)
    grace_days: int = Field(strict=True, ge=0, le=366)
    first_cycle: FirstCycle = "all hours"
    interpretation: Key | None = None

    @model_validator(mode="after")
    def _has_an_end_if_fixed(self) -> Self:
        if (self.kind == "fixed") != (self.ends_on is not None):
            message = "a fixed cycle needs ends_on (the last day of one cycle); others have none"
            raise ValueError(message)
        return self


class AcceptedProvider(StrictModel):
    """Providers whose sessions count from ``from`` to ``until``, both days included.

    Either those who hold one of ``categories`` (at any association, or only at
    ``associations``) and at least ``degree``, or those vetted by the association.
    """

    categories: tuple[Key, ...] = ()
    associations: tuple[Key, ...] = ()
    degree: Literal["associate", "bachelor", "master", "doctorate"] | None = None
    vetted: StrictBool = False
    starts_from: Day | None = Field(default=None, alias="from")
    until: Day | None = None
    source: Source
    interpretation: Key | None = None

    @model_validator(mode="after")
    def _names_someone(self) -> Self:
        if bool(self.categories) == self.vetted:
            message = "give either categories or vetted = true"
            raise ValueError(message)
        if self.starts_from and self.until and self.until < self.starts_from:
            message = f"until ({self.until}) is before from ({self.starts_from})"
            raise ValueError(message)
        return self


class ProviderRule(StrictModel):
    """Who is a qualified provider; ``says`` is the rule in a few words for people."""

    says: Text
    accepts: tuple[AcceptedProvider, ...] = Field(min_length=1)


class MembershipRule(StrictModel):
    """Which organizations' membership is accepted."""

    says: Text
    organizations: tuple[Key, ...] = ()
    any_infant_mental_health_association: StrictBool = False

    @model_validator(mode="after")
    def _accepts_some(self) -> Self:
        if not self.organizations and not self.any_infant_mental_health_association:
            message = "accept at least one organization"
            raise ValueError(message)
        return self


class Value(StrictModel):
    """What is asked from a date on; ``asked = false`` ends the requirement on that date.

    ``hours`` of sessions, ``years`` of work, or how ``many`` of what the requirement's unit says.
    """

    starts_from: Day = Field(alias="from")
    hours: float | None = Field(strict=True, default=None, gt=0, le=1000)
    years: float | None = Field(strict=True, default=None, gt=0, le=50)
    many: int | None = Field(strict=True, default=None, ge=1, le=1000)
    asked: StrictBool = True
    source: Source

    @property
    def minutes(self) -> int:
        """The hours asked, in whole minutes; 0 where it is not about hours or not asked."""
        return round((self.hours or 0) * MINUTES_IN_HOUR)

    @property
    def months(self) -> int:
        """The years asked, in whole months; 0 where it is not about years or not asked."""
        return round((self.years or 0) * MONTHS_IN_YEAR)


class Requirement(StrictModel):
    """Something that a renewal, or an application, for certain categories asks, by date.

    ``either`` names a group of requirements of which one is enough. ``inside`` names the RSC
    requirement within whose hours this one's lie. ``besides`` leaves out the hours about topics.
    """

    id: Key
    of: Purpose = "renewal"
    label: Text
    about: Text
    categories: tuple[Key, ...] = Field(min_length=1)
    counts: Literal[
        "training", "rsc", "membership", "education", "work", "references", "signed", "exam"
    ]
    unit: Text | None = None
    topic: Key | None = None
    besides: tuple[Key, ...] = ()
    asked_of: Literal["everyone", "those who provide RSC"] = "everyone"
    providers: Key | None = None
    membership: Key | None = None
    each_year: StrictBool = False
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
        belongings = {
            "providers": ("rsc", self.providers),
            "membership": ("membership", self.membership),
            "education": ("education", self.education),
            "work": ("work", self.work),
            "references": ("references", self.references),
            "signed": ("signed", self.signed or None),
        }
        for key, (counts, given) in belongings.items():
            if (self.counts == counts) != (given is not None):
                message = f"{key} belongs to what counts {counts}, and must be given there"
                raise ValueError(message)
        if self.topic and self.counts not in _HOURS:
            message = "a topic is a part of hours: counts must be training or rsc"
            raise ValueError(message)
        if self.window and self.counts != "rsc":
            message = "a window is about RSC hours: counts must be rsc"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _belongs_to_its_purpose(self) -> Self:
        renewed = self.counts == "membership" or self.counts in _HOURS
        initial = not renewed or self.window or self.either or (self.topic and self.providers)
        if self.of == "renewal" and (initial or self.besides):
            message = 'only an application asks this: write of = "application"'
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _values_fit(self) -> Self:
        for value in self.values:
            if (value.hours is not None) != (value.asked and self.counts in _HOURS):
                message = (
                    f"the value from {value.starts_from}: hours belong to hours that are asked"
                )
                raise ValueError(message)
            measured = value.years is not None or value.many is not None
            if measured != (value.asked and self.counts == "work"):
                message = (
                    f"the value from {value.starts_from}: give years or many for work that is asked"
                )
                raise ValueError(message)
        _refuse_disorder("values", [v.starts_from for v in self.values])
        return self


class Rulebook(StrictModel):
    """One association's rules.

    ``services``, ``roles``, ``attestations`` and ``topic_names`` hold the words for the keys that
    requirements use: what a position offers, who a referee is, what is signed, and what hours
    are about.
    """

    id: Key
    name: Text
    time_zone: str
    categories: dict[Key, Category] = Field(min_length=1)
    documents: dict[Key, Document] = Field(default_factory=dict)
    cycles: tuple[CycleScheme, ...] = ()
    providers: dict[Key, ProviderRule] = Field(default_factory=dict)
    memberships: dict[Key, MembershipRule] = Field(default_factory=dict)
    services: dict[Key, Text] = Field(default_factory=dict)
    roles: dict[Key, Text] = Field(default_factory=dict)
    attestations: dict[Key, Text] = Field(default_factory=dict)
    topic_names: dict[Key, Text] = Field(default_factory=dict)
    requirements: tuple[Requirement, ...] = ()
    advice: tuple[Advice, ...] = ()
    interpretations: tuple[Interpretation, ...] = ()

    @field_validator("time_zone")
    @classmethod
    def _zone_exists(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            message = f"{zone!r} is no time zone: use an IANA name such as America/New_York"
            raise ValueError(message) from error
        return zone

    @field_validator("cycles")
    @classmethod
    def _cycles_in_order(cls, cycles: tuple[CycleScheme, ...]) -> tuple[CycleScheme, ...]:
        _refuse_disorder("cycles", [c.starts_from for c in cycles])
        return cycles

    @cached_property
    def topics(self) -> frozenset[str]:
        """The topics of training that some requirement counts."""
        return frozenset(
            t
            for r in self.requirements
            for t in (r.topic, *r.besides)
            if t and r.counts == "training"
        )

    @cached_property
    def rsc_topics(self) -> frozenset[str]:
        """What a part of an RSC session may be about, where some requirement counts it."""
        return frozenset(r.topic for r in self.requirements if r.topic and r.counts == "rsc")

    def requirements_of(
        self, category: str, purpose: Purpose = "renewal"
    ) -> tuple[Requirement, ...]:
        """What a category's renewal, or the application for it, asks, in the file's order."""
        return tuple(r for r in self.requirements if r.of == purpose and category in r.categories)


class Organization(StrictModel):
    """An organization in which one can be a member."""

    id: Key
    name: Text
    infant_mental_health: StrictBool = False


class Organizations(StrictModel):
    """The file of organizations."""

    organizations: tuple[Organization, ...] = Field(min_length=1)


def _refuse_disorder(what: str, starts: list[date]) -> None:
    for earlier, later in pairwise(starts):
        if later <= earlier:
            message = f"{what} must stand in rising order of from: {later} follows {earlier}"
            raise ValueError(message)
