"""Which notices are due to people on a day: decided from facts, not recorded or sent.

The notices job records and sends them; a comparison of rulebooks counts them.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from sqlmodel import Session, col, select

from tracker.clock import local_day
from tracker.db.people import Endorsement
from tracker.rulebooks import Rulebooks
from tracker.rules.application.notices import decide_application
from tracker.rules.notice_config import CutoffSteps, NoticeConfigs
from tracker.rules.notices import Cutoff, Decision, decide, decide_term
from tracker.rules.notification_preferences import apply_preferences
from tracker.rules.standing import Standing
from tracker.services.application_facts import judge_applications
from tracker.services.evaluation import DayOf, judge_current, leave_out_removed
from tracker.services.notices import (
    list_decided_for_applications,
    list_decided_for_endorsements,
    list_last_asked,
    list_undecided_of_people,
)
from tracker.services.notification_preferences import list_disabled_kinds_by_person
from tracker.services.rsc_providers import Horizon, find_cutoffs
from tracker.services.way_reminders import list_ending_terms

# By person and provider rule; a plan without RSC has none.
Cutoffs = Mapping[tuple[int, str | None], Sequence[Cutoff]]


class NoticeDay(NamedTuple):
    """What notices follow from: the rules, the facts, and the day.

    ``day_of`` is each association's day, ``as_of`` that of the association whose notices are
    decided. Decisions that are part of the ``undelivered`` messages (their Message-IDs) are taken
    anew.
    """

    session: Session
    rulebooks: Rulebooks
    configs: NoticeConfigs
    day_of: DayOf
    as_of: date
    undelivered: frozenset[str] = frozenset()


def decide_for_people(day: NoticeDay, people: Sequence[int]) -> dict[int, list[Decision]]:
    """All decisions that are due about these people's renewals and applications, by person."""
    cutoffs = list_cutoffs(day, people)
    query = select(Endorsement.id).where(col(Endorsement.person_id).in_(people))
    ids = day.session.exec(query).all()
    judged = list(judge_current(day.session, day.rulebooks, day.day_of, endorsement_ids=ids))
    standings = leave_out_removed(day.session, judged)
    decisions = [
        *decide_renewals(day, standings, cutoffs),
        *_decide_terms(day, ids),
        *decide_applications(day, list_undecided_of_people(day.session, people), cutoffs),
    ]
    return group_by_person(day, decisions)


def decide_renewals(
    day: NoticeDay, standings: Sequence[Standing], cutoffs: Cutoffs
) -> Iterator[Decision]:
    """The decisions that are due about these renewals, whatever people have switched off."""
    ids = sorted({standing.facts.subject_id for standing in standings})
    decided = list_decided_for_endorsements(day.session, ids, day.undelivered)
    for standing in standings:
        yield from decide(
            day.configs.of(standing.plan.association),
            standing,
            cutoffs.get((standing.facts.person_id, standing.plan.provider_rule), ()),
            decided.get(standing.facts.subject_id, {}),
            day.day_of(standing.plan.association),
        )


def _decide_terms(day: NoticeDay, ids: Sequence[int]) -> Iterator[Decision]:
    """The decisions that are due about limited terms that end before their renewal is due."""
    standings = list(list_ending_terms(day.session, day.rulebooks, day.day_of, ids))
    numbers = [standing.facts.subject_id for standing in standings]
    decided = list_decided_for_endorsements(day.session, numbers, day.undelivered)
    for standing in standings:
        association = standing.plan.association
        yield from decide_term(
            day.configs.of(association),
            standing,
            decided.get(standing.facts.subject_id, {}),
            day.day_of(association),
        )


def decide_applications(day: NoticeDay, ids: Sequence[int], cutoffs: Cutoffs) -> Iterator[Decision]:
    """The decisions that are due about these applications, whatever people have switched off."""
    if not ids:
        return
    session = day.session
    decided = list_decided_for_applications(session, ids, day.undelivered)
    last_asked = list_last_asked(session, ids)
    for standing in judge_applications(session, day.rulebooks, day.day_of, application_ids=ids):
        application_id, rulebook = standing.facts.subject_id, standing.plan.rulebook
        asked_at = last_asked.get(application_id)
        yield from decide_application(
            day.configs.of(rulebook.id),
            standing,
            cutoffs.get((standing.facts.person_id, standing.plan.provider_rule), ()),
            decided.get(application_id, {}),
            day.day_of(rulebook.id),
            asked_on=local_day(asked_at, rulebook.time_zone) if asked_at else None,
        )


def list_cutoffs(day: NoticeDay, people: Iterable[int]) -> Cutoffs:
    """The providers of these people whose sessions soon stop counting."""
    by_steps: defaultdict[CutoffSteps, set[str]] = defaultdict(set)
    for association in day.rulebooks.associations:
        steps = day.configs.of(association).provider_cutoff
        if steps.before:
            by_steps[steps].add(association)
    as_of, wanted = day.as_of, set(people)
    cutoffs: dict[tuple[int, str | None], Sequence[Cutoff]] = {}
    for steps, associations in by_steps.items():
        last_day = as_of + timedelta(days=max(steps.before))
        horizon = Horizon(steps.recent_from(as_of), as_of, last_day)
        found = find_cutoffs(day.session, day.rulebooks, wanted, horizon)
        for (person_id, rule), own in found.items():
            association, _ = day.rulebooks.provider_rules[rule]
            if association in associations:
                cutoffs[person_id, rule] = own
    return cutoffs


def group_by_person(day: NoticeDay, decisions: Iterable[Decision]) -> dict[int, list[Decision]]:
    """Decisions by person, each once; what a person has switched off is skipped."""
    by_person: defaultdict[int, dict[object, Decision]] = defaultdict(dict)
    for decision in decisions:
        # A membership can belong to both cycles that are judged: each key counts once.
        key = (decision.subject, decision.key)
        by_person[decision.standing.facts.person_id][key] = decision
    people: Collection[int] = list(by_person)
    switched_off = list_disabled_kinds_by_person(day.session, people)
    return {
        person_id: [
            *apply_preferences(day.configs, unique.values(), switched_off.get(person_id, ()))
        ]
        for person_id, unique in by_person.items()
    }
