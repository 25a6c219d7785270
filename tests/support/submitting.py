"""An endorsee of an association whose renewals are submitted, for three years at a stretch."""

from datetime import UTC, date, datetime

from sqlmodel import Session

from tests.support.cast import ATTESTING, BOOKS, NOW, Cast, fill
from tracker.db.engine import writing
from tracker.db.log import Entry
from tracker.db.people import Endorsement, Membership, Person
from tracker.services.context import Actor, ServiceContext
from tracker.services.evaluation import evaluate_people
from tracker.services.submissions import SubmissionInput, submit_renewal

FAY, GIL = "fay@example.org", "gil@example.org"
CYCLE = date(2025, 1, 1)
# November 15, 2027, in the morning in Honolulu.
SUBMITTED_AT = datetime(2027, 11, 15, 18, 0, tzinfo=UTC)
ALL_SIGNED = frozenset({"ethics", "hours"})


def fill_with_fay(url: str) -> Cast:
    """The cast, and Fay Lani: a member, with 20 of 45 training hours."""
    cast = fill(url)
    with writing(cast.engine) as session:
        add_endorsee(session, cast, FAY, "Fay Lani")
        evaluate_people(session, BOOKS, {cast.people[FAY]}, SUBMITTED_AT)
    return cast


def add_endorsee(session: Session, cast: Cast, email: str, name: str) -> None:
    """Store an endorsee of the association, a member, with 20 training hours."""
    person = Person(email=email, name=name, highest_degree="none", provides_rsc=False)
    session.add(person)
    session.flush()
    held = Endorsement(
        person_id=person.id, association=ATTESTING, category="IFS", starts_on=date(2020, 5, 1)
    )
    training = Entry(
        person_id=person.id,
        activity="training",
        held_on=date(2026, 3, 2),
        minutes=1200,
        title="Infancy week",
    )
    member = Membership(
        person_id=person.id,
        organization=ATTESTING,
        starts_on=date(2025, 1, 1),
        ends_on=date(2027, 12, 31),
    )
    session.add_all([held, training, member])
    session.flush()
    cast.people[email], cast.endorsements[email] = person.id, held.id
    cast.entries[email.partition("@")[0]] = training.id


def submit_for_gil(session: Session, cast: Cast) -> int:
    """Store Gil, who has submitted a renewal that lacks hours; the id of the submission."""
    add_endorsee(session, cast, GIL, "Gil Mahoe")
    return submit_incomplete(session, cast)


def submit_incomplete(session: Session, cast: Cast) -> int:
    """Submit Gil's renewal, which lacks hours; the id of the submission."""
    gil = cast.people[GIL]
    evaluate_people(session, BOOKS, {gil}, NOW)
    context = ServiceContext(session, BOOKS, Actor(GIL, gil), NOW)
    held = cast.endorsements[GIL]
    renewal = SubmissionInput(held, CYCLE, "Gil Mahoe", frozenset({"ethics"}), "a" * 32)
    return submit_renewal(context, renewal).id
