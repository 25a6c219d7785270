"""Which notices people are due: decisions on their renewals and applications, together."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from dateutil.relativedelta import relativedelta
from sqlmodel import Session, col, select

from tracker.clock import local_day
from tracker.db.people import Endorsement
from tracker.notifications.context import JobContext
from tracker.rules.application.notices import decide_application
from tracker.rules.notices import Cutoff, Decision, decide
from tracker.rules.notification_preferences import apply_preferences
from tracker.rules.standing import AnyStanding
from tracker.services.application_facts import judge_applications
from tracker.services.evaluation import days_at, judge_current
from tracker.services.notices import (
    list_decided_for_applications,
    list_decided_for_endorsements,
    list_last_asked,
    list_undecided_of_people,
    lock_people,
)
from tracker.services.notification_preferences import list_disabled_kinds_by_person
from tracker.services.rsc_providers import Horizon, find_cutoffs

# By person and provider rule.
Cutoffs = Mapping[tuple[int, str], Sequence[Cutoff]]


class RunContext(NamedTuple):
    """One run at work: its context, an open writing session, and when; ``as_of`` is its day."""

    context: JobContext
    session: Session
    as_of: date
    now: datetime


def decide_notices(run: RunContext, people: Sequence[int]) -> dict[int, list[Decision]]:
    """All decisions that are due, by person, from facts read in this very transaction."""
    session = run.session
    # Another process with the same people ends first, so its decisions are seen here.
    lock_people(session, people)
    cutoffs = _list_cutoffs(run, people)
    decisions = [
        *_decide_renewals(run, people, cutoffs),
        *_decide_applications(run, list_undecided_of_people(session, people), cutoffs),
    ]
    by_person: defaultdict[int, dict[object, Decision]] = defaultdict(dict)
    for decision in decisions:
        # A membership can belong to both cycles that are judged: each key counts once.
        key = (decision.subject, decision.key)
        by_person[decision.standing.facts.person_id][key] = decision
    switched_off = list_disabled_kinds_by_person(session, people)
    return {
        person_id: [
            *apply_preferences(
                run.context.notices, unique.values(), switched_off.get(person_id, ())
            )
        ]
        for person_id, unique in by_person.items()
    }


def list_applicants_due(run: RunContext, applications: Mapping[int, int]) -> set[int]:
    """The applicants whose undecided ``applications`` (each with its person) have a notice due.

    All are judged in one pass. Nothing is stored that a step could be looked up by, so an outage
    or a mail put off until tomorrow needs no record of its own.
    """
    if not applications:
        return set()
    cutoffs = _list_cutoffs(run, set(applications.values()))
    decisions = _decide_applications(run, applications, cutoffs)
    return {decision.standing.facts.person_id for decision in decisions}


def get_first_recent_day(context: JobContext, as_of: date) -> date:
    """The first day on which a session makes its provider a recent one."""
    return as_of - relativedelta(months=context.notices.provider_cutoff.used_within_months)


def _decide_renewals(
    run: RunContext, people: Sequence[int], cutoffs: Cutoffs
) -> Iterator[Decision]:
    context, session = run.context, run.session
    query = select(Endorsement.id).where(col(Endorsement.person_id).in_(people))
    ids = session.exec(query).all()
    day_of = days_at(context.rulebooks, run.now)
    standings = list(judge_current(session, context.rulebooks, day_of, endorsement_ids=ids))
    decided = list_decided_for_endorsements(session, ids)
    for standing in standings:
        association = standing.plan.association
        yield from decide(
            context.notices,
            standing,
            _cutoffs_for(standing, cutoffs),
            decided.get(standing.facts.subject_id, {}),
            day_of(association),
            judged_from=context.settings.judge_renewals_due_from.get(association),
        )


def _decide_applications(
    run: RunContext, applications: Iterable[int], cutoffs: Cutoffs
) -> Iterator[Decision]:
    context, session = run.context, run.session
    ids = list(applications)
    if not ids:
        return
    day_of = days_at(context.rulebooks, run.now)
    decided = list_decided_for_applications(session, ids)
    last_asked = list_last_asked(session, ids)
    for standing in judge_applications(session, context.rulebooks, day_of, application_ids=ids):
        application_id, association = standing.facts.subject_id, standing.plan.association
        asked_at = last_asked.get(application_id)
        zone = context.rulebooks.associations[association].time_zone
        yield from decide_application(
            context.notices,
            standing,
            _cutoffs_for(standing, cutoffs),
            decided.get(application_id, {}),
            day_of(association),
            asked_on=local_day(asked_at, zone) if asked_at else None,
        )


def _list_cutoffs(run: RunContext, people: Iterable[int]) -> Cutoffs:
    context, as_of = run.context, run.as_of
    last_day = as_of + relativedelta(days=max(context.notices.provider_cutoff.before, default=0))
    horizon = Horizon(get_first_recent_day(context, as_of), as_of, last_day)
    return find_cutoffs(run.session, context.rulebooks, people, horizon)


def _cutoffs_for(standing: AnyStanding, cutoffs: Cutoffs) -> Sequence[Cutoff]:
    return cutoffs.get((standing.facts.person_id, standing.plan.provider_rule or ""), ())
