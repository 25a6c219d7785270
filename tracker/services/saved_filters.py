"""Filters of the list of people that a coordinator saves under a name, at one association."""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from tracker.db.engine import lock_names
from tracker.db.lists import SavedFilter
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext
from tracker.services.people_filter import MAX_QUERY_LENGTH, parse_query

MAX_NAME_LENGTH = 60
MAX_FILTERS = 50
# What is looked for can be a person's name.
_AUDITED = {"association", "name"}


def list_saved_filters(session: Session, owner: str, association: str) -> Sequence[SavedFilter]:
    """A coordinator's filters by name."""
    query = (
        select(SavedFilter)
        .where(SavedFilter.owner == owner, SavedFilter.association == association)
        .order_by(col(SavedFilter.name))
    )
    return session.exec(query).all()


def list_team_filters(session: Session, association: str) -> Sequence[SavedFilter]:
    """Everyone's filters at an association by name, for the next coordinator."""
    query = select(SavedFilter).where(SavedFilter.association == association)
    return session.exec(query.order_by(col(SavedFilter.name), col(SavedFilter.owner))).all()


def save_filter(context: ServiceContext, association: str, name: str, query: str) -> int:
    """Save the part of an address that filters, and return the filter's id.

    Raises NotFound for somebody else's association, and Refused for a name that is missing or
    taken.
    """
    if association not in context.actor.coordinates:
        raise NotFound
    _lock_filters(context)
    query = parse_query(query).query()
    saved = list_saved_filters(context.session, context.actor.label, association)
    refusals = _check_name(name, [each.name for each in saved])
    if not query:
        refusals.append(Refusal("query", "filter-shows-everyone"))
    if len(query) > MAX_QUERY_LENGTH:
        refusals.append(Refusal("query", "filter-too-long"))
    if len(saved) >= MAX_FILTERS:
        refusals.append(Refusal("name", "too-many-filters", {"limit": MAX_FILTERS}))
    if refusals:
        raise Refused(*refusals)
    new = SavedFilter(
        owner=context.actor.label,
        association=association,
        name=name,
        query=query,
        saved_at=context.now,
    )
    context.create_row(new, _AUDITED)
    return new.id


def rename_filter(context: ServiceContext, filter_id: int, name: str) -> SavedFilter:
    """Give a filter of the actor's another name. Raises NotFound and Refused as `save_filter`."""
    saved = _get_own(context, filter_id)
    others = list_saved_filters(context.session, context.actor.label, saved.association)
    if refusals := _check_name(name, [each.name for each in others if each.id != filter_id]):
        raise Refused(*refusals)
    context.update_row(saved, _AUDITED, name=name)
    return saved


def delete_filter(context: ServiceContext, filter_id: int) -> str:
    """Delete a filter of the actor's; return its association. Raises NotFound for any other."""
    saved = _get_own(context, filter_id)
    association = saved.association
    context.delete_row(saved, _AUDITED)
    return association


def _lock_filters(context: ServiceContext) -> None:
    """Let one transaction at a time change the actor's filters, such as of a double click."""
    lock_names(context.session, [f"filters {context.actor.label}"])


def _get_own(context: ServiceContext, filter_id: int) -> SavedFilter:
    """A filter of the actor's own, which nobody else changes meanwhile."""
    _lock_filters(context)
    saved = context.session.get(SavedFilter, filter_id)
    actor = context.actor
    if saved is None or saved.owner != actor.label or saved.association not in actor.coordinates:
        raise NotFound
    return saved


def _check_name(name: str, others: Sequence[str]) -> list[Refusal]:
    if not name:
        return [Refusal("name", "filter-name-missing")]
    if len(name) > MAX_NAME_LENGTH:
        return [Refusal("name", "text-too-long", {"limit": MAX_NAME_LENGTH})]
    if name.casefold() in {other.casefold() for other in others}:
        return [Refusal("name", "filter-name-taken", {"name": name})]
    return []
