"""The pages on which people enter, confirm, and remove their second email address."""

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
    SIGN_IN_MINUTES,
    CodeProblem,
    generate_token,
    normalize_email,
)
from tracker.services.team import name_members
from tracker.web.confirmation import ConfirmedPersonPage
from tracker.web.dependencies import OptionalViewerDep, Site, SiteDep
from tracker.web.flash import redirect_with_flash
from tracker.web.forms.body import Typed, clean, text_of
from tracker.web.page_request import PageRequest, PersonPage, format_problems
from tracker.web.pages.sign_in import (
    CodeRefused,
    PostedCodeDep,
    limit_code_requests,
    limit_second_addresses,
)

router = APIRouter()
_PATH = "/profile/second-address"


@router.get(_PATH)
def open_form(page: PersonPage) -> HTMLResponse:
    """Ask for the address, or say that an email was sent."""
    return _render_form(page, "", [])


@router.post(_PATH)
def save_form(
    page: ConfirmedPersonPage, request: Request, tasks: BackgroundTasks, typed: Typed
) -> Response:
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
    limit_second_addresses(page.site, request, page.person_id, page.now)
    limit_code_requests(page.site, request, email, page.now)
    site, now = page.site, page.now
    code_request = CodeRequest(email, generate_token(), person_id=page.person_id)

    def send_code() -> None:
        site.writer.run(lambda session: send_second_email_code(site, session, code_request, now))

    tasks.add_task(page.site.background.run, send_code)
    return page.redirect(_PATH, "sent")


@router.get(_PATH + "/{token}")
def open_link(site: SiteDep, token: str) -> HTMLResponse:
    """The mail's link: asks for the code and uses up nothing, however often it is opened."""
    return _render_code_form(site, token)


@router.post(_PATH + "/{token}")
def confirm(posted: PostedCodeDep, viewer: OptionalViewerDep, token: str) -> Response:
    """Confirm the address, once. This signs nobody in."""
    site, now = posted.site, posted.now
    reserved = set(name_members(site.team.members))

    def save(session: Session, code: str) -> str | CodeProblem:
        context = ServiceContext(session, site.rulebooks, Actor("confirmation link"), now)
        confirmed = confirm_second_email(context, token, code, reserved)
        if isinstance(confirmed, CodeProblem):
            return confirmed
        notify_second_email_change(site, context, confirmed)
        return confirmed.second_email or ""

    try:
        email = posted.redeem(save)
    except CodeRefused as refused:
        return _render_code_form(site, token, refused.problem, typed=refused.typed)
    except Refused as refused:
        refusal = refused.refusals[0]
        return _render_code_form(site, token, format_refusal(refusal.code, refusal.facts))
    if viewer is not None and viewer.person_id is not None:
        return redirect_with_flash(site, "/profile", "second-address")
    return site.pages.render("address_confirmed.html", viewer=viewer, email=email)


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


def _render_form(page: PageRequest, email: str, problems: list[tuple[str, str]]) -> HTMLResponse:
    with page.reading() as session:
        second_email = get_person(session, page.person_id).second_email
    return page.render(
        "second_address.html",
        here="profile",
        second_email=second_email,
        email=email,
        is_sent=page.flash == "sent",
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
        typed=typed,
        problems=[("code", problem)] if problem else [],
    )
