"""The first page; in the demo it opens the pages of made-up people with one click."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path
from fastapi.responses import RedirectResponse, Response

from tracker.services.browser_sessions import create_browser_session
from tracker.services.sign_in import normalize_email
from tracker.web.dependencies import NowDep, OptionalViewerDep, SiteDep
from tracker.web.flash import CLEAR_CACHE, FlashDep, clear_flash, sign_in_response

router = APIRouter()
demo_router = APIRouter()
_EMPTY_PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'


@router.get("/")
def show(site: SiteDep, viewer: OptionalViewerDep, flash: FlashDep) -> Response:
    """What this site is and how to sign in; viewers go to their own page."""
    if viewer is not None and not site.demo_people:
        return RedirectResponse("/my-year", 303)
    is_signed_out = flash == "out" and viewer is None
    page = site.pages.render(
        "front.html", viewer=viewer, people=site.demo_people, is_signed_out=is_signed_out
    )
    return clear_flash(page, site, flash)


@router.get("/signed-out.svg")
def clear_kept_pages() -> Response:
    """An empty picture that makes the browser drop the page on which the viewer signed out.

    The browser keeps that page for Back only once the next page is there, so the answer to the
    sign-out itself comes too early to clear it.
    """
    headers = {"clear-site-data": CLEAR_CACHE, "cache-control": "no-store"}
    return Response(_EMPTY_PICTURE, media_type="image/svg+xml", headers=headers)


@demo_router.post("/demo/open/{number}")
def open_as(site: SiteDep, now: NowDep, number: Annotated[int, Path(ge=0, le=999)]) -> Response:
    """Sign in as one of the demo's people; this route exists in the demo only."""
    if number >= len(site.demo_people):
        raise HTTPException(404)
    email = normalize_email(site.demo_people[number].email)
    token = site.writer.run(lambda session: create_browser_session(session, email, now))
    return sign_in_response(site, token, "/my-year")
