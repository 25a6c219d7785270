"""What referees wrote, for the association alone, and what is on record about each referee."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, or_, select

from tracker.clock import local_day
from tracker.db.applications import Application, Reference
from tracker.db.people import Endorsement, Person, Vetting
from tracker.rules.model import Rulebook


@dataclass(frozen=True, slots=True)
class ReferenceReport:
    """A reference as stored, and the referee's record on the day it was received.

    ``endorsements`` are (association, category) of the person with the referee's address;
    ``is_vetted``: the application's association had vetted that person. Both are empty while
    the reference has not been received.
    """

    reference: Reference
    endorsements: tuple[tuple[str, str], ...] = ()
    is_vetted: bool = False


def list_reference_reports(
    session: Session, application: Application, rulebook: Rulebook
) -> list[ReferenceReport]:
    """All references of an application, in the order in which the applicant named the referees.

    For coordinators of the application's association; the caller has checked that.
    """
    query = select(Reference).where(Reference.application_id == application.id)
    return [
        _report(session, reference, rulebook)
        for reference in session.exec(query.order_by(col(Reference.id))).all()
    ]


def _report(session: Session, reference: Reference, rulebook: Rulebook) -> ReferenceReport:
    if reference.received_at is None:
        return ReferenceReport(reference)
    day = local_day(reference.received_at, rulebook.time_zone)

    def held_on_day(table: type[Endorsement] | type[Vetting]) -> ColumnElement[bool]:
        return (col(table.starts_on) <= day) & or_(
            col(table.ends_on).is_(None), col(table.ends_on) >= day
        )

    endorsements = session.exec(
        select(Endorsement.association, Endorsement.category)
        .join(Person, col(Person.id) == Endorsement.person_id)
        .where(Person.email == reference.email, held_on_day(Endorsement))
        .order_by(Endorsement.association, Endorsement.category)
    ).all()
    vetting = session.exec(
        select(Vetting.id)
        .join(Person, col(Person.id) == Vetting.person_id)
        .where(
            Person.email == reference.email,
            Vetting.association == rulebook.id,
            held_on_day(Vetting),
        )
    ).first()
    return ReferenceReport(reference, tuple(endorsements), is_vetted=vetting is not None)
