"""Marks of people: labels of a coordinator's own, such as "called", at one association."""

from sqlmodel import select

from tracker.db.lists import PersonMark
from tracker.services.context import Refusal, Refused, ServiceContext, lock_person
from tracker.services.desk_access import check_association, get_desk_person

MAX_LABEL_LENGTH = 40
_AUDITED = {"person_id", "association", "label"}


def check_label(label: str) -> list[Refusal]:
    """Why a label can't be a mark."""
    if not label:
        return [Refusal("label", "mark-missing")]
    if len(label) > MAX_LABEL_LENGTH:
        return [Refusal("label", "text-too-long", {"limit": MAX_LABEL_LENGTH})]
    return []


def add_mark(context: ServiceContext, association: str, person_id: int, label: str) -> int:
    """Mark a person and return the mark's id.

    Raises NotFound for somebody who is not the actor's to see, and Refused for a label that is
    missing, too long, or the person's already.
    """
    _check_access(context, association, person_id)
    if refusals := check_label(label):
        raise Refused(*refusals)
    if _find(context, association, person_id, label) is not None:
        raise Refused(Refusal("label", "already-marked"))
    mark = PersonMark(
        person_id=person_id,
        association=association,
        label=label,
        marked_by=context.actor.label,
        marked_at=context.now,
    )
    context.create_row(mark, _AUDITED)
    return mark.id


def _check_access(context: ServiceContext, association: str, person_id: int) -> None:
    check_association(context.actor, association)
    get_desk_person(context.session, context.actor, person_id)
    lock_person(context.session, person_id)


def _find(
    context: ServiceContext, association: str, person_id: int, label: str
) -> PersonMark | None:
    query = select(PersonMark).where(
        PersonMark.association == association, PersonMark.person_id == person_id
    )
    for mark in context.session.exec(query):
        if mark.label.casefold() == label.casefold():
            return mark
    return None
