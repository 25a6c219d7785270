"""Sessions as programs list, read, and log them."""

import hashlib
from collections.abc import Sequence
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import Field
from sqlmodel import Session

from tracker.db.engine import reading
from tracker.rules.explain import LoggedEntry
from tracker.services.api_entries import (
    ApiSession,
    ListFilter,
    create_api_entry,
    entry_within,
    known_people,
    page_of_entries,
)
from tracker.services.api_tokens import claim_key, keep_answer
from tracker.services.context import Actor, ServiceContext
from tracker.services.entry_rules import EntryInput
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
from tracker.web.api.problems import Problem, ReadsEntries, WritesEntries, documented
from tracker.web.dependencies import NowDep, SiteDep
from tracker.web.forms.body import clean

router = APIRouter(tags=["entries"])
EntryId = Annotated[int, Path(ge=1, le=LARGEST_ID)]
IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,100}$",
        description="A text of your choice, new for each session. A request that is sent again "
        "with the same key within seven days saves nothing twice.",
    ),
]


class EntryQuery(PageQuery):
    """Which entries to list; both days are included."""

    email: Line = Field("", max_length=254, description="Only this person's (first address).")
    held_from: date | None = Field(None, description="Held on this day or later.")
    held_to: date | None = Field(None, description="Held on this day or earlier.")


@router.get("/entries", responses=documented(401, 403, 422))
def list_entries(
    site: SiteDep,
    caller: ReadsEntries,
    request: Request,
    query: Annotated[EntryQuery, Query()],
) -> EntryPage:
    """The sessions of everyone who holds or has applied for an endorsement, by id."""
    email = normalize_email(query.email)
    wanted = ListFilter(caller.association, email, query.held_from, query.held_to)
    with reading(site.engine) as session:
        found = page_of_entries(session, wanted, after=query.after, limit=query.limit + 1)
        items = _build_output(session, found[: query.limit])
    return EntryPage(items=items, next=next_page(request, query, [e.id for e in found]))


@router.get("/entries/{entry_id}", responses=documented(401, 403, 404, 422))
def show_entry(site: SiteDep, caller: ReadsEntries, entry_id: EntryId) -> EntryOut:
    """One session."""
    with reading(site.engine) as session:
        entry = entry_within(session, caller.association, entry_id)
        if entry is None:
            raise Problem(404, "The association has no such entry.")
        return _build_output(session, [entry])[0]


@router.post(
    "/entries",
    status_code=201,
    response_model=EntryOut,
    responses=documented(400, 401, 403, 409, 413, 422, 429),
)
def create_entry(
    site: SiteDep, now: NowDep, caller: WritesEntries, new: NewEntry, key: IdempotencyKey
) -> Response:
    """Log a session: once for each `Idempotency-Key`. The standing changes at the same time."""
    request_hash = hashlib.sha256(new.model_dump_json().encode()).hexdigest()
    actor = Actor(f"token {caller.id}: {caller.name}")
    api_session = ApiSession(
        email=new.email,
        entry=_entry_input(new),
        provider_email=new.provider_email or "",
        token_id=caller.id,
        key=key,
    )

    def work(session: Session) -> tuple[str, bool]:
        """The entry as JSON, and whether the same request had created it before."""
        reply = claim_key(session, caller.id, key, request_hash, now)
        if reply is not None:
            if reply.request_hash != request_hash:
                raise Problem(
                    409,
                    "This Idempotency-Key was used for another session. Use a new key for each.",
                    [("header/Idempotency-Key", "already used")],
                )
            return reply.body, True
        context = ServiceContext(session, site.rulebooks, actor, now)
        entry = create_api_entry(context, caller.association, api_session)
        body = _build_output(session, [entry])[0].model_dump_json()
        keep_answer(session, caller.id, key, 201, body)
        return body, False

    body, is_repeated = site.writer.run(work)
    headers = {"Location": f"/api/v1/entries/{EntryOut.model_validate_json(body).id}"}
    if is_repeated:
        headers["Idempotent-Replayed"] = "true"
    return Response(body, 201, headers, "application/json")


def _entry_input(new: NewEntry) -> EntryInput:
    return EntryInput(
        activity=new.activity,
        held_on=new.held_on,
        minutes=new.minutes,
        title=new.title,
        provider_name=clean(new.provider_name) or None,
        format=new.format,
        reference=clean(new.reference) or None,
        topics=new.topics,
    )


def _build_output(session: Session, entries: Sequence[LoggedEntry]) -> list[EntryOut]:
    ids = {entry.person_id for entry in entries}
    ids |= {entry.provider_id for entry in entries if entry.provider_id}
    people = known_people(session, sorted(ids))
    output = []
    for entry in entries:
        name = people[entry.provider_id].name if entry.provider_id else entry.provider_name
        person = people[entry.person_id]
        endorsee = EndorseeOut(id=person.id, name=person.name, email=person.email)
        provider = PersonOut(id=entry.provider_id, name=name) if name else None
        values = {**entry._asdict(), "endorsee": endorsee, "provider": provider}
        output.append(EntryOut.model_validate(values))
    return output
