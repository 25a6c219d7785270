"""Certificates as files for holders and coordinators, and what anyone verifies badges with."""

from collections.abc import Collection
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path
from fastapi.responses import JSONResponse, RedirectResponse, Response
from sqlmodel import Session

from tracker.db.badge_keys import find_badge_signer, get_badge_signer, list_public_keys
from tracker.db.engine import reading
from tracker.exports import pdf_files
from tracker.exports.badges import (
    bake_badge,
    describe_issuer,
    describe_keys,
    sign_badge,
    sign_status_list,
    status_ids,
)
from tracker.exports.certificate_files import (
    Printable,
    certificate_pdf,
    file_name,
    find_printable,
)
from tracker.formatting import set_locale
from tracker.services.certificate_checks import (
    CertificateState,
    IssuedCertificate,
    check_certificate,
    get_certificate,
    list_certificates,
    list_revoked,
    rule_of,
)
from tracker.web.dependencies import NowDep, SiteDep
from tracker.web.forms.body import RowId
from tracker.web.page_request import CoordinatorPage, PageRequest, PersonPage, require

router = APIRouter()
# More than the certificates of every association together will need.
_ListNumber = Annotated[int, Path(ge=0, le=10_000)]
# Others may keep what hardly changes for a day, and a status list for minutes.
_RARELY_CHANGES = {"cache-control": "public, max-age=86400", "access-control-allow-origin": "*"}
_FOLLOWS = {"cache-control": "public, max-age=300", "access-control-allow-origin": "*"}


def list_person_certificates(
    session: Session, page: PageRequest, person_id: int, associations: Collection[str] | None = None
) -> list[dict[str, Any]]:
    """The newest certificate of each endorsement of a person, with what it is worth today.

    Only those of ``associations`` (None: of all). Certificates that others replaced are left out.
    """
    if not page.rulebooks.certificate_issuers:
        return []
    listed, seen = [], set[int]()
    for issued in list_certificates(session, person_id):
        is_listed = associations is None or issued.association in associations
        if issued.endorsement_id in seen or not is_listed:
            continue
        verified = check_certificate(session, page.rulebooks, issued, page.now)
        if verified.is_replaced:
            continue
        seen.add(issued.endorsement_id)
        rulebook = page.rulebooks.associations.get(verified.association)
        has_rule = rulebook is not None and rule_of(rulebook, issued) is not None
        listed.append(
            {
                "id": issued.id,
                "verified": verified,
                "has_files": has_rule and verified.state is not CertificateState.REVOKED,
                "has_pdf": pdf_files.AVAILABLE,
            }
        )
    return listed


@router.get("/certificates/{certificate_id}.pdf")
def send_certificate(page: PersonPage, certificate_id: RowId) -> Response:
    """Send a certificate of the person's own as a PDF; 404 if it was revoked."""
    with page.reading() as session:
        printed = _get_own(session, page, certificate_id)
    return _send_pdf(page, printed, "/my-year")


@router.get("/coordinator/certificates/{certificate_id}.pdf")
def send_certificate_to_coordinator(page: CoordinatorPage, certificate_id: RowId) -> Response:
    """Send a certificate of the coordinator's association as a PDF; 404 if it was revoked."""
    with page.reading() as session:
        issued = get_certificate(session, certificate_id, associations=page.viewer.coordinates)
        printed = _get_printed(session, page, issued)
    return _send_pdf(page, printed, f"/coordinator/person/{issued.person_id}")


@router.get("/certificates/{certificate_id}.svg")
def send_badge(page: PersonPage, certificate_id: RowId) -> Response:
    """Send a certificate of the person's own as a picture with an Open Badge inside."""
    with page.reading() as session:
        issued, verified, rulebook, rule = _get_own(session, page, certificate_id)
        signer = find_badge_signer(session)
    if signer is None:
        signer = page.site.writer.run(lambda session: get_badge_signer(session, page.now))
    base_url = page.site.settings.base_url
    token = sign_badge(issued, verified, rulebook, rule, signer, base_url)
    picture = bake_badge(token, verified, rule)
    return _attach(picture, "image/svg+xml", file_name(verified, "svg"))


@router.get("/.well-known/jwks.json")
def send_keys(site: SiteDep) -> Response:
    """Send the public keys that badges are verified with."""
    with reading(site.engine) as session:
        keys = list_public_keys(session)
    described = describe_keys(keys, site.settings.base_url)
    return JSONResponse({"keys": described}, headers=_FOLLOWS)


@router.get("/badges/keys/{key_id}")
def send_key(site: SiteDep, key_id: str) -> Response:
    """Send one public key."""
    with reading(site.engine) as session:
        keys = [key for key in list_public_keys(session) if key["kid"] == key_id]
    described = describe_keys(keys, site.settings.base_url)
    return JSONResponse(require(described or None)[0], headers=_RARELY_CHANGES)


@router.get("/badges/issuers/{association}")
def send_issuer(site: SiteDep, association: str) -> Response:
    """Send an association as the issuer of its badges; 404 if it issues no certificates."""
    rulebook = require(site.rulebooks.associations.get(association))
    rule = require(rulebook.certificates or None)[-1]
    issuer = describe_issuer(rulebook, rule, site.settings.base_url)
    context = {"@context": ["https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json"]}
    return JSONResponse({**context, **issuer}, headers=_RARELY_CHANGES)


@router.get("/badges/issuers/{association}/status/{number}")
def send_status_list(site: SiteDep, now: NowDep, association: str, number: _ListNumber) -> Response:
    """Send which badges of an association are revoked; 404 before it has any."""
    if association not in site.rulebooks.certificate_issuers:
        raise HTTPException(404)
    with reading(site.engine) as session:
        signer = require(find_badge_signer(session))
        ids = status_ids(number)
        revoked = list_revoked(session, site.rulebooks, association, ids, now)
    base_url = site.settings.base_url
    token = sign_status_list(association, number, revoked, signer, base_url, now)
    return Response(token, media_type="application/vc+jwt", headers=_FOLLOWS)


def _get_own(session: Session, page: PageRequest, certificate_id: int) -> Printable:
    issued = get_certificate(session, certificate_id, person_id=page.person_id)
    return _get_printed(session, page, issued)


def _get_printed(session: Session, page: PageRequest, issued: IssuedCertificate) -> Printable:
    """A certificate with what is printed on it, in the locale of its association.

    Raises a 404 if it was revoked, or if the rulebook no longer says how to print it.
    """
    printed = find_printable(session, page.rulebooks, issued, page.now)
    if printed is None:
        raise HTTPException(404)
    set_locale(printed.rulebook.locale)
    return printed


def _send_pdf(page: PageRequest, printed: Printable, instead: str) -> Response:
    """The PDF; if it can't be made, a redirect to the page ``instead``, which says so."""
    verified = printed.verified
    if not pdf_files.AVAILABLE:
        return RedirectResponse(f"/verify/{verified.number}", 303)
    branding = page.site.brandings.of(verified.association)
    look, base_url = branding.look if branding else None, page.site.settings.base_url
    try:
        body = certificate_pdf(printed, base_url, look)
    except pdf_files.BusyError:
        raise HTTPException(503, headers={"Retry-After": "30"}) from None
    except pdf_files.TypesettingError:
        return page.redirect(instead, "no-certificate")
    return _attach(body, "application/pdf", file_name(verified, "pdf"))


def _attach(body: bytes, media_type: str, name: str) -> Response:
    """A file to be saved, not shown."""
    disposition = f'attachment; filename="{name}"'
    return Response(body, media_type=media_type, headers={"content-disposition": disposition})
