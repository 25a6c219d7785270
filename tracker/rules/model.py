"""The form of a rulebook, and of the file of organizations: dated data with sources."""

from datetime import date
from functools import cached_property
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale
from babel.core import UnknownLocaleError
from pydantic import Field, StrictBool, field_validator, model_validator

from tracker.formatting import DEFAULT_LOCALE
from tracker.rules.requirement import (
    Day,
    Degree,
    Key,
    Purpose,
    Requirement,
    Source,
    StrictModel,
    Text,
    require_order,
)

# What a cycle requires that someone is in for a part of it, or that a change cuts short.
PartialHours = Literal["all hours", "no hours", "fraction by month", "fraction by year"]


# An earlier endorsement of the same person that a new one continues.
EarlierEndorsement = Literal["same category", "other category", "other association"]


class Document(StrictModel):
    """A source document; its file name begins with ``file``.

    ``sections`` are its headings and table rows in its own order. If they are given, every
    citation of the document must name one of them.
    """

    file: Text
    title: Text
    sections: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _has_each_section_once(self) -> Self:
        for number, section in enumerate(self.sections):
            if section in self.sections[:number]:
                message = f"the section {section!r} is listed more than once"
                raise ValueError(message)
        return self


class Advice(StrictModel):
    """What a source recommends or describes but does not require: shown, never judged.

    ``hours`` are what is *typical*. ``requirement`` is the id beside which it is shown.
    """

    requirement: Key
    categories: tuple[Key, ...] = Field(min_length=1)
    says: Text
    hours: float | None = Field(strict=True, default=None, gt=0, le=1000)
    source: Source


class RatingQuestion(StrictModel):
    """What referees of applicants rate, by choosing one of the ``scale``; the reviewers read it.

    It is asked from ``from`` through ``until``; without ``until`` it has no last day.
    """

    id: Key
    asks: Text
    categories: tuple[Key, ...] = Field(min_length=1)
    scale: tuple[Text, ...] = Field(min_length=2)
    starts_from: Day = Field(alias="from")
    until: Day | None = None
    source: Source
    interpretation: Key | None = None

    @field_validator("scale")
    @classmethod
    def _has_each_step_once(cls, scale: tuple[str, ...]) -> tuple[str, ...]:
        for number, step in enumerate(scale):
            if step in scale[:number]:
                message = f"{step!r} is listed more than once"
                raise ValueError(message)
        return scale

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.until and self.until < self.starts_from:
            message = f"until ({self.until}) is before from ({self.starts_from})"
            raise ValueError(message)
        return self

    def is_asked(self, category: str, day: date) -> bool:
        """Whether referees of applicants for a category rate it on a day."""
        has_begun = self.starts_from <= day and (self.until is None or day <= self.until)
        return has_begun and category in self.categories


class Alternative(StrictModel):
    """What another reading of an interpretation would change in its rulebook.

    ``reading`` is its place among the readings, from one. ``set`` are new values by path
    (``cycles[1].first_cycle``), ``remove`` the paths of keys and list items that it does without.
    """

    reading: int = Field(strict=True, ge=1)
    changes: dict[str, Any] = Field(default_factory=dict, alias="set")
    remove: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.changes and not self.remove:
            message = "give set or remove: what the reading would change"
            raise ValueError(message)
        return self


class Interpretation(StrictModel):
    """How a silent or ambiguous source is read.

    Without ``document`` it is about the section of that name in every document; without
    ``categories`` about all of them. ``alternatives`` are the readings that can be tried.
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
    alternatives: tuple[Alternative, ...] = ()

    @model_validator(mode="after")
    def _has_each_reading_once(self) -> Self:
        numbers = [alternative.reading for alternative in self.alternatives]
        for place, number in enumerate(numbers):
            if number > len(self.readings):
                message = f"reading {number} is not one of the {len(self.readings)} readings"
                raise ValueError(message)
            if number in numbers[:place]:
                message = f"reading {number} has more than one alternative"
                raise ValueError(message)
        return self


class Category(StrictModel):
    """A category of endorsement that the association issues or accepts from providers."""

    name: Text


class CycleScheme(StrictModel):
    """How cycles run from a date on.

    ``fixed`` cycles end on ``ends_on`` and every ``years`` before and after it; ``anniversary``
    cycles count from the day of endorsement. A cycle is due ``due_days_after_end`` days after its
    last day, and its grace period is the ``grace_days`` that follow; both last days included.
    ``short_cycle`` is what a cycle requires that the change from or to another scheme cuts short.

    The first cycle is an ordinary one if the endorsement continues an earlier one: one of the
    kinds in ``continues`` that ended at most ``continues_within_days`` days before. That holds for
    cycles that begin on ``continues_from`` or later: earlier ones were settled without it.
    """

    starts_from: Day = Field(alias="from")
    kind: Literal["fixed", "anniversary"]
    years: int = Field(strict=True, ge=1, le=10)
    ends_on: Day | None = None
    due_days_after_end: int = Field(strict=True, default=0, ge=0, le=366)
    grace_days: int = Field(strict=True, ge=0, le=366)
    first_cycle: PartialHours = "all hours"
    short_cycle: PartialHours | None = None
    continues: tuple[EarlierEndorsement, ...] = ()
    continues_from: Day | None = None
    continues_within_days: int = Field(strict=True, default=0, ge=0, le=3660)
    interpretation: Key | None = None

    @model_validator(mode="after")
    def _has_an_end_if_fixed(self) -> Self:
        if (self.kind == "fixed") != (self.ends_on is not None):
            message = "a fixed cycle needs ends_on (the last day of one cycle); others have none"
            raise ValueError(message)
        return self


class AcceptedProvider(StrictModel):
    """Providers whose sessions count from ``from`` to ``until``, both days included.

    Either those who hold one of ``categories`` (at any association, or only at ``associations``)
    and at least ``degree``, or those vetted by the association.
    """

    categories: tuple[Key, ...] = ()
    associations: tuple[Key, ...] = ()
    degree: Degree | None = None
    vetted: StrictBool = False
    starts_from: Day | None = Field(default=None, alias="from")
    until: Day | None = None
    source: Source
    interpretation: Key | None = None

    @model_validator(mode="after")
    def _accepts_some(self) -> Self:
        if bool(self.categories) == self.vetted:
            message = "give either categories or vetted = true"
            raise ValueError(message)
        if self.vetted and (self.associations or self.degree):
            message = (
                "associations and degree go with categories: vetted = true accepts everyone whom "
                "this association has vetted. Leave them out, or write another accepts block"
            )
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


class Rulebook(StrictModel):
    """One association's rules.

    ``services``, ``roles``, ``attestations``, and ``topic_names`` have the words for the keys that
    requirements use: what a position offers, who a referee is, what is signed, and what hours are
    about. Dates, numbers, and lists are written as in ``locale``.
    """

    id: Key
    name: Text
    time_zone: str
    locale: str = DEFAULT_LOCALE
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
    ratings: tuple[RatingQuestion, ...] = ()
    advice: tuple[Advice, ...] = ()
    interpretations: tuple[Interpretation, ...] = ()

    @field_validator("time_zone")
    @classmethod
    def _time_zone_exists(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            message = f"{zone!r} is not a time zone: use an IANA name such as America/New_York"
            raise ValueError(message) from error
        return zone

    @field_validator("locale")
    @classmethod
    def _locale_exists(cls, locale: str) -> str:
        try:
            Locale.parse(locale)
        except (UnknownLocaleError, ValueError) as error:
            message = f"{locale!r} is not a locale: use a language and a country such as en_US"
            raise ValueError(message) from error
        return locale

    @field_validator("cycles")
    @classmethod
    def _cycles_in_order(cls, cycles: tuple[CycleScheme, ...]) -> tuple[CycleScheme, ...]:
        require_order("cycles", [scheme.starts_from for scheme in cycles])
        return cycles

    @cached_property
    def topics(self) -> frozenset[str]:
        """The topics of training that some requirement counts or limits."""
        topics: set[str] = set()
        for requirement in self.requirements:
            if requirement.counts == "training":
                topics.update(requirement.besides)
                topics.update(cap.topic for cap in requirement.caps if cap.topic)
                if requirement.topic:
                    topics.add(requirement.topic)
        return frozenset(topics)

    @cached_property
    def rsc_topics(self) -> frozenset[str]:
        """The topics of RSC sessions that some requirement counts."""
        return frozenset(r.topic for r in self.requirements if r.topic and r.counts == "rsc")

    def requirements_of(
        self, category: str, purpose: Purpose = "renewal"
    ) -> tuple[Requirement, ...]:
        """The requirements of a category's renewal, or application, in the file's order."""
        return tuple(r for r in self.requirements if r.of == purpose and category in r.categories)

    def renewal_ids(self, category: str) -> list[str]:
        """The ids of what a category's renewals can require, with those of single years.

        Hours that are required in each year have an id for each: ``rsc.yearly.1``.
        """
        years = max((scheme.years for scheme in self.cycles), default=1)
        ids = []
        for requirement in self.requirements_of(category):
            if requirement.each_year and requirement.counts != "membership":
                ids += [requirement.year_id(number) for number in range(1, years + 1)]
            else:
                ids.append(requirement.id)
        return ids


class Organization(StrictModel):
    """An organization of which people can be members."""

    id: Key
    name: Text
    infant_mental_health: StrictBool = False


class Organizations(StrictModel):
    """The file of organizations."""

    organizations: tuple[Organization, ...] = Field(min_length=1)
