"""Names of RSC providers that an association does not confirm, and why."""

from collections.abc import Collection, Iterable, Mapping

from sqlmodel import Session, col, select

from tracker.db.providers import DeclinedProvider
from tracker.plain_text import plain_name
from tracker.rules.explain import LoggedEntry
from tracker.services.context import ServiceContext

_AUDITED = {"person_id", "association", "name", "reason"}


def list_declined_keys(session: Session, association: str) -> set[str]:
    """The plain names that an association declined."""
    query = select(DeclinedProvider.name_key).where(DeclinedProvider.association == association)
    return set(session.exec(query))


def list_declined(session: Session, association: str) -> list[DeclinedProvider]:
    """What an association declined, by name."""
    query = select(DeclinedProvider).where(DeclinedProvider.association == association)
    return sorted(session.exec(query), key=lambda each: (each.name_key, each.id))


class DeclinedNames:
    """Why names were declined, for the judgment of entries."""

    def __init__(self, reasons: Mapping[tuple[str, str], str]) -> None:
        self._reasons = reasons

    def reason(self, association: str, name: str | None) -> str | None:
        """The reason for which an association declined a name; None if it did not."""
        if not name or not self._reasons:
            return None
        return self._reasons.get((association, plain_name(name)))

    def is_declined(self, associations: Iterable[str], name: str | None) -> bool:
        """Whether one of the associations declined a name."""
        return any(self.reason(association, name) for association in associations)


def load_declined_names(
    session: Session, associations: Collection[str] | None = None
) -> DeclinedNames:
    """The names that these associations (default: all) declined."""
    query = select(DeclinedProvider)
    if associations is not None:
        query = query.where(col(DeclinedProvider.association).in_(associations))
    reasons = {(each.association, each.name_key): each.reason for each in session.exec(query)}
    return DeclinedNames(reasons)


def load_declined_for(session: Session, entries: Iterable[LoggedEntry]) -> DeclinedNames:
    """The declined names, if one of the entries has a provider's name; a page asks only then."""
    if any(entry.provider_name for entry in entries):
        return load_declined_names(session)
    return DeclinedNames({})


def store_decline(
    context: ServiceContext, association: str, name: str, person_id: int, reason: str
) -> int:
    """Decline a name that a person used, or give another reason; return the id of the row."""
    key = plain_name(name)
    found = _find(context.session, association, key)
    if found is not None:
        context.update_row(found, _AUDITED, reason=reason)
        return found.id
    declined = DeclinedProvider(
        person_id=person_id,
        association=association,
        name_key=key,
        name=name,
        reason=reason,
        declined_at=context.now,
        declined_by=context.actor.label,
    )
    context.create_row(declined, _AUDITED)
    return declined.id


def remove_declines(
    context: ServiceContext, association: str | None, keys: Collection[str]
) -> list[int]:
    """Forget that an association (None: any) declined plain names; return the ids of the rows."""
    query = select(DeclinedProvider).where(col(DeclinedProvider.name_key).in_(keys))
    if association is not None:
        query = query.where(DeclinedProvider.association == association)
    removed = []
    for declined in context.session.exec(query).all():
        removed.append(declined.id)
        context.delete_row(declined, _AUDITED)
    return removed


def _find(session: Session, association: str, key: str) -> DeclinedProvider | None:
    query = select(DeclinedProvider).where(
        DeclinedProvider.association == association, DeclinedProvider.name_key == key
    )
    return session.exec(query).first()
