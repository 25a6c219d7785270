"""Looks certificates up for anyone, and limits how many numbers a client can guess."""

from datetime import datetime
from math import ceil

from fastapi import HTTPException, Request

from tracker.db.engine import reading
from tracker.services.certificate_checks import VerifiedCertificate, verify_certificate
from tracker.services.security_events import log_event
from tracker.services.sign_in import RateLimit, count_try, find_wait
from tracker.web.dependencies import Site, client_of

# Search engines list nobody's certificate, nor follow what is beside it.
NOT_INDEXED = {"x-robots-tag": "noindex, nofollow"}
_KIND = "verify"


def look_up_certificate(
    site: Site, request: Request, number: str, now: datetime
) -> VerifiedCertificate | None:
    """What a certificate is worth now; None if no certificate has the number.

    Only numbers that nobody has are counted, by client, so that an office that checks many
    certificates is never stopped. Raises a 429 for a client that has tried too many of them.
    """
    limit = RateLimit(
        client_of(request).network, site.settings.sign_in.unknown_certificates_per_client
    )
    with reading(site.engine) as session:
        wait = find_wait(session, _KIND, limit, now)
        found = None if wait else verify_certificate(session, site.rulebooks, number, now)
    if wait is None and found is None:
        wait = site.writer.run(lambda session: count_try(session, _KIND, limit, None, now))
    if wait is not None:
        log_event(_KIND, "too many tries")
        raise HTTPException(429, headers={"Retry-After": str(ceil(wait.total_seconds()))})
    return found
