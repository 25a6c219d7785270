"""The API's inputs and outputs. Lists come in pages by id: rows added meanwhile come once."""

import re
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Literal
from unicodedata import category
from urllib.parse import urlencode

from fastapi import Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from tracker.db.row_ids import LARGEST_ID
from tracker.formatting import MINUTES_IN_DAY
from tracker.rules.requirement import SessionFormat
from tracker.services.entry_rules import TEXT_LIMITS
from tracker.web.forms.body import clean

_PAGE_SIZE, _MAX_PAGE_SIZE = 50, 200


class PageQuery(BaseModel):
    """The parameters of every list; an unknown one is refused."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(_PAGE_SIZE, ge=1, le=_MAX_PAGE_SIZE, description="The most items to return.")
    after: int = Field(
        0, ge=0, le=LARGEST_ID, description="Return items after this id (as in `next`)."
    )


def next_page(request: Request, query: PageQuery, ids: Sequence[int]) -> str | None:
    """The address of the next page; None on the last.

    ``ids`` are those of this page, and one more if there is a next page.
    """
    if len(ids) <= query.limit:
        return None
    asked: dict[str, Any] = {**request.query_params, "after": ids[query.limit - 1]}
    return f"{request.url.path}?{urlencode(asked)}"


Minutes = Annotated[int, Field(ge=1, le=MINUTES_IN_DAY, strict=True)]
_LONGEST_EMAIL = 254
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOST_TOPICS, _LONGEST_TOPIC = 20, 40


def _one_line(text: str) -> str:
    if any(category(letter) in {"Cc", "Cs"} for letter in text):
        raise ValueError("contains a control character")
    return text


def _only_iso(sent: object) -> object:
    """Refuse what pydantic also reads as a day: instants, and numbers as seconds since 1970."""
    if not isinstance(sent, date) and not _ISO_DAY.fullmatch(str(sent)):
        raise ValueError("must be a day written as YYYY-MM-DD")
    return sent


def _title(text: str) -> str:
    if not clean(text):
        raise ValueError("must name the session")
    return clean(text)


# Half surrogates come in by JSON's escapes; neither they nor NUL can be stored.
Line = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$"), AfterValidator(_one_line)]
Topic = Annotated[Line, Field(max_length=_LONGEST_TOPIC)]
Day = Annotated[date, BeforeValidator(_only_iso)]


class RuleSource(BaseModel):
    """The document and section of a rule."""

    document: str
    section: str


class NotCounted(BaseModel):
    """An entry of the cycle that does not count, and why."""

    date: date
    title: str
    hours: float
    reason: str


class RequirementStanding(BaseModel):
    """One requirement of a renewal.

    ``unit`` is hours, months, membership (days checked), signatures, or submission.
    """

    id: str
    unit: Literal["hours", "months", "membership", "signatures", "submission", "payment"]
    required: float
    counted: float
    short: float
    status: str
    source: RuleSource
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
    requirements: list[RequirementStanding]
    next_change_on: date | None
    settled_on: date | None = Field(
        None, description="The day after which nothing recorded later moves it; null if it can."
    )
    records_from: date | None = Field(
        None, description="Hours held before this day may not be in this system; null if all are."
    )
    explanation: str | None = None
    stage: str | None = Field(
        None,
        description="Where the renewal is on its way, such as `open`, `submitted`, `needs "
        "attention`, `accepted`, `asked` (for documents of an audit), `renewed`, or `lapsed`.",
    )


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


class NoticeOut(BaseModel):
    """Why a session does not count because of its provider, and what would make it count."""

    code: str
    message: str


class EntryOut(BaseModel):
    """One logged session."""

    id: int
    endorsee: EndorseeOut
    activity: Literal["training", "rsc"]
    held_on: date
    minutes: int
    title: str
    provider: PersonOut | None
    format: SessionFormat | None
    reference: str | None
    topics: dict[str, int] = Field(description="Minutes about each topic.")
    notices: list[NoticeOut] = Field(
        default_factory=list,
        description="RSC only: why the session does not count because of its provider.",
    )


class EntryPage(BaseModel):
    """A page of entries; ``next`` is the address of the one after it."""

    items: list[EntryOut]
    next: str | None


class NewEntry(BaseModel):
    """A session to log for a person who holds, or has applied for, an endorsement."""

    model_config = ConfigDict(extra="forbid")

    email: Annotated[Line, Field(min_length=3, max_length=_LONGEST_EMAIL)] = Field(
        description="The endorsee's first address."
    )
    activity: Literal["training", "rsc"]
    held_on: Day = Field(description="Today or earlier.")
    minutes: Minutes
    title: Annotated[
        str, Field(min_length=1, max_length=TEXT_LIMITS["title"]), AfterValidator(_title)
    ] = Field(description="The title of the session. No client or case information.")
    provider_email: Annotated[Line, Field(max_length=_LONGEST_EMAIL)] | None = Field(
        default=None, description="RSC only: the address of a known provider."
    )
    provider_name: (
        Annotated[str, Field(min_length=1, max_length=TEXT_LIMITS["provider_name"])] | None
    ) = Field(
        default=None, description="RSC only: the name of any other provider. Counts once confirmed."
    )
    format: SessionFormat | None = None
    reference: Annotated[str, Field(max_length=TEXT_LIMITS["reference"])] | None = None
    topics: Annotated[dict[Topic, Minutes], Field(max_length=_MOST_TOPICS)] = Field(
        default_factory=dict, description="Minutes about each topic; together at most `minutes`."
    )
