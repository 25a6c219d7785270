"""The public registry of an association: a page, the same in a frame, and the same as JSON.

Nothing here reads or sets a cookie but the page itself, whose menu is the viewer's. Nothing keeps
an answer without asking us again, and search engines are asked to keep nothing at all: what
somebody withdraws would stay with them.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response

from tracker.db.engine import reading
from tracker.formatting import set_locale
from tracker.rules.model import Rulebook
from tracker.rules.registry import Registry
from tracker.services.provider_overview import RosterEntry
from tracker.services.registry import (
    ListedPerson,
    PublicStatus,
    RegistrySearch,
    find_open_registry,
    list_registry,
    read_roster,
    search_registry,
)
from tracker.web.dependencies import (
    NowDep,
    OptionalViewerDep,
    Site,
    SiteDep,
    Viewer,
    client_of,
)
from tracker.web.forms.body import clean
from tracker.web.middleware import embed_policy
from tracker.web.page_request import PAGE_SIZE, PageNumber, count_pages, require


async def limit_visits(site: SiteDep, request: Request, now: NowDep) -> None:
    """Answer one client only so often in a minute."""
    site.public_visits.count(client_of(request).network, now)


router = APIRouter(dependencies=[Depends(limit_visits)])
STATUS_WORDS = {
    PublicStatus.ENDORSED: "Endorsed",
    PublicStatus.NOT_ENDORSED: "Not currently endorsed",
}
_ROBOTS = {"x-robots-tag": "noindex, nofollow"}
# Anyone may keep it who asks us each time whether it is still the same.
_CACHING = "no-cache"


async def _parse_search(
    name: Annotated[str, Query(max_length=200)] = "",
    category: Annotated[str, Query(max_length=40)] = "",
    supervisees: Annotated[str, Query(max_length=10)] = "",
) -> RegistrySearch:
    """What the address looks for."""
    return RegistrySearch(clean(name), clean(category), supervisees == "yes")


SearchDep = Annotated[RegistrySearch, Depends(_parse_search)]


@dataclass(frozen=True, slots=True)
class RegistryPage:
    """One page of what a search found; ``path`` is the registry's address without a query.

    ``roster`` has what RSC providers say, by the id of the person; ``total`` counts everyone found.
    """

    rulebook: Rulebook
    registry: Registry
    today: date
    search: RegistrySearch
    people: list[ListedPerson]
    roster: Mapping[int, RosterEntry]
    total: int
    number: int

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return count_pages(self.total)

    @property
    def path(self) -> str:
        """The registry's address."""
        return registry_path(self.rulebook.id)

    def link(self, ending: str, number: int) -> str:
        """The address of another page of the same search; ``ending`` is that of its form."""
        search = self.search
        query: dict[str, object] = {"name": search.name, "category": search.category}
        query |= {"supervisees": "yes" if search.takes_supervisees else ""}
        query |= {"page": number if number > 1 else ""}
        chosen = {name: value for name, value in query.items() if value}
        return f"{self.path}{ending}{'?' if chosen else ''}{urlencode(chosen)}"


def registry_path(association: str) -> str:
    """The address of an association's registry."""
    return f"/registry/{association}"


def find_page(
    site: Site, today: date, association: str, search: RegistrySearch, number: int
) -> RegistryPage:
    """A page of a registry; 404 for an association that has none that is open."""
    rulebook, registry = require(find_open_registry(site.rulebooks, association, today))
    set_locale(rulebook.locale)
    with reading(site.engine) as session:
        found = search_registry(list_registry(session, rulebook, today), search)
        number = min(number, count_pages(len(found)))
        shown = found[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
        roster = read_roster(session, association, today, shown)
    return RegistryPage(rulebook, registry, today, search, shown, roster, len(found), number)


# Before the page, whose association would end with ".json".
@router.get("/registry/{association}.json")
def show_json(
    site: SiteDep,
    now: NowDep,
    request: Request,
    association: str,
    search: SearchDep,
    number: PageNumber = 1,
) -> Response:
    """A page of the registry for other programs, and for scripts of the websites that embed it."""
    page = find_page(site, _today(site, association, now), association, search, number)
    body = json.dumps(_to_json(page, site.settings.base_url), ensure_ascii=False).encode()
    tag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {**_ROBOTS, "cache-control": _CACHING, "vary": "origin", "etag": tag}
    origin = request.headers.get("origin", "")
    if page.registry.may_embed(origin):
        headers["access-control-allow-origin"] = origin
    known = request.headers.get("if-none-match", "").split(",")
    if tag in {each.strip() for each in known}:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


@router.get("/registry/{association}")
def show_registry(
    site: SiteDep,
    now: NowDep,
    viewer: OptionalViewerDep,
    association: str,
    search: SearchDep,
    number: PageNumber = 1,
) -> HTMLResponse:
    """The registry as a page of the site."""
    page = find_page(site, _today(site, association, now), association, search, number)
    return _render(site, page, "registry.html", "", viewer=viewer)


@router.get("/registry/{association}/embed")
def show_embedded(
    site: SiteDep, now: NowDep, association: str, search: SearchDep, number: PageNumber = 1
) -> HTMLResponse:
    """The registry for a frame on the association's website, without our menu."""
    page = find_page(site, _today(site, association, now), association, search, number)
    answer = _render(site, page, "registry_embed.html", "/embed")
    answer.headers["content-security-policy"] = embed_policy(page.registry.embed_on)
    answer.headers["cache-control"] = _CACHING
    return answer


def _today(site: Site, association: str, now: datetime) -> date:
    """The day at an association."""
    require(association in site.rulebooks.associations)
    return site.today(association, now)


def _render(
    site: Site, page: RegistryPage, template: str, ending: str, viewer: Viewer | None = None
) -> HTMLResponse:
    answer = site.pages.render(
        template,
        page=page,
        ending=ending,
        status_words=STATUS_WORDS,
        viewer=viewer,
        branding=site.brandings.of(page.rulebook.id),
    )
    answer.headers.update(_ROBOTS)
    return answer


def _to_json(page: RegistryPage, base_url: str) -> dict[str, Any]:
    """The documented fields: docs/api.md. None of them names a row of ours."""
    following = page.link(".json", page.number + 1) if page.number < page.pages else None
    return {
        "association": page.rulebook.id,
        "name": page.rulebook.name,
        "as_of": page.today.isoformat(),
        "url": f"{base_url}{page.path}",
        "count": page.total,
        "page": page.number,
        "pages": page.pages,
        "next": f"{base_url}{following}" if following else None,
        "people": [_person_to_json(page, person) for person in page.people],
    }


def _person_to_json(page: RegistryPage, person: ListedPerson) -> dict[str, Any]:
    entry = page.roster.get(person.person_id)
    provider = None
    if entry is not None:
        provider = {"credentials": list(entry.credentials), "line": entry.line}
    return {
        "name": person.name,
        "endorsements": [
            {"category": each.category, "name": each.name, "status": each.status.value}
            for each in person.categories
        ],
        "takes_new_supervisees": entry is not None,
        "provider": provider,
    }
