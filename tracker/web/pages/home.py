"""The first page; in the demo it opens the site as somebody with one click."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path
from fastapi.responses import RedirectResponse, Response

from tracker.services.browser_sessions import open_session
from tracker.services.sign_in import normalize_email
from tracker.web.dependencies import NowDep, OptionalViewerDep, SiteDep
from tracker.web.flash import CLEAR_CACHE, FlashDep, sign_in_response

router = APIRouter()
demo_router = APIRouter()
_NOTHING = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'


@router.get("/")
def show(site: SiteDep, who: OptionalViewerDep, flash: FlashDep) -> Response:
    """What this is and how to get in; those who are signed in go to their own page."""
    if who is not None and not site.demo_people:
        return RedirectResponse("/my-year", 303)
    is_out = flash.code == "out" and who is None
    page = site.pages.render("front.html", viewer=who, people=site.demo_people, is_out=is_out)
    return flash.clear(page)


@router.get("/signed-out.svg")
def forget() -> Response:
    """A picture of nothing that has the browser forget the page from which one signed out.

    That page is put aside, for Back, only when the next one is there: the answer to the sign-out
    itself comes too early to clear it.
    """
    headers = {"clear-site-data": CLEAR_CACHE, "cache-control": "no-store"}
    return Response(_NOTHING, media_type="image/svg+xml", headers=headers)


@demo_router.post("/demo/open/{number}")
def open_as(site: SiteDep, at: NowDep, number: Annotated[int, Path(ge=0, le=999)]) -> Response:
    """Sign in as one of the demo's people; this route exists in the demo only."""
    if number >= len(site.demo_people):
        raise HTTPException(404)
    email = normalize_email(site.demo_people[number].email)
    token = site.writer.run(lambda session: open_session(session, email, at))
    return sign_in_response(site, token, "/my-year")
