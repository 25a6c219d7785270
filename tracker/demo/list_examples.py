"""What lets every filter of the list of people find somebody: sign-ins, marks, saved filters."""

from datetime import timedelta

from sqlmodel import Session

from tracker.demo.people import Cast
from tracker.formatting import lowercase_first
from tracker.notifications.context import JobContext
from tracker.services.context import Actor, ServiceContext
from tracker.services.evaluation import days_at
from tracker.services.marks import add_mark
from tracker.services.people_filter import Facet, PeopleFilter, Sort, apply_filter
from tracker.services.people_list import People, list_people
from tracker.services.saved_filters import MAX_NAME_LENGTH, save_filter
from tracker.services.security_events import DONE, SIGN_IN, Client, record_event

_CLIENT = Client("192.0.2.1", "")
_LATEST_SIGN_IN = timedelta(days=3)
# One person in so many has never signed in.
_NEVER_SIGNED_IN = 5
_MARKED = 3
_MARKS = ("Called", "Sends paper")


def add_list_examples(context: JobContext, session: Session, cast: Cast) -> None:
    """Let most people have signed in; give each coordinator marks and saved filters."""
    days = days_at(context.rulebooks, cast.now)
    signed_in: set[int] = set()
    for coordinator in context.settings.coordinators:
        association = coordinator.association
        people = list_people(session, association, cast.now, days(association))
        actor = Actor(coordinator.email, None, (association,))
        service = ServiceContext(session, context.rulebooks, actor, cast.now)
        signed_in |= {row.person_id for row in people.rows}
        _mark_behind(service, association, people)
        _save_filters(service, association, people)
    for person_id in sorted(signed_in):
        if person_id % _NEVER_SIGNED_IN:
            at = cast.now - _LATEST_SIGN_IN - timedelta(hours=person_id)
            record_event(session, at, _CLIENT, SIGN_IN, DONE, person_id)


def _mark_behind(service: ServiceContext, association: str, people: People) -> None:
    behind = PeopleFilter(chosen={Facet.STATUS: ("lapsed", "behind")})
    rows = apply_filter(people, behind, service.now.date()).rows
    marked = list(dict.fromkeys(row.person_id for row in rows))
    for number, label in enumerate(_MARKS):
        for person_id in marked[number * _MARKED : (number + 1) * _MARKED]:
            add_mark(service, association, person_id, label)


def _save_filters(service: ServiceContext, association: str, people: People) -> None:
    labels = apply_filter(people, PeopleFilter(), service.now.date()).labels
    behind = PeopleFilter(chosen={Facet.STATUS: ("behind",)}, sort=Sort.MISSING)
    save_filter(service, association, "Behind, most hours first", behind.query())
    for requirement, label in list(labels.items())[:1]:
        missing = PeopleFilter(chosen={Facet.MISSING: (requirement,)}, sort=Sort.NAME)
        save_filter(
            service,
            association,
            f"Still need {lowercase_first(label)}"[:MAX_NAME_LENGTH],
            missing.query(),
        )
