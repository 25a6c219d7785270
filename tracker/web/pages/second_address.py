"""The pages on which people enter, confirm, and remove their second email address."""

from datetime import datetime, timedelta

from fastapi import APIRouter, BackgroundTasks, Request
from fastapi.responses import HTMLResponse, Response
from sqlmodel import Session

from tracker.notifications.account_mail import (
    CodeRequest,
    notify_second_email_change,
    send_second_email_code,
    send_trial_mail,
)
from tracker.refusal_text import format_refusal
from tracker.services.context import Actor, Refused, ServiceContext
from tracker.services.profile import (
    check_second_email,
    confirm_second_email,
    get_person,
    remove_second_email,
    retry_first_email,
)
from tracker.services.sign_in import (
    MAX_SHOWN_LENGTH,
    SIGN_IN_MINUTES,
    CodeProblem,
    generate_token,
    normalize_email,
    parse_code,
)
from tracker.web.dependencies import NowDep, OptionalViewerDep, Site, SiteDep
from tracker.web.flash import redirect_with_flash
from tracker.web.forms.body import Typed, clean, text_of
from tracker.web.page_request import PageRequest, PersonPage, format_problems
from tracker.web.pages.sign_in import (
    CODE_MISSING,
    CODE_PROBLEMS,
    count_code_try,
    limit_code_requests,
    too_many_tries,
)

router = APIRouter()
_PATH = "/profile/second-address"


@router.get(_PATH)
def open_form(page: PersonPage) -> HTMLResponse:
    """Ask for the address, or say that an email was sent."""
    return _render_form(page, "", [])


@router.post(_PATH)
def save_form(page: PersonPage, request: Request, tasks: BackgroundTasks, typed: Typed) -> Response:
    """Send a code to the address, or remove the second address.

    The answer is the same for addresses of other people. Raises 429 for too many requests.
    """

    def remove(context: ServiceContext) -> None:
        person = remove_second_email(context)
        notify_second_email_change(page.site, context, person)

    if "remove" in typed:
        page.write(remove)
        return page.redirect("/profile", "removed")
    email = normalize_email(clean(text_of(typed, "email")))
    try:
        with page.reading() as session:
            check_second_email(get_person(session, page.person_id), email)
    except Refused as refused:
        return _render_form(page, email, format_problems(refused))
    limit_code_requests(page.site, request, email, page.now)
    code_request = CodeRequest(email, generate_token(), person_id=page.person_id)
    tasks.add_task(page.site.background.run, _send_code, page.site, code_request, page.now)
    return page.redirect(_PATH, "sent")


@router.get(_PATH + "/{token}")
def open_link(site: SiteDep, token: str) -> HTMLResponse:
    """The mail's link: asks for the code and uses up nothing, however often it is opened."""
    return _render_code_form(site, token)


@router.post(_PATH + "/{token}")
def confirm(
    site: SiteDep,
    now: NowDep,
    request: Request,
    viewer: OptionalViewerDep,
    token: str,
    typed: Typed,
) -> Response:
    """Confirm the address, once. This signs nobody in."""
    written = clean(text_of(typed, "code"))
    code = parse_code(written)
    if code is None:
        return _render_code_form(site, token, CODE_MISSING, typed=written)

    def save(session: Session) -> str | CodeProblem | timedelta:
        wait = count_code_try(site, session, request, now)
        if wait is not None:
            return wait
        context = ServiceContext(session, site.rulebooks, Actor("confirmation link"), now)
        confirmed = confirm_second_email(context, token, code)
        if isinstance(confirmed, CodeProblem):
            return confirmed
        notify_second_email_change(site, context, confirmed)
        return confirmed.second_email or ""

    try:
        result = site.writer.run(save)
    except Refused as refused:
        refusal = refused.refusals[0]
        return _render_code_form(site, token, format_refusal(refusal.code, refusal.facts))
    if isinstance(result, timedelta):
        raise too_many_tries(result)
    if isinstance(result, CodeProblem):
        # Only a wrong code can be corrected.
        kept = written if result is CodeProblem.WRONG else ""
        return _render_code_form(site, token, CODE_PROBLEMS[result], typed=kept)
    if viewer is not None and viewer.person_id is not None:
        return redirect_with_flash(site, "/profile", "second-address")
    return site.pages.render("address_confirmed.html", viewer=viewer, email=result)


@router.post("/profile/try-again")
def try_again(page: PersonPage) -> Response:
    """Use the first address again, and send a mail there that shows whether it works."""

    def save(context: ServiceContext) -> None:
        refused_at = retry_first_email(context)
        if refused_at is not None:
            person = get_person(context.session, page.person_id)
            send_trial_mail(page.site, context, person, refused_at)

    page.write(save)
    return page.redirect("/profile", "try-again")


def _send_code(site: Site, code_request: CodeRequest, now: datetime) -> None:
    site.writer.run(lambda session: send_second_email_code(site, session, code_request, now))


def _render_form(page: PageRequest, email: str, problems: list[tuple[str, str]]) -> HTMLResponse:
    with page.reading() as session:
        second_email = get_person(session, page.person_id).second_email
    return page.render(
        "second_address.html",
        here="profile",
        second_email=second_email,
        email=email,
        is_sent=page.flash.code == "sent",
        minutes=SIGN_IN_MINUTES,
        problems=problems,
    )


def _render_code_form(
    site: Site, token: str, problem: str = "", *, typed: str = ""
) -> HTMLResponse:
    return site.pages.render(
        "address_code.html",
        status=422 if problem else 200,
        token=token,
        minutes=SIGN_IN_MINUTES,
        typed=typed[:MAX_SHOWN_LENGTH],
        problems=[("code", problem)] if problem else [],
    )
