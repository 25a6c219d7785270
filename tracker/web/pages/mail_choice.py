"""Optional mail: the page on which people choose it, and the links in messages that end it."""

from collections.abc import Collection

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from tracker.db.engine import reading
from tracker.rules.notification_preferences import OptionalNotice
from tracker.services.context import Actor
from tracker.services.notification_preferences import (
    disable_kinds,
    list_disabled_kinds,
    read_choice_token,
    read_unsubscribe_token,
    set_disabled_kinds,
    unsubscribe,
)
from tracker.web.dependencies import NowDep, SiteDep
from tracker.web.forms.body import Typed
from tracker.web.page_request import PersonPage

router = APIRouter()
# The name of each kind, and when it is sent.
LABELS = {
    OptionalNotice.EARLY: (
        "Early reminders",
        "Long before a due date; when you can submit your renewal; before leave ends",
    ),
    OptionalNotice.MEMBERSHIP: ("Membership", "Before your membership ends, and when it has ended"),
    OptionalNotice.CUTOFF: ("Providers", "Before sessions with a provider stop counting"),
    OptionalNotice.RSC_WINDOW: ("RSC window", "While you apply: before your RSC window closes"),
    OptionalNotice.REFERENCES: (
        "References",
        "While you apply: how many references are still missing",
    ),
    OptionalNotice.SESSIONS: ("Group sessions", "When a provider logs a session with you"),
    OptionalNotice.MESSAGES: ("Messages", "When your coordinator writes to several people at once"),
}


@router.get("/profile/mail")
def open_choice(page: PersonPage) -> HTMLResponse:
    """Each optional kind with a checkbox, and what is always sent."""
    with page.reading() as session:
        disabled = list_disabled_kinds(session, page.person_id)
    return page.render("mail_choice.html", here="profile", labels=LABELS, disabled=disabled)


@router.post("/profile/mail")
def save_choice(page: PersonPage, typed: Typed) -> Response:
    """Switch off the kinds that are not checked."""
    disabled = {kind.value for kind in OptionalNotice} - set(typed.getlist("kind"))
    page.write(lambda context: set_disabled_kinds(context, disabled))
    return page.redirect("/profile", "mail")


@router.get("/unsubscribe/mail/{token}")
def confirm_disabling(site: SiteDep, token: str) -> HTMLResponse:
    """Ask before kinds of mail to a person are switched off by a link."""
    with reading(site.engine) as session:
        choice = read_choice_token(session, token)
    kinds = format_kinds(choice.kinds)
    return site.pages.render("mail_stopped.html", kinds=kinds, is_done=False)


@router.post("/unsubscribe/mail/{token}")
def disable(site: SiteDep, now: NowDep, token: str) -> HTMLResponse:
    """Switch them off; mail programs post here directly, people use the page's button."""
    # Read first, so that an invalid token does not wait for its turn to write.
    with reading(site.engine) as session:
        choice = read_choice_token(session, token)
    site.write(Actor("unsubscribe link"), now, lambda context: disable_kinds(context, choice))
    return site.pages.render("mail_stopped.html", kinds=format_kinds(choice.kinds), is_done=True)


@router.get("/unsubscribe/{token}")
def confirm_unsubscribing(site: SiteDep, token: str) -> HTMLResponse:
    """Ask before mail to an address is ended by a link."""
    with reading(site.engine) as session:
        subscription = read_unsubscribe_token(session, token)
    return site.pages.render("unsubscribe.html", subscription=subscription, is_done=False)


@router.post("/unsubscribe/{token}")
def end_subscription(site: SiteDep, now: NowDep, token: str) -> HTMLResponse:
    """End it; mail programs post here directly, people use the page's button."""
    with reading(site.engine) as session:
        subscription = read_unsubscribe_token(session, token)
    site.writer.run(lambda session: unsubscribe(session, subscription, now))
    return site.pages.render("unsubscribe.html", subscription=subscription, is_done=True)


def format_choice(disabled: Collection[str]) -> str:
    """``all``, or how many optional kinds are switched off."""
    count = len(format_kinds(disabled))
    return f"{count} of {len(LABELS)} optional kinds are off" if count else "all"


def format_kinds(kinds: Collection[str]) -> list[str]:
    """The names of kinds of mail, without kinds that no longer exist."""
    return [name for kind, (name, _) in LABELS.items() if kind.value in kinds]
