"""My year: where one stands, what lies ahead, and what is logged."""

from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection

from tracker.records.groups.group_asks import asked_of
from tracker.records.judging.endorsees import endorsements_of
from tracker.web.applying.applications import read_applications
from tracker.web.frame.bounced import bounced_of
from tracker.web.frame.contacts import contacts_of
from tracker.web.frame.said_once import said_to
from tracker.web.frame.site import Site, site_of
from tracker.web.frame.viewer import Looked, Viewer, look_within
from tracker.web.year.year import read_year

router = APIRouter()


class _Found(NamedTuple):
    """Who looks, and what the page shows them; None for coordinators without a year."""

    looked: Looked
    facts: dict[str, Any] | None


async def show_year(request: Request) -> Response:
    """The signed-in person's year; coordinators without any go to their own page."""
    site = site_of(request)
    read = partial(_read, request, site, site.now())
    return await site.reader.show(read, partial(_answer, request, site))


# Without dependencies: who looks is read with what they see, in one transaction.
router.add_route("/my-year", show_year, methods=["GET"])


def _read(request: Request, site: Site, at: datetime, connection: Connection) -> _Found:
    looked = look_within(connection, request, site, at)
    if looked.viewer.coordinates and not looked.viewer.logs_hours:
        return _Found(looked, None)
    return _Found(looked, _facts(connection, site, at, looked.viewer))


def _answer(request: Request, site: Site, found: _Found) -> Response:
    if found.facts is None:
        answer: Response = RedirectResponse("/coordinator", 303)
    else:
        answer = _page(request, site, found.looked, found.facts)
    answer.background = found.looked.later
    return answer


def _page(request: Request, site: Site, looked: Looked, facts: dict[str, Any]) -> Response:
    said = said_to(request, site)
    page = site.pages.show(
        "my_year.html",
        viewer=looked.viewer,
        here="my-year",
        asked=(),
        whose=None,
        contacts=contacts_of(site),
        notice="The entry is deleted." if said.word == "deleted" else "",
        **facts,
    )
    return said.once(page)


def _facts(connection: Connection, site: Site, at: datetime, who: Viewer) -> dict[str, Any]:
    """What the page shows of a person; of somebody who is none, nothing."""
    person_id, books = who.person_id, site.books
    if person_id is None:
        return {"year": None, "applications": (), "to_answer": (), "bounced": None}
    endorsements = endorsements_of(connection, person_id)
    applications = read_applications(connection, books, person_id, at) if who.has_applied else ()
    applied = [view.application for view in applications]
    return {
        "year": read_year(connection, books, person_id, endorsements, at, applied),
        "applications": applications,
        "to_answer": asked_of(connection, person_id),
        "bounced": bounced_of(connection, books, who),
    }
