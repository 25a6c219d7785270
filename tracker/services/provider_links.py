"""Whom an endorsee's RSC sessions name as the provider, corrected by a coordinator."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, update
from sqlmodel import col, select

from tracker.db.log import Entry
from tracker.db.people import Person
from tracker.services.context import Refusal, Refused, ServiceContext
from tracker.services.coordinator_access import access_windows, sees_entry
from tracker.services.entry_rules import load_entry_rules
from tracker.services.evaluation import evaluate_people
from tracker.services.person_facts import is_on_desk, lock_desk_person
from tracker.services.provider_names import LinkedSession, describe_link
from tracker.services.rsc_providers import ProviderChoice, provider_choices

# The provider of sessions: the id of a person, or a name that is nobody's yet.
NamedProvider = int | str


def list_link_choices(context: ServiceContext, person_id: int) -> list[ProviderChoice]:
    """The providers to whom a person's sessions can be linked: those whom the form offers."""
    rules = load_entry_rules(context.session, context.rulebooks, person_id, context.now)
    return provider_choices(context.session, person_id, rules.provider_rules)


def find_provider_by_email(context: ServiceContext, email: str) -> int:
    """A person of the actor's by first address. Raises Refused if there is none."""
    person_id = context.session.exec(select(Person.id).where(Person.email == email)).first()
    if person_id is None or not is_on_desk(context.session, context.actor, person_id):
        raise Refused(Refusal("email", "nobody-has-email", {"email": email}))
    return person_id


def relink_sessions(
    context: ServiceContext, person_id: int, named: NamedProvider, provider_id: int
) -> list[LinkedSession]:
    """Link a person's sessions with one provider to another one, and evaluate again.

    Only sessions that the actor may see. Raises Refused if there are none, or if the provider would
    be the person.
    """
    session = context.session
    lock_desk_person(context, person_id)
    _check_provider(context, person_id, provider_id)
    entries = _list_entries(context, person_id, named)
    if not entries or provider_id == named:
        raise Refused(Refusal("provider", "no-session-to-link"))
    linked = []
    for entry in entries:
        before = {"provider_id": entry.provider_id, "provider_name": entry.provider_name}
        after = {"provider_id": provider_id, "provider_name": None}
        own = update(Entry).where(col(Entry.id) == entry.id).values(after)
        session.connection().execute(own)
        session.expire(entry)
        context.record_change("entry", entry.id, before=before, after=after)
        linked.append(describe_link(entry, provider_id))
    evaluate_people(
        session, context.rulebooks, {person_id}, context.now, named_providers={provider_id}
    )
    return linked


def _check_provider(context: ServiceContext, person_id: int, provider_id: int) -> None:
    """Raise Refused unless the form offers the provider, or the actor has their record."""
    if provider_id == person_id:
        raise Refused(Refusal("provider", "provider-is-endorsee"))
    offered = {choice.id for choice in list_link_choices(context, person_id)}
    is_known = is_on_desk(context.session, context.actor, provider_id)
    if provider_id not in offered and not is_known:
        raise Refused(Refusal("provider", "choice-unknown"))


def _list_entries(context: ServiceContext, person_id: int, named: NamedProvider) -> Sequence[Entry]:
    windows = access_windows(context.session, person_id, context.actor.coordinates)
    query = select(Entry).where(Entry.person_id == person_id, _is_with(named))
    return [each for each in context.session.exec(query) if sees_entry(windows, each.held_on)]


def _is_with(named: NamedProvider) -> ColumnElement[bool]:
    if isinstance(named, int):
        return col(Entry.provider_id) == named
    return col(Entry.provider_name) == named
