"""Endorsees of an association whose renewals cost a fee."""

from datetime import date, datetime

from sqlmodel import Session

from tests.support.cast import BOOKS, LEE, NOW, PAYING, Cast, fill
from tracker.db.engine import writing
from tracker.db.log import Entry
from tracker.db.people import Endorsement, Person
from tracker.services.context import Actor, ServiceContext
from tracker.services.evaluation import evaluate_people
from tracker.services.fees import PaymentInput, ShareInput, record_payment

IVY, JON = "ivy@example.org", "jon@example.org"
CYCLE = date(2026, 1, 1)
# Four days before the day of the cast.
PAID_ON = date(2026, 11, 18)


def fill_with_ivy(url: str) -> Cast:
    """The cast, and Ivy and Jon, who lack only the submission and the fee of $75."""
    cast = fill(url)
    with writing(cast.engine) as session:
        add_payers(session, cast)
    return cast


def add_payers(session: Session, cast: Cast) -> None:
    """Store Ivy and Jon with the hours that they need."""
    for email, name in ((IVY, "Ivy Okafor"), (JON, "Jon Petersen")):
        person = Person(email=email, name=name, highest_degree="none", provides_rsc=False)
        session.add(person)
        session.flush()
        held = Endorsement(person_id=person.id, association=PAYING, category="IFS", starts_on=CYCLE)
        training = Entry(
            person_id=person.id,
            activity="training",
            held_on=date(2026, 3, 2),
            minutes=240,
            title="Infancy day",
        )
        session.add_all([held, training])
        session.flush()
        cast.people[email], cast.endorsements[email] = person.id, held.id
    evaluate_people(session, BOOKS, {cast.people[IVY], cast.people[JON]}, NOW)


def lee(session: Session, now: datetime = NOW) -> ServiceContext:
    """A context in which the coordinator of the association acts."""
    return ServiceContext(session, BOOKS, Actor(LEE, None, (PAYING,)), now)


def payment_for(cast: Cast, cents: int, *emails: str, amount: int | None = None) -> PaymentInput:
    """A payment of as many cents for each; the key of its form tells who they are."""
    shares = tuple(
        ShareInput(cast.endorsements[email], CYCLE, "renewal", cents) for email in emails
    )
    total = cents * len(emails) if amount is None else amount
    key = f"{len(emails)}{cents}{total}".ljust(32, "0")
    return PaymentInput(PAYING, PAID_ON, total, "Family Agency", "1001", "", shares, key)


def pay_for_both(session: Session, cast: Cast) -> int:
    """One payment of an agency for Ivy and Jon; its id."""
    return record_payment(lee(session), payment_for(cast, 7500, IVY, JON))
