"""A coordinator's mailings: the list, how far each has come, and the mail that each person got."""

from datetime import timedelta
from typing import Annotated, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, Response
from sqlmodel import Session

from tracker.db.desk_tasks import WORKING
from tracker.db.mailings import DRAFT, Mailing
from tracker.db.people import Person
from tracker.notifications.mailing_mail import read_content, show_mail
from tracker.notifications.mailing_text import SKIP_TEXTS, TEMPLATES
from tracker.services.desk_tasks import MAILING, find_unfinished
from tracker.services.mailing_delivery import (
    DeliveryCounts,
    RecipientLine,
    count_deliveries,
    count_mailings,
    find_line,
    find_recipient,
    list_drafts,
    list_held_back,
    list_mailing_recipients,
    list_mailings,
)
from tracker.services.mailing_rules import MailingTemplate, SkipReason
from tracker.services.mailings import (
    discard_draft,
    get_mailing,
    stop_mailing,
)
from tracker.web.flash import redirect_with_flash
from tracker.web.forms.body import RowId
from tracker.web.page_request import (
    PAGE_SIZE,
    CoordinatorPage,
    PageNumber,
    PageRequest,
    count_pages,
    require,
)
from tracker.web.pages.desk import choose_association
from tracker.web.pages.desk_mail import FRAMING_POLICY, render_mail
from tracker.web.time_zones import format_instant

router = APIRouter()
# While messages leave, the page loads itself again. Later ones wait for an answer of a mail server.
_RELOAD_SECONDS, _RELOADS_FOR = 10, timedelta(minutes=10)
# What the states of `DeliveryCounts` are called, and their tone.
DELIVERY_LABELS = {
    "failed": ("Failed", "warm"),
    "waiting": ("Waiting", "plain"),
    "sent": ("Delivered", "good"),
    "skipped": ("Skipped", "plain"),
}


class MailingLine(NamedTuple):
    """One mailing in the list."""

    mailing: Mailing
    counts: DeliveryCounts
    template: str
    sent_at: str


@router.get("/coordinator/mail")
def show_mailings(
    page: CoordinatorPage, association: Annotated[str, Query()] = "", number: PageNumber = 1
) -> HTMLResponse:
    """What an association has sent, the newest first, with drafts before."""
    association = choose_association(page.viewer, association)
    with page.reading() as session:
        total = count_mailings(session, association)
        skip = (number - 1) * PAGE_SIZE
        listed = list_mailings(session, association, skip=skip, limit=PAGE_SIZE)
        drafts = list_drafts(session, association) if number == 1 else []
    zone = page.rulebooks.associations[association].time_zone
    lines = [
        MailingLine(
            mailing,
            counts,
            TEMPLATES[MailingTemplate(mailing.template)].label,
            format_instant(mailing.sent_at, zone) if mailing.sent_at else "",
        )
        for mailing, counts in listed
    ]
    return page.render(
        "desk_mail.html",
        here="coordinator",
        desk="mail",
        association=association,
        lines=lines,
        drafts=[(draft, format_instant(draft.created_at, zone)) for draft in drafts],
        page=number,
        pages=count_pages(total),
        link=lambda **parts: (
            f"/coordinator/mail?{urlencode({'association': association, **parts})}"
        ),
    )


@router.get("/coordinator/mail/{mailing_id}")
def show_mailing(
    page: CoordinatorPage,
    mailing_id: RowId,
    state: Annotated[str, Query()] = "",
    pause: Annotated[str, Query()] = "",
    number: PageNumber = 1,
) -> HTMLResponse:
    """How far a mailing has come, and what became of it for each person."""
    state = state if state in DELIVERY_LABELS else ""
    with page.reading() as session:
        mailing = _get_sent(page, session, mailing_id)
        counts = count_deliveries(session, [mailing_id]).get(mailing_id, DeliveryCounts())
        skip = (number - 1) * PAGE_SIZE
        people = list_mailing_recipients(
            session, mailing_id, state=state, skip=skip, limit=PAGE_SIZE
        )
        held_back = len(list_held_back(session, mailing_id))
        task = find_unfinished(session, MAILING, mailing_id)
    zone = page.rulebooks.associations[mailing.association].time_zone
    total = getattr(counts, state) if state else sum(counts)
    is_recent = page.now - (mailing.sent_at or page.now) < _RELOADS_FOR
    is_written = task is None or task.state != WORKING
    updates = (bool(counts.waiting) or not is_written) and is_recent and not pause
    answer = page.render(
        "desk_mailing.html",
        here="coordinator",
        desk="mail",
        association=mailing.association,
        mailing=mailing,
        kind=TEMPLATES[MailingTemplate(mailing.template)].label,
        counts=counts,
        labels=DELIVERY_LABELS,
        people=[(person, describe_outcome(person)) for person in people],
        state=state,
        held_back=held_back,
        format_instant=lambda instant: format_instant(instant, zone),
        page=number,
        pages=count_pages(total),
        link=lambda **parts: f"/coordinator/mail/{mailing_id}?{urlencode(parts)}",
        task=task,
        updates=updates,
        seconds=_RELOAD_SECONDS,
    )
    if updates:
        # A header works without a script.
        answer.headers["refresh"] = str(_RELOAD_SECONDS)
    return answer


@router.post("/coordinator/mail/{mailing_id}/stop")
def stop(page: CoordinatorPage, mailing_id: RowId) -> Response:
    """Withdraw what has not left."""
    count = page.write(lambda context: stop_mailing(context, mailing_id))
    return page.redirect(f"/coordinator/mail/{mailing_id}", "stopped" if count else "all-left")


@router.post("/coordinator/mail/{mailing_id}/discard")
def discard(page: CoordinatorPage, mailing_id: RowId) -> Response:
    """Delete a draft."""
    with page.reading() as session:
        association = get_mailing(session, mailing_id, page.viewer.coordinates).association
    page.write(lambda context: discard_draft(context, mailing_id))
    path = "/coordinator/mail"
    return redirect_with_flash(page.site, path, "discarded", {"association": association})


@router.get("/coordinator/mail/{mailing_id}/people/{recipient_id}")
def show_sent(page: CoordinatorPage, mailing_id: RowId, recipient_id: RowId) -> HTMLResponse:
    """The mail that one person got, or why they did not get it."""
    with page.reading() as session:
        mailing = _get_sent(page, session, mailing_id)
        line = find_line(session, mailing_id, recipient_id)
        content = find_recipient(session, mailing_id, recipient_id).content
    shown = None
    if content is not None:
        reader = (line.name, line.email)
        at = mailing.sent_at or page.now
        shown = show_mail(page.site, read_content(content), reader, at, mailing.association)
    zone = page.rulebooks.associations[mailing.association].time_zone
    answer = page.render(
        "desk_mailing_person.html",
        here="coordinator",
        desk="mail",
        association=mailing.association,
        mailing=mailing,
        line=line,
        outcome=describe_outcome(line),
        label=DELIVERY_LABELS[line.state],
        shown=shown,
        format_instant=lambda instant: format_instant(instant, zone),
    )
    answer.headers["content-security-policy"] = FRAMING_POLICY
    return answer


@router.get("/coordinator/mail/{mailing_id}/people/{recipient_id}/html")
def show_sent_html(page: CoordinatorPage, mailing_id: RowId, recipient_id: RowId) -> HTMLResponse:
    """The HTML of the mail that one person got, for the frame on its page."""
    with page.reading() as session:
        mailing = _get_sent(page, session, mailing_id)
        recipient = find_recipient(session, mailing_id, recipient_id)
        person = session.get_one(Person, recipient.person_id)
    mail = read_content(require(recipient.content))
    reader = (person.name, person.email)
    at = mailing.sent_at or page.now
    return render_mail(show_mail(page.site, mail, reader, at, mailing.association))


def describe_outcome(line: RecipientLine) -> str:
    """Why a person did not get the mail, in words; empty if it is sent, or on its way."""
    if line.state == "skipped":
        reason = SkipReason(line.reason) if line.reason else SkipReason.STOPPED
        return SKIP_TEXTS[reason]
    return line.error or "" if line.state in {"failed", "waiting"} else ""


def _get_sent(page: PageRequest, session: Session, mailing_id: int) -> Mailing:
    """A mailing that was sent; 404 for a draft, and for another association's."""
    mailing = get_mailing(session, mailing_id, page.viewer.coordinates)
    require(mailing.state != DRAFT)
    return mailing
