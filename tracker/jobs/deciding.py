"""What the notices job decides: renewals and applications of the same people, together."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from dateutil.relativedelta import relativedelta
from sqlalchemy import Connection, text

from tracker.clock import local_day
from tracker.jobs.office import Office
from tracker.records.applying.application_notices import (
    decided_for_applications,
    last_asked,
    undecided_in,
    undecided_of,
)
from tracker.records.judging.cutoffs import Horizon, cutoffs_of
from tracker.records.judging.evaluation import days_at, judge_current
from tracker.records.judging.facts import make_id_table
from tracker.records.judging.readiness import judge_applications
from tracker.records.mailing.notices import decided_for, lock_people
from tracker.records.profile.mail_wishes import kinds_off
from tracker.rules.application_notices import decide_application
from tracker.rules.mail_wishes import respect_wishes
from tracker.rules.notices import Cutoff, Decision, decide
from tracker.rules.standing import Standing

PEOPLE = "noticed_person"
_ENDORSEMENTS = "noticed"
_APPLICANTS = "noticed_applicant"
_APPLICATIONS = "noticed_application"
# By person and provider rule.
Cutoffs = Mapping[tuple[int, str], Sequence[Cutoff]]


class Looking(NamedTuple):
    """Who looks, through which connection, and when: ``as_of`` is the day of the run."""

    office: Office
    connection: Connection
    as_of: date
    now: datetime


def decide_on_people(looking: Looking, people: Sequence[int]) -> dict[int, list[Decision]]:
    """All decisions due, by person; the facts are read in this very transaction.

    Leaves the temporary table PEOPLE, of these people.
    """
    connection = looking.connection
    make_id_table(connection, PEOPLE, people)
    # Another process that is at the same people ends first: then its decisions are seen here.
    lock_people(connection, PEOPLE)
    cutoffs = _cutoffs(looking, PEOPLE)
    found: defaultdict[int, list[Decision]] = defaultdict(list)
    for decision in _on_renewals(looking, cutoffs):
        found[decision.standing.facts.person_id].append(decision)
    for decision in _on_applications(looking, undecided_of(connection, PEOPLE), cutoffs):
        found[decision.standing.facts.person_id].append(decision)
    off = kinds_off(connection, PEOPLE)
    config = looking.office.notices
    return {
        person_id: [*respect_wishes(config, _once(decisions), off.get(person_id, ()))]
        for person_id, decisions in found.items()
    }


def applicants_with_news(looking: Looking, association: str) -> set[int]:
    """Everyone about whose application in ``association`` a decision is due.

    All of its applications are judged, in one pass: nothing is stored that a step could be
    looked up by, so whatever changed, an outage or a mail put off needs no note of its own.
    """
    applications = undecided_in(looking.connection, association)
    if not applications:
        return set()
    make_id_table(looking.connection, _APPLICANTS, set(applications.values()))
    decisions = _on_applications(looking, applications, _cutoffs(looking, _APPLICANTS))
    return {decision.standing.facts.person_id for decision in decisions}


def used_since(office: Office, as_of: date) -> date:
    """The first day on which a session makes its provider one lately seen."""
    return as_of - relativedelta(months=office.notices.provider_cutoff.used_within_months)


def _on_renewals(looking: Looking, cutoffs: Cutoffs) -> Iterator[Decision]:
    """About the endorsements of the people in PEOPLE."""
    office, connection = looking.office, looking.connection
    ids = connection.scalars(
        text("SELECT en.id FROM endorsement en JOIN noticed_person n ON n.id = en.person_id")
    ).all()
    make_id_table(connection, _ENDORSEMENTS, ids)
    days = days_at(office.books, looking.now)
    standings = list(judge_current(connection, office.books, days, only=_ENDORSEMENTS))
    decided = decided_for(connection, _ENDORSEMENTS)
    for standing in standings:
        association = standing.plan.association
        yield from decide(
            office.notices,
            standing,
            _cutoffs_for(standing, cutoffs),
            decided.get(standing.facts.subject_id, {}),
            days(association),
            judged_from=office.settings.judge_renewals_due_from.get(association),
        )


def _on_applications(
    looking: Looking, applications: Iterable[int], cutoffs: Cutoffs
) -> Iterator[Decision]:
    """About the applications with these ids."""
    office, connection = looking.office, looking.connection
    ids = list(applications)
    if not ids:
        return
    make_id_table(connection, _APPLICATIONS, ids)
    days = days_at(office.books, looking.now)
    decided = decided_for_applications(connection, _APPLICATIONS)
    asked = last_asked(connection, _APPLICATIONS)
    for standing in judge_applications(connection, office.books, days, only=_APPLICATIONS):
        number, association = standing.facts.subject_id, standing.plan.association
        asked_at = asked.get(number)
        zone = office.books.associations[association].time_zone
        yield from decide_application(
            office.notices,
            standing,
            _cutoffs_for(standing, cutoffs),
            decided.get(number, {}),
            days(association),
            asked_on=local_day(asked_at, zone) if asked_at else None,
        )


def _cutoffs(looking: Looking, people: str) -> Cutoffs:
    office, as_of = looking.office, looking.as_of
    last_day = as_of + relativedelta(days=max(office.notices.provider_cutoff.before, default=0))
    horizon = Horizon(used_since(office, as_of), as_of, last_day)
    return cutoffs_of(looking.connection, office.books, people, horizon)


def _cutoffs_for(standing: Standing, cutoffs: Cutoffs) -> Sequence[Cutoff]:
    return cutoffs.get((standing.facts.person_id, standing.plan.provider_rule or ""), ())


def _once(decisions: Iterable[Decision]) -> list[Decision]:
    """Each key once a subject: a membership can belong to both cycles that are judged."""
    return list({(d.subject, d.key): d for d in decisions}.values())
