"""What applicants do with applications of their own: start one, and open a withdrawn one again."""

from datetime import date, timedelta

from tracker.db.applications import Application
from tracker.db.engine import lock_names
from tracker.db.people import EMAILS, Person
from tracker.plain_text import space_initials
from tracker.rulebooks import Rulebooks
from tracker.rules.model import Rulebook
from tracker.services.applications import (
    APPLICATION_AUDITED,
    list_undecided_applications,
    lock_application,
    open_application,
)
from tracker.services.context import (
    NotFound,
    Refusal,
    Refused,
    ServiceContext,
    check_name,
    lock_person,
)
from tracker.services.evaluation import DayOf, days_at
from tracker.services.sign_in import find_former_owner, find_person_by_email

_ONE_DAY = timedelta(days=1)


def list_offered_categories(rulebooks: Rulebooks, day_of: DayOf) -> list[tuple[Rulebook, str]]:
    """The categories that someone can apply for: those with application rules on the day."""
    offered = []
    for rulebook in rulebooks.associations.values():
        day = day_of(rulebook.id)
        for category in rulebook.categories:
            if rulebooks.application_plan(rulebook.id, category, day).requirements:
                offered.append((rulebook, category))
    return offered


def register_applicant(
    context: ServiceContext, email: str, name: str, wanted: tuple[str, str]
) -> int:
    """Store someone new, whose address was confirmed by a code; the person's id.

    A person who has the address already is kept. ``wanted`` is the association and category of
    their application. Raises Refused for a name that can't be stored, for the application, and for
    an address that was a person's before: nobody becomes a second person.
    """
    name = space_initials(name)
    lock_names(context.session, [EMAILS])
    # The person may have been stored since they signed in.
    known = find_person_by_email(context.session, email)
    if known is not None:
        return known.id
    former = find_former_owner(context.session, email)
    if former is not None:
        raise Refused(Refusal("name", "email-was-yours", {"email": email, "present": former.email}))
    refusals = check_name(name, "applicant-name-required") + _check_offer(context, wanted)
    if refusals:
        raise Refused(*refusals)
    person = Person(email=email, name=name)
    context.create_row(person, {"email", "name"})
    return person.id


def start_application(context: ServiceContext, association: str, category: str) -> int:
    """Open an application of the actor's own, today; its id. Raises Refused.

    One that was started today and is still open (a double click) is not started again.
    """
    if refusals := _check_offer(context, (association, category)):
        raise Refused(*refusals)
    today = days_at(context.rulebooks, context.now)(association)
    lock_person(context.session, context.person_id)
    for own in list_undecided_applications(context.session, context.person_id):
        key = (own.association, own.category, own.opened_on, own.state)
        if key == (association, category, today, "open"):
            return own.id
    return open_application(context, context.person_id, association, category, today).id


def _check_offer(context: ServiceContext, wanted: tuple[str, str]) -> list[Refusal]:
    offered = list_offered_categories(context.rulebooks, days_at(context.rulebooks, context.now))
    if wanted in [(rulebook.id, category) for rulebook, category in offered]:
        return []
    return [Refusal("category", "category-not-offered")]


def reopen_application(context: ServiceContext, application_id: int) -> None:
    """Open an application again that the actor withdrew today or yesterday.

    Raises NotFound or Refused.
    """
    application = lock_application(context, application_id)
    today = days_at(context.rulebooks, context.now)(application.association)
    if application.person_id != context.actor.person_id:
        raise NotFound
    if not can_reopen(application, today):
        raise Refused(Refusal("", "application-not-withdrawn"))
    for other in list_undecided_applications(context.session, application.person_id):
        if (other.association, other.category) == (application.association, application.category):
            facts = {
                name: getattr(other, name) for name in ("association", "category", "opened_on")
            }
            raise Refused(Refusal("", "application-undecided", facts))
    values = {"state": "open", "submitted_on": None, "decided_on": None}
    context.update_row(application, APPLICATION_AUDITED, **values)


def can_reopen(application: Application, today: date) -> bool:
    """Whether an application was withdrawn so lately that its applicant may open it again."""
    withdrawn_on = application.decided_on if application.state == "withdrawn" else None
    return withdrawn_on is not None and withdrawn_on >= today - _ONE_DAY
