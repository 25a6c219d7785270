"""Which optional mails a person gets: chosen on a page, or ended by a mail's own link."""

from collections.abc import Collection

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from tracker.records.entries.entry_writes import Author
from tracker.records.profile.mail_wishes import (
    email_of,
    kinds_off_of,
    read_off_token,
    set_kinds_off,
)
from tracker.records.store.engine import reading
from tracker.rules.mail_wishes import Optional
from tracker.web.forms.typed import Typed
from tracker.web.frame.said_once import go_and_say
from tracker.web.frame.site import Instant, TheSite
from tracker.web.frame.viewer import ThePerson

router = APIRouter()
# What each is called, and what it tells of.
WORDS = {
    Optional.EARLY: ("Early reminders", "Long before a due date, while something is missing"),
    Optional.MEMBERSHIP: ("Membership", "Before a membership ends, and when it has ended"),
    Optional.CUTOFF: ("Providers", "Before a provider's sessions stop counting"),
    Optional.RSC_WINDOW: ("RSC window", "While you apply: before your RSC window closes"),
    Optional.REFERENCES: ("References", "While you apply: how many have not come yet"),
    Optional.SESSIONS: ("Group sessions", "When a provider logs a session with you"),
}


@router.get("/profile/mail")
def open_choice(site: TheSite, who: ThePerson) -> HTMLResponse:
    """Every optional kind with its switch, and what always comes and why."""
    with reading(site.engine) as connection:
        off = kinds_off_of(connection, who.id)
    return site.pages.show(
        "mail_choice.html", viewer=who.viewer, here="profile", words=WORDS, off=off
    )


@router.post("/profile/mail")
def save_choice(site: TheSite, at: Instant, who: ThePerson, typed: Typed) -> Response:
    """Switch off what is not ticked."""
    wanted = set(typed.getlist("kind"))
    off = {kind.value for kind in Optional} - wanted
    author = Author(who.id, who.viewer.email, at)
    site.writer.run(lambda connection: set_kinds_off(connection, author, off))
    return go_and_say(site, "/profile", "mail")


@router.get("/unsubscribe/mail/{token}")
def ask(site: TheSite, token: str) -> HTMLResponse:
    """Asks whether to stop the mail that the link names."""
    with reading(site.engine) as connection:
        wish = read_off_token(connection, token)
    if wish is None:
        raise HTTPException(404)
    return site.pages.show("mail_stopped.html", kinds=say_kinds(wish[1]), done=False)


@router.post("/unsubscribe/mail/{token}")
def stop(site: TheSite, at: Instant, token: str) -> HTMLResponse:
    """Stops it; mail programs post here by themselves, people by the page's button."""

    def job(connection: Connection) -> tuple[str, ...] | None:
        wish = read_off_token(connection, token)
        email = email_of(connection, wish[0]) if wish else None
        if wish is None or email is None:
            return None
        off = {*kinds_off_of(connection, wish[0]), *wish[1]}
        set_kinds_off(connection, Author(wish[0], email, at), off)
        return wish[1]

    # A stranger's token must not wait for a turn to write, nor make others wait.
    with reading(site.engine) as connection:
        known = read_off_token(connection, token) is not None
    kinds = site.writer.run(job) if known else None
    if kinds is None:
        raise HTTPException(404)
    return site.pages.show("mail_stopped.html", kinds=say_kinds(kinds), done=True)


def say_choice(off: Collection[str]) -> str:
    """``all``, or how many kinds are switched off."""
    known = [kind for kind in Optional if kind.value in off]
    return f"{len(known)} of {len(Optional)} optional kinds off" if known else "all"


def say_kinds(kinds: Collection[str]) -> list[str]:
    """What kinds are called, those of an older version left out."""
    return [WORDS[kind][0] for kind in Optional if kind.value in kinds]
