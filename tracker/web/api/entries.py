"""Reads entries, and logs new ones for endorsees."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import Field
from sqlalchemy import Connection

from tracker.records.api.api_entries import Wanted, entry_within, known_people, page_of_entries
from tracker.records.sign_in.sign_in import normal_email
from tracker.records.store.engine import reading
from tracker.rules.explain import LoggedEntry
from tracker.web.api.callers import ReadsEntries, WritesEntries
from tracker.web.api.creating import KEY_PATTERN, Call, create_once
from tracker.web.api.models import EndorseeOut, EntryOut, EntryPage, Line, NewEntry, PersonOut
from tracker.web.api.paging import LARGEST_ID, PageQuery, next_page
from tracker.web.frame.problems import Problem, documented
from tracker.web.frame.site import Instant, TheSite

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
    site: TheSite,
    who: ReadsEntries,
    request: Request,
    query: Annotated[EntryQuery, Query()],
) -> EntryPage:
    """The sessions of everybody who holds, or has applied for, an endorsement, by id."""
    email = normal_email(query.email)
    wanted = Wanted(who.association, email, query.held_from, query.held_to)
    with reading(site.engine) as connection:
        found = page_of_entries(connection, wanted, after=query.after, most=query.limit + 1)
        items = _shown(connection, found[: query.limit])
    return EntryPage(items=items, next=next_page(request, query, [e.id for e in found]))


@router.get("/entries/{entry_id}", responses=documented(401, 403, 404, 422))
def show_entry(site: TheSite, who: ReadsEntries, entry_id: EntryId) -> EntryOut:
    """One session."""
    with reading(site.engine) as connection:
        entry = entry_within(connection, who.association, entry_id)
        if entry is None:
            raise Problem(404, "The association has no such entry.")
        return _shown(connection, [entry])[0]


@router.post(
    "/entries",
    status_code=201,
    response_model=EntryOut,
    responses=documented(400, 401, 403, 409, 413, 422, 429),
)
def create_entry(
    site: TheSite, at: Instant, who: WritesEntries, new: NewEntry, key: Key
) -> Response:
    """Log a session: once for each `Idempotency-Key`. The standing follows in the same moment."""
    call = Call(who, key, new, at)

    def work(connection: Connection) -> tuple[str, bool]:
        """The entry as JSON, and whether it was there before."""
        return create_once(connection, site.books, call, lambda e: _shown(connection, [e])[0])

    body, again = site.writer.run(work)
    entry_id = EntryOut.model_validate_json(body).id
    headers = {"Location": f"/api/v1/entries/{entry_id}"}
    if again:
        headers["Idempotent-Replayed"] = "true"
    return Response(body, 201, headers, "application/json")


def _shown(connection: Connection, entries: Sequence[LoggedEntry]) -> list[EntryOut]:
    ids = {e.person_id for e in entries} | {e.provider_id for e in entries if e.provider_id}
    people = known_people(connection, sorted(ids))
    return [
        EntryOut.model_validate(
            {
                **entry._asdict(),
                "endorsee": EndorseeOut(id=entry.person_id, **people[entry.person_id]._asdict()),
                "provider": _provider(entry, people[entry.provider_id].name)
                if entry.provider_id
                else _provider(entry, entry.provider_name),
            }
        )
        for entry in entries
    ]


def _provider(entry: LoggedEntry, name: str | None) -> PersonOut | None:
    return PersonOut(id=entry.provider_id, name=name) if name else None
