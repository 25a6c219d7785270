"""The form of a rulebook, and of the file of organizations: dated data with sources."""

from datetime import date
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale
from babel.core import UnknownLocaleError
from babel.numbers import get_territory_currencies, list_currencies
from pydantic import Field, StrictBool, ValidationInfo, field_validator

from tracker.formatting import DEFAULT_LOCALE, format_count
from tracker.rules.absence_rules import AbsenceKind, AbsenceRule
from tracker.rules.certificates import CertificateRule
from tracker.rules.fees import Fee
from tracker.rules.key_checks import require_end_after_start, require_order
from tracker.rules.membership import MembershipRule
from tracker.rules.month_days import MonthDay, WindowDay
from tracker.rules.registry import Registry
from tracker.rules.removal_rules import ReinstatementRule, RemovalRule
from tracker.rules.requirement import (
    MONTHS_IN_YEAR,
    Day,
    Degree,
    Hours,
    Key,
    LongHours,
    PartialHours,
    Purpose,
    Requirement,
    Source,
    Text,
)
from tracker.rules.strict_model import StrictModel, check

# What the cycle of endorsement requires.
FirstHours = Literal[PartialHours, "fraction by table"]
# From which day on the cycle of endorsement is counted.
FirstDay = Literal["endorsement", "application"]
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

    @check
    def _has_each_section_once(self) -> None:
        for number, section in enumerate(self.sections):
            if section in self.sections[:number]:
                message = f"the section {section!r} is listed more than once"
                raise ValueError(message)


class Advice(StrictModel):
    """What a source recommends or describes but does not require: shown, never judged.

    ``hours`` are what is *typical*. ``requirement`` is the id beside which it is shown.
    """

    requirement: Key
    categories: tuple[Key, ...] = Field(min_length=1)
    says: Text
    hours: Hours | None = None
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

    @check
    def _ends_after_it_starts(self) -> None:
        require_end_after_start(self.starts_from, self.until)

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

    @check
    def _changes_something(self) -> None:
        if not self.changes and not self.remove:
            message = "give set or remove: what the reading would change"
            raise ValueError(message)


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

    @check
    def _has_each_reading_once(self) -> None:
        numbers = [alternative.reading for alternative in self.alternatives]
        for place, number in enumerate(numbers):
            if number > len(self.readings):
                message = f"reading {number} is not one of the {len(self.readings)} readings"
                raise ValueError(message)
            if number in numbers[:place]:
                message = f"reading {number} has more than one alternative"
                raise ValueError(message)


class Category(StrictModel):
    """A category of endorsement that the association issues or accepts from providers.

    An add-on lasts as long as the endorsement ``beside`` it, of one of these categories. A limited
    term lasts ``term_years`` at most, and ends earlier if it ``becomes`` one of those.
    """

    name: Text
    beside: tuple[Key, ...] = ()
    term_years: int | None = Field(strict=True, default=None, ge=1, le=10)
    becomes: tuple[Key, ...] = ()

    @check
    def _becomes_after_a_term(self) -> None:
        if self.becomes and self.term_years is None:
            message = "becomes goes with term_years, the years after which it ends: add it"
            raise ValueError(message)

    @property
    def ends_by_rule(self) -> bool:
        """Whether its endorsements can end by a rule, before the last day on record."""
        return bool(self.beside or self.term_years)


class FirstShare(StrictModel):
    """The part of a cycle's hours that an endorsement within its first ``months`` requires.

    ``share`` is written as ``"1"``, ``"3/4"``, or ``"0"``.
    """

    months: int = Field(strict=True, ge=1, le=120)
    share: str = Field(pattern=r"^(0|1|[1-9][0-9]?/[1-9][0-9]?)$")

    @field_validator("share")
    @classmethod
    def _is_a_part(cls, share: str) -> str:
        if Fraction(share) > 1:
            message = f"{share} is more than all hours: write a fraction of at most 1"
            raise ValueError(message)
        return share


class CycleScheme(StrictModel):
    """How cycles run from a date on.

    ``fixed`` cycles end on ``ends_on`` and every ``years`` before and after it; ``anniversary``
    cycles count from the day of endorsement. Every first and last day is included.

    A cycle is due on its last day, ``due_days_after_end`` days after it, ``due_days_before_end``
    days before it, or on the last day in it named ``due_on``. It is due at its end instead if
    the due date would be before the cycle or the endorsement, or if a change moves the cycle's
    end so that ``due_on`` no longer fits it. The grace period is the ``grace_days`` that follow,
    or the days through the next ``grace_until``.

    ``submission_opens`` is the last such day of the year by the due date, and
    ``submission_closes`` the next such day after that; or each is so many days from the due date.

    ``short_cycle`` is what a cycle requires that the change from or to another scheme cuts short.
    With ``lengthens_on``, the cycles of the scheme before that run on that day last until the eve
    of this scheme; ``long_cycle`` is what they require, or how many times a full cycle's hours.

    The first cycle, that of endorsement, requires the part ``first_cycle`` of the hours (by the
    rows of ``first_cycle_shares``), counted from the day of ``first_cycle_from``, and nothing of
    the requirements in ``first_cycle_exempts``. Hours of so many months before it count in it.

    The first cycle is an ordinary one if the endorsement continues an earlier one: one of the
    kinds in ``continues`` that ended at most ``continues_within_days`` days before. That holds for
    cycles that begin on ``continues_from`` or later: earlier ones were settled without it.

    Since when an endorsement has been held is counted from the first of an unbroken row of
    endorsements of the kinds in ``held_counts``, without breaks of more than ``held_break_days``.
    """

    starts_from: Day = Field(alias="from")
    kind: Literal["fixed", "anniversary"]
    years: int = Field(strict=True, ge=1, le=10)
    ends_on: Day | None = None
    due_days_after_end: int = Field(strict=True, default=0, ge=0, le=366)
    # Less than a cycle, so that the due date is in it.
    due_days_before_end: int = Field(strict=True, default=0, ge=0, le=364)
    due_on: MonthDay | None = None
    grace_days: int | None = Field(strict=True, default=None, ge=0, le=366)
    grace_until: MonthDay | None = None
    submission_opens: WindowDay | None = None
    submission_closes: WindowDay | None = None
    first_cycle: FirstHours = "all hours"
    first_cycle_shares: tuple[FirstShare, ...] = ()
    first_cycle_from: FirstDay = "endorsement"
    first_cycle_exempts: tuple[Key, ...] = ()
    first_cycle_months_before: int = Field(strict=True, default=0, ge=0, le=60)
    short_cycle: PartialHours | None = None
    lengthens_on: Day | None = None
    long_cycle: LongHours | None = None
    continues: tuple[EarlierEndorsement, ...] = ()
    continues_from: Day | None = None
    continues_within_days: int = Field(strict=True, default=0, ge=0, le=3660)
    held_counts: tuple[EarlierEndorsement, ...] = Field(default=("same category",), min_length=1)
    held_break_days: int = Field(strict=True, default=0, ge=0, le=3660)
    interpretation: Key | None = None

    @check
    def _has_a_table_of_the_whole_cycle(self) -> None:
        if bool(self.first_cycle_shares) != (self.first_cycle == "fraction by table"):
            message = 'first_cycle_shares go with first_cycle = "fraction by table"'
            raise ValueError(message)
        rows, whole = self.first_cycle_shares, self.years * MONTHS_IN_YEAR
        if rows and rows[-1].months != whole:
            message = (
                f"the last row of first_cycle_shares has months = {rows[-1].months}, but a cycle "
                f"has {whole}: write months = {whole} there"
            )
            raise ValueError(message)
        for earlier, later in pairwise(rows):
            if later.months <= earlier.months or Fraction(later.share) > Fraction(earlier.share):
                message = (
                    "first_cycle_shares must have more months and no larger share in each row: "
                    f"{later.months} months with {later.share} follow {earlier.months} with "
                    f"{earlier.share}"
                )
                raise ValueError(message)

    @check
    def _first_cycle_says_nothing_in_vain(self) -> None:
        is_like_others = self.first_cycle == "all hours" and not self.first_cycle_exempts
        counts_application = self.first_cycle_from == "application"
        if counts_application and is_like_others:
            message = (
                "first_cycle_from changes nothing if the first cycle requires all hours: remove "
                "it, or say in first_cycle or first_cycle_exempts what is required"
            )
            raise ValueError(message)
        if self.kind == "anniversary" and (counts_application or self.first_cycle_shares):
            message = (
                "an anniversary cycle begins on the day of endorsement, so its first one is whole: "
                "remove first_cycle_from, and first_cycle_shares"
            )
            raise ValueError(message)
        if self.first_cycle_months_before and self.first_cycle == "no hours":
            message = "the first cycle requires no hours: remove first_cycle_months_before"
            raise ValueError(message)

    @property
    def counts_years(self) -> bool:
        """Whether the file says how years held are counted."""
        return not {"held_counts", "held_break_days"}.isdisjoint(self.model_fields_set)

    @check
    def _has_an_end_if_fixed(self) -> None:
        if (self.kind == "fixed") != (self.ends_on is not None):
            message = "a fixed cycle needs ends_on (the last day of one cycle); others have none"
            raise ValueError(message)
        if self.due_on and self.kind != "fixed":
            message = (
                "due_on goes with fixed cycles, because anniversary cycles end on all days of the "
                "year: write due_days_before_end"
            )
            raise ValueError(message)

    @check
    def _has_one_due_date_and_grace(self) -> None:
        if sum(map(bool, (self.due_days_after_end, self.due_days_before_end, self.due_on))) > 1:
            message = "give only one of due_days_after_end, due_days_before_end, and due_on"
            raise ValueError(message)
        if (self.grace_days is None) == (self.grace_until is None):
            message = "give either grace_days (0 for no grace period) or grace_until"
            raise ValueError(message)

    @check
    def _has_a_whole_window(self) -> None:
        opens, closes = self.submission_opens, self.submission_closes
        if closes is not None and opens is None:
            message = "submission_closes needs submission_opens: when the submission opens"
            raise ValueError(message)
        if isinstance(opens, int) and opens > 0:
            message = (
                f"submission_opens = {opens} is after the due date: write -{opens} for "
                f"{format_count(opens, 'day')} before it"
            )
            raise ValueError(message)
        if isinstance(opens, int) and isinstance(closes, int) and closes < opens:
            message = f"submission_closes = {closes} is before submission_opens = {opens}"
            raise ValueError(message)

    @check
    def _says_what_long_cycles_require(self) -> None:
        if (self.lengthens_on is None) != (self.long_cycle is None):
            message = (
                "lengthens_on (a day of the cycles that are lengthened) and long_cycle (what they "
                "require) go together: give both or neither"
            )
            raise ValueError(message)


class AcceptedProvider(StrictModel):
    """Providers whose sessions count from ``from`` to ``until``, both days included.

    Either those who hold one of ``categories`` (at any association, or only at ``associations``)
    and at least ``degree``, or those vetted by the association (or, with ``associations``, by one
    of those instead). With ``held_years`` sessions count from the day on which the provider has
    held some of these categories at these associations for so many years without a day between.
    """

    categories: tuple[Key, ...] = ()
    associations: tuple[Key, ...] = ()
    degree: Degree | None = None
    vetted: StrictBool = False
    held_years: int | None = Field(strict=True, default=None, ge=1, le=50)
    starts_from: Day | None = Field(default=None, alias="from")
    until: Day | None = None
    source: Source
    interpretation: Key | None = None

    @check
    def _accepts_some(self) -> None:
        if bool(self.categories) == self.vetted:
            message = "give either categories or vetted = true"
            raise ValueError(message)
        if self.vetted and (self.degree or self.held_years):
            message = (
                "degree and held_years go with categories: vetted = true accepts everyone whom "
                "the association has vetted. Leave them out, or write another accepts block"
            )
            raise ValueError(message)
        if self.starts_from and self.until and self.until < self.starts_from:
            message = f"until ({self.until}) is before from ({self.starts_from})"
            raise ValueError(message)

    def is_open(self, day: date) -> bool:
        """Whether ``day`` is neither before nor after the days on which sessions can count."""
        return (self.starts_from or day) <= day <= (self.until or day)


class ProviderRule(StrictModel):
    """Who is a qualified provider; ``says`` is the rule in a few words for people."""

    says: Text
    accepts: tuple[AcceptedProvider, ...] = Field(min_length=1)


class Rulebook(StrictModel):
    """One association's rules.

    ``services``, ``roles``, ``attestations``, and ``topic_names`` have the words for the keys that
    requirements use: what a position offers, who a referee is, what is signed, and what hours are
    about. Dates, numbers, and lists are written as in ``locale``; fees are in ``currency``, that of
    the locale's country unless it is given.
    """

    id: Key
    name: Text
    time_zone: str
    locale: str = DEFAULT_LOCALE
    currency: str = ""
    categories: dict[Key, Category] = Field(min_length=1)
    documents: dict[Key, Document] = Field(default_factory=dict)
    cycles: tuple[CycleScheme, ...] = ()
    absences: tuple[AbsenceRule, ...] = ()
    removals: tuple[RemovalRule, ...] = ()
    reinstatements: tuple[ReinstatementRule, ...] = ()
    providers: dict[Key, ProviderRule] = Field(default_factory=dict)
    memberships: dict[Key, MembershipRule] = Field(default_factory=dict)
    services: dict[Key, Text] = Field(default_factory=dict)
    roles: dict[Key, Text] = Field(default_factory=dict)
    attestations: dict[Key, Text] = Field(default_factory=dict)
    topic_names: dict[Key, Text] = Field(default_factory=dict)
    requirements: tuple[Requirement, ...] = ()
    fees: tuple[Fee, ...] = ()
    certificates: tuple[CertificateRule, ...] = ()
    ratings: tuple[RatingQuestion, ...] = ()
    advice: tuple[Advice, ...] = ()
    interpretations: tuple[Interpretation, ...] = ()
    registry: Registry | None = None

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

    @field_validator("currency")
    @classmethod
    def _currency_exists(cls, currency: str) -> str:
        if currency and currency not in list_currencies():
            message = f"{currency!r} is not a currency: use a code of three letters such as USD"
            raise ValueError(message)
        return currency

    @field_validator("cycles", "certificates", "removals", "reinstatements")
    @classmethod
    def _blocks_in_order(cls, blocks: tuple[Any, ...], info: ValidationInfo) -> tuple[Any, ...]:
        require_order(str(info.field_name), [block.starts_from for block in blocks])
        return blocks

    @field_validator("absences")
    @classmethod
    def _absences_in_order(cls, absences: tuple[AbsenceRule, ...]) -> tuple[AbsenceRule, ...]:
        for kind in sorted({rule.kind for rule in absences}):
            starts = [rule.starts_from for rule in absences if rule.kind == kind]
            require_order(f"absences of kind {kind!r}", starts)
        return absences

    def certificate_rule(self, category: str, day: date) -> CertificateRule | None:
        """The rule by which a category's certificate is issued on a day; None if none is."""
        started = [rule for rule in self.certificates if rule.starts_from <= day]
        rule = started[-1] if started else None
        if rule is None or (rule.until and rule.until < day):
            return None
        return rule if not rule.categories or category in rule.categories else None

    @cached_property
    def currency_code(self) -> str:
        """The currency of fees; empty if neither it nor the locale's country is given."""
        territory = Locale.parse(self.locale).territory
        if self.currency or territory is None:
            return self.currency
        return next(iter(get_territory_currencies(territory)), "")

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

    def years_that_matter(self, category: str) -> tuple[int, ...]:
        """The numbers of years held that change what a category's renewal requires, rising."""
        years = {
            value.held_years
            for requirement in self.requirements_of(category)
            for value in requirement.values
            if value.held_years and value.is_for(category, value.held_years)
        }
        return tuple(sorted(years))

    def absence_rule(self, kind: AbsenceKind, day: date) -> AbsenceRule | None:
        """The rule about leave, or inactive status, in force on a day; None if there is none."""
        started = [r for r in self.absences if r.kind == kind and r.starts_from <= day]
        return started[-1] if started else None

    def requirements_of(
        self, category: str, purpose: Purpose = "renewal"
    ) -> tuple[Requirement, ...]:
        """The requirements of a category for one purpose, in the file's order."""
        return tuple(r for r in self.requirements if r.of == purpose and category in r.categories)

    def fees_of(self, category: str, purpose: Purpose = "renewal") -> tuple[Fee, ...]:
        """The fees of a category's renewal, or reinstatement, in the file's order."""
        return tuple(f for f in self.fees if f.of == purpose and category in f.categories)

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
