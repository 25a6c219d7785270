"""Asks for a fresh code before anything that would outlast the session.

Someone who holds a signed-in browser for a moment must not be able to add an address, take a
calendar address along, or choose which browsers stay. A page that depends on `ConfirmedPage` is
answered once a code from the person's email was entered in this browser within ten minutes. Until
then, the answer is a page that asks for it, and sends what was typed along with the code.
"""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import Response
from sqlmodel import Session

from tracker.notifications.account_mail import send_confirmation_code
from tracker.services.browser_sessions import SessionProof, confirm_session
from tracker.services.sign_in import SIGN_IN_MINUTES, CodeProblem, generate_token
from tracker.web.dependencies import safe_path
from tracker.web.forms.body import text_of
from tracker.web.page_request import PageRequest, PersonPage, ViewerPage
from tracker.web.pages.sign_in import (
    CodeRefused,
    PostedCode,
    PostedCodeDep,
    limit_code_requests,
)

_TICKET, _NEW_CODE, _CODE = "confirmation", "new-code", "code"
_OWN_FIELDS = {_TICKET, _NEW_CODE, _CODE}
_MAX_TICKET_LENGTH = 100


class ConfirmationNeeded(Exception):  # noqa: N818 - reads as the sentence it is
    """A code is to be entered first; ``refused`` is why the one that was entered does not work."""

    def __init__(
        self, page: PageRequest, posted: PostedCode, ticket: str, refused: CodeRefused | None = None
    ) -> None:
        super().__init__("a code is to be entered first")
        self.page = page
        self.posted = posted
        self.ticket = ticket
        self.refused = refused


def get_confirmed_page(page: ViewerPage, posted: PostedCodeDep) -> PageRequest:
    """The request of a viewer who entered a code recently, or whose form comes with a right one.

    Raises ConfirmationNeeded for anyone else, and a 429 for too many codes.
    """
    if page.is_confirmed:
        return page
    cookie = posted.request.cookies[page.site.own_cookie()]
    ticket = text_of(posted.typed, _TICKET)[:_MAX_TICKET_LENGTH]
    if not ticket or _NEW_CODE in posted.typed:
        ticket = generate_token()
        _send_code(page, posted.request, SessionProof(cookie, ticket))
        raise ConfirmationNeeded(page, posted, ticket)

    def confirm(session: Session, code: str) -> str | CodeProblem:
        proof = SessionProof(cookie, ticket)
        return confirm_session(session, page.viewer.person_id, proof, code, page.now)

    try:
        posted.redeem(confirm)
    except CodeRefused as refused:
        raise ConfirmationNeeded(page, posted, ticket, refused) from None
    return page


def _send_code(page: PageRequest, request: Request, proof: SessionProof) -> None:
    viewer, site, now = page.viewer, page.site, page.now
    limit_code_requests(site, request, viewer.email, now)
    site.writer.run(lambda session: send_confirmation_code(site, session, viewer.actor, proof, now))


def show_confirmation(request: Request, error: Exception) -> Response:
    """The page that asks for the code, with what was typed in the form that needs it."""
    if not isinstance(error, ConfirmationNeeded):
        raise error
    refused = error.refused
    query = f"?{request.url.query}" if request.url.query else ""
    texts = [(name, str(text)) for name, text in error.posted.typed.multi_items()]
    return error.page.site.pages.render(
        "confirm.html",
        status=422 if refused else 403,
        viewer=error.page.viewer,
        here="profile",
        action=safe_path(request.url.path + query),
        kept=[(name, text) for name, text in texts if name not in _OWN_FIELDS],
        ticket=error.ticket,
        minutes=SIGN_IN_MINUTES,
        typed=refused.typed if refused else "",
        problems=[("code", refused.problem)] if refused else [],
    )


ConfirmedPage = Annotated[PageRequest, Depends(get_confirmed_page)]


def get_confirmed_person_page(page: PersonPage, posted: PostedCodeDep) -> PageRequest:
    """The same for a person; 404 for a coordinator who is not a person in the database."""
    return get_confirmed_page(page, posted)


ConfirmedPersonPage = Annotated[PageRequest, Depends(get_confirmed_person_page)]
