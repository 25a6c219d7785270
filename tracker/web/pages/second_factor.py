"""The pages on which a team member sets up and enters a second factor."""

import io
from collections.abc import Sequence
from typing import Annotated

import segno
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import FormData

from tracker.services.context import Refused, ServiceContext
from tracker.services.second_factor import (
    confirm_setup,
    enter_code,
    has_second_factor,
    reset_second_factor,
    start_setup,
)
from tracker.web.confirmation import ConfirmedPage
from tracker.web.dependencies import safe_path
from tracker.web.forms.body import Typed, clean, text_of
from tracker.web.page_request import (
    PageRequest,
    SecondFactorNeeded,
    ViewerPage,
    format_problems,
    require,
)

router = APIRouter()
_PATH = "/second-factor"
NextPath = Annotated[str, Query(alias="next")]


@router.get(_PATH)
def open_code_form(page: ViewerPage, wanted: NextPath = "/coordinator") -> HTMLResponse:
    """Ask for the code from the app."""
    _require_role(page)
    return _render_code(page, safe_path(wanted), ())


@router.post(_PATH)
def send_code(
    page: ViewerPage, request: Request, typed: Typed, wanted: NextPath = "/coordinator"
) -> Response:
    """Open the desk in this browser, if the code is right."""
    _require_role(page)
    token = request.cookies[page.site.own_cookie()]
    code, email = clean(text_of(typed, "code")), page.viewer.email
    refusal = page.write(lambda context: enter_code(context, email, code, token))
    if refusal is not None:
        return _render_code(page, safe_path(wanted), format_problems(Refused(refusal)))
    return RedirectResponse(safe_path(wanted), 303)


@router.get(f"{_PATH}/set-up")
def open_setup(page: ViewerPage, wanted: NextPath = "/coordinator") -> HTMLResponse:
    """Explain the second factor, which needs a code from the person's email first.

    Where one is on, this browser enters its code before it can be removed.
    """
    _require_role(page)
    if page.viewer.needs_factor:
        raise SecondFactorNeeded(is_setup=False)
    with page.reading() as session:
        is_there = has_second_factor(session, page.viewer.email)
    return page.render(
        "second_factor_start.html",
        here="coordinator",
        is_there=is_there,
        wanted=safe_path(wanted),
        is_required=page.viewer.needs_factor_setup,
    )


@router.post(f"{_PATH}/set-up")
def set_up(
    page: ViewerPage,
    _confirmed: ConfirmedPage,
    request: Request,
    typed: Typed,
    wanted: NextPath = "/coordinator",
) -> Response:
    """Show the secret, then switch the second factor on with the first code; or remove it."""
    _require_role(page)
    email = page.viewer.email
    if text_of(typed, "action") == "remove":
        if page.viewer.needs_factor:
            raise HTTPException(404)
        page.write(lambda context: reset_second_factor(context, email))
        return page.redirect(f"{_PATH}/set-up", "removed")
    token = request.cookies[page.site.own_cookie()]
    return _set_up(page, typed, token, safe_path(wanted))


def _set_up(page: PageRequest, typed: FormData, token: str, wanted: str) -> Response:
    email, code = page.viewer.email, clean(text_of(typed, "factor_code"))
    problems: list[tuple[str, str]] = []
    if "factor_code" in typed:

        def work(context: ServiceContext) -> list[str]:
            return confirm_setup(context, email, code, token)

        try:
            codes = page.write(work)
        except Refused as refused:
            problems = [("factor_code", words) for _, words in format_problems(refused)]
        else:
            return page.render(
                "second_factor_codes.html", here="coordinator", codes=codes, wanted=wanted
            )
    try:
        setup = page.write(lambda context: start_setup(context, email))
    except Refused:
        return page.redirect(f"{_PATH}/set-up", "there")
    return page.render(
        "second_factor_setup.html",
        here="coordinator",
        setup=setup,
        groups=[setup.secret[i : i + 4] for i in range(0, len(setup.secret), 4)],
        picture=draw_qr_code(setup.url),
        wanted=wanted,
        problems=problems,
    )


def draw_qr_code(text: str) -> str:
    """An SVG element of a QR code, without styles of its own."""
    drawn = io.BytesIO()
    segno.make(text, error="m").save(
        drawn, kind="svg", xmldecl=False, svgns=True, scale=5, border=4, light="#fff", dark="#000"
    )
    return drawn.getvalue().decode()


def _render_code(
    page: PageRequest, wanted: str, problems: Sequence[tuple[str, str]]
) -> HTMLResponse:
    return page.render("second_factor.html", here="coordinator", wanted=wanted, problems=problems)


def _require_role(page: PageRequest) -> None:
    require(page.viewer.roles)
