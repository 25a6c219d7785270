"""Certificates to store as they are, and rulebooks that issue others."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from sqlmodel import Session

from tests.support.cast import ATTESTING, BOOKS
from tests.support.submitting import CYCLE, SUBMITTED_AT
from tracker.db.certificates import Certificate
from tracker.rulebooks import Rulebooks
from tracker.services.certificates import generate_number

# The renewal for 2028 through 2030 is accepted early; the next one is due at its end.
LAST_DAY = date(2030, 12, 31)
TODAY = SUBMITTED_AT.date()
# Ten in the evening in Honolulu is the next day in UTC.
TODAY_AT_TEN = datetime(2027, 11, 16, 8, tzinfo=UTC)
RULE = BOOKS.associations[ATTESTING].certificates[0]


def certify(session: Session, held: int | None, **values: object) -> Certificate:
    """Store a certificate of an endorsement; without one its record was removed."""
    row: dict[str, Any] = {
        "kind": "endorsement",
        "cycle_starts_on": CYCLE,
        "name": "Fay Lani",
        "valid_from": CYCLE,
        "valid_through": LAST_DAY,
        "issued_at": SUBMITTED_AT,
        **values,
    }
    certificate = Certificate(endorsement_id=held, number=generate_number(), **row)
    session.add(certificate)
    session.flush()
    return certificate


def with_rulebook(**changes: object) -> Rulebooks:
    """The rulebooks, with changes of the association whose renewals are submitted."""
    own = BOOKS.associations[ATTESTING].model_copy(update=changes)
    return replace(BOOKS, associations={**BOOKS.associations, ATTESTING: own})
