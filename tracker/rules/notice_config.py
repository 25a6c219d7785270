"""The form of notices.toml."""

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Annotated, NamedTuple

from dateutil.relativedelta import relativedelta
from pydantic import AfterValidator, Field

from tracker.overrides import override
from tracker.rules.requirement import Key
from tracker.rules.strict_model import StrictModel


def _refuse_repetition(days: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(days)) != len(days):
        message = f"a number of days is given twice: {', '.join(map(str, days))}"
        raise ValueError(message)
    return days


# Numbers of days before a date; 0 is the date itself.
Days = Annotated[
    tuple[Annotated[int, Field(ge=0, le=1000)], ...],
    Field(max_length=20),
    AfterValidator(_refuse_repetition),
]
# Numbers of days after a date.
DaysAfter = Annotated[
    tuple[Annotated[int, Field(ge=1, le=1000)], ...],
    Field(max_length=20),
    AfterValidator(_refuse_repetition),
]


class RenewalSteps(StrictModel):
    """Days before and after the due date of a renewal that is short.

    Reminders more than ``optional_before`` days ahead can be switched off by the recipient.
    """

    before: Days = ()
    after: Days = ()
    optional_before: int = Field(default=30, ge=0, le=1000)

    @property
    def steps(self) -> list[int]:
        """All days, negative before the due date."""
        return [*(-days for days in self.before), *self.after]


class LapseSteps(StrictModel):
    """Whether a notice is sent about a lapse, on the day after the grace period."""

    notify: bool = True


class MembershipSteps(StrictModel):
    """Days before a membership's last day, and whether a notice is sent about its lapse."""

    before: Days = ()
    on_lapse: bool = True

    @property
    def steps(self) -> list[int]:
        """All days, negative before the last day of the membership."""
        return [*(-days for days in self.before), *([1] if self.on_lapse else [])]


class CutoffSteps(StrictModel):
    """Days before a provider's last day, for people who had a session in the last months."""

    before: Days = ()
    used_within_months: int = Field(default=12, ge=1, le=120)

    def recent_from(self, day: date) -> date:
        """The first day on which a session makes its provider a recent one on ``day``."""
        return day - relativedelta(months=self.used_within_months)


class WindowSteps(StrictModel):
    """Days before the last day of an applicant's RSC window that lacks hours."""

    before: Days = ()


class ReferenceSteps(StrictModel):
    """When referees and applicants are reminded of references.

    Days after a referee was asked, for a referee who has not answered. Days after the last referee
    was asked (if none was: after the application was opened), for an applicant with too few.
    """

    remind_after_days: DaysAfter = ()
    tell_applicant_after_days: DaysAfter = ()


class SessionSteps(StrictModel):
    """Days after which a supervisee who has not answered is reminded once; None: never."""

    remind_after_days: int | None = Field(default=None, ge=1, le=1000)


class DigestSize(StrictModel):
    """How many people a digest names before it only counts them."""

    most_people: int = Field(default=12, ge=1, le=100)


class NoticeConfig(StrictModel):
    """When notices go out: what notices.toml says, for the installation or one association.

    A step after its date is skipped if it would be more than ``too_late_after_days`` late.
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


class NoticesFile(NoticeConfig):
    """All of notices.toml; ``associations`` have the values that differ, by association."""

    associations: dict[Key, NoticeConfig] = Field(default_factory=dict)


class NoticeConfigs(NamedTuple):
    """When notices go out: those of the installation, and of each association that differs."""

    installation: NoticeConfig = NoticeConfig()
    own: Mapping[str, NoticeConfig] = MappingProxyType({})

    @classmethod
    def merge(cls, file: NoticesFile) -> "NoticeConfigs":
        """What notices.toml says for each association."""
        shared = {name: getattr(file, name) for name in NoticeConfig.model_fields}
        installation = NoticeConfig.model_construct(**shared)
        own = {name: override(installation, each) for name, each in file.associations.items()}
        return cls(installation, own)

    def of(self, association: str) -> NoticeConfig:
        """What holds for an association: its own values over those of the installation."""
        return self.own.get(association, self.installation)
