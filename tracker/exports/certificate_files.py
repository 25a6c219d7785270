"""A certificate as a PDF."""

from datetime import datetime
from io import BytesIO
from typing import Any, NamedTuple

import segno
from sqlmodel import Session

from tracker.branding import Branding, Look
from tracker.clock import local_day
from tracker.exports import pdf_files
from tracker.formatting import format_date
from tracker.rulebooks import Rulebooks
from tracker.rules.certificates import CertificateRule
from tracker.rules.model import Rulebook
from tracker.services.certificate_checks import (
    CertificateState,
    IssuedCertificate,
    VerifiedCertificate,
    check_certificate,
    rule_of,
)

# So that a name fits into the line: the template sets longer ones smaller.
_LONG_NAME, _LONGEST_NAME = 30, 60


class Printable(NamedTuple):
    """A certificate, what it is worth now, and the rulebook and its rule by which it is printed."""

    issued: IssuedCertificate
    verified: VerifiedCertificate
    rulebook: Rulebook
    rule: CertificateRule


def find_printable(
    session: Session, rulebooks: Rulebooks, issued: IssuedCertificate, now: datetime
) -> Printable | None:
    """What is printed on a certificate; None if it is revoked, or no rule says how to print it."""
    verified = check_certificate(session, rulebooks, issued, now)
    rulebook = rulebooks.associations.get(verified.association)
    rule = rule_of(rulebook, issued) if rulebook else None
    if rulebook is None or rule is None or verified.state is CertificateState.REVOKED:
        return None
    return Printable(issued, verified, rulebook, rule)


def verification_address(base_url: str, number: str) -> str:
    """The public address at which anyone verifies the certificate with this number."""
    return f"{base_url}/verify/{number}"


def file_name(verified: VerifiedCertificate, ending: str) -> str:
    """A name that every system can store: ``certificate-<association>-<category>-<day>.pdf``."""
    day = verified.valid_through.isoformat() if verified.valid_through else ""
    name = f"certificate-{verified.association}-{verified.category}-{day}"
    safe = "".join(c if c.isascii() and c.isalnum() else "-" for c in name)
    return f"{safe}.{ending}"


def certificate_pdf(printable: Printable, base_url: str, look: Look | None) -> bytes:
    """A tagged PDF on one page of US Letter paper. Raises as `pdf_files.make_pdf`.

    It is dated with the day of issue, and the same whenever it is made with the same ``look``.
    """
    issued, verified, rulebook, rule = printable
    issued_on = local_day(issued.issued_at, rulebook.time_zone)
    branding, logo = (look.branding, look.logo) if look else (Branding(), None)
    data = _pdf_data(verified, rule, base_url) | {
        "color": branding.color,
        "reads_on_white": branding.reads_on_white,
        "logo": list(logo.body) if logo else None,
    }
    return pdf_files.make_pdf("certificate", data, issued_on, issued.person_id)


def _pdf_data(
    verified: VerifiedCertificate, rule: CertificateRule, base_url: str
) -> dict[str, Any]:
    """What the template shows, as text."""
    address = verification_address(base_url, verified.number)
    picture = BytesIO()
    segno.make(address, micro=False, error="m").save(picture, kind="svg", border=0)
    length = len(verified.name)
    size = "large" if length <= _LONG_NAME else "medium" if length <= _LONGEST_NAME else "small"
    issued_on, first, last = verified.issued_on, verified.valid_from, verified.valid_through
    return {
        "name": verified.name,
        "size": size,
        "issuer": rule.issuer,
        "wording": rule.wording,
        "category": verified.category_name,
        "code": verified.category,
        "valid_from": format_date(first) if first else "",
        "valid_through": format_date(last) if last else "",
        "issued": format_date(issued_on) if issued_on else "",
        "signatory": rule.signatory,
        "title": rule.title,
        "number": verified.number,
        "address": address.partition("://")[2],
        "link": address,
        "qr": picture.getvalue().decode(),
    }
