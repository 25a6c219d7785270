"""What an initial requirement asks beyond hours: the terms that a rulebook may set."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict, StrictBool

Text = Annotated[str, Field(min_length=1)]
Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9./-]*$", max_length=40)]
# TOML has dates, numbers and booleans of its own: `until = 0` is a slip, not 1 January 1970.
Day = Annotated[date, Strict()]

# What an education may have led to. Only the middle four are degrees, in rising order.
LEVELS = (
    "cda",
    "associate",
    "bachelor",
    "master",
    "doctorate",
    "specialization",
    "certificate",
    "other",
)
Level = Literal[
    "cda", "associate", "bachelor", "master", "doctorate", "specialization", "certificate", "other"
]
DEGREES_RISING = ("associate", "bachelor", "master", "doctorate")
Degree = Literal["associate", "bachelor", "master", "doctorate"]
# How work was paid. An internship is part of a graduate programme.
PAY = ("paid", "volunteer", "internship")
AGES = ("birth to 36 months", "3 up to 6 years")
Ages = Literal["birth to 36 months", "3 up to 6 years"]


class Part(BaseModel):
    """Unknown keys are errors: a misspelt rule must not be silently absent."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Education(Part):
    """An education: one of ``levels``; one of ``reviewed`` where the reviewers agree.

    ``transcript = "official"`` asks for an official transcript of it.
    """

    levels: tuple[Level, ...] = Field(min_length=1)
    reviewed: tuple[Level, ...] = ()
    transcript: Literal["none", "official"] = "none"


class Internship(Part):
    """A supervised graduate internship in the place of at most ``years`` of work.

    Its supervisor held one of ``supervisors`` while it lasted. The reviewers decide.
    """

    years: int = Field(strict=True, ge=1, le=10)
    supervisors: tuple[Key, ...] = Field(min_length=1)


class Work(Part):
    """Which positions count: those that offer one of ``services``, and all that follows.

    ``statements`` are what an applicant confirms of a position, by key. ``volunteer`` counts
    supervised and trained volunteer work, where the reviewers agree. ``after`` counts days
    from the first such degree, or one above it, on (its day included); where there is none,
    from another education in ``or_after`` on, where the reviewers agree.
    """

    services: tuple[Key, ...] = Field(min_length=1)
    ages: Ages | None = None
    paid: StrictBool = True
    volunteer: StrictBool = False
    supervised: StrictBool = False
    after: Degree | None = None
    or_after: tuple[Level, ...] = ()
    statements: dict[Key, Text] = {}
    internship: Internship | None = None


class Referees(Part):
    """The references asked for: one for each slot, which lists the roles that may fill it.

    ``instead`` are other sets of slots, which the reviewers must agree to. At least
    ``endorsed`` referees hold one of ``categories``, or (with ``vetted``) are vetted by the
    association on a day up to ``vetted_until``, which is included. Whoever gives a reference
    in one of ``endorsed_roles`` must be one of those.
    """

    slots: tuple[tuple[Key, ...], ...] = Field(min_length=1)
    instead: tuple[tuple[tuple[Key, ...], ...], ...] = ()
    endorsed: int = Field(strict=True, default=0, ge=0, le=9)
    categories: tuple[Key, ...] = ()
    vetted: StrictBool = False
    vetted_until: Day | None = None
    endorsed_roles: tuple[Key, ...] = ()


class Window(Part):
    """Which RSC sessions count: those of the best span of ``months``, of a degree's day or later.

    ``or_after`` is as in `Work`. ``while_giving`` counts only sessions on days on which a
    position had the applicant give RSC to others.
    """

    months: int | None = Field(strict=True, default=None, ge=1, le=120)
    after: Degree | None = None
    or_after: tuple[Level, ...] = ()
    while_giving: StrictBool = False
