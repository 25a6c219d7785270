"""The first page; in the demo it opens the site as somebody with one click."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path
from fastapi.responses import RedirectResponse, Response

from tracker.records.sessions import open_session
from tracker.records.sign_in import normal_email
from tracker.web.cookies import signed_in
from tracker.web.site import Instant, TheSite
from tracker.web.viewer import AnyViewer

router = APIRouter()
demo_router = APIRouter()


@router.get("/")
def show(site: TheSite, who: AnyViewer) -> Response:
    """What this is and how to get in; those who are signed in go to their own page."""
    if who is not None and not site.demo_people:
        return RedirectResponse("/my-year", 303)
    return site.pages.show("front.html", viewer=who, people=site.demo_people)


@demo_router.post("/demo/open/{number}")
def open_as(site: TheSite, at: Instant, number: Annotated[int, Path(ge=0, le=999)]) -> Response:
    """Sign in as one of the demo's people; this route exists in the demo only."""
    if number >= len(site.demo_people):
        raise HTTPException(404)
    email = normal_email(site.demo_people[number].email)
    token = site.writer.run(lambda connection: open_session(connection, email, at))
    return signed_in(site, token, "/my-year")
