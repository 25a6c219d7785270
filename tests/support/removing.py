"""Endorsees of an association that removes lapsed endorsements, and reinstates who asks in time.

A renewal is due on December 31. Its grace period ends on January 31, and the endorsement is kept
through the last day of February. A reinstatement can be asked for within a year.
"""

from datetime import date, datetime

from sqlmodel import Session

from tests.support.cast import BOOKS, NOW, REMOVING, REX, Cast, fill
from tracker.db.engine import writing
from tracker.db.log import Entry
from tracker.db.people import REMOVED, Endorsement, Person
from tracker.services.context import Actor, ServiceContext
from tracker.services.evaluation import evaluate_people

UMA, VIC = "uma@example.org", "vic@example.org"


def fill_with_uma(url: str, now: datetime = NOW) -> Cast:
    """The cast, Uma, whose 2025 renewal lapsed, and Vic, who was removed on March 1, 2026."""
    cast = fill(url)
    with writing(cast.engine) as session:
        add_lapsed(session, cast, now)
    return cast


def add_lapsed(session: Session, cast: Cast, now: datetime = NOW) -> None:
    """Store Uma and Vic."""
    for email, name, ends_on in ((UMA, "Uma Bell", None), (VIC, "Vic Soto", date(2026, 2, 28))):
        person = Person(email=email, name=name, highest_degree="none", provides_rsc=False)
        session.add(person)
        session.flush()
        held = Endorsement(
            person_id=person.id,
            association=REMOVING,
            category="IFS",
            starts_on=date(2025, 1, 1),
            ends_on=ends_on,
            ended_as=REMOVED if ends_on else None,
        )
        session.add(held)
        session.flush()
        cast.people[email], cast.endorsements[email] = person.id, held.id
    evaluate_people(session, BOOKS, {cast.people[UMA], cast.people[VIC]}, now)


def add_training(session: Session, cast: Cast, email: str, day: date, hours: int) -> None:
    """Log a training."""
    person_id = cast.people[email]
    session.add(
        Entry(
            person_id=person_id,
            activity="training",
            held_on=day,
            minutes=60 * hours,
            title="Infancy day",
        )
    )
    session.flush()


def rex(session: Session, now: datetime = NOW) -> ServiceContext:
    """A context in which the coordinator of the association acts."""
    return ServiceContext(session, BOOKS, Actor(REX, None, (REMOVING,)), now)


def own(session: Session, cast: Cast, email: str, now: datetime = NOW) -> ServiceContext:
    """A context in which an endorsee acts."""
    return ServiceContext(session, BOOKS, Actor(email, cast.people[email]), now)
