"""Endorsees of an association with a public registry, and who of them is listed."""

from datetime import date

from sqlmodel import Session, select

from tests.support.cast import ATTESTING, BOOKS, KAI, NOW, Cast
from tests.support.submitting import FAY, GIL, add_endorsee
from tracker.db.people import Endorsement, Person
from tracker.db.registry import RegistryListing
from tracker.services.context import Actor, ServiceContext
from tracker.services.evaluation import evaluate_people
from tracker.services.registry_consent import unlist_person

NOE = "noe@example.org"
REGISTRY = f"/registry/{ATTESTING}"


def add_members(session: Session, cast: Cast) -> None:
    """Store Fay and Gil, and Noe Pua, an RSC provider who takes new supervisees; none is listed."""
    if session.exec(select(Person).filter_by(email=FAY)).first() is None:
        add_endorsee(session, cast, FAY, "Fay Lani")
        add_endorsee(session, cast, GIL, "Gil Mahoe")
        for email in (FAY, GIL):
            # So that no cycle before this one has lapsed.
            session.get_one(Endorsement, cast.endorsements[email]).starts_on = date(2025, 1, 1)
    noe = Person(
        email=NOE,
        name="Noe Pua",
        highest_degree="master",
        provides_rsc=True,
        takes_supervisees_since=NOW,
        provider_line="Groups by video",
    )
    session.add(noe)
    session.flush()
    held = Endorsement(
        person_id=noe.id, association=ATTESTING, category="IFRS", starts_on=date(2021, 2, 1)
    )
    session.add(held)
    session.flush()
    cast.people[NOE], cast.endorsements[NOE] = noe.id, held.id
    members = [cast.people[email] for email in (FAY, GIL, NOE)]
    evaluate_people(session, BOOKS, members, NOW)


def list_people(session: Session, cast: Cast, *emails: str) -> None:
    """Store that these people agreed to be listed."""
    for email in emails:
        session.add(
            RegistryListing(person_id=cast.people[email], association=ATTESTING, listed_at=NOW)
        )
    session.flush()


def remove_from_registry(session: Session, cast: Cast, email: str) -> None:
    """End a listing, as the coordinator does."""
    kai = ServiceContext(session, BOOKS, Actor(KAI, None, (ATTESTING,)), NOW)
    unlist_person(kai, cast.people[email], ATTESTING, "The category is under review")
