"""RSC providers of whom entries have only a name: linking the entries once the person is known."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from sqlalchemy import ColumnElement, update
from sqlmodel import Session, col, or_, select

from tracker.db.applications import Application
from tracker.db.ledgers import SettledCycle
from tracker.db.log import Entry
from tracker.db.people import Endorsement, Person
from tracker.db.statements import in_chunks
from tracker.plain_text import plain_name
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext, lock_records
from tracker.services.declined_providers import load_declined_names, remove_declines
from tracker.services.desk_access import check_association
from tracker.services.endorsements import endorsements_of, load_person_locks
from tracker.services.entry_rules import load_entry_rules
from tracker.services.evaluation import evaluate_people
from tracker.services.rsc_providers import provider_choices

_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class LinkedSession:
    """An entry whose provider is known now; ``is_logged``: the person entered it, not a file.

    ``is_settled``: all cycles that it could count for are settled, so nothing changes there.
    """

    entry_id: int
    person_id: int
    provider_id: int
    held_on: date
    minutes: int
    is_logged: bool
    is_settled: bool = False


def link_known_providers(
    context: ServiceContext, person_ids: Collection[int]
) -> list[LinkedSession]:
    """Link waiting entries to those of these people whom their names mean; return what was linked.

    A name means a person if the endorsee could choose them by that name on the form, and no one
    else of that name, and none of the endorsee's associations declined it. Call it once the people
    are evaluated, because that decides who qualifies.
    """
    session = context.session
    names = set[str]()
    for ids in in_chunks(sorted(person_ids), _BATCH):
        query = select(Person.name).where(col(Person.id).in_(ids))
        names.update(plain_name(name) for name in session.exec(query))
    linked = []
    declined = load_declined_names(session)
    for person_id, waiting in _list_waiting(session, names).items():
        rules = load_entry_rules(session, context.rulebooks, person_id, context.now)
        meant = defaultdict[str, list[int]](list)
        for choice in provider_choices(session, person_id, rules.provider_rules):
            meant[plain_name(choice.name)].append(choice.id)
        for entry in waiting:
            ids = meant[plain_name(entry.provider_name or "")]
            is_declined = declined.is_declined(rules.associations, entry.provider_name)
            if len(ids) == 1 and ids[0] in person_ids and not is_declined:
                linked.append(_link(context, entry, ids[0]))
    _evaluate(context, linked)
    return linked


def confirm_provider(
    context: ServiceContext, name: str, email: str, association: str | None = None
) -> list[LinkedSession]:
    """Link every waiting entry that has this name to the person with the address.

    Only entries of an association's people, if it is given; a coordinator must give their own.
    Raises NotFound for another association, and Refused for a name that no entry waits for or an
    address that nobody has.
    """
    check_may_confirm(context, association)
    provider = context.session.exec(select(Person).where(Person.email == email)).first()
    if provider is None:
        raise Refused(Refusal("email", "person-unknown", {"email": email}))
    linked = link_names(context, {plain_name(name)}, provider.id, LinkScope(association))
    if not linked:
        raise Refused(Refusal("name", "provider-not-waiting", {"name": name}))
    return linked


def check_may_confirm(context: ServiceContext, association: str | None) -> None:
    """Raise NotFound unless the actor coordinates the association, or is an operator."""
    if association is not None:
        check_association(context.actor, association)
    elif not context.actor.is_operator:
        raise NotFound


class LinkScope(NamedTuple):
    """Whose entries are linked: those of an association's people (None: of anyone's).

    If ``person_ids`` are given, only theirs.
    """

    association: str | None
    person_ids: frozenset[int] | None = None


def link_names(
    context: ServiceContext, keys: Collection[str], provider_id: int, scope: LinkScope
) -> list[LinkedSession]:
    """Link the waiting entries that have one of these plain names; return what was linked.

    Entries of the provider and the actor stay. The association no longer declines the names. The
    caller has checked who may.
    """
    session, association = context.session, scope.association
    people = set(_list_waiting(session, keys, association))
    people -= {provider_id, context.actor.person_id}
    if scope.person_ids is not None:
        people &= scope.person_ids
    ordered = sorted(people)
    lock_records(session, ordered)
    # Somebody else may have linked or deleted some while we waited for the locks.
    session.expire_all()
    waiting = _list_waiting(session, keys, association)
    linked = [
        _link(context, entry, provider_id) for person_id in ordered for entry in waiting[person_id]
    ]
    remove_declines(context, association, keys)
    _evaluate(context, linked)
    return linked


def list_linked(session: Session, entry_ids: Iterable[int]) -> Iterator[LinkedSession]:
    """Entries that were linked in another way."""
    for ids in in_chunks(entry_ids, _BATCH):
        for entry in session.exec(select(Entry).where(col(Entry.id).in_(ids))):
            if entry.provider_id is not None:
                yield describe_link(entry, entry.provider_id)


def belongs_to(association: str) -> ColumnElement[bool]:
    """That an entry's person holds, held, or applied for an endorsement of an association."""
    held = select(Endorsement.person_id).where(Endorsement.association == association)
    applied = select(Application.person_id).where(Application.association == association)
    return or_(col(Entry.person_id).in_(held), col(Entry.person_id).in_(applied))


def find_settled_days(context: ServiceContext, person_id: int, days: Collection[date]) -> set[date]:
    """Those of the days on which every cycle of the person is settled."""
    session = context.session
    query = (
        select(col(SettledCycle.endorsement_id), col(SettledCycle.cycle_starts_on))
        .join(Endorsement, col(Endorsement.id) == SettledCycle.endorsement_id)
        .where(Endorsement.person_id == person_id, col(SettledCycle.reopened_at).is_(None))
    )
    settled = set(session.exec(query).all())
    if not settled:
        return set()
    locks = load_person_locks(session, context.rulebooks, person_id, context.now)
    held = endorsements_of(session, person_id)
    found = set()
    for day in days:
        cycles = [(each.id, locks.cycle_of(each, day)) for each in held]
        keys = {(number, lock.cycle.starts_on) for number, lock in cycles if lock is not None}
        if keys and keys <= settled:
            found.add(day)
    return found


def _list_waiting(
    session: Session, names: Collection[str], association: str | None = None
) -> defaultdict[int, list[Entry]]:
    """The entries with one of these plain names, by person."""
    query = select(Entry).where(col(Entry.provider_name).is_not(None)).order_by(col(Entry.id))
    if association is not None:
        query = query.where(belongs_to(association))
    waiting = defaultdict[int, list[Entry]](list)
    for entry in session.exec(query):
        if plain_name(entry.provider_name or "") in names:
            waiting[entry.person_id].append(entry)
    return waiting


def _link(context: ServiceContext, entry: Entry, provider_id: int) -> LinkedSession:
    settled = find_settled_days(context, entry.person_id, [entry.held_on])
    linked = describe_link(entry, provider_id, is_settled=bool(settled))
    before = {"provider_id": None, "provider_name": entry.provider_name}
    after = {"provider_id": provider_id, "provider_name": None}
    context.session.connection().execute(
        update(Entry).where(col(Entry.id) == entry.id).values(after)
    )
    context.session.expire(entry)
    context.record_change("entry", linked.entry_id, before=before, after=after)
    return linked


def describe_link(entry: Entry, provider_id: int, *, is_settled: bool = False) -> LinkedSession:
    """An entry that is linked to a provider."""
    is_logged = entry.logged_at is not None
    return LinkedSession(
        entry.id, entry.person_id, provider_id, entry.held_on, entry.minutes, is_logged, is_settled
    )


def _evaluate(context: ServiceContext, linked: Collection[LinkedSession]) -> None:
    if linked:
        people = {each.person_id for each in linked}
        providers = {each.provider_id for each in linked}
        evaluate_people(
            context.session, context.rulebooks, people, context.now, named_providers=providers
        )
