"""RSC providers of whom entries have only a name: linking the entries once the person is known."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from sqlalchemy import update
from sqlmodel import Session, col, select

from tracker.db.log import Entry
from tracker.db.people import Endorsement, Person
from tracker.db.statements import in_chunks
from tracker.plain_text import plain_name
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext
from tracker.services.entry_rules import load_entry_rules
from tracker.services.evaluation import evaluate_people
from tracker.services.rsc_providers import provider_choices

_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class LinkedSession:
    """An entry whose provider is known now; ``is_logged``: the person entered it, not a file."""

    entry_id: int
    person_id: int
    provider_id: int
    held_on: date
    minutes: int
    is_logged: bool


def link_known_providers(
    context: ServiceContext, person_ids: Collection[int]
) -> list[LinkedSession]:
    """Link waiting entries to those of these people whom their names mean; return what was linked.

    A name means a person if the endorsee could choose them by that name on the form, and no one
    else of that name. Call it once the people are evaluated, because that decides who qualifies.
    """
    session = context.session
    names = defaultdict[str, set[int]](set)
    for ids in in_chunks(sorted(person_ids), _BATCH):
        query = select(Person.name, Person.id).where(col(Person.id).in_(ids))
        for name, person_id in session.exec(query):
            names[plain_name(name)].add(person_id)
    linked = []
    for person_id, waiting in _list_waiting(session, names).items():
        rules = load_entry_rules(session, context.rulebooks, person_id, context.now)
        meant = defaultdict[str, list[int]](list)
        for choice in provider_choices(session, person_id, rules.provider_rules):
            meant[plain_name(choice.name)].append(choice.id)
        for entry in waiting:
            ids = meant[plain_name(entry.provider_name or "")]
            if len(ids) == 1 and ids[0] in person_ids:
                linked.append(_link(context, entry, ids[0]))
    _evaluate(context, linked)
    return linked


def confirm_provider(
    context: ServiceContext, name: str, email: str, association: str | None = None
) -> list[LinkedSession]:
    """Link every waiting entry that has this name to the person with the address.

    Only entries of an association's endorsees, if it is given; a coordinator must give their own.
    Raises NotFound for another association, and Refused for a name that no entry waits for or an
    address that nobody has.
    """
    session, actor = context.session, context.actor
    if not actor.is_operator and association not in actor.coordinates:
        raise NotFound
    provider = session.exec(select(Person).where(Person.email == email)).first()
    if provider is None:
        raise Refused(Refusal("email", "person-unknown", {"email": email}))
    linked = []
    for person_id, waiting in _list_waiting(session, {plain_name(name)}, association).items():
        if person_id != provider.id:
            linked += [_link(context, entry, provider.id) for entry in waiting]
    if not linked:
        raise Refused(Refusal("name", "provider-not-waiting", {"name": name}))
    _evaluate(context, linked)
    return linked


def list_linked(session: Session, entry_ids: Iterable[int]) -> Iterator[LinkedSession]:
    """Entries that were linked in another way."""
    for ids in in_chunks(entry_ids, _BATCH):
        for entry in session.exec(select(Entry).where(col(Entry.id).in_(ids))):
            if entry.provider_id is not None:
                yield _describe(entry, entry.provider_id)


def _list_waiting(
    session: Session, names: Collection[str], association: str | None = None
) -> dict[int, list[Entry]]:
    """The entries with one of these plain names, by person."""
    query = select(Entry).where(col(Entry.provider_name).is_not(None)).order_by(col(Entry.id))
    if association is not None:
        held = select(Endorsement.person_id).where(Endorsement.association == association)
        query = query.where(col(Entry.person_id).in_(held))
    waiting = defaultdict[int, list[Entry]](list)
    for entry in session.exec(query):
        if plain_name(entry.provider_name or "") in names:
            waiting[entry.person_id].append(entry)
    return waiting


def _link(context: ServiceContext, entry: Entry, provider_id: int) -> LinkedSession:
    linked = _describe(entry, provider_id)
    before = {"provider_id": None, "provider_name": entry.provider_name}
    after = {"provider_id": provider_id, "provider_name": None}
    context.session.connection().execute(
        update(Entry).where(col(Entry.id) == entry.id).values(after)
    )
    context.session.expire(entry)
    context.record_change("entry", linked.entry_id, before=before, after=after)
    return linked


def _describe(entry: Entry, provider_id: int) -> LinkedSession:
    is_logged = entry.logged_at is not None
    return LinkedSession(
        entry.id, entry.person_id, provider_id, entry.held_on, entry.minutes, is_logged
    )


def _evaluate(context: ServiceContext, linked: Collection[LinkedSession]) -> None:
    if linked:
        people = {each.person_id for each in linked}
        providers = {each.provider_id for each in linked}
        evaluate_people(
            context.session, context.rulebooks, people, context.now, named_providers=providers
        )
