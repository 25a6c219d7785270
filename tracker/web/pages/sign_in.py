"""Asking for codes and typing them, as often as the settings allow, from whichever process."""

from datetime import datetime, timedelta
from math import ceil
from typing import Annotated, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, BackgroundTasks, Cookie, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session
from starlette.datastructures import FormData

from tracker.addresses import is_address
from tracker.services.browser_sessions import create_browser_session, delete_browser_session
from tracker.services.sign_in import (
    LONGEST_SHOWN,
    SIGN_IN_MINUTES,
    Limit,
    Refused,
    client_network,
    count_try,
    generate_token,
    normalize_email,
    parse_code,
    use_sign_in,
)
from tracker.web.account_mail import send_sign_in
from tracker.web.dependencies import NowDep, OptionalViewerDep, Site, SiteDep, safe_path
from tracker.web.flash import (
    SIGN_IN_COOKIE,
    FlashDep,
    clear_session,
    redirect_with_flash,
    remember_sign_in,
    sign_in_response,
)
from tracker.web.forms.body import Typed, clean, text_of
from tracker.web.text import format_browser

_ASKED_TOO_OFTEN = (
    "Too many codes were asked for with this address or from this connection. Use the newest mail "
    "that you have from us, or wait"
)
_TYPED_TOO_OFTEN = "Too many codes were typed from this connection. Wait"
_SECONDS_IN_MINUTE = 60


def count_ask(site: Site, request: Request, email: str, at: datetime) -> None:
    """Count that somebody asks for a code; raises 429, alike for every address.

    Nothing here depends on whose address it is.
    """
    limits = site.settings.sign_in
    counted = [
        Limit("client", _client(request), limits.asks_per_client),
        Limit("address", email, limits.asks_per_address),
    ]
    wait = site.writer.run(lambda session: count_try(session, "ask", counted, at))
    if wait is not None:
        raise too_often(wait, _ASKED_TOO_OFTEN)


def count_code(site: Site, session: Session, request: Request, at: datetime) -> timedelta | None:
    """Count that somebody types a code; how long to wait where that is one too many.

    Each address has few codes an hour and each code few tries, so clients are all that is left.
    """
    limit = Limit("client", _client(request), site.settings.sign_in.codes_per_client)
    return count_try(session, "code", [limit], at)


def too_often(wait: timedelta, words: str = _TYPED_TOO_OFTEN) -> HTTPException:
    """The answer to one try too many: 429, and how long to wait."""
    seconds = ceil(wait.total_seconds())
    minutes = ceil(seconds / _SECONDS_IN_MINUTE)
    left = f"{minutes} minutes" if minutes != 1 else "a minute"
    return HTTPException(429, f"{words} {left}.", {"Retry-After": str(seconds)})


def _client(request: Request) -> str:
    # Behind a proxy that is trusted, uvicorn has put in the visitor's own address.
    return client_network(request.client.host) if request.client else ""


router = APIRouter()
_HERE = "/sign-in/code"
_UNDONE = "You were signed out meanwhile, so nothing was changed. Sign in, and you come back."
_NO_ADDRESS = "Enter an e-mail address, like name@example.org"
_NO_CODE = "Enter the code from our mail: eight letters and digits, like F7KM-3RTX"
# None of them tells whether we know the address: a code is kept for every one that was asked for.
_REFUSED = {
    Refused.WRONG: "That code is not right. Compare it with our newest mail",
    Refused.TRIED_TOO_OFTEN: "Five wrong codes were typed, so this one is void: ask for a new one",
    Refused.USED: "That code has been used: ask for a new one",
    Refused.EXPIRED: "That code has expired: ask for a new one",
    Refused.NO_LINK: "There is no code for this page, or no longer one: ask for a new one",
}


class _Try(NamedTuple):
    """A browser that types a code: when, and the token that it has from its cookie or link."""

    request: Request
    at: datetime
    token: str


# Where to go after signing in; it is only followed if it is a path of ours.
Wanted = Annotated[str, Query(alias="next")]


@router.get("/sign-in")
def ask_for_address(
    site: SiteDep, who: OptionalViewerDep, flash: FlashDep, wanted: Wanted = ""
) -> Response:
    """Asks for the e-mail address; those who are signed in go on.

    It says so where somebody comes from a form that did nothing, because the session was over.
    """
    if who is not None:
        return RedirectResponse(safe_path(wanted), 303)
    notice = _UNDONE if flash.code == "undone" else ""
    return flash.clear(_address_page(site, "", wanted, "", notice=notice))


@router.post("/sign-in")
def send_code(
    site: SiteDep, at: NowDep, request: Request, later: BackgroundTasks, typed: Typed
) -> Response:
    """Answers alike for every address, and at once; the mail is made after the answer is sent.

    Raises 429 where an address or a client has asked too often.
    """
    address = normalize_email(clean(text_of(typed, "email")))
    wanted = text_of(typed, "next")
    if not is_address(address):
        return _address_page(site, address, wanted, _NO_ADDRESS)
    count_ask(site, request, address, at)
    token = generate_token()
    later.add_task(site.background.run, send_sign_in, site, address, token, safe_path(wanted), at)
    query = f"?{urlencode({'next': wanted})}" if wanted else ""
    response = RedirectResponse(f"{_HERE}{query}", 303)
    remember_sign_in(response, site, token)
    return response


@router.get(_HERE)
def ask_for_code(site: SiteDep, wanted: Wanted = "") -> HTMLResponse:
    """Asks for the code, in the browser that asked for it."""
    return _code_page(site, _HERE, wanted, "")


@router.post(_HERE)
def sign_in_here(
    site: SiteDep,
    at: NowDep,
    request: Request,
    typed: Typed,
    token: Annotated[str, Cookie(alias=SIGN_IN_COOKIE)] = "",
) -> Response:
    """Signs in the browser that asked; the token is in its cookie."""
    return _sign_in(site, _Try(request, at, token), typed, _HERE)


@router.get("/sign-in/{token}")
def open_link(site: SiteDep, token: str, wanted: Wanted = "") -> HTMLResponse:
    """The mail's link: asks for the code, and uses up nothing, however often it is opened."""
    return _code_page(site, f"/sign-in/{token}", wanted, "")


@router.post("/sign-in/{token}")
def sign_in_by_link(
    site: SiteDep, at: NowDep, request: Request, typed: Typed, token: str
) -> Response:
    """Signs in by the mail's link and code, once."""
    return _sign_in(site, _Try(request, at, token), typed, f"/sign-in/{token}")


@router.post("/sign-out")
def sign_out(site: SiteDep, request: Request) -> Response:
    """Ends the session, in the database and in the browser."""
    token = request.cookies.get(site.cookie_name)
    if token:
        site.writer.run(lambda session: delete_browser_session(session, token))
    response = redirect_with_flash(site, "/", "out")
    clear_session(response, site)
    return response


def _sign_in(site: Site, trying: _Try, typed: FormData, action: str) -> Response:
    wanted = text_of(typed, "next")
    written = clean(text_of(typed, "code"))
    code = parse_code(written)
    if code is None:
        return _code_page(site, action, wanted, _NO_CODE, typed=written)
    # One transaction: a code is not used up without a session.
    opened = site.writer.run(lambda session: _open(site, session, trying, code))
    if isinstance(opened, timedelta):
        raise too_often(opened)
    if isinstance(opened, Refused):
        # A code that is right no more is not to be typed again.
        kept = written if opened is Refused.WRONG else ""
        used = opened is Refused.USED
        return _code_page(site, action, wanted, _REFUSED[opened], typed=kept, used=used)
    return sign_in_response(site, opened, wanted)


def _open(site: Site, session: Session, trying: _Try, code: str) -> str | Refused | timedelta:
    """The token of a new session; else why there is none, or how long to wait."""
    headers = trying.request.headers
    wait = count_code(site, session, trying.request, trying.at)
    if wait is not None:
        return wait
    email = use_sign_in(session, trying.token, code, trying.at)
    if isinstance(email, Refused):
        return email
    # This browser may be signed in already: it then has one session, not two.
    delete_browser_session(session, trying.request.cookies.get(site.cookie_name, ""))
    return create_browser_session(
        session, email, trying.at, format_browser(headers.get("user-agent", ""))
    )


def _address_page(
    site: Site, email: str, wanted: str, problem: str, *, notice: str = ""
) -> HTMLResponse:
    return site.pages.render(
        "sign_in.html",
        here="sign-in",
        status=422 if problem else 200,
        email=email,
        next=wanted,
        notice=notice,
        problems=[("email", problem)] if problem else [],
    )


def _code_page(
    site: Site, action: str, wanted: str, problem: str, *, typed: str = "", used: bool = False
) -> HTMLResponse:
    return site.pages.render(
        "code.html",
        here="sign-in",
        status=422 if problem else 200,
        action=action,
        next=wanted,
        page=safe_path(wanted),
        minutes=SIGN_IN_MINUTES,
        asked_here=action == _HERE,
        used=used,
        typed=typed[:LONGEST_SHOWN],
        problems=[("code", problem)] if problem else [],
    )
