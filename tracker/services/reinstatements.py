"""Coming back after a removal: who can ask for it and until when, and asking for it."""

from datetime import date, timedelta
from typing import NamedTuple

from sqlmodel import Session, col, select

from tracker.db.applications import Application
from tracker.db.people import REMOVED, Endorsement
from tracker.rulebooks import Rulebooks
from tracker.rules.plan import ApplicationPlan
from tracker.services.applications import list_undecided_applications, open_application
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext, lock_person
from tracker.services.evaluation import DayOf, days_at


class WayBack(NamedTuple):
    """A removed endorsement, and whether its holder can ask to be reinstated.

    ``latest_on`` is the last day for that (None: there is none), ``application_id`` the undecided
    reinstatement. ``plan`` is what it requires today; None if the rulebook reinstates nobody, so
    that the person has to apply anew.
    """

    endorsement: Endorsement
    removed_on: date
    latest_on: date | None = None
    plan: ApplicationPlan | None = None
    application_id: int | None = None

    def is_open(self, today: date) -> bool:
        """Whether a reinstatement can be asked for on a day."""
        in_time = self.latest_on is None or today <= self.latest_on
        return self.plan is not None and in_time


def list_ways_back(
    session: Session, rulebooks: Rulebooks, day_of: DayOf, person_id: int
) -> list[WayBack]:
    """A person's removed endorsements that nothing has replaced, the last removed first."""
    query = select(Endorsement).where(Endorsement.person_id == person_id)
    held = session.exec(query.order_by(col(Endorsement.starts_on).desc())).all()
    latest: dict[tuple[str, str], Endorsement] = {}
    for one in held:
        latest.setdefault((one.association, one.category), one)
    removed = [one for one in latest.values() if one.ended_as == REMOVED]
    if not removed:
        return []
    undecided = {
        (each.association, each.category): each.id
        for each in list_undecided_applications(session, person_id)
        if each.is_reinstatement
    }
    ways = []
    for one in removed:
        if one.association in rulebooks.associations and one.ends_on is not None:
            key = (one.association, one.category)
            way = _describe(rulebooks, one, one.ends_on, day_of(one.association))
            ways.append(way._replace(application_id=undecided.get(key)))
    return sorted(ways, key=lambda way: way.removed_on, reverse=True)


def _describe(
    rulebooks: Rulebooks, endorsement: Endorsement, ends_on: date, today: date
) -> WayBack:
    removed_on = ends_on + timedelta(days=1)
    named = (endorsement.association, endorsement.category)
    rule = rulebooks.reinstatement_rule(*named, removed_on)
    plan = rulebooks.application_plan(*named, today, "reinstatement")
    if rule is None or not plan.requirements:
        return WayBack(endorsement, removed_on)
    return WayBack(endorsement, removed_on, rule.latest_on(removed_on), plan)


def find_way_back(
    session: Session, rulebooks: Rulebooks, day_of: DayOf, endorsement: Endorsement
) -> WayBack | None:
    """The way back of one removed endorsement; None if it is not removed, or was replaced."""
    ways = list_ways_back(session, rulebooks, day_of, endorsement.person_id)
    return next((way for way in ways if way.endorsement.id == endorsement.id), None)


def start_reinstatement(context: ServiceContext, endorsement_id: int) -> int:
    """Ask today to be reinstated; the id of the application. The actor's own endorsements only.

    Asking again while it is not decided gives the same one. Raises NotFound, and Refused after the
    last day or if the rulebook reinstates nobody.
    """
    session = context.session
    endorsement = session.get(Endorsement, endorsement_id)
    if endorsement is None or endorsement.person_id != context.person_id:
        raise NotFound
    lock_person(session, context.person_id)
    day_of = days_at(context.rulebooks, context.now)
    way = find_way_back(session, context.rulebooks, day_of, endorsement)
    if way is None:
        raise NotFound
    if way.application_id is not None:
        return way.application_id
    today = day_of(endorsement.association)
    if refusal := _refuse(way, today):
        raise Refused(refusal)
    named = (endorsement.association, endorsement.category)
    return open_application(context, context.person_id, *named, today, purpose="reinstatement").id


def require_in_time(context: ServiceContext, application_id: int, today: date) -> None:
    """Raise Refused if a reinstatement is submitted after the last day on which it can be.

    One that the reviewers sent back was submitted in time.
    """
    session = context.session
    day_of = days_at(context.rulebooks, context.now)
    for way in list_ways_back(session, context.rulebooks, day_of, context.person_id):
        if way.application_id == application_id and (refusal := _refuse(way, today)):
            if session.get_one(Application, application_id).answer:
                return
            raise Refused(refusal)


def _refuse(way: WayBack, today: date) -> Refusal | None:
    if way.plan is None:
        return Refusal("", "reinstatement-not-offered")
    if not way.is_open(today):
        return Refusal("", "reinstatement-too-late", {"latest_on": way.latest_on})
    return None
