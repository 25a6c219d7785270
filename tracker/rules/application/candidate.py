"""What the database knows of an applicant. Every ``ends_on`` includes its day."""

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import NamedTuple

from tracker.rules.requirement import RSC_SERVICE


class CandidateDegree(NamedTuple):
    """What an education led to; ``level`` is one of `tracker.rules.requirement.LEVELS`."""

    level: str
    title: str
    awarded_on: date
    transcript: str


class CandidatePosition(NamedTuple):
    """Work; ``ends_on`` is None if it continues.

    ``services`` and ``gives_rsc`` are as recorded: ask `provides_rsc` and `offers`.
    ``supervisor_held`` are the categories that the supervisor held during the work;
    ``position_id`` tells apart positions with one title and first day.
    """

    title: str
    pay: str
    services: frozenset[str]
    ages: str | None
    families: int
    supervised: bool
    trained: bool
    gives_rsc: bool
    statements: frozenset[str]
    starts_on: date
    ends_on: date | None
    supervisor_held: frozenset[str] = frozenset()
    position_id: int = 0

    @property
    def provides_rsc(self) -> bool:
        """Whether the applicant provided RSC to others there."""
        return self.gives_rsc or RSC_SERVICE in self.services

    @property
    def age_groups(self) -> tuple[str, ...]:
        """The age groups that the position serves."""
        return tuple(self.ages.split("; ")) if self.ages else ()

    @property
    def offers(self) -> frozenset[str]:
        """What the position offers; RSC too if the applicant provided it there."""
        return self.services | {RSC_SERVICE} if self.provides_rsc else self.services

    def last_day(self, as_of: date) -> date:
        """The last day through ``as_of``."""
        return min(self.ends_on or as_of, as_of)


class CandidateSession(NamedTuple):
    """An RSC session with a provider qualified on the day; minutes, also by topic."""

    held_on: date
    title: str
    minutes: int
    topics: Mapping[str, int]


class CandidateReference(NamedTuple):
    """A referee who was asked for a reference.

    ``received_on`` is the association's day on which it was received, None while it is
    outstanding. ``holds`` are the categories that the referee held on that day (by our records or
    the referee's own statement), and ``vetted`` whether vetted then. ``in_role`` is False if the
    referee denied the role.
    """

    name: str
    role: str
    received_on: date | None
    holds: frozenset[str] = frozenset()
    vetted: bool = False
    in_role: bool = True

    @property
    def received(self) -> bool:
        """Whether it was received by the as-of date."""
        return self.received_on is not None


class Candidate(NamedTuple):
    """An application and all that it rests on, up to the as-of date.

    ``exam_reported_on`` is the day of an exam that was passed by the applicant's word only;
    ``reviews`` are what the reviewers have decided: whether they accept a requirement, by its id.
    """

    state: str
    opened_on: date
    submitted_on: date | None
    degrees: tuple[CandidateDegree, ...] = ()
    positions: tuple[CandidatePosition, ...] = ()
    sessions: tuple[CandidateSession, ...] = ()
    references: tuple[CandidateReference, ...] = ()
    signed: frozenset[str] = frozenset()
    exam_passed_on: date | None = None
    exam_reported_on: date | None = None
    reviews: Mapping[str, bool] = MappingProxyType({})
