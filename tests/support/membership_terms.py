"""Terms of membership of the actor, and why they are refused."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import date

import pytest

from tracker.db.people import Membership
from tracker.refusal_text import format_refusal
from tracker.services.context import Refused, ServiceContext
from tracker.services.memberships import MembershipTerm, list_memberships


def codes(refused: pytest.ExceptionInfo[Refused]) -> list[tuple[str, str]]:
    return [(refusal.field, refusal.code) for refusal in refused.value.refusals]


def problems(work: Callable[..., object], *arguments: object) -> list[tuple[str, str]]:
    """Each refused field with the sentence that people read there."""
    with pytest.raises(Refused) as refused:
        work(*arguments)
    return [(each.field, format_refusal(each.code, each.facts)) for each in refused.value.refusals]


def store(context: ServiceContext, term: MembershipTerm, **more: object) -> int:
    """Store a term of the actor, which may be one that could not be recorded now; its id."""
    values = {"recorded_by": context.actor.label, **asdict(term), **more}
    membership = Membership(person_id=context.person_id, **values)
    context.session.add(membership)
    context.session.flush()
    return membership.id


def terms(context: ServiceContext) -> list[tuple[date, date | None]]:
    """The days of the actor's terms."""
    return [
        (each.starts_on, each.ends_on)
        for each in list_memberships(context.session, context.person_id)
    ]
