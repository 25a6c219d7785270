"""Which RSC providers a person may name in an entry, and how to tell those of one name apart."""

from collections.abc import Collection, Iterable
from datetime import date
from typing import NamedTuple

from sqlalchemy.orm import aliased
from sqlmodel import Session, col, func, or_, select
from sqlmodel.sql.expression import SelectOfScalar

from tracker.db.ledgers import ProviderSpan
from tracker.db.log import Entry
from tracker.db.people import Endorsement, Person, Vetting

_MAX_NAMES = 20


class ProviderChoice(NamedTuple):
    """A provider to choose; ``last_on`` is the day of the last session with them, if any."""

    id: int
    name: str
    last_on: date | None


def provider_choices(
    session: Session, person_id: int, rules: Iterable[str]
) -> list[ProviderChoice]:
    """The providers of a person's entries, newest entry first, then others who qualify, by name.

    ``rules`` are the provider rules that apply to the person. People who do not provide RSC are
    left out, and so is the person.
    """
    latest = select(col(Entry.provider_id), func.max(Entry.held_on)).where(
        Entry.person_id == person_id, col(Entry.provider_id).is_not(None)
    )
    by_newest = latest.group_by(col(Entry.provider_id)).order_by(func.max(Entry.id).desc())
    used = dict(session.exec(by_newest).all())
    offered = select(Person.id, Person.name).where(
        or_(col(Person.id).in_(used), col(Person.id).in_(_qualified(rules))),
        Person.id != person_id,
    )
    names = dict(session.exec(offered).all())
    choices = [
        ProviderChoice(id_, names.pop(id_), last_on)
        for id_, last_on in used.items()
        if id_ in names
    ]
    others = sorted(names.items(), key=lambda item: (item[1].casefold(), item[0]))
    return choices + [ProviderChoice(id_, name, None) for id_, name in others]


def may_name(session: Session, person_id: int, rules: Iterable[str], provider_id: int) -> bool:
    """Whether the provider is among the person's `provider_choices`."""
    if provider_id == person_id:
        return False
    used = select(Entry.id).where(Entry.person_id == person_id, Entry.provider_id == provider_id)
    if session.exec(used.limit(1)).first() is not None:
        return True
    qualified = _qualified(rules).where(ProviderSpan.provider_id == provider_id)
    return session.exec(qualified.limit(1)).first() is not None


def names_used(session: Session, person_id: int) -> list[str]:
    """The names that a person entered for providers we do not know, newest first."""
    names = select(Entry.provider_name).where(
        Entry.person_id == person_id, col(Entry.provider_name).is_not(None)
    )
    newest = func.max(Entry.id).desc()
    query = names.group_by(col(Entry.provider_name)).order_by(newest).limit(_MAX_NAMES)
    return [name for name in session.exec(query) if name is not None]


def credentials_of(
    session: Session, ids: Collection[int], associations: Collection[str]
) -> dict[int, str]:
    """Each provider's latest endorsement, else who vetted them, at these associations.

    Associations publish both, so people of one name may be told apart by them.
    """
    vetted = (
        select(Vetting)
        .where(col(Vetting.person_id).in_(ids), col(Vetting.association).in_(associations))
        .order_by(col(Vetting.starts_on), col(Vetting.id))
    )
    endorsed = (
        select(Endorsement)
        .where(col(Endorsement.person_id).in_(ids), col(Endorsement.association).in_(associations))
        .order_by(col(Endorsement.starts_on), col(Endorsement.id))
    )
    credentials = {row.person_id: f"vetted by {row.association}" for row in session.exec(vetted)}
    for row in session.exec(endorsed):
        credentials[row.person_id] = f"{row.association} {row.category}"
    return credentials


def _qualified(rules: Iterable[str]) -> SelectOfScalar[int]:
    """The ids of RSC providers who qualify under one of the rules on some days."""
    provider = aliased(Person)
    has_entries = select(Entry.id).where(Entry.provider_id == provider.id).exists()
    return (
        select(ProviderSpan.provider_id)
        .join(provider, col(provider.id) == col(ProviderSpan.provider_id))
        .where(col(ProviderSpan.rule).in_(list(rules)))
        .where(or_(col(provider.provides_rsc), has_entries))
    )
