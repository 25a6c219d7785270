"""Who agreed to be listed in which association's public registry: each person's own choice.

A coordinator can end a listing, with a reason, and never begin one. Then the person can't list
themselves either, until a coordinator allows it again.
"""

from collections.abc import Collection
from datetime import date
from typing import Any, NamedTuple

from sqlmodel import Session, select

from tracker.clock import local_day
from tracker.db.people import Endorsement
from tracker.db.registry import RegistryListing
from tracker.rulebooks import Rulebooks
from tracker.rules.registry import Registry
from tracker.services.context import (
    NotFound,
    Refusal,
    Refused,
    ServiceContext,
    check_text,
    lock_person,
)
from tracker.services.desk_access import check_association
from tracker.services.person_facts import lock_desk_person

_AUDITED = {"person_id", "association", "listed_at", "withdrawn_at", "removal_reason"}


class ListingChoice(NamedTuple):
    """An association whose registry can list a person; ``listed_on`` is None if it does not.

    Otherwise it is the association's local day of the person's consent. ``removed_on`` is the day
    on which a coordinator ended a listing for ``removal_reason``, until it is allowed again.
    """

    association: str
    registry: Registry
    listed_on: date | None
    removed_on: date | None
    removal_reason: str


def list_choices(
    session: Session,
    rulebooks: Rulebooks,
    person_id: int,
    associations: Collection[str] | None = None,
) -> list[ListingChoice]:
    """The registries, open or not yet, that list a person or whose associations endorsed them.

    Default: of all ``associations``.
    """
    rows = session.exec(select(RegistryListing).filter_by(person_id=person_id))
    known = {row.association: row for row in rows}
    named = {name for name, row in known.items() if row.withdrawn_at is None or row.removal_reason}
    held = select(Endorsement.association).where(Endorsement.person_id == person_id).distinct()
    choices = []
    for association in sorted({*session.exec(held), *named}):
        rulebook = rulebooks.associations.get(association)
        is_wanted = associations is None or association in associations
        if is_wanted and rulebook is not None and rulebook.registry is not None:
            row = known.get(association)
            choices.append(_choice_of(association, rulebook.registry, row, rulebook.time_zone))
    return choices


def _choice_of(
    association: str, registry: Registry, row: RegistryListing | None, time_zone: str
) -> ListingChoice:
    listed_on, removed_on, reason = None, None, ""
    if row is not None:
        if row.withdrawn_at is None:
            listed_on = local_day(row.listed_at, time_zone)
        elif row.removal_reason:
            removed_on, reason = local_day(row.withdrawn_at, time_zone), row.removal_reason
    return ListingChoice(association, registry, listed_on, removed_on, reason)


def choose_listings(context: ServiceContext, wanted: Collection[str]) -> None:
    """List the actor in the registries of the ``wanted`` associations, and in no others.

    The day since when a registry lists them stays if nothing changes. Raises NotFound for a
    registry that can't list the actor, and Refused for one that a coordinator removed them from.
    """
    session, person_id = context.session, context.person_id
    lock_person(session, person_id)
    possible = {each.association for each in list_choices(session, context.rulebooks, person_id)}
    if not possible.issuperset(wanted):
        raise NotFound
    rows = session.exec(
        select(RegistryListing)
        .where(RegistryListing.person_id == person_id)
        .execution_options(populate_existing=True)
    )
    known = {row.association: row for row in rows}
    for association in sorted(wanted):
        _list_actor(context, association, known.get(association))
    for association, row in known.items():
        if association not in wanted:
            _withdraw(context, row)


def unlist_person(context: ServiceContext, person_id: int, association: str, reason: str) -> None:
    """End a person's listing for a ``reason``, which the person reads on their profile.

    Raises NotFound if the registry does not list the person, or is not the actor's, and Refused
    without a reason.
    """
    row = _lock_listing(context, person_id, association)
    if row.withdrawn_at is not None:
        raise NotFound
    if refusals := check_text("reason", reason):
        raise Refused(*refusals)
    ended = {"withdrawn_at": context.now, "withdrawn_by": context.actor.label}
    context.update_row(row, _AUDITED, **ended, removal_reason=reason)


def allow_listing(context: ServiceContext, person_id: int, association: str) -> None:
    """Let a person whose listing a coordinator ended choose again; it does not list them.

    Raises NotFound if no listing of that person was ended so, or it is not the actor's.
    """
    row = _lock_listing(context, person_id, association)
    if not row.removal_reason:
        raise NotFound
    context.update_row(row, _AUDITED, removal_reason=None)


def find_listings_to_end(session: Session, one_id: int, other_id: int) -> dict[str, str | None]:
    """The associations that do not list a person once two records are merged.

    A listing takes a yes of both records, if both are or were endorsed there. If a coordinator
    removed one, the value is the reason, which stays in force.
    """
    listed, refused = list[set[str]](), list[set[str]]()
    reasons: dict[str, str] = {}
    for person_id in (one_id, other_id):
        rows = session.exec(select(RegistryListing).filter_by(person_id=person_id)).all()
        held = select(Endorsement.association).where(Endorsement.person_id == person_id)
        in_force = {row.association for row in rows if row.withdrawn_at is None}
        listed.append(in_force)
        refused.append(({*session.exec(held)} | {row.association for row in rows}) - in_force)
        reasons |= {row.association: row.removal_reason for row in rows if row.removal_reason}
    ending = (listed[0] & refused[1]) | (listed[1] & refused[0]) | reasons.keys()
    return {name: reasons.get(name) for name in sorted(ending)}


def _lock_listing(context: ServiceContext, person_id: int, association: str) -> RegistryListing:
    """The row of somebody else's consent, read under the person's lock."""
    check_association(context.actor, association)
    lock_desk_person(context, person_id)
    query = select(RegistryListing).filter_by(person_id=person_id, association=association)
    row = context.session.exec(query.execution_options(populate_existing=True)).first()
    if row is None:
        raise NotFound
    return row


def _list_actor(context: ServiceContext, association: str, row: RegistryListing | None) -> None:
    """Begin the actor's own listing, or begin it again, unless it is in force."""
    if row is None:
        new = RegistryListing(
            person_id=context.person_id, association=association, listed_at=context.now
        )
        context.create_row(new, _AUDITED)
    elif row.removal_reason:
        raise Refused(Refusal("listed", "registry-removed", {"association": association}))
    elif row.withdrawn_at is not None:
        again = {"listed_at": context.now, "withdrawn_at": None, "withdrawn_by": None}
        context.update_row(row, _AUDITED, **again)


def _withdraw(context: ServiceContext, row: RegistryListing) -> None:
    """End the actor's own listing; one that a coordinator ended becomes their own decision.

    So undoing the coordinator's removal can't list them after they have said no.
    """
    ended: dict[str, Any] = {"withdrawn_by": context.actor.label}
    if row.withdrawn_at is None:
        ended["withdrawn_at"] = context.now
    if row.withdrawn_by != context.actor.label:
        context.update_row(row, _AUDITED, **ended)
