"""The form of notices.toml."""

from typing import Annotated

from pydantic import Field, field_validator

from tracker.rules.requirement import StrictModel

Days = Annotated[tuple[Annotated[int, Field(ge=0, le=1000)], ...], Field(max_length=20)]
DaysAfter = Annotated[tuple[Annotated[int, Field(ge=1, le=1000)], ...], Field(max_length=20)]


def _refuse_twice(days: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(days)) != len(days):
        message = f"a number of days stands there twice: {', '.join(map(str, days))}"
        raise ValueError(message)
    return days


class _Steps(StrictModel):
    before: Days = ()

    @field_validator("before", "after", check_fields=False)
    @classmethod
    def _no_step_twice(cls, days: tuple[int, ...]) -> tuple[int, ...]:
        return _refuse_twice(days)


class RenewalSteps(_Steps):
    """Days before and after the due date on which a short renewal is reminded of.

    Reminders more than ``optional_before`` days ahead can be switched off by whoever gets them.
    """

    after: Days = ()
    optional_before: int = Field(default=30, ge=0, le=1000)


class LapseSteps(StrictModel):
    """Whether a lapse is told of, on the day after the grace period."""

    notify: bool = True


class MembershipSteps(_Steps):
    """Days before a membership's last day, and whether its lapse is told of."""

    on_lapse: bool = True


class CutoffSteps(_Steps):
    """Days before a provider's last day, for those who had a session in the last months."""

    used_within_months: int = Field(default=12, ge=1, le=120)


class WindowSteps(_Steps):
    """Days before the last day of an applicant's RSC window in which hours are missing."""


class ReferenceSteps(StrictModel):
    """Days after a referee was asked on which one who has not answered is reminded.

    And days after the last one was asked (or, where nobody was, the application opened) on which
    an applicant who has too few references is told so.
    """

    remind_after_days: DaysAfter = ()
    tell_applicant_after_days: DaysAfter = ()

    @field_validator("remind_after_days", "tell_applicant_after_days")
    @classmethod
    def _no_step_twice(cls, days: tuple[int, ...]) -> tuple[int, ...]:
        return _refuse_twice(days)


class SessionSteps(StrictModel):
    """Days after which a supervisee who has not answered is reminded, once; None: never."""

    remind_after_days: int | None = Field(default=None, ge=1, le=1000)


class DigestSize(StrictModel):
    """How many people a digest names before it only counts them."""

    most_people: int = Field(default=12, ge=1, le=100)


class NoticeConfig(StrictModel):
    """All of notices.toml.

    A step after its date is skipped when it is seen more than ``too_late_after_days`` late.
    """

    too_late_after_days: int = Field(default=60, ge=0, le=1000)
    renewal: RenewalSteps = RenewalSteps()
    lapse: LapseSteps = LapseSteps()
    membership: MembershipSteps = MembershipSteps()
    provider_cutoff: CutoffSteps = CutoffSteps()
    rsc_window: WindowSteps = WindowSteps()
    references: ReferenceSteps = ReferenceSteps()
    sessions: SessionSteps = SessionSteps()
    digest: DigestSize = DigestSize()
