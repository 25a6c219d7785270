"""The first page, and the pages that send a code by email and sign in with it.

In the demo the first page opens the pages of made-up people with one click.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Annotated, NamedTuple, TypeVar
from urllib.parse import unquote, urlencode

from fastapi import APIRouter, BackgroundTasks, Depends, HTTPException, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session

from tracker.addresses import is_address
from tracker.db.engine import reading
from tracker.notifications.account_mail import CodeRequest, send_sign_in_code
from tracker.refusal_text import format_refusal
from tracker.services.browser_sessions import (
    create_browser_session,
    delete_browser_session,
    get_session_user,
)
from tracker.services.known_devices import find_device, remember_device
from tracker.services.security_events import (
    DONE,
    SIGN_IN,
    SIGN_OUT,
    Client,
    log_event,
    record_event,
)
from tracker.services.sign_in import (
    MAX_SHOWN_LENGTH,
    SIGN_IN_MINUTES,
    CodeProblem,
    RateLimit,
    count_try,
    find_person_of_link,
    generate_token,
    is_own_link,
    link_token,
    normalize_email,
    parse_code,
    redeem_code,
    redeem_link,
)
from tracker.web.browser_names import format_browser
from tracker.web.dependencies import NowDep, OptionalViewerDep, Site, SiteDep, client_of, safe_path
from tracker.web.flash import (
    ADDRESS_COOKIE,
    CLEAR_CACHE,
    SIGN_IN_COOKIE,
    FlashDep,
    clear_flash,
    clear_session,
    get_device_cookie,
    redirect_with_flash,
    remember_sign_in,
    set_device_cookie,
    sign_in_response,
)
from tracker.web.forms.body import Typed, clean, text_of
from tracker.web.page_request import require

T = TypeVar("T")
router = APIRouter()
demo_router = APIRouter()
_EMPTY_PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'
_CODE_MISSING = "Enter the code from our email: nine digits, like 123 456 789"
# None of them shows whether the address is registered: every requested code is stored.
_CODE_PROBLEMS = {
    CodeProblem.WRONG: "That code is not correct. Check it against our latest email.",
    CodeProblem.TOO_MANY_TRIES: "A wrong code was entered five times. Request a new one.",
    CodeProblem.PAUSED: "Codes can't be entered right now, because someone is guessing them. Open "
    "the link in our email in the browser where you asked for it, or try again in an hour.",
    CodeProblem.USED: "That code has been used. Request a new one.",
    CodeProblem.EXPIRED: "That code has expired. Request a new one.",
    CodeProblem.UNKNOWN_LINK: "This page has no valid code. Request a new one.",
}
_CODE_PATH = "/sign-in/code"
_ONE_DAY = timedelta(days=1)
_START_PATH = "/application/new"
_SIGNED_OUT = "You were signed out, so nothing was changed. Sign in to return to your page."
# Where to go after signing in; followed only if it is a path of ours.
NextPath = Annotated[str, Query(alias="next")]


class CodeRefused(Exception):  # noqa: N818 - reads as the sentence it is
    """A typed code does not work: what is wrong, and what the field keeps for correcting it."""

    def __init__(self, problem: str, typed: str = "", *, is_used: bool = False) -> None:
        super().__init__(problem)
        self.problem = problem
        self.typed = typed[:MAX_SHOWN_LENGTH]
        self.is_used = is_used


@dataclass(frozen=True, slots=True)
class PostedCode:
    """A posted form with the code of a mail."""

    request: Request
    site: SiteDep
    now: NowDep
    typed: Typed

    def redeem(self, work: Callable[[Session, str], T | CodeProblem]) -> T:
        """Return what ``work`` makes of the code, in the transaction that counts the try.

        Raises CodeRefused, and a 429 for too many tries from a client. An address needs no limit:
        it has few codes an hour, and each code has few tries.
        """
        written = clean(text_of(self.typed, "code"))
        code = parse_code(written)
        if code is None:
            raise CodeRefused(_CODE_MISSING, written)
        client = RateLimit(
            client_of(self.request).network, self.site.settings.sign_in.codes_per_client
        )

        def save(session: Session) -> T | CodeProblem | timedelta:
            wait = count_try(session, "code", client, None, self.now)
            return work(session, code) if wait is None else wait

        result = self.site.writer.run(save)
        if isinstance(result, timedelta):
            raise too_many_tries(result)
        if isinstance(result, CodeProblem):
            # Only a wrong code can be corrected.
            kept = written if result is CodeProblem.WRONG else ""
            raise CodeRefused(_CODE_PROBLEMS[result], kept, is_used=result is CodeProblem.USED)
        return result


PostedCodeDep = Annotated[PostedCode, Depends()]


@router.get("/")
def show_front(site: SiteDep, viewer: OptionalViewerDep, flash: FlashDep) -> Response:
    """What this site is and how to sign in; viewers go to their own page."""
    if viewer is not None and not site.demo_people:
        return RedirectResponse("/my-year", 303)
    is_signed_out = flash == "out" and viewer is None
    page = site.pages.render(
        "front.html",
        viewer=viewer,
        people=site.demo_people,
        is_signed_out=is_signed_out,
        takes_applicants=site.settings.sign_in.applicants,
    )
    return clear_flash(page, site, flash)


@router.get("/signed-out.svg")
def clear_kept_pages() -> Response:
    """An empty picture that makes the browser drop the page on which the viewer signed out.

    The browser keeps that page for Back only once the next page is there, so the answer to the
    sign-out itself comes too early to clear it.
    """
    headers = {"clear-site-data": CLEAR_CACHE, "cache-control": "no-store"}
    return Response(_EMPTY_PICTURE, media_type="image/svg+xml; charset=utf-8", headers=headers)


@router.get("/sign-in")
def open_sign_in(
    site: SiteDep, viewer: OptionalViewerDep, flash: FlashDep, next_path: NextPath = ""
) -> Response:
    """Ask for the email address; a person who is signed in goes to the next page."""
    if viewer is not None:
        return RedirectResponse(safe_path(next_path), 303)
    notice = _SIGNED_OUT if flash == "undone" else ""
    return clear_flash(_render_address_form(site, "", next_path, notice=notice), site, flash)


@router.get("/apply")
def open_apply(site: SiteDep, viewer: OptionalViewerDep) -> Response:
    """Ask someone who is new for an email address; people who are signed in start right away."""
    require(site.settings.sign_in.applicants)
    if viewer is not None:
        return RedirectResponse(_START_PATH, 303)
    return _render_address_form(site, "", _START_PATH, is_new=True)


@router.post("/sign-in")
def request_code(
    site: SiteDep, now: NowDep, request: Request, tasks: BackgroundTasks, typed: Typed
) -> Response:
    """Answer the same for every address, and at once: the mail is made after the answer.

    An address that is not on file gets a mail only if its owner wants to apply.

    Raises 429 for too many requests from a client or for an address.
    """
    email = normalize_email(clean(text_of(typed, "email")))
    next_path = text_of(typed, "next")
    is_new = site.settings.sign_in.applicants and "new" in typed
    if not is_address(email):
        problem = format_refusal("email-invalid", {})
        return _render_address_form(site, email, next_path, problem=problem, is_new=is_new)
    limit_code_requests(site, request, email, now)
    code_request = CodeRequest(email, generate_token(), safe_path(next_path), is_new=is_new)

    def send_code() -> None:
        site.writer.run(lambda session: send_sign_in_code(site, session, code_request, now))

    tasks.add_task(site.background.run, send_code)
    query = f"?{urlencode({'next': next_path})}" if next_path else ""
    response = RedirectResponse(f"{_CODE_PATH}{query}", 303)
    remember_sign_in(response, site, code_request.token, email)
    return response


@router.get(_CODE_PATH)
def open_code_form(request: Request, site: SiteDep, next_path: NextPath = "") -> HTMLResponse:
    """Ask for the code, in the browser that requested it."""
    return _render_code_form(request, site, _CODE_PATH, next_path)


@router.post(_CODE_PATH)
def sign_in_with_cookie(posted: PostedCodeDep) -> Response:
    """Sign in the browser that requested the code; its cookie stands for the link."""
    browser_token = posted.request.cookies.get(posted.site.own_cookie(SIGN_IN_COOKIE), "")
    return _sign_in(posted, lambda session: link_token(session, browser_token), _CODE_PATH)


@router.get("/sign-in/{token}")
def open_link(
    request: Request, site: SiteDep, token: str, next_path: NextPath = ""
) -> HTMLResponse:
    """The mail's link, which uses up nothing, however often it is opened.

    In the browser that asked for it: a button. Elsewhere it asks for the code as well.
    """
    action = f"/sign-in/{token}"
    has_button = _asked_here(request, site, token)
    return _render_code_form(request, site, action, next_path, has_button=has_button)


@router.post("/sign-in/{token}")
def sign_in_with_link(posted: PostedCodeDep, token: str) -> Response:
    """Sign in with the mail's link, once: with its code, unless this browser asked for it."""
    action = f"/sign-in/{token}"
    if "code" in posted.typed or not _asked_here(posted.request, posted.site, token):
        return _sign_in(posted, lambda _: token, action)

    client = client_of(posted.request)

    def save(session: Session) -> OpenedSession | CodeProblem:
        redeemed = redeem_link(session, token, posted.now)
        return _open_session(posted, session, client, token, redeemed)

    opened = posted.site.writer.run(save)
    next_path = text_of(posted.typed, "next")
    if isinstance(opened, CodeProblem):
        is_used = opened is CodeProblem.USED
        refused = CodeRefused(_CODE_PROBLEMS[opened], is_used=is_used)
        return _render_code_form(posted.request, posted.site, action, next_path, refused)
    return welcome(posted.site, opened, next_path)


@router.post("/sign-out")
def sign_out(site: SiteDep, now: NowDep, request: Request) -> Response:
    """End the session, in the database and in the browser."""
    token, client = request.cookies.get(site.own_cookie()), client_of(request)

    def end(session: Session, token: str) -> None:
        user = get_session_user(session, token, now)
        delete_browser_session(session, token)
        if user is not None:
            record_event(session, now, client, SIGN_OUT, DONE, user.person_id)

    if token:
        site.writer.run(lambda session: end(session, token))
    response = redirect_with_flash(site, "/", "out")
    clear_session(response, site)
    return response


@demo_router.post("/demo/open/{number}")
def open_as(site: SiteDep, now: NowDep, number: Annotated[int, Path(ge=0, le=999)]) -> Response:
    """Sign in as one of the demo's people; this route exists in the demo only."""
    require(number < len(site.demo_people))
    email = normalize_email(site.demo_people[number].email)
    token = site.writer.run(lambda session: create_browser_session(session, email, now))
    return sign_in_response(site, token, "/my-year")


def limit_code_requests(site: Site, request: Request, email: str, now: datetime) -> None:
    """Count a request for a code; raises 429, the same for every address, if it is one too many."""
    limits = site.settings.sign_in
    client = RateLimit(client_of(request).network, limits.asks_per_client)
    cookie = get_device_cookie(site, request)

    def count(session: Session) -> timedelta | None:
        # A browser that signed in with this address before does not wait because of strangers.
        device = find_device(session, cookie, email)
        name = email if device is None else f"{email} {device}"
        address = RateLimit(name, limits.asks_per_address)
        return count_try(session, "ask", client, address, now)

    wait = site.writer.run(count)
    if wait is not None:
        raise too_many_tries(wait)


def limit_second_addresses(site: Site, request: Request, person_id: int, now: datetime) -> None:
    """Count an email to a second address; raises 429 if it is one too many for a day."""
    limits = site.settings.sign_in
    client = RateLimit(client_of(request).network, limits.second_addresses_per_client, _ONE_DAY)
    person = RateLimit(f"person {person_id}", limits.second_addresses_per_person, _ONE_DAY)
    wait = site.writer.run(lambda session: count_try(session, "address", client, person, now))
    if wait is not None:
        raise too_many_tries(wait)


def too_many_tries(wait: timedelta) -> HTTPException:
    """The 429 answer, which says how long to wait."""
    log_event(SIGN_IN, "too many tries")
    return HTTPException(429, headers={"Retry-After": str(ceil(wait.total_seconds()))})


def _asked_here(request: Request, site: Site, token: str) -> bool:
    """Whether the mail with this link was requested in this browser."""
    browser_token = request.cookies.get(site.own_cookie(SIGN_IN_COOKIE), "")
    with reading(site.engine) as session:
        return is_own_link(session, browser_token, token)


def _sign_in(posted: PostedCode, find_link: Callable[[Session], str], action: str) -> Response:
    site, request, now = posted.site, posted.request, posted.now
    next_path, client = text_of(posted.typed, "next"), client_of(request)

    def save(session: Session, code: str) -> OpenedSession | CodeProblem:
        link = find_link(session)
        redeemed = redeem_code(session, link, code, now)
        return _open_session(posted, session, client, link, redeemed)

    try:
        return welcome(site, posted.redeem(save), next_path)
    except CodeRefused as refused:
        return _render_code_form(request, site, action, next_path, refused)


class OpenedSession(NamedTuple):
    """The values of the two cookies of a browser that has just signed in."""

    token: str
    device: str


def welcome(site: Site, opened: OpenedSession, path: str) -> Response:
    """The page at ``path``, in a browser that has just signed in."""
    response = sign_in_response(site, opened.token, path)
    set_device_cookie(response, site, opened.device)
    return response


def _open_session(
    posted: PostedCode,
    session: Session,
    client: Client,
    link: str,
    redeemed: str | CodeProblem,
) -> OpenedSession | CodeProblem:
    """A new session, in the same transaction that uses up the link."""
    request, person_id = posted.request, find_person_of_link(session, link)
    outcome = redeemed.value if isinstance(redeemed, CodeProblem) else DONE
    record_event(session, posted.now, client, SIGN_IN, outcome, person_id)
    if isinstance(redeemed, CodeProblem):
        return redeemed
    # A browser that is signed in already keeps one session, not two.
    delete_browser_session(session, request.cookies.get(posted.site.own_cookie(), ""))
    browser = format_browser(request.headers.get("user-agent", ""))
    token = create_browser_session(session, redeemed, posted.now, browser)
    cookie = get_device_cookie(posted.site, request)
    return OpenedSession(token, remember_device(session, cookie, redeemed))


def _render_address_form(
    site: Site,
    email: str,
    next_path: str,
    *,
    problem: str = "",
    notice: str = "",
    is_new: bool = False,
) -> HTMLResponse:
    return site.pages.render(
        "sign_in.html",
        here="sign-in",
        status=422 if problem else 200,
        email=email,
        next=next_path,
        notice=notice,
        is_new=is_new,
        takes_applicants=site.settings.sign_in.applicants,
        provider=site.settings.oidc.name if site.provider and not is_new else "",
        problems=[("email", problem)] if problem else [],
    )


def _render_code_form(
    request: Request,
    site: Site,
    action: str,
    next_path: str,
    refused: CodeRefused | None = None,
    *,
    has_button: bool = False,
) -> HTMLResponse:
    return site.pages.render(
        "code.html",
        here="sign-in",
        status=422 if refused else 200,
        action=action,
        next=next_path,
        page=safe_path(next_path),
        minutes=SIGN_IN_MINUTES,
        address=unquote(request.cookies.get(site.own_cookie(ADDRESS_COOKIE), "")),
        is_requested_here=action == _CODE_PATH,
        has_button=has_button,
        is_used=refused is not None and refused.is_used,
        typed=refused.typed if refused else "",
        problems=[("code", refused.problem)] if refused else [],
    )
