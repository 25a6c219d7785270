"""What coordinators correct about a person: name, degree, addresses, and who provides RSC.

All of it belongs to the person and not to one association, so it can be changed by a coordinator
only if the person is at their associations alone.
"""

from collections.abc import Collection

from sqlmodel import Session

from tracker.addresses import is_address
from tracker.db.engine import lock_names
from tracker.db.people import DEGREES, EMAILS, Person
from tracker.plain_text import space_initials
from tracker.services.certificates import reissue_certificates
from tracker.services.context import (
    Actor,
    NotFound,
    Refusal,
    Refused,
    ServiceContext,
    check_name,
    lock_records,
    require_other_person,
)
from tracker.services.desk_access import check_sole, get_desk_person
from tracker.services.email_changes import find_holder, move_email
from tracker.services.evaluation import evaluate_people
from tracker.services.profile import revoke_second_email

_SECOND_EMAIL = {"second_email", "second_email_confirmed_at"}


def lock_desk_person(context: ServiceContext, person_id: int) -> Person:
    """A person whose records the actor may change; locked until the transaction ends.

    Raises NotFound for a person of other associations, and Refused for the actor themselves.
    """
    get_desk_person(context.session, context.actor, person_id)
    require_other_person(context, person_id)
    lock_records(context.session, [person_id])
    # Someone else may have changed it, or merged it, while we waited for the lock.
    person = context.session.get(Person, person_id, populate_existing=True)
    if person is None:
        raise NotFound
    return person


def lock_sole_person(context: ServiceContext, person_id: int) -> Person:
    """As `lock_desk_person`; raises Refused for a person who is at other associations too."""
    person = lock_desk_person(context, person_id)
    check_sole(context, person.id)
    return person


def check_sole_person(context: ServiceContext, person_id: int) -> None:
    """Raise NotFound or Refused as `lock_sole_person`, without locking anything."""
    get_desk_person(context.session, context.actor, person_id)
    require_other_person(context, person_id)
    check_sole(context, person_id)


def rename_person(context: ServiceContext, person_id: int, name: str) -> None:
    """Correct a person's name, and issue their certificates again under it."""
    person = lock_sole_person(context, person_id)
    name = space_initials(name)
    if refusals := check_name(name, "person-name-missing"):
        raise Refused(*refusals)
    context.update_row(person, {"name"}, name=name)
    reissue_certificates(context.session, context.rulebooks, context.now, person_id=person_id)


def change_degree(context: ServiceContext, person_id: int, degree: str) -> None:
    """Correct a person's highest degree, one of `DEGREES`, and evaluate whom they supervised."""
    person = lock_sole_person(context, person_id)
    if degree not in DEGREES:
        raise Refused(Refusal("degree", "choice-unknown"))
    context.update_row(person, {"highest_degree"}, highest_degree=degree)
    evaluate_people(context.session, context.rulebooks, {person_id}, context.now)


def change_provides_rsc(context: ServiceContext, person_id: int, *, provides_rsc: bool) -> None:
    """Say whether a person provides RSC, so that endorsees can choose them by name."""
    person = lock_sole_person(context, person_id)
    context.update_row(person, {"provides_rsc"}, provides_rsc=provides_rsc)
    evaluate_people(context.session, context.rulebooks, {person_id}, context.now)


def change_first_email(context: ServiceContext, person_id: int, email: str) -> str:
    """Give a person another first address, which is normalized; return the former one.

    Hours, waiting mail, and sign-in follow, and browsers of the former address are signed out.
    Raises Refused for an address that is wrong or another person's.
    """
    person = lock_sole_person(context, person_id)
    former = person.email
    if email == former:
        raise Refused(Refusal("email", "email-is-first-here"))
    check_email_is_free(context, email, person_id)
    move_email(context.session, person, email, who=context.actor.label, now=context.now)
    return former


def change_second_email(
    context: ServiceContext, person_id: int, email: str | None, reserved: Collection[str] = ()
) -> Person:
    """Give a person another second address, or none; the former one no longer signs in.

    ``reserved`` are coordinators' addresses, which can be nobody's second one. Raises Refused for
    an address that is wrong, or another person's.
    """
    person = lock_sole_person(context, person_id)
    if email is not None:
        _check_second_email(context, person, email, reserved)
    elif person.second_email is None:
        raise NotFound
    revoke_second_email(context.session, person)
    # A removed one must not come back with an import; a new one is the association's word.
    removed_at = context.now if email is None else None
    context.update_row(
        person, _SECOND_EMAIL, second_email=email, second_email_confirmed_at=removed_at
    )
    return person


def _check_second_email(
    context: ServiceContext, person: Person, email: str, reserved: Collection[str]
) -> None:
    lock_names(context.session, [EMAILS])
    if email == person.email:
        raise Refused(Refusal("email", "email-is-first-here"))
    if person.second_email and email == person.second_email.lower():
        raise Refused(Refusal("email", "email-is-second-here"))
    if email in reserved:
        raise Refused(Refusal("email", "email-is-coordinators", {"email": email}))
    check_email_is_free(context, email)


def check_email_is_free(context: ServiceContext, email: str, person_id: int | None = None) -> None:
    """Raise Refused for an address that is wrong, or another person's.

    A person of other associations is not named.
    """
    if not is_address(email):
        raise Refused(Refusal("email", "email-invalid"))
    holder = find_holder(context.session, email)
    if holder is None or holder.id == person_id:
        return
    if is_on_desk(context.session, context.actor, holder.id):
        facts = {"email": email, "name": holder.name}
        raise Refused(Refusal("email", "email-of-known-person", facts))
    raise Refused(Refusal("email", "email-taken"))


def is_on_desk(session: Session, actor: Actor, person_id: int) -> bool:
    """Whether the actor may see a person's record."""
    try:
        get_desk_person(session, actor, person_id)
    except NotFound:
        return False
    return True
