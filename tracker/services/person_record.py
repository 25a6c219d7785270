"""Everything about one person that a coordinator's page shows, but for entries and standings."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import select as select_columns
from sqlmodel import Session, col, func, or_, select

from tracker.db.access import SecurityEvent
from tracker.db.applications import Application
from tracker.db.corrections import FormerEmail
from tracker.db.log import Entry
from tracker.db.people import (
    REMOVED,
    Endorsement,
    Leave,
    Membership,
    Person,
    Renewal,
    Vetting,
    Waiver,
)
from tracker.services.applications import list_applications
from tracker.services.context import Actor, ServiceContext
from tracker.services.coordinator_access import access_windows
from tracker.services.desk_access import get_desk_person, list_associations_of
from tracker.services.endorsements import Endorsed, endorsements_of
from tracker.services.memberships import list_memberships, list_recordable_organizations
from tracker.services.registry_consent import ListingChoice, list_choices
from tracker.services.security_events import DONE, SIGN_IN


class Granted(NamedTuple):
    """A leave, waiver, or later due date (a row of its table), and whose endorsement it is."""

    row: Any
    endorsement: Endorsed


class LoggedProvider(NamedTuple):
    """An RSC provider in a person's log: a person, or only a name, and what is logged with them.

    ``name`` is empty for sessions without a provider.
    """

    provider_id: int | None
    name: str
    sessions: int
    minutes: int
    last_on: date


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """A person as the coordinators of ``associations`` (to which the person belongs) see them.

    ``is_shared``: the person also belongs to associations of others, so that name, addresses, and
    degree are not theirs to change. ``removed`` are the ids of the endorsements that were removed
    after a lapse. ``is_own``: the coordinator's own record. ``former_emails`` are
    earlier first addresses. ``signed_in_at`` is None if the person has not within a year.
    ``listings`` are what the associations' public registries can list.
    """

    person: Person
    associations: Sequence[str]
    is_shared: bool
    is_own: bool
    former_emails: Sequence[str]
    signed_in_at: datetime | None
    endorsements: Sequence[Endorsed]
    memberships: Sequence[Membership]
    vettings: Sequence[Vetting]
    leaves: Sequence[Granted]
    waivers: Sequence[Granted]
    extensions: Sequence[Granted]
    applications: Sequence[Application]
    providers: Sequence[LoggedProvider]
    listings: Sequence[ListingChoice]
    removed: frozenset[int]


def read_person_record(context: ServiceContext, person_id: int) -> PersonRecord:
    """A person's record. Raises NotFound for a person of other associations."""
    session, actor = context.session, context.actor
    person = get_desk_person(session, actor, person_id)
    belongs_to = list_associations_of(session, person_id)
    own = tuple(name for name in actor.coordinates if name in belongs_to)
    held = [each for each in endorsements_of(session, person_id) if each.association in own]
    accepted = set(list_recordable_organizations(context))
    applications = list_applications(session, person_id)
    return PersonRecord(
        person=person,
        associations=own,
        is_shared=bool(belongs_to - {*own}),
        is_own=person_id == actor.person_id,
        former_emails=_list_former_emails(session, person),
        signed_in_at=_find_last_sign_in(session, person_id),
        endorsements=held,
        memberships=[
            term for term in list_memberships(session, person_id) if term.organization in accepted
        ],
        vettings=_list_vettings(session, person_id, own),
        leaves=_list_granted(session, Leave, held),
        waivers=_list_granted(session, Waiver, held),
        extensions=_list_granted(session, Renewal, held),
        applications=[each for each in applications if each.association in own],
        providers=list_providers_used(session, actor, person_id),
        listings=list_choices(session, context.rulebooks, person_id, own),
        removed=_list_removed(session, person_id),
    )


def _list_removed(session: Session, person_id: int) -> frozenset[int]:
    query = select(Endorsement.id).where(
        Endorsement.person_id == person_id, Endorsement.ended_as == REMOVED
    )
    return frozenset(session.exec(query))


def _list_former_emails(session: Session, person: Person) -> Sequence[str]:
    query = select(FormerEmail.email).where(
        FormerEmail.person_id == person.id, FormerEmail.email != person.email
    )
    return session.exec(query.order_by(col(FormerEmail.changed_at).desc())).all()


def _find_last_sign_in(session: Session, person_id: int) -> datetime | None:
    query = select(func.max(SecurityEvent.at)).where(
        SecurityEvent.person_id == person_id,
        SecurityEvent.kind == SIGN_IN,
        SecurityEvent.outcome == DONE,
    )
    return session.exec(query).one()


def _list_vettings(
    session: Session, person_id: int, associations: Sequence[str]
) -> Sequence[Vetting]:
    query = select(Vetting).where(
        Vetting.person_id == person_id, col(Vetting.association).in_(associations)
    )
    return session.exec(query.order_by(col(Vetting.starts_on).desc())).all()


def _list_granted(
    session: Session, model: type[Leave | Waiver | Renewal], held: Sequence[Endorsed]
) -> Sequence[Granted]:
    """What is granted for endorsements, the latest first."""
    by_id = {each.id: each for each in held}
    query = select(model).where(col(model.endorsement_id).in_(by_id))
    rows: Sequence[Any] = session.exec(query.order_by(col(model.id).desc())).all()
    return [Granted(row, by_id[row.endorsement_id]) for row in rows]


def list_providers_used(session: Session, actor: Actor, person_id: int) -> list[LoggedProvider]:
    """The RSC providers of the sessions that the coordinator may see, the most hours first."""
    windows = access_windows(session, person_id, actor.coordinates)
    shown = [window for window in windows if window.added_to is None]
    if not shown:
        return []
    name = func.coalesce(Person.name, Entry.provider_name)
    query = (
        select_columns(
            col(Entry.provider_id),
            name,
            func.count(),
            func.sum(Entry.minutes),
            func.max(Entry.held_on),
        )
        .outerjoin(Person, col(Person.id) == col(Entry.provider_id))
        .where(col(Entry.person_id) == person_id, col(Entry.activity) == "rsc")
        .group_by(col(Entry.provider_id), name)
        .order_by(func.sum(Entry.minutes).desc())
    )
    if all(window.held_to is not None for window in shown):
        query = query.where(or_(*(col(Entry.held_on) <= window.held_to for window in shown)))
    rows = session.connection().execute(query)
    return [LoggedProvider(row[0], row[1] or "", *row[2:]) for row in rows]
