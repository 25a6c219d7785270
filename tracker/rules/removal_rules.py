"""When a lapsed endorsement is removed, and until when it can be reinstated. Pure.

Each block is in force from its first day until the next one; every last day is included.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TypeVar

from dateutil.relativedelta import relativedelta
from pydantic import Field, StrictBool

from tracker.rules.dated_block import DatedBlock
from tracker.rules.month_days import MonthDay, first_month_day_after
from tracker.rules.strict_model import check

_DAY = timedelta(days=1)


class RemovalRule(DatedBlock):
    """When endorsements are removed whose grace period ends on ``from`` or later.

    A lapsed endorsement is kept for ``after_days`` days or ``after_months`` months after the last
    day of its grace period, or through the first ``after`` (a day of the year) that is not before
    that day. Its removal is due on the next day. A coordinator removes it, or with ``by_itself``
    the nightly evaluation does. ``removed = false`` ends removals.
    """

    after_days: int | None = Field(strict=True, default=None, ge=0, le=3660)
    after_months: int | None = Field(strict=True, default=None, ge=1, le=120)
    after: MonthDay | None = None
    by_itself: StrictBool = False
    removed: StrictBool = True

    @check
    def _says_when(self) -> None:
        given = [self.after_days, self.after_months, self.after]
        number = sum(value is not None for value in given)
        if self.removed and number != 1:
            message = (
                "give one of after_days, after_months, and after: how long a lapsed endorsement is "
                "kept after its grace period"
            )
            raise ValueError(message)
        if not self.removed and (number or self.by_itself):
            message = "removed = false ends removals: remove the keys that say when"
            raise ValueError(message)

    def kept_through(self, grace_ends_on: date) -> date:
        """The last day on which a lapsed endorsement is kept, by the last day of its grace."""
        if self.after is not None:
            return first_month_day_after(self.after, grace_ends_on - _DAY)
        return grace_ends_on + relativedelta(
            days=self.after_days or 0, months=self.after_months or 0
        )


class ReinstatementRule(DatedBlock):
    """Until when someone who was removed on ``from`` or later can ask to be reinstated.

    That is ``latest_months`` months or ``latest_years`` years after the day of the removal: the
    same day of the month, the whole day included (February 28 for February 29). Without either
    there is no last day. ``allowed = false`` ends it: who was removed has to apply anew.
    """

    latest_months: int | None = Field(strict=True, default=None, ge=1, le=120)
    latest_years: int | None = Field(strict=True, default=None, ge=1, le=50)
    allowed: StrictBool = True

    @check
    def _has_one_last_day(self) -> None:
        if self.latest_months and self.latest_years:
            message = "give either latest_months or latest_years"
            raise ValueError(message)
        if not self.allowed and (self.latest_months or self.latest_years):
            message = "latest_months and latest_years go with one that is allowed: remove them"
            raise ValueError(message)

    def latest_on(self, removed_on: date) -> date | None:
        """The last day on which it can be asked for; None if there is none."""
        if self.latest_months or self.latest_years:
            return removed_on + relativedelta(
                months=self.latest_months or 0, years=self.latest_years or 0
            )
        return None


BlockT = TypeVar("BlockT", RemovalRule, ReinstatementRule)


def block_on(blocks: Sequence[BlockT], day: date) -> BlockT | None:
    """The block in force on a day; None before the first."""
    started = [block for block in blocks if block.starts_from <= day]
    return started[-1] if started else None
