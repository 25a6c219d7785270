"""The public pages on which anyone verifies a certificate by its number."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tracker.formatting import DEFAULT_LOCALE, set_locale
from tracker.services.certificate_checks import VerifiedCertificate, normalize_number
from tracker.services.sign_in import MAX_SHOWN_LENGTH
from tracker.web.dependencies import NowDep, OptionalViewerDep, Site, SiteDep, Viewer
from tracker.web.forms.body import clean
from tracker.web.verification import NOT_INDEXED, look_up_certificate

router = APIRouter()
_NUMBER_MISSING = "Enter the number of the certificate: 16 letters and digits"
# One answer to wrong numbers and to texts that are none.
_UNKNOWN = "No certificate has this number. Check all 16 letters and digits against the certificate"


@router.get("/verify")
def ask_for_number(
    site: SiteDep, viewer: OptionalViewerDep, number: Annotated[str | None, Query()] = None
) -> Response:
    """Ask for the number of a certificate, and lead to its page."""
    if number is None:
        return _render(site, viewer)
    typed = clean(number)
    if not typed:
        return _render(site, viewer, problem=_NUMBER_MISSING, status=422)
    normal = normalize_number(typed)
    if normal is not None:
        return RedirectResponse(f"/verify/{normal}", 303)
    return _render(site, viewer, typed=typed, problem=_UNKNOWN, status=404)


@router.get("/verify/{number}")
def show_certificate(
    request: Request, site: SiteDep, now: NowDep, viewer: OptionalViewerDep, number: str
) -> Response:
    """Say what a certificate is worth today; 404 if no certificate has the number."""
    found = look_up_certificate(site, request, number, now)
    if found is None:
        return _render(site, viewer, typed=clean(number), problem=_UNKNOWN, status=404)
    rulebook = site.rulebooks.associations.get(found.association)
    set_locale(rulebook.locale if rulebook else DEFAULT_LOCALE)
    return _render(site, viewer, certificate=found)


def _render(
    site: Site,
    viewer: Viewer | None,
    *,
    certificate: VerifiedCertificate | None = None,
    typed: str = "",
    problem: str = "",
    status: int = 200,
) -> HTMLResponse:
    page = site.pages.render(
        "verify.html",
        status=status,
        viewer=viewer,
        here="verify",
        branding=site.brandings.of(certificate.association if certificate else None),
        certificate=certificate,
        number=typed[:MAX_SHOWN_LENGTH],
        problems=[("number", problem)] if problem else [],
    )
    page.headers.update(NOT_INDEXED)
    return page
