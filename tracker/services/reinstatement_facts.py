"""Reads what only reinstatements need: what was removed, recent hours, and what was paid."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from dateutil.relativedelta import relativedelta
from sqlmodel import Session, col, select

from tracker.db.applications import REINSTATEMENT, Application
from tracker.db.people import REMOVED, Endorsement, Person
from tracker.rules.plan import ApplicationPlan
from tracker.rules.standing import ApplicationFacts, DaySum, Removed
from tracker.services.day_sums import DaysWindow, read_days
from tracker.services.facts import EXCLUSIONS
from tracker.services.payment_facts import Payments, read_payments


class PlannedApplication(NamedTuple):
    """An application, whose it is, the plan that it must meet, and up to which day."""

    application_id: int
    person_id: int
    plan: ApplicationPlan
    as_of: date


class ReturnFacts(NamedTuple):
    """What `read_returns` found, by the application's id."""

    removed: Mapping[int, Removed]
    days: Mapping[int, Sequence[DaySum]]
    payments: Payments

    def complete(self, facts: ApplicationFacts, as_of: date) -> ApplicationFacts:
        """The facts of a reinstatement with those that were found for it; any other's are kept."""
        removed = self.removed.get(facts.subject_id)
        if removed is None:
            return facts
        paid = self.payments.get((removed.endorsement_id, removed.removed_on), ())
        return facts._replace(
            removed=removed,
            days=tuple(self.days[facts.subject_id]),
            payments=tuple(each for each in paid if each.on <= as_of),
        )


def find_removed(session: Session, application_ids: Collection[int]) -> dict[int, Removed]:
    """The endorsement that each of these reinstatements asks back, by the application's id."""
    query = (
        select(Application.id, Endorsement)
        .join(
            Endorsement,
            (col(Endorsement.person_id) == Application.person_id)
            & (col(Endorsement.association) == Application.association)
            & (col(Endorsement.category) == Application.category),
        )
        .where(
            col(Application.id).in_(application_ids),
            Endorsement.ended_as == REMOVED,
            col(Endorsement.ends_on) < Application.opened_on,
        )
        .order_by(col(Endorsement.starts_on))
    )
    found = {}
    for application_id, held in session.exec(query):
        if held.ends_on is not None:
            found[application_id] = Removed(held.id, held.starts_on, held.ends_on)
    return found


class AskedReturn(NamedTuple):
    """A reinstatement, whose it is, and what was removed."""

    application: Application
    person: Person
    removed: Removed


def list_asked_returns(session: Session, endorsement_ids: Collection[int]) -> list[AskedReturn]:
    """The reinstatements that ask these endorsements back, decided or not: the last of each."""
    people = select(Endorsement.person_id).where(
        col(Endorsement.id).in_(endorsement_ids), Endorsement.ended_as == REMOVED
    )
    query = (
        select(Application, Person)
        .join(Person, col(Person.id) == Application.person_id)
        .where(Application.purpose == REINSTATEMENT, col(Application.person_id).in_(people))
        .order_by(col(Application.id))
    )
    rows = session.exec(query).all()
    removed = find_removed(session, [application.id for application, _ in rows])
    found = {}
    for application, person in rows:
        back = removed.get(application.id)
        if back is not None and back.endorsement_id in endorsement_ids:
            found[back.endorsement_id] = AskedReturn(application, person, back)
    return list(found.values())


def read_returns(session: Session, planned: Sequence[PlannedApplication]) -> ReturnFacts:
    """What these reinstatements are judged by, beside the facts of every application.

    Payments are those whose "cycle" begins on the day of the removal.
    """
    removed = find_removed(session, [each.application_id for each in planned])
    ids = sorted({each.endorsement_id for each in removed.values()})
    windows = []
    for number, (application_id, _, plan, as_of) in enumerate(planned):
        back = removed.get(application_id)
        if back is not None and plan.counts_recent_hours:
            named = (plan.association, plan.category, back.starts_on.isoformat())
            first = _find_first_day(plan, back, as_of).isoformat()
            window = DaysWindow(number, *named, first, as_of.isoformat(), plan.provider_rule)
            windows.append(window)
    found = read_days(session, windows, ids, EXCLUSIONS)
    days = {}
    for number, (application_id, *_) in enumerate(planned):
        if application_id in removed:
            days[application_id] = found.get((number, removed[application_id].endorsement_id), [])
    has_fees = any(each.plan.fees for each in planned)
    return ReturnFacts(removed, days, read_payments(session, ids) if has_fees else {})


def _find_first_day(plan: ApplicationPlan, removed: Removed, as_of: date) -> date:
    """The first day on which hours may count: also before a submission, months before today."""
    windows = [r.rule.window for r in plan.requirements if r.rule.window]
    months = [window.months for window in windows if window.months]
    longest = relativedelta(months=2 * max(months, default=0))
    return min(removed.removed_on, as_of - longest)
