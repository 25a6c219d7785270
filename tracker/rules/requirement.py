"""The form of a requirement in a rulebook: what it counts, from when on, and by which terms."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, PlainValidator, Strict, StrictBool

from tracker.far_days import is_far
from tracker.formatting import MINUTES_IN_HOUR
from tracker.rules.key_checks import require_company, require_each_once, require_order
from tracker.rules.strict_model import StrictModel, check

MONTHS_IN_YEAR = 12


def _check_minutes(hours: float) -> float:
    """Refuse what is no whole number of minutes: it would be rounded silently."""
    minutes = hours * MINUTES_IN_HOUR
    if abs(minutes - round(minutes)) > _ROUNDING:
        raise ValueError("hours are whole minutes: write 45.5 for 45 hours and 30 minutes")
    return hours


# More than a sum of binary fractions is wrong by, less than any fraction that somebody writes.
_ROUNDING = 1e-6
Hours = Annotated[float, Field(strict=True, gt=0, le=1000), AfterValidator(_check_minutes)]
Text = Annotated[str, Field(min_length=1)]
Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9./-]*$", max_length=40)]


def _check_nearness(day: date) -> date:
    if is_far(day):
        message = (
            "is too far away: leave the key out if there is no such day; the last day of a cycle "
            "is that of any real one"
        )
        raise ValueError(message)
    return day


# TOML has dates, numbers, and booleans of its own: `until = 0` is an error, not January 1, 1970.
Day = Annotated[date, Strict(), AfterValidator(_check_nearness)]

# What a cycle requires that someone is in for a part of it, or that a change cuts short.
PartialHours = Literal["all hours", "no hours", "fraction by month", "fraction by year"]
_MOST_TIMES = 10


def _check_long_cycle(value: object) -> str | float:
    """What a lengthened cycle requires; checked here, because a union has an error a member."""
    if value in get_args(PartialHours):
        return str(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        value = 0
    if not 0 < value <= _MOST_TIMES:
        listed = ", ".join(get_args(PartialHours))
        message = (
            f"must be one of {listed}, or how many times a full cycle's hours are required, such "
            f"as 1.5 (at most {_MOST_TIMES})"
        )
        raise ValueError(message)
    return float(value)


# `PartialHours`, or how many times a full cycle's hours.
LongHours = Annotated[str | float, PlainValidator(_check_long_cycle)]

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
# Who a membership is of: the person, or the agency that they work for.
MembershipKind = Literal["individual", "agency"]
MEMBERSHIP_KINDS: tuple[MembershipKind, ...] = get_args(MembershipKind)
INDIVIDUAL = "individual"
# How an RSC session was held, as entries record it.
SessionFormat = Literal["individual", "group", "peer"]
FORMATS: tuple[SessionFormat, ...] = get_args(SessionFormat)
# The service of a position that provides RSC to others, as every rulebook names it.
RSC_SERVICE = "rsc"
# What a rule is about: staying endorsed, becoming endorsed, or coming back after a removal.
Purpose = Literal["renewal", "application", "reinstatement"]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
# What is counted in hours.
HOURS = ("training", "rsc")
# Whom a renewal asks: with the last two, those whose leave or inactive status ended in the cycle.
AskedOf = Literal[
    "everyone",
    "those who provide RSC",
    "those who return from leave",
    "those who return from inactive status",
]
# Keys that change nothing unless this is counted.
_GOES_WITH = {
    "formats": "rsc",
    "besides": "training",
    "inside": "rsc",
    "reviewed": "signed",
    "unit": "work",
}
_RENEWAL_COUNTS = (*HOURS, "membership", "signed", "submitted", "paid")
_ONLY_RENEWALS = {
    "submitted": "an application is submitted anyway",
    "paid": "fees are those of renewals and reinstatements",
}
# What a signed statement can stand for.
_ATTESTABLE = (*HOURS, "membership")


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
    statements: dict[Key, Text] = Field(default_factory=dict)
    internship: InternshipRule | None = None

    @check
    def _counts_from_a_degree(self) -> None:
        require_company("or_after", self.or_after, "after", self.after)


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

    @check
    def _says_who_is_endorsed(self) -> None:
        accepts = self.categories or self.vetted
        requires = self.endorsed or self.endorsed_roles
        require_company("vetted_until", self.vetted_until, "vetted = true", self.vetted)
        require_company("categories or vetted", accepts, "endorsed or endorsed_roles", requires)
        require_company("endorsed or endorsed_roles", requires, "categories or vetted", accepts)
        if self.endorsed > len(self.slots):
            message = (
                f"endorsed = {self.endorsed} is more than the {len(self.slots)} references: write "
                "fewer, or another list in slots"
            )
            raise ValueError(message)


class WindowRule(StrictModel):
    """Which sessions count. For an application: the RSC of the best span of ``months``.

    ``after`` and ``or_after`` are as in `WorkRule`. ``while_giving`` counts only sessions on days
    on which the applicant had a position that provides RSC to others.

    For a reinstatement: those of the ``months`` that end on the day on which it is submitted (until
    then, today), or those since the day of the removal.
    """

    months: int | None = Field(strict=True, default=None, ge=1, le=120)
    since: Literal["removal"] | None = None
    after: Degree | None = None
    or_after: tuple[Level, ...] = ()
    while_giving: StrictBool = False

    @check
    def _limits_something(self) -> None:
        require_company("or_after", self.or_after, "after", self.after)
        if not (self.months or self.after or self.while_giving or self.since):
            message = "limits nothing: write months, after, or while_giving, or remove it"
            raise ValueError(message)


class Source(StrictModel):
    """Where a rule stands: the document's key in this rulebook, and the section within it."""

    document: Key
    section: Text


class Value(StrictModel):
    """What is required from a date on; ``asked = false`` ends the requirement on that date.

    ``hours`` of sessions, in how many calendar ``months`` a session must fall, ``years`` of work,
    or how ``many`` of the requirement's unit. Only for some of the requirement's ``categories``
    (none: for all), and only for endorsements that, on the cycle's first day, have been held for
    ``held_years`` or more.
    """

    starts_from: Day = Field(alias="from")
    categories: tuple[Key, ...] = ()
    held_years: int = Field(strict=True, default=0, ge=0, le=50)
    hours: Hours | None = None
    months: int | None = Field(strict=True, default=None, ge=1, le=120)
    years: float | None = Field(strict=True, default=None, gt=0, le=50)
    many: int | None = Field(strict=True, default=None, ge=1, le=1000)
    asked: StrictBool = True
    source: Source

    @property
    def group(self) -> tuple[frozenset[str], int]:
        """For whom it is; the values of one group follow each other by date."""
        return frozenset(self.categories), self.held_years

    def is_for(self, category: str, held_years: int) -> bool:
        """Whether it is for endorsements of a category that are held for so many years."""
        return self.held_years <= held_years and (
            not self.categories or category in self.categories
        )

    @property
    def minutes(self) -> int:
        """The hours required, in whole minutes; 0 if it is not about hours."""
        return round((self.hours or 0) * MINUTES_IN_HOUR)

    @property
    def months_of_work(self) -> int:
        """The years required, in whole months; 0 if it is not about years."""
        return round((self.years or 0) * MONTHS_IN_YEAR)


class Cap(StrictModel):
    """At most so many of a requirement's hours count that are alike.

    Those of RSC sessions held in one of ``formats``, or training hours about ``topic``. The value
    in force on a cycle's first day limits them, unless the cap has ended by its last day.
    """

    formats: tuple[SessionFormat, ...] = ()
    topic: Key | None = None
    interpretation: Key | None = None
    values: tuple[Value, ...] = Field(min_length=1)

    @check
    def _names_what_it_limits(self) -> None:
        if bool(self.formats) == bool(self.topic):
            message = 'a cap limits hours that are alike: write formats = ["peer"], or a topic'
            raise ValueError(message)
        require_each_once("formats", self.formats)

    @check
    def _values_are_hours(self) -> None:
        for value in self.values:
            has_others = any((value.months, value.years, value.many))
            if (value.hours is not None) != value.asked or has_others:
                message = f"the value from {value.starts_from}: a cap needs hours"
                raise ValueError(message)
            if value.categories or value.held_years:
                message = (
                    f"the value from {value.starts_from}: a cap is the same for everyone: remove "
                    "categories and held_years"
                )
                raise ValueError(message)
        require_order("values", [value.starts_from for value in self.values])


class Requirement(StrictModel):
    """What renewals, applications, or reinstatements of certain categories require, by date.

    ``formats`` are the formats of the RSC sessions that count (none given: any), ``caps`` limit
    how many hours of a kind count. ``each_year`` requires the membership, the hours, or the months
    in each year of the cycle; its years begin on its first day. ``either`` names a group of
    requirements of which one is enough. ``inside`` names the RSC requirement whose hours include
    these. ``besides`` names topics whose hours do not count here. ``attested_by`` is the statement
    that, signed with the renewal, stands for what is missing. ``fee`` is the fee that has to be
    paid.
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
        "paid",
    ]
    unit: Text | None = None
    topic: Key | None = None
    formats: tuple[SessionFormat, ...] = ()
    caps: tuple[Cap, ...] = ()
    besides: tuple[Key, ...] = ()
    asked_of: AskedOf = "everyone"
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
    fee: Key | None = None
    reviewed: StrictBool = False
    interpretation: Key | None = None
    values: tuple[Value, ...] = Field(min_length=1)

    def year_id(self, number: int) -> str:
        """The id of what it requires in one year of a cycle, counted from one."""
        return f"{self.id}.{number}"

    @check
    def _years_have_no_unit(self) -> None:
        for value in self.values:
            if value.years is not None and (value.many is not None or self.unit):
                message = (
                    f"the value from {value.starts_from}: years are measured without many and "
                    "unit: remove those, or years"
                )
                raise ValueError(message)

    @check
    def _fits_what_it_counts(self) -> None:
        needed = {
            "rsc": "providers",
            "membership": "membership",
            "education": "education",
            "work": "work",
            "references": "references",
            "signed": "signed",
            "paid": "fee",
        }
        for counts, key in needed.items():
            if (self.counts == counts) != bool(getattr(self, key)):
                message = f"{key} goes with counts = {counts!r}, and is needed there"
                raise ValueError(message)
        if self.topic and self.counts not in HOURS:
            message = "a topic is a part of hours: counts must be training or rsc"
            raise ValueError(message)
        windowed = HOURS if self.of == "reinstatement" else ("rsc",)
        if self.window and self.counts not in windowed:
            message = f"a window is about hours: counts must be {' or '.join(windowed)}"
            raise ValueError(message)

    @check
    def _fits_its_purpose(self) -> None:
        is_rsc_topic = self.topic and self.counts == "rsc"
        only_applications = self.window or self.either or self.besides or is_rsc_topic
        if self.of == "renewal" and (self.counts not in _RENEWAL_COUNTS or only_applications):
            message = 'only an application can require this: write of = "application"'
            raise ValueError(message)
        if self.of == "application" and self.counts in _ONLY_RENEWALS:
            message = f"only a renewal can require this: {_ONLY_RENEWALS[self.counts]}"
            raise ValueError(message)

    @check
    def _says_nothing_in_vain(self) -> None:
        for key, counts in _GOES_WITH.items():
            if getattr(self, key) and self.counts != counts:
                message = f"{key} goes with counts = {counts!r}, not {self.counts!r}: remove it"
                raise ValueError(message)
        by_years = any(value.held_years for value in self.values)
        only_renewals = self.each_year or self.attested_by or self.asked_of != "everyone"
        if self.of != "renewal" and (only_renewals or by_years):
            message = (
                "each_year, attested_by, asked_of, and held_years go with renewals: remove them"
            )
            raise ValueError(message)

    @check
    def _is_signed_as_it_can_be(self) -> None:
        if self.of == "renewal" and self.reviewed:
            message = "reviewed goes with applications: endorsees sign a renewal themselves"
            raise ValueError(message)
        if self.attested_by and self.counts not in _ATTESTABLE:
            message = "attested_by goes with training, rsc, and membership: remove it"
            raise ValueError(message)
        if self.of == "application" and (self.formats or self.caps):
            message = "formats and caps go with renewals: remove them from an application"
            raise ValueError(message)

    @check
    def _limits_its_sessions(self) -> None:
        if self.each_year and self.counts not in (*HOURS, "membership"):
            message = "each_year goes with training, rsc, and membership: remove it"
            raise ValueError(message)
        require_each_once("formats", self.formats)
        for number, cap in enumerate(self.caps, 1):
            fault = self._find_fault(cap, self.caps[: number - 1])
            if fault:
                message = f"caps[{number}]: {fault}"
                raise ValueError(message)

    def _find_fault(self, cap: Cap, earlier: Sequence[Cap]) -> str | None:
        """What is wrong with a cap beside those before it; None if nothing is."""
        if cap.topic and (self.counts != "training" or self.topic):
            return "a topic limits the training hours of a requirement without one"
        if cap.formats and self.counts != "rsc":
            return "formats are those of RSC sessions: counts must be rsc"
        counted = self.formats or FORMATS
        if not {*cap.formats} < {*counted}:
            return f"it must limit some, not all, of the formats that count: {', '.join(counted)}"
        if any(_overlap(cap, other) for other in earlier):
            return "another cap of this requirement limits some of the same"
        return None

    @check
    def _values_fit(self) -> None:
        for value in self.values:
            has_amount = value.hours is not None or value.months is not None
            if has_amount != (value.asked and self.counts in HOURS):
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
        for values in self.grouped_values.values():
            require_order("values", [value.starts_from for value in values])

    @check
    def _values_are_for_its_categories(self) -> None:
        groups = {value.group[0]: value for value in self.values if value.categories}
        for group, value in groups.items():
            if unknown := sorted(group - {*self.categories}):
                message = (
                    f"the value from {value.starts_from} is for {', '.join(unknown)}, which the "
                    "requirement's categories lack: add it there, or remove it from the value"
                )
                raise ValueError(message)
            for other in groups:
                if group != other and (shared := sorted(group & other)):
                    message = (
                        f"two values are for {', '.join(shared)} beside different categories: "
                        "write the same categories in both, or name each in one of them only"
                    )
                    raise ValueError(message)

    @check
    def _has_a_value_for_each_category(self) -> None:
        named = [category for value in self.values for category in value.categories]
        left_out = sorted({*self.categories}.difference(named))
        if left_out and all(value.categories for value in self.values):
            message = (
                f"no value is for {', '.join(left_out)}: add a value without categories, or remove "
                "it from the requirement's categories"
            )
            raise ValueError(message)

    @check
    def _values_end_together(self) -> None:
        last = {group: values[-1] for group, values in self.grouped_values.items()}
        for (categories, years), value in last.items():
            going_on = [
                other
                for (others, more), other in last.items()
                if other.asked and (not categories or others == categories) and more >= years
            ]
            if not value.asked and going_on:
                message = (
                    f"the value from {value.starts_from} ends the requirement, but that from "
                    f"{going_on[0].starts_from} for fewer people goes on: end it too. What is "
                    "required of those alone is a requirement of its own"
                )
                raise ValueError(message)

    def values_for(self, category: str) -> tuple[Value, ...]:
        """The values that are, were, or will be for a category, in the file's order.

        A value for all categories is not, once there is one for this category held no longer.
        """
        own = [value for value in self.values if category in value.categories]

        def is_for(value: Value) -> bool:
            begun = [o.starts_from for o in own if o.held_years <= value.held_years]
            is_general = not value.categories and value.starts_from < min(begun, default=date.max)
            return is_general or value in own

        return tuple(filter(is_for, self.values))

    @property
    def grouped_values(self) -> dict[tuple[frozenset[str], int], list[Value]]:
        """The values for the same endorsements, by date; in the file's order of their firsts."""
        groups: dict[tuple[frozenset[str], int], list[Value]] = {}
        for value in self.values:
            groups.setdefault(value.group, []).append(value)
        return groups

    @check
    def _months_stand_alone(self) -> None:
        if not any(value.months for value in self.values):
            return
        if self.of != "renewal":
            message = "months go with renewals: others have a window"
        elif any(value.hours for value in self.values):
            message = "months and hours are two requirements: write another one with its own id"
        elif self.caps:
            message = "caps limit hours: remove them from a requirement of months"
        else:
            return
        raise ValueError(message)


def _overlap(one: Cap, other: Cap) -> bool:
    """Whether two caps limit some of the same hours, and neither lies within the other.

    Caps of one requirement have either topics or formats.
    """
    if one.topic:
        return one.topic == other.topic
    formats, others = {*one.formats}, {*other.formats}
    is_nested = formats < others or others < formats
    return bool(formats & others) and not is_nested
