"""The API, an application of its own below `/api/v1`: standings, and entries to read and log."""

import hashlib
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Header, Query, Request, Response
from pydantic import Field
from pydantic.json_schema import models_json_schema
from sqlmodel import Session

from tracker.db.access import ApiToken
from tracker.db.engine import reading
from tracker.exports.standing_json import standing_to_json, without_records_to_json
from tracker.rules.explain import LoggedEntry
from tracker.services.api_entries import (
    ApiSession,
    ListFilter,
    create_api_entry,
    entry_within,
    find_api_entry,
    known_people,
    list_entry_notices,
    page_of_endorsements,
    page_of_entries,
)
from tracker.services.api_tokens import claim_key, keep_answer
from tracker.services.context import Actor, ServiceContext
from tracker.services.endorsements import endorsement_within
from tracker.services.entry_rules import EntryInput
from tracker.services.evaluation import days_at, judge_all
from tracker.services.first_days import list_without_records
from tracker.services.sign_in import normalize_email
from tracker.services.stages import read_ways
from tracker.services.uncounted import with_uncounted
from tracker.web.api.models import (
    Day,
    EndorseeOut,
    EntryOut,
    EntryPage,
    Line,
    NewEntry,
    PageQuery,
    PersonOut,
    StandingOut,
    StandingPage,
    next_page,
)
from tracker.web.api.problems import (
    Problem,
    ProblemDocument,
    ReadsEntries,
    ReadsStandings,
    WritesEntries,
    add_problems,
    documented,
)
from tracker.web.dependencies import NowDep, Site, SiteDep
from tracker.web.forms.body import RowId, clean

PREFIX = "/api/v1"
_ABOUT = (
    "Standings and entries of one association's endorsees. Each request carries a token of the "
    "association (`Authorization: Bearer …`); refusals are problem documents (RFC 9457). "
    "Lists come in pages: follow `next`."
)
standings = APIRouter(tags=["standings"])
entries = APIRouter(tags=["entries"])
# No cycle is calculated beyond these years.
_FIRST_YEAR, _LAST_YEAR = 1900, 2200
_CYCLE = "A day of the cycle; without it, the current cycle."

IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,100}$",
        description="A text of your choice, new for each session. A request that is sent again "
        "with the same key within seven days saves nothing twice.",
    ),
]


class StandingQuery(PageQuery):
    """Which renewals to list."""

    cycle: Day | None = Field(None, description=_CYCLE)
    email: Line = Field("", max_length=254, description="Only this person (first address).")
    category: Line = Field("", max_length=40, description="Only this category.")


@standings.get("/standings", responses=documented(401, 403, 422))
def list_standings(
    site: SiteDep,
    now: NowDep,
    caller: ReadsStandings,
    request: Request,
    query: Annotated[StandingQuery, Query()],
) -> StandingPage:
    """Where each renewal of the association stands, by endorsement.

    A page may hold fewer than `limit`: an endorsement without a renewal in the cycle gives none.
    """
    wanted = ListFilter(caller.association, normalize_email(query.email))
    with reading(site.engine) as session:
        ids = page_of_endorsements(
            session, wanted, category=query.category, after=query.after, limit=query.limit + 1
        )
        items = _evaluate(session, site, ids[: query.limit], query.cycle, now)
    return StandingPage(items=items, next=next_page(request, query, ids))


@standings.get("/standings/{endorsement_id}", responses=documented(401, 403, 404, 422))
def show_standing(
    site: SiteDep,
    now: NowDep,
    caller: ReadsStandings,
    endorsement_id: RowId,
    cycle: Annotated[Day | None, Query(description=_CYCLE)] = None,
) -> StandingOut:
    """Where one endorsement's renewal stands: what counts, what is missing, and why."""
    standings: list[StandingOut] = []
    with reading(site.engine) as session:
        if endorsement_within(session, endorsement_id, [caller.association]) is not None:
            standings = _evaluate(session, site, [endorsement_id], cycle, now)
    if not standings:
        raise Problem(404, "The association has no such endorsement with a renewal.")
    return standings[0]


def _evaluate(
    session: Session, site: Site, ids: list[int], cycle: date | None, now: datetime
) -> list[StandingOut]:
    day_of = days_at(site.rulebooks, now)
    if cycle and not _FIRST_YEAR <= cycle.year <= _LAST_YEAR:
        return []
    judged = judge_all(session, site.rulebooks, day_of, cycle_day=cycle, endorsement_ids=ids)
    standings = sorted(judged, key=lambda s: s.facts.subject_id)
    ways = read_ways(session, site.rulebooks, endorsement_ids=ids)
    shown = [
        StandingOut(
            endorsement_id=standing.facts.subject_id,
            name=standing.facts.name,
            **standing_to_json(
                standing, uncounted, ways.find_stage(standing, day_of(standing.plan.association))
            ),
        )
        for standing, uncounted in with_uncounted(session, standings, day_of)
    ]
    for renewal in list_without_records(
        session, site.rulebooks, day_of, cycle_day=cycle, endorsement_ids=ids
    ):
        values = without_records_to_json(renewal)
        shown.append(
            StandingOut(endorsement_id=renewal.endorsement_id, name=renewal.name, **values)
        )
    return sorted(shown, key=lambda standing: standing.endorsement_id)


class EntryQuery(PageQuery):
    """Which entries to list; both days are included."""

    email: Line = Field("", max_length=254, description="Only this person's (first address).")
    held_from: Day | None = Field(None, description="Held on this day or later.")
    held_to: Day | None = Field(None, description="Held on this day or earlier.")


@entries.get("/entries", responses=documented(401, 403, 422))
def list_entries(
    site: SiteDep,
    now: NowDep,
    caller: ReadsEntries,
    request: Request,
    query: Annotated[EntryQuery, Query()],
) -> EntryPage:
    """The sessions of everyone who holds or has applied for an endorsement, by id."""
    email = normalize_email(query.email)
    wanted = ListFilter(caller.association, email, query.held_from, query.held_to)
    with reading(site.engine) as session:
        found = page_of_entries(session, wanted, after=query.after, limit=query.limit + 1)
        items = _build_output(session, site, caller, found[: query.limit], now)
    return EntryPage(items=items, next=next_page(request, query, [e.id for e in found]))


@entries.get("/entries/{entry_id}", responses=documented(401, 403, 404, 422))
def show_entry(site: SiteDep, now: NowDep, caller: ReadsEntries, entry_id: RowId) -> EntryOut:
    """One session."""
    with reading(site.engine) as session:
        entry = entry_within(session, caller.association, entry_id)
        if entry is None:
            raise Problem(404, "The association has no such entry.")
        return _build_output(session, site, caller, [entry], now)[0]


@entries.post(
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
            if reply.body:
                return reply.body, True
            saved = find_api_entry(session, caller.association, api_session)
            if saved is None:
                raise Problem(
                    409,
                    "The session that this Idempotency-Key saved was deleted. Use a new key.",
                    [("header/Idempotency-Key", "already used")],
                )
            return _build_output(session, site, caller, [saved], now)[0].model_dump_json(), True
        context = ServiceContext(session, site.rulebooks, actor, now)
        entry = create_api_entry(context, caller.association, api_session)
        body = _build_output(session, site, caller, [entry], now)[0].model_dump_json()
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


def _build_output(
    session: Session, site: Site, caller: ApiToken, entries: Sequence[LoggedEntry], now: datetime
) -> list[EntryOut]:
    notices = list_entry_notices(session, site.rulebooks, caller.association, entries, now)
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
        values["notices"] = [notice._asdict() for notice in notices.get(entry.id, ())]
        output.append(EntryOut.model_validate(values))
    return output


class _Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """The description, with the schema of problem documents, to which the responses refer."""
        described = super().openapi()
        template = "#/components/schemas/{model}"
        _, found = models_json_schema([(ProblemDocument, "serialization")], ref_template=template)
        described["components"]["schemas"].update(found["$defs"])
        return described


def build_api(site: Site) -> FastAPI:
    """The API on the same database as the pages; its description is at `openapi.json`."""
    api = _Api(
        title="Endorsement renewals",
        version="1",
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        servers=[{"url": PREFIX}],
        root_path_in_servers=False,
        routes=[*standings.routes, *entries.routes],
    )
    api.state.site = site
    add_problems(api)
    return api
