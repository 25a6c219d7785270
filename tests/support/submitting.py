"""An endorsee of an association whose renewals are submitted, for three years at a stretch."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from sqlmodel import Session

from tests.support.cast import BOOKS, COORDINATORS, Cast, fill
from tracker.db.engine import writing
from tracker.db.log import Entry
from tracker.db.people import Endorsement, Membership, Person
from tracker.rulebooks import load_rulebooks
from tracker.services.evaluation import evaluate_people
from tracker.settings import Coordinator, Settings

ATTESTING = "ATTESTING"
_IMAGINED = load_rulebooks(Path(__file__).parents[1] / "rulebooks")
# The real rulebooks and an imagined one, in Honolulu.
SUBMITTING_BOOKS = replace(
    BOOKS,
    associations={**BOOKS.associations, ATTESTING: _IMAGINED.associations[ATTESTING]},
    organizations={**BOOKS.organizations, ATTESTING: _IMAGINED.organizations[ATTESTING]},
)
FAY, KAI = "fay@example.org", "kai@example.org"
CYCLE = date(2025, 1, 1)
# November 15, 2027, in the morning in Honolulu.
SUBMITTED_AT = datetime(2027, 11, 15, 18, 0, tzinfo=UTC)
ALL_SIGNED = frozenset({"ethics", "hours"})


def settings_of(cast: Cast) -> Settings:
    """Settings that name a coordinator of the association."""
    kai = Coordinator(email=KAI, name="Kai Akana", association=ATTESTING)
    return cast.settings.model_copy(update={"coordinators": (*COORDINATORS, kai)})


def fill_with_fay(url: str) -> Cast:
    """The cast, and Fay Lani: a member, with 20 of 45 training hours."""
    cast = fill(url)
    with writing(cast.engine) as session:
        add_fay(session, cast)
        evaluate_people(session, SUBMITTING_BOOKS, {cast.people[FAY]}, SUBMITTED_AT)
    return cast


def add_fay(session: Session, cast: Cast) -> None:
    """Store Fay, with what she holds and has logged."""
    fay = Person(email=FAY, name="Fay Lani", highest_degree="none", provides_rsc=False)
    session.add(fay)
    session.flush()
    held = Endorsement(
        person_id=fay.id, association=ATTESTING, category="IFS", starts_on=date(2020, 5, 1)
    )
    session.add(held)
    session.add(
        Membership(
            person_id=fay.id,
            organization=ATTESTING,
            starts_on=date(2025, 1, 1),
            ends_on=date(2027, 12, 31),
        )
    )
    training = Entry(
        person_id=fay.id,
        activity="training",
        held_on=date(2026, 3, 2),
        minutes=1200,
        title="Infancy week",
    )
    session.add(training)
    session.flush()
    cast.people[FAY], cast.endorsements[FAY] = fay.id, held.id
    cast.entries["fay"] = training.id
