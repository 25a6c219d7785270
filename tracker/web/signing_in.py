"""Sign-in by a link and code sent by e-mail. Opening a link never signs in: scanners open links."""

from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, BackgroundTasks, Cookie, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tracker.mail.headers import is_address
from tracker.records.engine import writing
from tracker.records.sign_in import (
    SIGN_IN_MINUTES,
    close_session,
    new_token,
    normal_email,
    open_session,
    use_sign_in,
)
from tracker.web.cookies import ASKED, remember_asking, safe_path, signed_in, signed_out
from tracker.web.log_form import clean
from tracker.web.sign_in_mail import send_sign_in
from tracker.web.site import Instant, Site, TheSite
from tracker.web.typed import Typed, text_of
from tracker.web.viewer import AnyViewer

router = APIRouter()
_HERE = "/sign-in/code"
_WRONG_CODE = (
    "That code is not right, or no longer valid. Look for our newest mail, or ask for a new code"
)
# Where to go after signing in; it is only followed if it is a path of ours.
Wanted = Annotated[str, Query(alias="next")]


@router.get("/sign-in")
def ask_for_address(site: TheSite, who: AnyViewer, wanted: Wanted = "") -> Response:
    """Asks for the e-mail address; those who are signed in go on."""
    if who is not None:
        return RedirectResponse(safe_path(wanted), 303)
    return _address_page(site, "", wanted, "")


@router.post("/sign-in")
def send_code(site: TheSite, at: Instant, later: BackgroundTasks, typed: Typed) -> Response:
    """Answers alike for every address, and at once; the mail is made after the answer is sent."""
    address = normal_email(clean(text_of(typed, "email")))
    wanted = text_of(typed, "next")
    if not is_address(address):
        return _address_page(
            site, address, wanted, "Enter an e-mail address, like name@example.org"
        )
    token = new_token()
    later.add_task(site.later.run, send_sign_in, site, address, token, safe_path(wanted), at)
    query = f"?{urlencode({'next': wanted})}" if wanted else ""
    response = RedirectResponse(f"{_HERE}{query}", 303)
    remember_asking(response, site, token)
    return response


@router.get(_HERE)
def ask_for_code(site: TheSite, wanted: Wanted = "") -> HTMLResponse:
    """Asks for the code, in the browser that asked for it."""
    return _code_page(site, _HERE, wanted, "")


@router.post(_HERE)
def sign_in_here(
    site: TheSite, at: Instant, typed: Typed, token: Annotated[str, Cookie(alias=ASKED)] = ""
) -> Response:
    """Signs in the browser that asked; the token is in its cookie."""
    return _sign_in(site, at, token, text_of(typed, "code"), text_of(typed, "next"), _HERE)


@router.get("/sign-in/{token}")
def open_link(site: TheSite, token: str, wanted: Wanted = "") -> HTMLResponse:
    """The mail's link: asks for the code, and uses up nothing, however often it is opened."""
    return _code_page(site, f"/sign-in/{token}", wanted, "")


@router.post("/sign-in/{token}")
def sign_in_by_link(site: TheSite, at: Instant, typed: Typed, token: str) -> Response:
    """Signs in by the mail's link and code, once."""
    action = f"/sign-in/{token}"
    return _sign_in(site, at, token, text_of(typed, "code"), text_of(typed, "next"), action)


@router.post("/sign-out")
def sign_out(site: TheSite, request: Request) -> Response:
    """Ends the session, in the database and in the browser."""
    token = request.cookies.get(site.cookie_name)
    if token:
        with writing(site.engine) as connection:
            close_session(connection, token)
    return signed_out(site)


def _sign_in(site: Site, at: datetime, token: str, code: str, wanted: str, action: str) -> Response:
    digits = "".join(letter for letter in code if letter.isascii() and letter.isdigit())
    session = None
    if token and digits:
        # One transaction: a code is not used up without a session.
        with writing(site.engine) as connection:
            email = use_sign_in(connection, token, digits, at)
            session = open_session(connection, email, at) if email else None
    if session is None:
        problem = _WRONG_CODE if digits else "Enter the six digits of the code"
        return _code_page(site, action, wanted, problem)
    return signed_in(site, session, wanted)


def _address_page(site: Site, email: str, wanted: str, problem: str) -> HTMLResponse:
    return site.pages.show(
        "sign_in.html",
        status=422 if problem else 200,
        email=email,
        next=wanted,
        problems=[("email", problem)] if problem else [],
    )


def _code_page(site: Site, action: str, wanted: str, problem: str) -> HTMLResponse:
    return site.pages.show(
        "code.html",
        status=422 if problem else 200,
        action=action,
        next=wanted,
        minutes=SIGN_IN_MINUTES,
        asked_here=action == _HERE,
        problems=[("code", problem)] if problem else [],
    )
