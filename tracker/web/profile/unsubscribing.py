"""Unsubscribing by a signed link: opening it only asks; posting to it does it (RFC 8058)."""

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from tracker.records.mailing.unsubscribing import Wish, read_unsubscribe_token, unsubscribe
from tracker.records.store.engine import reading, writing
from tracker.web.frame.site import Instant, TheSite

router = APIRouter()


@router.get("/unsubscribe/{token}")
def ask(site: TheSite, token: str) -> HTMLResponse:
    """Asks whether to stop the mail that the link names."""
    with reading(site.engine) as connection:
        wish = _wish(connection, token)
    return site.pages.show("unsubscribe.html", wish=wish, done=False)


@router.post("/unsubscribe/{token}")
def stop(site: TheSite, at: Instant, token: str) -> HTMLResponse:
    """Stops it; mail programs post here by themselves, people by the page's button."""
    # A stranger's token must not wait for a turn to write, nor make others wait.
    with reading(site.engine) as connection:
        _wish(connection, token)
    with writing(site.engine) as connection:
        wish = _wish(connection, token)
        unsubscribe(connection, wish, at)
    return site.pages.show("unsubscribe.html", wish=wish, done=True)


def _wish(connection: Connection, token: str) -> Wish:
    wish = read_unsubscribe_token(connection, token)
    if wish is None:
        raise HTTPException(404)
    return wish
