"""The form of a rule about leave and inactive status: what it excuses, how long, how often."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Literal, get_args

from dateutil.relativedelta import relativedelta
from pydantic import Field, StrictBool

from tracker.rules.dated_block import DatedBlock
from tracker.rules.requirement import Key
from tracker.rules.strict_model import check

_DAY = timedelta(days=1)
# The kinds of time in which an endorsement is not used.
AbsenceKind = Literal["leave", "inactive", "emeritus"]
KINDS: tuple[AbsenceKind, ...] = get_args(AbsenceKind)
# What somebody, or the endorsement, is meanwhile; and what it is called.
ABSENCE_WORDS: Mapping[AbsenceKind, str] = {
    "leave": "on leave",
    "inactive": "inactive",
    "emeritus": "emeritus",
}
ABSENCE_NOUNS: Mapping[AbsenceKind, str] = {
    "leave": "leave",
    "inactive": "inactive status",
    "emeritus": "emeritus status",
}
# How much of a renewal a time away excuses.
Excuses = Literal["all that is missing", "hours in proportion", "nothing"]
# Whether a month that is not whole counts as one.
Months = Literal["whole", "begun"]
# Keys that say how long, and those that go with another one.
_NOT_OF_EMERITUS = (
    *("excuses", "months", "requirements", "membership", "shortest_days", "shortest_months"),
    *("longest_days", "longest_months", "most", "within_cycles", "within_years"),
)
_LENGTHS = (("shortest_days", "shortest_months"), ("longest_days", "longest_months"))


def read_kind(kind: object) -> AbsenceKind:
    """The kind of days away of a stored word; leave if it is none of the others."""
    return next((each for each in KINDS if each == kind), "leave")


class AbsenceRule(DatedBlock):
    """What a leave, or inactive status, excuses in cycles that begin on ``from`` or later.

    How long it may last and how often, and whether it is ``allowed`` at all, is about those that
    begin on ``from`` or later. Without ``excuses`` it depends on the cycle (`AbsenceTerms`).
    ``requirements`` are the ids of those that are excused, default all hours (or, with "all that is
    missing", everything); ``membership`` is said by itself. A time away that is shorter than the
    shortest excuses nothing; what is longer than the longest excuses nothing after that.

    Emeritus status excuses everything, and needs no last day, so it has none of these keys. With
    ``held_years`` it is for endorsements that are held for so many whole years on its first day.
    """

    kind: AbsenceKind
    allowed: StrictBool = True
    excuses: Excuses | None = None
    months: Months = "whole"
    requirements: tuple[Key, ...] = ()
    membership: Literal["required", "excused"] | None = None
    shortest_days: int | None = Field(strict=True, default=None, ge=2, le=3660)
    shortest_months: int | None = Field(strict=True, default=None, ge=1, le=120)
    longest_days: int | None = Field(strict=True, default=None, ge=1, le=3660)
    longest_months: int | None = Field(strict=True, default=None, ge=1, le=120)
    most: int | None = Field(strict=True, default=None, ge=1, le=99)
    within_cycles: int | None = Field(strict=True, default=None, ge=1, le=10)
    within_years: int | None = Field(strict=True, default=None, ge=1, le=50)
    held_years: int | None = Field(strict=True, default=None, ge=1, le=60)

    @check
    def _says_nothing_in_vain(self) -> None:
        if self.excuses == "nothing" and (self.requirements or self.membership == "excused"):
            message = 'requirements and membership = "excused" go with another excuses: remove them'
            raise ValueError(message)
        if self.months != "whole" and self.excuses in ("nothing", "all that is missing"):
            message = 'months goes with excuses = "hours in proportion": remove it'
            raise ValueError(message)

    @check
    def _knows_its_kind(self) -> None:
        if self.kind != "emeritus":
            if self.held_years is not None:
                message = 'held_years goes with kind = "emeritus": remove it'
                raise ValueError(message)
            return
        given = [key for key in _NOT_OF_EMERITUS if key in self.model_fields_set]
        if given:
            message = f"emeritus status excuses everything, and has no last day: remove {given[0]}"
            raise ValueError(message)

    @check
    def _limits_what_is_allowed(self) -> None:
        limits = (
            *("longest_days", "longest_months", "most", "within_cycles", "within_years"),
            "held_years",
        )
        for key in limits:
            if not self.allowed and getattr(self, key):
                message = f"{key} goes with one that is allowed: remove it, or allowed = false"
                raise ValueError(message)

    @check
    def _has_limits_that_fit(self) -> None:
        for days, months in _LENGTHS:
            if getattr(self, days) and getattr(self, months):
                message = f"give either {days} or {months}"
                raise ValueError(message)
        within = [each for each in (self.within_cycles, self.within_years) if each]
        if len(within) != (self.most is not None):
            message = (
                "most goes with either within_cycles or within_years: most = 1 and "
                "within_years = 3 is once in three years"
            )
            raise ValueError(message)
        # Of any first day: months differ in length.
        first = self.starts_from
        shortest, longest = self.shortest_end(first), self.longest_end(first)
        if shortest and longest and shortest > longest:
            message = "the shortest is longer than the longest"
            raise ValueError(message)

    def shortest_end(self, first: date) -> date | None:
        """The earliest last day (included) of one that begins on ``first``; None: any."""
        return _find_end(first, self.shortest_days, self.shortest_months)

    def longest_end(self, first: date) -> date | None:
        """The latest last day (included) of one that begins on ``first``; None: there is none."""
        return _find_end(first, self.longest_days, self.longest_months)


def _find_end(first: date, days: int | None, months: int | None) -> date | None:
    if days is not None:
        return first + timedelta(days=days - 1)
    return None if months is None else first + relativedelta(months=months) - _DAY
