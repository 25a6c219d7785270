"""The form of a made-up person whom `tracker rules try` judges. Pure."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool

from tracker.rules.absence_rules import AbsenceKind
from tracker.rules.fees import Cents
from tracker.rules.key_checks import require_end_after_start
from tracker.rules.requirement import (
    Day,
    Degree,
    Key,
    MembershipKind,
    SessionFormat,
    Text,
)
from tracker.rules.strict_model import StrictModel, check

Hours = Annotated[float, Field(strict=True, gt=0, le=1000)]


class MadeUpPeriod(StrictModel):
    """Days ``from`` .. ``until``, both included; without ``until`` there is no last day."""

    starts_on: Day = Field(alias="from")
    ends_on: Day | None = Field(default=None, alias="until")

    @check
    def _ends_after_it_starts(self) -> None:
        require_end_after_start(self.starts_on, self.ends_on)


class MadeUpMembership(MadeUpPeriod):
    """A membership; without ``organization`` one that the rulebook accepts."""

    organization: Key | None = None
    kind: MembershipKind = "individual"


class MadeUpLeave(MadeUpPeriod):
    """Days on leave, or on which the endorsement is inactive or emeritus."""

    kind: AbsenceKind = "leave"


class MadeUpEndorsement(MadeUpPeriod):
    """Another endorsement of the person, or one of a provider; default: at this association."""

    category: Key
    association: Key | None = None


class MadeUpVetting(MadeUpPeriod):
    """A vetting of a provider; default: by this association."""

    association: Key | None = None


class MadeUpProvider(StrictModel):
    """An RSC provider whom sessions name."""

    degree: Degree | Literal["none"] = "none"
    endorsements: tuple[MadeUpEndorsement, ...] = ()
    vetted: tuple[MadeUpVetting, ...] = ()


class MadeUpSession(StrictModel):
    """Hours of training, or of RSC, on one day; ``topics`` are the hours about each.

    Without ``provider`` RSC is with a provider who meets every rule of the rulebook, and without
    ``format`` individual.
    """

    held_on: Day = Field(alias="on")
    training: Hours | None = None
    rsc: Hours | None = None
    topics: dict[Key, Hours] = Field(default_factory=dict)
    provider: Text | None = None
    format: SessionFormat | None = None

    @check
    def _is_one_of_both(self) -> None:
        if (self.training is None) == (self.rsc is None):
            message = "write either training or rsc, with the hours"
            raise ValueError(message)
        if self.training is not None and (self.provider or self.format):
            message = "provider and format go with rsc: remove them from training"
            raise ValueError(message)
        if sum(self.topics.values()) > self.hours:
            message = f"its topics have more than the {self.hours:g} hours of the session"
            raise ValueError(message)

    @property
    def hours(self) -> float:
        """The session's length in hours."""
        return self.training or self.rsc or 0


class MadeUpSubmission(StrictModel):
    """The renewal, submitted on a day; ``signed`` are keys of statements (default: all)."""

    submitted_on: Day = Field(alias="on")
    signed: tuple[Key, ...] | None = None


class MadeUpPayment(StrictModel):
    """A payment for the renewal.

    ``fee`` is the id of one fee (default: each of the category's), and ``amount`` what was paid of
    it (default: what is due in time), in cents once it is read.
    """

    paid_on: Day = Field(alias="on")
    amount: Cents | None = None
    fee: Key | None = None


class MadeUpPerson(StrictModel):
    """Somebody with one endorsement that is judged, and everything that matters to it.

    ``waived`` are ids of requirements, and ``extended_due_on`` is the due date, of the renewal that
    is judged; ``payments`` are for it. ``applied`` is the day on which the application for the
    endorsement was submitted. ``earlier`` are the person's other endorsements.
    """

    category: Key
    endorsed: Day
    applied: Day | None = None
    ends_on: Day | None = None
    provides_rsc: StrictBool = False
    earlier: tuple[MadeUpEndorsement, ...] = ()
    sessions: tuple[MadeUpSession, ...] = ()
    memberships: tuple[MadeUpMembership, ...] = ()
    leaves: tuple[MadeUpLeave, ...] = ()
    waived: tuple[Key, ...] = ()
    extended_due_on: Day | None = None
    submission: MadeUpSubmission | None = None
    payments: tuple[MadeUpPayment, ...] = ()
    providers: dict[Text, MadeUpProvider] = Field(default_factory=dict)

    @check
    def _applied_before_it_began(self) -> None:
        if self.applied and self.applied > self.endorsed:
            message = f"applied ({self.applied}) is after endorsed ({self.endorsed})"
            raise ValueError(message)
