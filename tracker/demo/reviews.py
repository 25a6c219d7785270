"""What the demo's coordinators said about sessions: confirmed, asked about, and answered."""

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta

from sqlmodel import Session, col, select

from tracker.db.log import Entry
from tracker.db.people import Endorsement, Person
from tracker.demo.people import Cast
from tracker.notifications.context import JobContext
from tracker.notifications.entry_mail import notify_question
from tracker.services.context import Actor, ServiceContext
from tracker.services.coordinator_access import access_windows, sees_entry
from tracker.services.entry_questions import answer_question, ask_about_entry
from tracker.services.entry_reviews import confirm_entry

_RECENT = timedelta(days=300)
# One session is asked about, one has an answer, one is confirmed.
_REVIEWED = 3


def add_reviews(context: JobContext, session: Session, cast: Cast, shown: Collection[str]) -> None:
    """Let each association's coordinator review sessions of one person.

    Preferably of one whose address is in ``shown``.
    """
    for coordinator in context.settings.coordinators:
        association = coordinator.association
        actor = Actor(coordinator.email, None, (association,))
        service = ServiceContext(session, context.rulebooks, actor, cast.now)
        query = (
            select(Person)
            .join(Endorsement, col(Endorsement.person_id) == Person.id)
            .where(Endorsement.association == association)
            .order_by(col(Person.id))
        )
        people = session.exec(query).unique().all()
        for person in sorted(people, key=lambda person: person.email not in shown):
            entry_ids = _list_recent(session, cast, person, association)
            if len(entry_ids) >= _REVIEWED:
                _review(context, service, person, entry_ids[:_REVIEWED], cast)
                break


def _list_recent(session: Session, cast: Cast, person: Person, association: str) -> list[int]:
    """The ids of the person's sessions of the last months that the association may see."""
    windows = access_windows(session, person.id, {association})
    query = select(Entry).where(
        Entry.person_id == person.id,
        col(Entry.held_on).between(cast.today - _RECENT, cast.today),
    )
    entries = session.exec(query.order_by(col(Entry.held_on).desc(), col(Entry.id))).all()
    return [entry.id for entry in entries if sees_entry(windows, entry.held_on)]


def _review(
    context: JobContext, service: ServiceContext, person: Person, entry_ids: list[int], cast: Cast
) -> None:
    asked, answered, confirmed = entry_ids
    [association] = service.actor.coordinates
    confirm_entry(service, confirmed, association)
    for entry_id in (asked, answered):
        question_id = ask_about_entry(service, entry_id, association, cast.stories.question)
        notify_question(context, service, question_id)
    own = replace(service, actor=Actor(person.email, person.id))
    answer_question(own, question_id, cast.stories.answer)
