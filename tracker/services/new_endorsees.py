"""Adding one endorsee: a person with an endorsement and, if they have one, a membership."""

from dataclasses import dataclass, replace
from typing import NamedTuple

from tracker.db.corrections import FormerEmail
from tracker.db.engine import lock_names
from tracker.db.people import EMAILS, Endorsement, Person
from tracker.plain_text import space_initials
from tracker.rules.requirement import INDIVIDUAL
from tracker.services.context import (
    NotFound,
    Refusal,
    Refused,
    ServiceContext,
    check_name,
    lock_person,
    require_other_person,
)
from tracker.services.holdings import Term, add_membership, store_endorsement
from tracker.services.person_facts import check_email_is_free, is_on_desk
from tracker.services.similar_people import list_holders


@dataclass(frozen=True, slots=True)
class NewEndorsee:
    """What the form for one endorsee has. ``person_id`` is a record that is the same person.

    ``email`` is normalized; ``membership`` is an organization and its term.
    """

    name: str
    email: str
    association: str
    category: str
    term: Term
    membership: tuple[str, Term] | None = None
    membership_kind: str = INDIVIDUAL
    person_id: int | None = None


class AddedEndorsee(NamedTuple):
    """The person and the endorsement that were recorded; ``is_new``: the person is new here."""

    person: Person
    endorsement: Endorsement
    is_new: bool


def add_endorsee(context: ServiceContext, new: NewEndorsee) -> AddedEndorsee:
    """Record a person (unless their record is known), an endorsement, and a membership.

    Raises NotFound for a record that is not the actor's and does not have the address, and Refused
    for an address that another record has, and as `holdings` does.
    """
    session = context.session
    person = _find_person(context, new)
    is_new = person is None
    if person is None:
        person = _create_person(context, new)
    name = (new.association, new.category)
    endorsement_id = store_endorsement(context, person.id, name, new.term)
    if new.membership is not None:
        _add_membership(context, person.id, *new.membership, new.membership_kind)
    return AddedEndorsee(person, session.get_one(Endorsement, endorsement_id), is_new)


def _add_membership(
    context: ServiceContext, person_id: int, organization: str, term: Term, kind: str
) -> None:
    """As `add_membership`; refusals name the membership's fields, not those of the endorsement."""
    try:
        add_membership(context, person_id, organization, term, kind=kind)
    except Refused as refused:
        raise Refused(*(_rename(one) for one in refused.refusals)) from None


def _rename(refusal: Refusal) -> Refusal:
    is_day = refusal.field in {"starts_on", "ends_on"}
    return replace(refusal, field=f"membership_{refusal.field}") if is_day else refusal


def _find_person(context: ServiceContext, new: NewEndorsee) -> Person | None:
    """The known record, locked; None if the person is new."""
    session, person_id = context.session, new.person_id
    if person_id is None:
        return None
    holders = {holder for _, holder in list_holders(session, new.email)}
    if person_id not in holders and not is_on_desk(session, context.actor, person_id):
        raise NotFound
    require_other_person(context, person_id)
    lock_person(session, person_id)
    return session.get_one(Person, person_id, populate_existing=True)


def _create_person(context: ServiceContext, new: NewEndorsee) -> Person:
    name = space_initials(new.name)
    if refusals := check_name(name, "person-name-missing"):
        raise Refused(*refusals)
    lock_names(context.session, [EMAILS])
    check_email_is_free(context, new.email)
    former = context.session.get(FormerEmail, new.email)
    if former is not None:
        raise Refused(Refusal("email", "email-was-another", {"email": new.email}))
    person = Person(name=name, email=new.email)
    context.create_row(person, {"name", "email"})
    return person
