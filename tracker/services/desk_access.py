"""Whom a coordinator may see and change on the desk.

A person belongs to an association if they hold, held, or applied for one of its endorsements, or it
vetted them. What several associations share, such as the name, only someone can change who
coordinates them all.
"""

from sqlmodel import Session, col, select

from tracker.db.applications import Application
from tracker.db.people import Endorsement, Person, Vetting
from tracker.services.context import Actor, NotFound, Refusal, Refused, ServiceContext

_BELONGS_BY = (Endorsement, Application, Vetting)


def check_association(actor: Actor, association: str) -> None:
    """Raise NotFound unless the actor coordinates the association, or is the operator."""
    if not actor.is_operator and association not in actor.coordinates:
        raise NotFound


def list_associations_of(session: Session, person_id: int) -> set[str]:
    """The associations to which a person belongs."""
    associations = set[str]()
    for model in _BELONGS_BY:
        query = select(col(model.association)).where(col(model.person_id) == person_id)
        associations.update(session.exec(query))
    return associations


def get_desk_person(session: Session, actor: Actor, person_id: int) -> Person:
    """A person who belongs to an association of the actor's. Raises NotFound for anyone else."""
    person = session.get(Person, person_id)
    associations = list_associations_of(session, person_id)
    if person is None or (not actor.is_operator and associations.isdisjoint(actor.coordinates)):
        raise NotFound
    return person


def check_sole(context: ServiceContext, person_id: int) -> None:
    """Raise Refused if the person also belongs to an association of other coordinators."""
    if context.actor.is_operator:
        return
    others = list_associations_of(context.session, person_id) - {*context.actor.coordinates}
    if others:
        raise Refused(Refusal("", "person-shared", {"associations": sorted(others)}))
