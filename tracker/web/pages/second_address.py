"""Enters, confirms and removes a second address. Opening a mail's link confirms nothing."""

from datetime import datetime, timedelta

from fastapi import APIRouter, BackgroundTasks, HTTPException, Request
from fastapi.responses import HTMLResponse, Response
from sqlmodel import Session

from tracker.addresses import is_address
from tracker.db.engine import reading
from tracker.services.context import Author
from tracker.services.profile import (
    Taken,
    confirm,
    profile_of,
    remove,
    try_first_again,
    who_confirms,
)
from tracker.services.sign_in import (
    LONGEST_SHOWN,
    SIGN_IN_MINUTES,
    Refused,
    generate_token,
    normalize_email,
    parse_code,
)
from tracker.web.account_mail import send_confirmation, write_news, write_trial
from tracker.web.dependencies import NowDep, OptionalViewerDep, Person, PersonDep, Site, SiteDep
from tracker.web.flash import FlashDep, redirect_with_flash
from tracker.web.forms.body import Typed, clean, text_of
from tracker.web.pages.sign_in import count_ask, count_code, too_often

router = APIRouter()
_HERE = "/profile/second-address"
_NO_ADDRESS = "Enter an e-mail address, like name@example.org"
_NO_CODE = "Enter the code from our mail: eight letters and digits, like F7KM-3RTX"
_REFUSED = {
    Refused.WRONG: "That code is not right. Compare it with our newest mail",
    Refused.TRIED_TOO_OFTEN: "Five wrong codes were typed, so this one is void: ask for a new one",
    Refused.USED: "That code has been used",
    Refused.EXPIRED: "That code has expired: ask for a new one",
    Refused.NO_LINK: "There is no code for this page, or no longer one: ask for a new one",
}
_TAKEN = "This address cannot be used: it has become somebody else's meanwhile"


@router.get(_HERE)
def open_form(site: SiteDep, who: PersonDep, flash: FlashDep) -> HTMLResponse:
    """Asks for the address, or says that a mail is on its way."""
    return flash.clear(_form_page(site, who, sent=flash.code == "sent"))


@router.post(_HERE)
def save_form(
    site: SiteDep,
    at: NowDep,
    who: PersonDep,
    request: Request,
    later: BackgroundTasks,
    typed: Typed,
) -> Response:
    """Send a mail to the address, alike for every one; or remove the second address.

    Raises 429 where an address or a client has asked too often.
    """
    if "remove" in typed:
        return _remove(site, at, who)
    address = normalize_email(clean(text_of(typed, "email")))
    if problem := _problem(site, who, address):
        return _form_page(site, who, address, problem)
    count_ask(site, request, address, at)
    token = generate_token()
    later.add_task(site.background.run, send_confirmation, site, who.id, address, token, at)
    return redirect_with_flash(site, _HERE, "sent")


@router.get(_HERE + "/{token}")
def open_link(site: SiteDep, token: str) -> HTMLResponse:
    """The mail's link: asks for the code, and uses up nothing, however often it is opened."""
    return _code_page(site, token, "")


@router.post(_HERE + "/{token}")
def confirm_by_code(
    site: SiteDep, at: NowDep, request: Request, who: OptionalViewerDep, token: str, typed: Typed
) -> Response:
    """Confirm the address, once; it opens no session."""
    written = clean(text_of(typed, "code"))
    code = parse_code(written)
    if code is None:
        return _code_page(site, token, _NO_CODE, typed=written)

    def job(session: Session) -> str | Refused | timedelta:
        wait = count_code(site, session, request, at)
        return wait or _confirm(site, session, token, code, at)

    try:
        answer = site.writer.run(job)
    except Taken:
        return _code_page(site, token, _TAKEN)
    if isinstance(answer, timedelta):
        raise too_often(answer)
    if isinstance(answer, Refused):
        # A code that is right no more is not to be typed again.
        kept = written if answer is Refused.WRONG else ""
        return _code_page(site, token, _REFUSED[answer], typed=kept)
    if who is not None and who.person_id is not None:
        return redirect_with_flash(site, "/profile", "second-address")
    return site.pages.render("address_confirmed.html", viewer=who, email=answer)


@router.post("/profile/try-again")
def try_again(site: SiteDep, at: NowDep, who: PersonDep) -> Response:
    """Take the mark from the first address, and send a mail there that shows whether it works."""
    author = Author(who.id, who.viewer.email, at)

    def job(session: Session) -> None:
        profile = profile_of(session, who.id)
        if try_first_again(session, author):
            write_trial(site, session, profile, who.id, at)

    site.writer.run(job)
    return redirect_with_flash(site, "/profile", "try-again")


def _confirm(site: Site, session: Session, token: str, code: str, at: datetime) -> str | Refused:
    answer = confirm(session, token, code, at)
    person_id = who_confirms(session, token)
    if not isinstance(answer, Refused) and person_id is not None:
        profile = profile_of(session, person_id)
        write_news(site, session, profile, person_id, answer, at)
    return answer


def _remove(site: Site, at: datetime, who: Person) -> Response:
    author = Author(who.id, who.viewer.email, at)

    def job(session: Session) -> bool:
        profile = profile_of(session, who.id)
        removed = remove(session, author)
        if removed:
            write_news(site, session, profile, who.id, "", at)
        return removed

    if not site.writer.run(job):
        raise HTTPException(404)
    return redirect_with_flash(site, "/profile", "removed")


def _problem(site: Site, who: Person, address: str) -> str:
    """What is wrong with an address, as far as the person may know; empty if nothing is."""
    if not is_address(address):
        return _NO_ADDRESS
    with reading(site.engine) as session:
        profile = profile_of(session, who.id)
    if address == profile.email:
        return "That is your first address: enter another one"
    if address == (profile.second_email or "").lower():
        return "That is your second address already"
    return ""


def _form_page(
    site: Site, who: Person, typed: str = "", problem: str = "", *, sent: bool = False
) -> HTMLResponse:
    with reading(site.engine) as session:
        profile = profile_of(session, who.id)
    return site.pages.render(
        "second_address.html",
        status=422 if problem else 200,
        viewer=who.viewer,
        here="profile",
        me=profile,
        email=typed,
        sent=sent,
        minutes=SIGN_IN_MINUTES,
        problems=[("email", problem)] if problem else [],
    )


def _code_page(site: Site, token: str, problem: str, *, typed: str = "") -> HTMLResponse:
    return site.pages.render(
        "address_code.html",
        status=422 if problem else 200,
        token=token,
        minutes=SIGN_IN_MINUTES,
        typed=typed[:LONGEST_SHOWN],
        problems=[("code", problem)] if problem else [],
    )
