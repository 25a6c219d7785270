"""What an association's coordinators record of RSC providers: vetting, and endorsements elsewhere.

An endorsement elsewhere counts for the association that knows of it, and is nobody's renewal.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlmodel import select

from tracker.db.people import Person, Vetting
from tracker.db.providers import OutsideEndorsement
from tracker.rulebooks import Rulebooks
from tracker.services.context import (
    NotFound,
    Refusal,
    Refused,
    ServiceContext,
    lock_records,
    require_other_person,
)
from tracker.services.desk_access import check_association
from tracker.services.evaluation import days_at, evaluate_people
from tracker.services.provider_overview import is_provider_of, list_outside_endorsements

MAX_ASSOCIATION_LENGTH = 100
_VETTING_AUDITED = {"person_id", "association", "starts_on", "ends_on"}
_OUTSIDE_AUDITED = {*_VETTING_AUDITED, "known_to", "category"}


@dataclass(frozen=True, slots=True)
class NewCredential:
    """Vetting by the coordinator's association (no ``association``), or an endorsement elsewhere.

    ``association`` is an organization's id, or a name; without a ``category``, it vetted the
    provider. Both days are included.
    """

    starts_on: date
    ends_on: date | None = None
    association: str = ""
    category: str = ""


def add_credential(
    context: ServiceContext, association: str, person_id: int, new: NewCredential
) -> None:
    """Record what qualifies a provider who is on file.

    Raises NotFound for anybody who is not a provider of the association's, and Refused with every
    reason.
    """
    check_association(context.actor, association)
    today = days_at(context.rulebooks, context.now)(association)
    if not is_provider_of(context.session, context.rulebooks, association, today, person_id):
        raise NotFound
    require_other_person(context, person_id)
    refusals = check_credential(context.rulebooks, association, new)
    if refusals:
        raise Refused(*refusals)
    lock_records(context.session, [person_id])
    provider = context.session.get_one(Person, person_id, populate_existing=True)
    store_credential(context, provider, association, new)
    evaluate_people(context.session, context.rulebooks, {person_id}, context.now)


def change_outside_endorsement(
    context: ServiceContext, outside_id: int, ends_on: date | None
) -> None:
    """Give an endorsement elsewhere another last day, or none.

    Raises NotFound if another association recorded it, and Refused for a day before the first.
    """
    outside = _lock_outside(context, outside_id)
    if ends_on is not None and ends_on < outside.starts_on:
        facts = {"starts_on": outside.starts_on}
        raise Refused(Refusal("ends_on", "ends-before-start", facts))
    for other in list_outside_endorsements(context.session, outside.known_to, outside.person_id):
        is_same_kind = (other.association, other.category) == (
            outside.association,
            outside.category,
        )
        if is_same_kind and outside.starts_on < other.starts_on <= (ends_on or date.max):
            facts = {"starts_on": other.starts_on}
            raise Refused(Refusal("ends_on", "credential-follows", facts))
    context.update_row(outside, _OUTSIDE_AUDITED, ends_on=ends_on)
    evaluate_people(context.session, context.rulebooks, {outside.person_id}, context.now)


def remove_outside_endorsement(context: ServiceContext, outside_id: int) -> None:
    """Remove an endorsement elsewhere. Raises NotFound if another association recorded it."""
    outside = _lock_outside(context, outside_id)
    person_id = outside.person_id
    context.delete_row(outside, _OUTSIDE_AUDITED)
    evaluate_people(context.session, context.rulebooks, {person_id}, context.now)


def list_categories(rulebooks: Rulebooks, association: str) -> list[str]:
    """The categories that the association's provider rules accept, then all others it knows."""
    rulebook = rulebooks.associations[association]
    accepted: list[str] = []
    for rule in rulebook.providers.values():
        for entry in rule.accepts:
            accepted += entry.categories
    every = [*accepted, *rulebook.categories]
    for other in rulebooks.associations.values():
        every += other.categories
    return list(dict.fromkeys(every))


def accepts_vetting_elsewhere(rulebooks: Rulebooks, association: str) -> bool:
    """Whether a provider rule of the association accepts those vetted by others."""
    return any(
        accepted.vetted and set(accepted.associations) - {association}
        for rule in rulebooks.associations[association].providers.values()
        for accepted in rule.accepts
    )


def check_credential(
    rulebooks: Rulebooks, association: str, credential: NewCredential
) -> list[Refusal]:
    """Why a credential can't be recorded."""
    refusals: list[Refusal] = []
    facts: dict[str, Any] = {"starts_on": credential.starts_on}
    if credential.ends_on is not None and credential.ends_on < credential.starts_on:
        refusals.append(Refusal("ends_on", "ends-before-start", facts))
    if not credential.association:
        return refusals
    if credential.association == association:
        facts = {"association": association}
        refusals.append(Refusal("elsewhere", "endorsement-not-elsewhere", facts))
    elif len(credential.association) > MAX_ASSOCIATION_LENGTH:
        facts = {"limit": MAX_ASSOCIATION_LENGTH}
        refusals.append(Refusal("elsewhere", "text-too-long", facts))
    is_vetted = not credential.category and accepts_vetting_elsewhere(rulebooks, association)
    if not is_vetted and credential.category not in list_categories(rulebooks, association):
        refusals.append(Refusal("category", "category-unknown"))
    return refusals


def store_credential(
    context: ServiceContext, provider: Person, association: str, new: NewCredential
) -> None:
    """Store a credential that was checked, of a provider who is locked.

    Raises Refused if the provider has one of its kind on these days.
    """
    days: dict[str, Any] = {"starts_on": new.starts_on, "ends_on": new.ends_on}
    held: dict[str, Any] = {"person_id": provider.id, "association": association}
    model: Any = Vetting
    more, audited = dict[str, Any](), _VETTING_AUDITED
    if new.association:
        model, audited = OutsideEndorsement, _OUTSIDE_AUDITED
        held |= {"association": new.association, "category": new.category}
        held["known_to"] = association
        more["recorded_by"] = context.actor.label
    for known in context.session.exec(select(model).filter_by(**held)):
        if _overlaps(known, new):
            facts = {"name": provider.name, "starts_on": known.starts_on}
            raise Refused(Refusal("starts_on", "credential-known", facts))
    context.create_row(model(**held, **days, **more), audited)


def _overlaps(known: Vetting | OutsideEndorsement, new: NewCredential) -> bool:
    known_last, new_last = known.ends_on or date.max, new.ends_on or date.max
    return known.starts_on <= new_last and new.starts_on <= known_last


def _lock_outside(context: ServiceContext, outside_id: int) -> OutsideEndorsement:
    """An endorsement elsewhere as it is now, its person locked. Raises NotFound, and Refused."""
    session = context.session
    found = session.get(OutsideEndorsement, outside_id)
    if found is None:
        raise NotFound
    check_association(context.actor, found.known_to)
    require_other_person(context, found.person_id)
    lock_records(session, [found.person_id])
    session.refresh(found)
    return found
