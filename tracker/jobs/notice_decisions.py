"""What the notices job decides: renewals and applications of the same people, together."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from dateutil.relativedelta import relativedelta
from sqlalchemy import text
from sqlmodel import Session

from tracker.clock import local_day
from tracker.db.statements import make_id_table
from tracker.notifications.context import JobContext
from tracker.rules.application.notices import decide_application
from tracker.rules.notices import Cutoff, Decision, decide
from tracker.rules.notification_preferences import apply_preferences
from tracker.rules.standing import AnyStanding
from tracker.services.application_facts import judge_applications
from tracker.services.evaluation import days_at, judge_current
from tracker.services.notices import (
    decided_for,
    decided_for_applications,
    last_asked,
    lock_people,
    undecided_in,
    undecided_of,
)
from tracker.services.notification_preferences import list_disabled_kinds_by_person
from tracker.services.rsc_providers import Horizon, find_cutoffs

PEOPLE = "noticed_person"
_ENDORSEMENTS = "noticed"
_APPLICATIONS = "noticed_application"
# By person and provider rule.
Cutoffs = Mapping[tuple[int, str], Sequence[Cutoff]]


class RunContext(NamedTuple):
    """Who looks, through which session, and when: ``as_of`` is the day of the run."""

    context: JobContext
    session: Session
    as_of: date
    now: datetime


def decide_on_people(looking: RunContext, people: Sequence[int]) -> dict[int, list[Decision]]:
    """All decisions due, by person; the facts are read in this very transaction.

    Leaves the temporary table PEOPLE, of these people.
    """
    session = looking.session
    make_id_table(session, PEOPLE, people)
    # Another process that is at the same people ends first: then its decisions are seen here.
    lock_people(session, PEOPLE)
    cutoffs = _cutoffs(looking, people)
    found: defaultdict[int, list[Decision]] = defaultdict(list)
    for decision in _on_renewals(looking, cutoffs):
        found[decision.standing.facts.person_id].append(decision)
    for decision in _on_applications(looking, undecided_of(session, PEOPLE), cutoffs):
        found[decision.standing.facts.person_id].append(decision)
    off = list_disabled_kinds_by_person(session, people)
    config = looking.context.notices
    return {
        person_id: [*apply_preferences(config, _once(decisions), off.get(person_id, ()))]
        for person_id, decisions in found.items()
    }


def applicants_with_news(looking: RunContext, association: str) -> set[int]:
    """Everyone about whose application in ``association`` a decision is due.

    All of its applications are judged, in one pass: nothing is stored that a step could be
    looked up by, so whatever changed, an outage or a mail put off needs no note of its own.
    """
    applications = undecided_in(looking.session, association)
    if not applications:
        return set()
    cutoffs = _cutoffs(looking, set(applications.values()))
    decisions = _on_applications(looking, applications, cutoffs)
    return {decision.standing.facts.person_id for decision in decisions}


def used_since(context: JobContext, as_of: date) -> date:
    """The first day on which a session makes its provider one lately seen."""
    return as_of - relativedelta(months=context.notices.provider_cutoff.used_within_months)


def _on_renewals(looking: RunContext, cutoffs: Cutoffs) -> Iterator[Decision]:
    """About the endorsements of the people in PEOPLE."""
    context, session = looking.context, looking.session
    ids = session.scalars(
        text("SELECT en.id FROM endorsement en JOIN noticed_person n ON n.id = en.person_id")
    ).all()
    make_id_table(session, _ENDORSEMENTS, ids)
    days = days_at(context.rulebooks, looking.now)
    standings = list(judge_current(session, context.rulebooks, days, endorsement_ids=ids))
    decided = decided_for(session, _ENDORSEMENTS)
    for standing in standings:
        association = standing.plan.association
        yield from decide(
            context.notices,
            standing,
            _cutoffs_for(standing, cutoffs),
            decided.get(standing.facts.subject_id, {}),
            days(association),
            judged_from=context.settings.judge_renewals_due_from.get(association),
        )


def _on_applications(
    looking: RunContext, applications: Iterable[int], cutoffs: Cutoffs
) -> Iterator[Decision]:
    """About the applications with these ids."""
    context, session = looking.context, looking.session
    ids = list(applications)
    if not ids:
        return
    make_id_table(session, _APPLICATIONS, ids)
    days = days_at(context.rulebooks, looking.now)
    decided = decided_for_applications(session, _APPLICATIONS)
    asked = last_asked(session, _APPLICATIONS)
    for standing in judge_applications(session, context.rulebooks, days, application_ids=ids):
        number, association = standing.facts.subject_id, standing.plan.association
        asked_at = asked.get(number)
        zone = context.rulebooks.associations[association].time_zone
        yield from decide_application(
            context.notices,
            standing,
            _cutoffs_for(standing, cutoffs),
            decided.get(number, {}),
            days(association),
            asked_on=local_day(asked_at, zone) if asked_at else None,
        )


def _cutoffs(looking: RunContext, people: Iterable[int]) -> Cutoffs:
    context, as_of = looking.context, looking.as_of
    last_day = as_of + relativedelta(days=max(context.notices.provider_cutoff.before, default=0))
    horizon = Horizon(used_since(context, as_of), as_of, last_day)
    return find_cutoffs(looking.session, context.rulebooks, people, horizon)


def _cutoffs_for(standing: AnyStanding, cutoffs: Cutoffs) -> Sequence[Cutoff]:
    return cutoffs.get((standing.facts.person_id, standing.plan.provider_rule or ""), ())


def _once(decisions: Iterable[Decision]) -> list[Decision]:
    """Each key once a subject: a membership can belong to both cycles that are judged."""
    return list({(d.subject, d.key): d for d in decisions}.values())
