"""Logs a session that a program sent: checked as the form's is, and once for each key."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import Field
from sqlmodel import Session

from tracker.db.engine import reading
from tracker.formatting import MINUTES_IN_DAY
from tracker.rulebooks import Rulebooks
from tracker.rules.explain import LoggedEntry
from tracker.services.api_entries import (
    Wanted,
    entry_within,
    known_people,
    page_of_entries,
    person_with_address,
    person_within,
)
from tracker.services.api_tokens import Caller, claim_key, keep_answer
from tracker.services.context import Author, lock_person
from tracker.services.cycle_locks import cycle_lock_for
from tracker.services.evaluation import days_at
from tracker.services.old_entries import MOST_A_DAY, Content, add_entry, has_logged_most, minutes_on
from tracker.services.provider_choices import may_name
from tracker.services.sign_in import normalize_email
from tracker.web.api.models import (
    LARGEST_ID,
    EndorseeOut,
    EntryOut,
    EntryPage,
    Line,
    NewEntry,
    PageQuery,
    PersonOut,
    next_page,
)
from tracker.web.api.problems import Problem, ReadsEntries, WritesEntries, documented, pointer_to
from tracker.web.dependencies import NowDep, SiteDep
from tracker.web.forms.body import clean
from tracker.web.forms.entry import FormSetting, read_setting
from tracker.web.text import format_closed

KEY_PATTERN = r"^[\x21-\x7e]{1,100}$"
_CREATED = 201
_YEARS_BACK = 50
_INVALID = "The session cannot be saved as it is."
Fault = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Call:
    """One request: whose, under which idempotency key, what it asks, and when it came."""

    who: Caller
    key: str
    new: NewEntry
    at: datetime


def create_once(
    session: Session,
    rulebooks: Rulebooks,
    call: Call,
    show: Callable[[LoggedEntry], EntryOut],
) -> tuple[str, bool]:
    """The entry as JSON, and whether the same request had made it before.

    Raises Problem where the key was used for another request, or the session cannot be saved;
    then nothing of it is stored. Belongs into a writing transaction.
    """
    asked = hashlib.sha256(call.new.model_dump_json().encode()).hexdigest()
    before = claim_key(session, call.who.token_id, call.key, asked, call.at)
    if before is None:
        body = show(_create(session, rulebooks, call)).model_dump_json()
        keep_answer(session, call.who.token_id, call.key, _CREATED, body)
        return body, False
    if before.request_hash != asked:
        words = "This Idempotency-Key was used for another session: take a new key for each one."
        raise Problem(409, words, [("header/Idempotency-Key", "already used")])
    return before.body, True


def _create(session: Session, rulebooks: Rulebooks, call: Call) -> LoggedEntry:
    new, association = call.new, call.who.association
    today = days_at(rulebooks, call.at)(association)
    person_id = person_within(session, association, normalize_email(new.email), today)
    if person_id is None:
        words = (
            f"nobody with this address holds, or has applied for, an endorsement of {association}"
        )
        raise Problem(422, _INVALID, [("#/email", words)])
    lock_person(session, person_id)
    if has_logged_most(session, person_id, call.at):
        words = f"{MOST_A_DAY} sessions were logged for this person within a day: go on tomorrow."
        raise Problem(429, words)
    setting = read_setting(session, rulebooks, person_id, call.at)
    provider_id = _provider(session, setting, new)
    logged = minutes_on(session, person_id, new.held_on)
    faults = [*_faults(new, setting, provider_id, logged)]
    closed = None if faults else cycle_lock_for(session, rulebooks, person_id, new.held_on, call.at)
    if closed is not None:
        faults = [("#/held_on", format_closed(closed))]
    if faults:
        raise Problem(422, _INVALID, faults)
    author = Author(person_id, f"token {call.who.token_id}: {call.who.name}", call.at)
    form_key = f"api-{call.who.token_id}-{hashlib.sha256(call.key.encode()).hexdigest()[:40]}"
    return add_entry(session, rulebooks, author, _content(new, provider_id), form_key).entry


def _provider(session: Session, setting: FormSetting, new: NewEntry) -> int | None:
    if not new.provider_email:
        return None
    found = person_with_address(session, normalize_email(new.provider_email))
    if found is None or not may_name(session, setting.person_id, setting.rules, found):
        return None
    return found


def _faults(
    new: NewEntry, setting: FormSetting, provider_id: int | None, logged: int
) -> Iterator[Fault]:
    yield from _wrong_day(new.held_on, setting.today)
    if logged + new.minutes > MINUTES_IN_DAY:
        yield "#/minutes", f"{logged} minutes are logged on that day already: a day has 1440"
    if not clean(new.title):
        yield "#/title", "say what the session was called"
    yield from _wrong_provider(new, provider_id)
    yield from _wrong_topics(new, setting)


def _wrong_day(day: date, today: date) -> Iterator[Fault]:
    if day > today:
        yield "#/held_on", f"the day must be {today} or earlier"
    elif day.year < today.year - _YEARS_BACK:
        yield "#/held_on", f"the year must be {today.year - _YEARS_BACK} or later"


def _wrong_provider(new: NewEntry, provider_id: int | None) -> Iterator[Fault]:
    named = [new.provider_email, clean(new.provider_name)]
    if new.activity == "training" and any(named):
        yield "#/provider_email", "a training has no provider: leave both out"
    elif new.activity == "rsc" and sum(map(bool, named)) != 1:
        yield "#/provider_email", "give either provider_email or provider_name"
    elif new.provider_email and provider_id is None:
        words = "no provider who qualifies is known by this address: send provider_name instead"
        yield "#/provider_email", words
    if new.activity == "training" and new.format is not None:
        yield "#/format", "only an RSC session is individual or group: leave it out"


def _wrong_topics(new: NewEntry, setting: FormSetting) -> Iterator[Fault]:
    known = setting.topics if new.activity == "training" else [t for t, _ in setting.rsc_topics]
    for topic in new.topics:
        if topic not in known:
            asked = f"the topics asked for are {', '.join(known)}" if known else "none is asked for"
            yield pointer_to("topics", topic), f"no requirement asks for this topic: {asked}"
    if sum(new.topics.values()) > new.minutes:
        yield "#/topics", "together they are more than the session's minutes"


def _content(new: NewEntry, provider_id: int | None) -> Content:
    return Content(
        activity=new.activity,
        held_on=new.held_on,
        minutes=new.minutes,
        title=clean(new.title),
        provider_id=provider_id,
        provider_name=clean(new.provider_name) or None,
        format=new.format,
        reference=clean(new.reference) or None,
        topics=new.topics,
    )


router = APIRouter(tags=["entries"])
EntryId = Annotated[int, Path(ge=1, le=LARGEST_ID)]
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=KEY_PATTERN,
        description="Any text of your own, new for each session: a request that is sent again "
        "with the same key within seven days saves nothing twice.",
    ),
]


class EntryQuery(PageQuery):
    """Which entries; both days count."""

    email: Line = Field("", max_length=254, description="Only this person's (first address).")
    held_from: date | None = Field(None, description="Held on this day or later.")
    held_to: date | None = Field(None, description="Held on this day or earlier.")


@router.get("/entries", responses=documented(401, 403, 422))
def list_entries(
    site: SiteDep,
    who: ReadsEntries,
    request: Request,
    query: Annotated[EntryQuery, Query()],
) -> EntryPage:
    """The sessions of everybody who holds, or has applied for, an endorsement, by id."""
    email = normalize_email(query.email)
    wanted = Wanted(who.association, email, query.held_from, query.held_to)
    with reading(site.engine) as session:
        found = page_of_entries(session, wanted, after=query.after, most=query.limit + 1)
        items = _shown(session, found[: query.limit])
    return EntryPage(items=items, next=next_page(request, query, [e.id for e in found]))


@router.get("/entries/{entry_id}", responses=documented(401, 403, 404, 422))
def show_entry(site: SiteDep, who: ReadsEntries, entry_id: EntryId) -> EntryOut:
    """One session."""
    with reading(site.engine) as session:
        entry = entry_within(session, who.association, entry_id)
        if entry is None:
            raise Problem(404, "The association has no such entry.")
        return _shown(session, [entry])[0]


@router.post(
    "/entries",
    status_code=201,
    response_model=EntryOut,
    responses=documented(400, 401, 403, 409, 413, 422, 429),
)
def create_entry(
    site: SiteDep, at: NowDep, who: WritesEntries, new: NewEntry, key: Key
) -> Response:
    """Log a session: once for each `Idempotency-Key`. The standing follows in the same moment."""
    call = Call(who, key, new, at)

    def work(session: Session) -> tuple[str, bool]:
        """The entry as JSON, and whether it was there before."""
        return create_once(session, site.rulebooks, call, lambda e: _shown(session, [e])[0])

    body, again = site.writer.run(work)
    entry_id = EntryOut.model_validate_json(body).id
    headers = {"Location": f"/api/v1/entries/{entry_id}"}
    if again:
        headers["Idempotent-Replayed"] = "true"
    return Response(body, 201, headers, "application/json")


def _shown(session: Session, entries: Sequence[LoggedEntry]) -> list[EntryOut]:
    ids = {e.person_id for e in entries} | {e.provider_id for e in entries if e.provider_id}
    people = known_people(session, sorted(ids))
    return [
        EntryOut.model_validate(
            {
                **entry._asdict(),
                "endorsee": EndorseeOut(id=entry.person_id, **people[entry.person_id]._asdict()),
                "provider": _provider_entries(entry, people[entry.provider_id].name)
                if entry.provider_id
                else _provider_entries(entry, entry.provider_name),
            }
        )
        for entry in entries
    ]


def _provider_entries(entry: LoggedEntry, name: str | None) -> PersonOut | None:
    return PersonOut(id=entry.provider_id, name=name) if name else None
