"""Lists come in pages, by id: what is added while one reads is neither missed nor seen twice."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Literal
from unicodedata import category
from urllib.parse import urlencode

from fastapi import Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tracker.formatting import MINUTES_IN_DAY

USUAL, MOST = 50, 200
LARGEST_ID = 2**31 - 1


class PageQuery(BaseModel):
    """What every list can be asked; a parameter that nobody knows is refused."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(USUAL, ge=1, le=MOST, description="How many to give at most.")
    after: int = Field(
        0, ge=0, le=LARGEST_ID, description="Give those that follow this id (`next` says it)."
    )


def next_page(request: Request, query: PageQuery, ids: Sequence[int]) -> str | None:
    """The address of the page after this one; None on the last.

    ``ids`` were read for this page, and one more to see whether there is another.
    """
    if len(ids) <= query.limit:
        return None
    asked: dict[str, Any] = {**request.query_params, "after": ids[query.limit - 1]}
    return f"{request.url.path}?{urlencode(asked)}"


Minutes = Annotated[int, Field(ge=1, le=MINUTES_IN_DAY, strict=True)]
_LONGEST_EMAIL, _LONGEST_TITLE, _LONGEST_NAME = 254, 300, 200
_MOST_TOPICS = 20


def _one_line(text: str) -> str:
    if any(category(letter) in {"Cc", "Cs"} for letter in text):
        raise ValueError("holds a character that no line of text has")
    return text


# Half surrogates come in by JSON's escapes; neither they nor NUL can be stored.
Line = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$"), AfterValidator(_one_line)]


class Source(BaseModel):
    """Where a rule stands."""

    document: str
    section: str


class NotCounted(BaseModel):
    """An entry of the cycle that does not count, and why."""

    date: date
    title: str
    hours: float
    reason: str


class Requirement(BaseModel):
    """One requirement of a renewal; ``unit`` is hours, or membership (days checked)."""

    id: str
    unit: Literal["hours", "membership"]
    required: float
    counted: float
    short: float
    status: str
    source: Source
    not_counted: list[NotCounted]


class CycleSpan(BaseModel):
    """A cycle's first and last day, and the due date in force, which includes its whole day."""

    starts_on: date
    ends_on: date
    due_on: date | None


class StandingOut(BaseModel):
    """Where one renewal stands today; ``next_change_on`` is when that may differ by itself."""

    endorsement_id: int
    name: str
    email: str
    association: str
    category: str
    cycle: CycleSpan | None
    status: str
    requirements: list[Requirement]
    next_change_on: date | None
    explanation: str | None = None


class StandingPage(BaseModel):
    """A page of standings; ``next`` is the address of the one after it."""

    items: list[StandingOut]
    next: str | None


class PersonOut(BaseModel):
    """Who it is; a provider whom nobody has confirmed yet has a name only."""

    id: int | None
    name: str


class EndorseeOut(BaseModel):
    """Whose entry it is."""

    id: int
    name: str
    email: str


class EntryOut(BaseModel):
    """One logged session."""

    id: int
    endorsee: EndorseeOut
    activity: Literal["training", "rsc"]
    held_on: date
    minutes: int
    title: str
    provider: PersonOut | None
    format: Literal["individual", "group"] | None
    reference: str | None
    topics: dict[str, int] = Field(description="Minutes about each topic.")


class EntryPage(BaseModel):
    """A page of entries; ``next`` is the address of the one after it."""

    items: list[EntryOut]
    next: str | None


class NewEntry(BaseModel):
    """A session to log for somebody who holds, or has applied for, an endorsement."""

    model_config = ConfigDict(extra="forbid")

    email: Annotated[Line, Field(min_length=3, max_length=_LONGEST_EMAIL)] = Field(
        description="The endorsee's first address."
    )
    activity: Literal["training", "rsc"]
    held_on: date = Field(description="Today or earlier.")
    minutes: Minutes
    title: Annotated[str, Field(min_length=1, max_length=_LONGEST_TITLE)] = Field(
        description="What it was called. No client or case information."
    )
    provider_email: Annotated[Line, Field(max_length=_LONGEST_EMAIL)] | None = Field(
        default=None, description="RSC only: the address of a provider who is known here."
    )
    provider_name: Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME)] | None = Field(
        default=None, description="RSC only: any other provider; counts once confirmed."
    )
    format: Literal["individual", "group"] | None = None
    reference: Annotated[str, Field(max_length=_LONGEST_NAME)] | None = None
    topics: Annotated[dict[Line, Minutes], Field(max_length=_MOST_TOPICS)] = Field(
        default_factory=dict, description="Minutes about each topic; together at most `minutes`."
    )
