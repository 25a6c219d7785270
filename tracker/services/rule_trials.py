"""Judges a made-up person by a rulebook, in a database in memory: nothing is stored.

So a rulebook's author sees what its rules come to before anybody is judged by them.
"""

import json
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool
from sqlmodel import Session

from tracker.db.log import Entry, EntryTopic
from tracker.db.people import Endorsement, Leave, Membership, Person, Renewal, Vetting, Waiver
from tracker.db.submissions import Submission
from tracker.db.tables import METADATA
from tracker.formatting import MINUTES_IN_HOUR
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import Cycle
from tracker.rules.explain import LoggedEntry, explain
from tracker.rules.made_up_person import MadeUpPeriod, MadeUpPerson, MadeUpSession, MadeUpSubmission
from tracker.rules.model import ProviderRule, Rulebook
from tracker.rules.notice_config import NoticeConfig
from tracker.rules.notices import Decision, Key, decide, last_membership
from tracker.rules.plan import RenewalPlan
from tracker.rules.reasons import Reason
from tracker.rules.requirement import DEGREES_RISING
from tracker.rules.similar_names import describe_known
from tracker.rules.standing import Standing, lasts_for_life
from tracker.services.entries import list_entries
from tracker.services.evaluation import judge_all
from tracker.services.rsc_providers import load_providers, refresh_provider_spans

_DAY = timedelta(days=1)
_LONGEST_SESSION = 24 * MINUTES_IN_HOUR
# Longer than any rule asks a provider to be endorsed.
_LONG_AGO = timedelta(days=60 * 366)
# The provider of sessions that name none.
QUALIFIED = "a provider who meets every rule"


class TrialError(Exception):
    """The made-up person does not fit the rulebook: what is wrong, and what to write."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What a made-up person's renewal comes to on a day, and the reminders that would follow.

    ``not_counted`` are the sessions of the cycle that don't count. ``reminders`` are those that
    would be sent from that day on if nothing changes, with the day of each.
    """

    rulebook: Rulebook
    as_of: date
    standing: Standing
    not_counted: tuple[tuple[LoggedEntry, Reason], ...]
    reminders: tuple[tuple[date, Decision], ...]


def try_rulebook(
    rulebooks: Rulebooks,
    association: str,
    person: MadeUpPerson,
    config: NoticeConfig,
    as_of: date,
    *,
    cycle_day: date | None = None,
) -> Trial:
    """Judge ``person`` as of a day, in the cycle that contains ``cycle_day`` (default: that day).

    Raises TrialError if the person has no renewal then, or names what the rulebook does not have.
    """
    rulebook = rulebooks.associations[association]
    plan, cycle = _find_plan(rulebooks, rulebook, person, cycle_day or as_of)
    _check_names(rulebook, plan, person)
    with _open_memory() as session:
        person_id = _Storage(session, rulebooks, plan, cycle, person).store()
        refresh_provider_spans(session, rulebooks)

        def judge(day: date) -> Standing | None:
            found = judge_all(session, rulebooks, lambda _: day, cycle_day=cycle_day or as_of)
            own = (s for s in found if s.facts.person_id == person_id)
            return next((s for s in own if s.facts.starts_on == person.endorsed), None)

        standing = judge(as_of)
        if standing is None:
            message = f"nothing is required on {as_of}: the endorsement ends before the due date"
            raise TrialError(message)
        not_counted = tuple(_list_not_counted(session, standing, as_of))
        days = _list_notice_days(config, standing, cycle, as_of)
        reminders = _list_reminders(config, judge, days)
    return Trial(rulebook, as_of, standing, not_counted, reminders)


def _find_plan(
    rulebooks: Rulebooks, rulebook: Rulebook, person: MadeUpPerson, day: date
) -> tuple[RenewalPlan, Cycle]:
    _require("category", person.category, rulebook.categories)
    plan = rulebooks.plan(rulebook.id, person.category, person.endorsed, day)
    if plan is None:
        message = (
            f"there is no cycle on {day}: the rulebook's cycles begin later, or the endorsement of "
            f"{person.endorsed} does"
        )
        raise TrialError(message)
    if plan.cycle is None:
        message = f"{person.category} has no renewal requirements in this file"
        raise TrialError(message)
    return plan, plan.cycle


def _check_names(rulebook: Rulebook, plan: RenewalPlan, person: MadeUpPerson) -> None:
    for requirement in person.waived:
        _require("waived", requirement, {r.id for r in plan.requirements})
    _check_submission(plan, person.submission)
    held = [each for provider in person.providers.values() for each in provider.endorsements]
    for endorsement in held:
        if endorsement.association in (None, rulebook.id):
            _require("category of a provider", endorsement.category, rulebook.categories)


def _check_submission(plan: RenewalPlan, submission: MadeUpSubmission | None) -> None:
    if submission is None:
        return
    if not plan.is_submitted:
        message = f"renewals of {plan.category} are not submitted: remove the submission"
        raise TrialError(message)
    for statement in submission.signed or ():
        _require("signed", statement, plan.statements)


def _require(what: str, name: str, known: Collection[str]) -> None:
    names = sorted(known)
    if name not in names:
        message = f"{what} {name!r} is not in the rulebook{describe_known(name, names)}"
        raise TrialError(message)


@contextmanager
def _open_memory() -> Iterator[Session]:
    """A session with an empty database in memory."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    try:
        METADATA.create_all(engine)
        with Session(engine) as session:
            yield session
    finally:
        engine.dispose()


@dataclass(frozen=True, slots=True)
class _Storage:
    """Writes a made-up person into an empty database."""

    session: Session
    rulebooks: Rulebooks
    plan: RenewalPlan
    cycle: Cycle
    person: MadeUpPerson

    def store(self) -> int:
        """Store the person and their providers; return the person's id."""
        person = self.person
        providers = {name: self._store_provider(n) for n, name in enumerate(person.providers, 1)}
        person_id = self._add_person(0, "Made-up person", "none", provides_rsc=person.provides_rsc)
        for other in person.earlier:
            self._add_endorsement(person_id, other.category, other.association, other)
        endorsement = Endorsement(
            person_id=person_id,
            association=self.plan.association,
            category=person.category,
            starts_on=person.endorsed,
            ends_on=person.ends_on,
        )
        self.session.add(endorsement)
        self.session.flush()
        self._store_terms(endorsement.id)
        for membership in person.memberships:
            organization = membership.organization or self._find_organization()
            days: dict[str, Any] = {
                "starts_on": membership.starts_on,
                "ends_on": membership.ends_on,
            }
            self.session.add(Membership(person_id=person_id, organization=organization, **days))
        for number, logged in enumerate(person.sessions, 1):
            self._store_session(person_id, number, logged, providers)
        self.session.flush()
        return person_id

    def _store_terms(self, endorsement_id: int) -> None:
        person, cycle = self.person, self.cycle
        for leave in person.leaves:
            days: dict[str, Any] = {"starts_on": leave.starts_on, "ends_on": leave.ends_on}
            self.session.add(Leave(endorsement_id=endorsement_id, **days))
        of_renewal: dict[str, Any] = {
            "endorsement_id": endorsement_id,
            "cycle_starts_on": cycle.starts_on,
        }
        for requirement in person.waived:
            self.session.add(Waiver(requirement=requirement, reason="made up", **of_renewal))
        if person.extended_due_on:
            extended: dict[str, Any] = {
                "extended_due_on": person.extended_due_on,
                "reason": "made up",
            }
            self.session.add(Renewal(**of_renewal, **extended))
        if person.submission:
            signed = person.submission.signed
            keys = self.plan.statements if signed is None else signed
            words = {key: self.plan.rulebook.attestations[key] for key in keys}
            zone = ZoneInfo(self.plan.rulebook.time_zone)
            noon = datetime.combine(person.submission.submitted_on, time(12), zone)
            self.session.add(
                Submission(
                    **of_renewal,
                    cycle_ends_on=cycle.ends_on,
                    form_key="made-up",
                    submitted_at=noon.astimezone(UTC),
                    signed_name="Made-up person",
                    statements=json.dumps(words),
                    content="{}",
                )
            )

    def _store_session(
        self, person_id: int, number: int, logged: MadeUpSession, providers: dict[str, int]
    ) -> None:
        """Store a session; one of more than a day as several, because no day has more hours."""
        with_whom: dict[str, Any] = {}
        if logged.rsc is not None:
            with_whom = self._find_provider(logged.provider, providers)
        rest = {topic: round(hours * MINUTES_IN_HOUR) for topic, hours in logged.topics.items()}
        minutes = round(logged.hours * MINUTES_IN_HOUR)
        while minutes > 0:
            part = min(minutes, _LONGEST_SESSION)
            entry = Entry(
                person_id=person_id,
                activity="training" if logged.training is not None else "rsc",
                held_on=logged.held_on,
                minutes=part,
                title=f"session {number}",
                format=logged.format,
                **with_whom,
            )
            self.session.add(entry)
            self.session.flush()
            self._store_topics(entry, rest)
            minutes -= part

    def _find_provider(self, name: str | None, providers: dict[str, int]) -> dict[str, Any]:
        """The columns that say with whom a session was; one whom nobody knows is only a name."""
        if name is None and QUALIFIED not in providers:
            providers[QUALIFIED] = self._store_qualified()
        found = providers.get(name or QUALIFIED)
        return {"provider_name": name} if found is None else {"provider_id": found}

    def _store_topics(self, entry: Entry, rest: dict[str, int]) -> None:
        """Store the topics of an entry, as far as they fit into it; ``rest`` keeps what is left."""
        room = entry.minutes
        for topic, left in list(rest.items()):
            part = min(left, room)
            if part:
                days: dict[str, Any] = {"person_id": entry.person_id, "held_on": entry.held_on}
                row = EntryTopic(entry_id=entry.id, topic=topic, minutes=part, **days)
                self.session.add(row)
                rest[topic] = left - part
                room -= part

    def _store_provider(self, number: int) -> int:
        name = list(self.person.providers)[number - 1]
        provider = self.person.providers[name]
        person_id = self._add_person(number, name, provider.degree, provides_rsc=True)
        for held in provider.endorsements:
            self._add_endorsement(person_id, held.category, held.association, held)
        for vetting in provider.vetted:
            self._add_vetting(person_id, vetting.association, vetting.starts_on, vetting.ends_on)
        return person_id

    def _store_qualified(self) -> int:
        """Store a provider whom every block of the rulebook's provider rule accepts."""
        number = len(self.person.providers) + 1
        person_id = self._add_person(number, QUALIFIED, DEGREES_RISING[-1], provides_rsc=True)
        since = self.person.endorsed - _LONG_AGO
        rule: ProviderRule | None = self.plan.provider_terms
        held: set[tuple[str, str]] = set()
        vetted: set[str] = set()
        for accepted in rule.accepts if rule else ():
            associations = accepted.associations or (self.plan.association,)
            held.update((a, c) for a in associations for c in accepted.categories)
            vetted.update(associations if accepted.vetted else ())
        for association, category in sorted(held):
            days: dict[str, Any] = {"person_id": person_id, "starts_on": since}
            self.session.add(Endorsement(association=association, category=category, **days))
        for association in sorted(vetted):
            self._add_vetting(person_id, association, since, None)
        return person_id

    def _add_person(self, number: int, name: str, degree: str, *, provides_rsc: bool) -> int:
        row = Person(
            email=f"person-{number}@example.org",
            name=name,
            highest_degree=degree,
            provides_rsc=provides_rsc,
        )
        self.session.add(row)
        self.session.flush()
        return row.id

    def _add_endorsement(
        self, person_id: int, category: str, association: str | None, days: MadeUpPeriod
    ) -> None:
        row = Endorsement(
            person_id=person_id,
            association=association or self.plan.association,
            category=category,
            starts_on=days.starts_on,
            ends_on=days.ends_on,
        )
        self.session.add(row)

    def _add_vetting(
        self, person_id: int, association: str | None, starts_on: date, ends_on: date | None
    ) -> None:
        days: dict[str, Any] = {"starts_on": starts_on, "ends_on": ends_on}
        by = association or self.plan.association
        self.session.add(Vetting(person_id=person_id, association=by, **days))

    def _find_organization(self) -> str:
        rule = self.plan.membership_rule
        accepted = self.rulebooks.accepted_organizations(rule) if rule else ()
        if self.plan.association in accepted or not accepted:
            return self.plan.association
        return accepted[0]


def _to_columns(period: MadeUpPeriod) -> dict[str, Any]:
    return {"starts_on": period.starts_on, "ends_on": period.ends_on}


def _list_not_counted(
    session: Session, standing: Standing, as_of: date
) -> Iterator[tuple[LoggedEntry, Reason]]:
    providers = load_providers(session)
    for entry in reversed(list_entries(session, standing.facts.person_id, date.min, date.max)):
        verdict = explain(entry, standing.plan, providers.get(entry.provider_id or 0), as_of)
        if verdict.reason and not verdict.counts:
            yield entry, verdict.reason


def _list_reminders(
    config: NoticeConfig,
    judge: Callable[[date], Standing | None],
    days: set[date],
) -> tuple[tuple[date, Decision], ...]:
    """What the nightly run would send on ``days``, if it had sent nothing before."""
    sent, decided = [], dict[Key, date]()
    for day in sorted(days):
        then = judge(day)
        if then is None or then.plan.cycle is None:
            continue
        for decision in decide(config, then, (), decided, day):
            decided[decision.key] = then.plan.cycle.starts_on
            if decision.skipped is None:
                sent.append((day, decision))
    return tuple(sent)


def _list_notice_days(
    config: NoticeConfig, standing: Standing, cycle: Cycle, as_of: date
) -> set[date]:
    """The days, not before ``as_of``, on which a notice can fall due."""
    due_on = standing.due_on or cycle.due_on
    days = {as_of, cycle.grace_ends_on(due_on) + _DAY}
    days.update(due_on + step * _DAY for step in config.renewal.steps)
    until = standing.covered_until or last_membership(standing, as_of)
    if until is not None and not lasts_for_life(until):
        days.update(until + step * _DAY for step in config.membership.steps)
    return {day for day in days if day >= as_of}
