"""Which memberships an association accepts, and how long one counts after its last day."""

from datetime import date, timedelta
from functools import cached_property
from typing import NamedTuple

from pydantic import Field, StrictBool

from tracker.rules.month_days import DAYS_IN_YEAR, MonthDay, first_month_day_after
from tracker.rules.requirement import MEMBERSHIP_KINDS, Key, MembershipKind, Text
from tracker.rules.strict_model import StrictModel, check


class MembershipGrace(NamedTuple):
    """How long a membership counts after its last day: ``days``, or through the next ``until``."""

    days: int
    until: str | None

    def ends_on(self, last_day: date) -> date:
        """The last day on which a membership that ended on ``last_day`` counts."""
        # One for life, or as good as for life, ends beyond what the calendar can count.
        if (date.max - last_day).days <= DAYS_IN_YEAR:
            return last_day
        if self.until:
            return first_month_day_after(self.until, last_day)
        return last_day + timedelta(days=self.days)


class MembershipRule(StrictModel):
    """Which organizations' membership is accepted, and of which kinds.

    A membership counts for ``grace_days`` after its last day, or through the first day named
    ``grace_until`` after it, whether it is renewed or not.
    """

    says: Text
    organizations: tuple[Key, ...] = ()
    any_infant_mental_health_association: StrictBool = False
    kinds: tuple[MembershipKind, ...] = Field(default=MEMBERSHIP_KINDS, min_length=1)
    grace_days: int | None = Field(strict=True, default=None, ge=1, le=DAYS_IN_YEAR)
    grace_until: MonthDay | None = None

    @cached_property
    def grace(self) -> MembershipGrace | None:
        """How long a membership counts after its last day; None if it ends with that day."""
        if self.grace_days is None and self.grace_until is None:
            return None
        return MembershipGrace(self.grace_days or 0, self.grace_until)

    @check
    def _has_one_grace(self) -> None:
        if self.grace_days is not None and self.grace_until is not None:
            message = "give only one of grace_days and grace_until"
            raise ValueError(message)

    @check
    def _accepts_some(self) -> None:
        if not self.organizations and not self.any_infant_mental_health_association:
            message = "accept at least one organization"
            raise ValueError(message)
