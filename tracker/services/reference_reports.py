"""What referees wrote, for the association alone, and what our records say of them."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlmodel import Session

from tracker.clock import local_day
from tracker.db.tables import METADATA

_PERSON = METADATA.tables["person"]
_REFERENCE = METADATA.tables["reference"]
_ENDORSEMENT = METADATA.tables["endorsement"]
_VETTING = METADATA.tables["vetting"]
_COLUMNS = (
    "name",
    "email",
    "role",
    "asked_at",
    "declined_at",
    "received_at",
    "role_confirmed",
    "relationship",
    "endorsed_by",
    "endorsed_as",
    "vetted",
    "signed_as",
)


class Report(NamedTuple):
    """A reference as it is stored; of one that has not come all after ``received_at`` is empty.

    ``role_confirmed`` is None where an import did not say. ``on_record`` are the endorsements,
    as (association, category), that the person with that address held on the day it came;
    ``vetted_on_record``: whether the application's association had vetted that person then.
    """

    name: str
    email: str
    role: str
    asked_at: datetime | None
    declined_at: datetime | None
    received_at: datetime | None
    role_confirmed: bool | None
    relationship: str | None
    endorsed_by: str | None
    endorsed_as: str | None
    vetted: bool
    signed_as: str | None
    on_record: tuple[tuple[str, str], ...] = ()
    vetted_on_record: bool = False


def reports_of(
    session: Session, application_id: int, association: str, time_zone: str
) -> Iterator[Report]:
    """All references of an application of ``association``, in the order of naming.

    For whoever coordinates that association: the caller has made sure of it.
    """
    query = (
        select(*(_REFERENCE.c[name] for name in _COLUMNS))
        .where(_REFERENCE.c.application_id == application_id)
        .order_by(_REFERENCE.c.id)
    )
    for row in session.connection().execute(query).all():
        report = Report(*row)
        if report.received_at is None:
            yield report
            continue
        day = local_day(report.received_at, time_zone)
        yield report._replace(
            on_record=tuple(_endorsements(session, report.email, day)),
            vetted_on_record=_was_vetted(session, report.email, association, day),
        )


def _endorsements(session: Session, email: str, day: date) -> list[tuple[str, str]]:
    query = (
        select(_ENDORSEMENT.c.association, _ENDORSEMENT.c.category)
        .join(_PERSON, _PERSON.c.id == _ENDORSEMENT.c.person_id)
        .where(_PERSON.c.email == email, *_covering(_ENDORSEMENT, day))
        .order_by(_ENDORSEMENT.c.association, _ENDORSEMENT.c.category)
    )
    return [(row.association, row.category) for row in session.connection().execute(query)]


def _was_vetted(session: Session, email: str, association: str, day: date) -> bool:
    query = (
        select(_VETTING.c.id)
        .join(_PERSON, _PERSON.c.id == _VETTING.c.person_id)
        .where(
            _PERSON.c.email == email,
            _VETTING.c.association == association,
            *_covering(_VETTING, day),
        )
    )
    return session.scalar(query.limit(1)) is not None


def _covering(table: Any, day: date) -> tuple[Any, ...]:  # noqa: ANN401 - a table's columns
    """The condition that a span, both days included, holds ``day``."""
    ends_on = table.c.ends_on
    return table.c.starts_on <= day, ends_on.is_(None) | (ends_on >= day)
