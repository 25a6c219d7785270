"""Reads everything that the pages of a year show, in a handful of queries."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from sqlmodel import Session

from tracker.db.applications import Application
from tracker.db.submissions import Submission
from tracker.rulebooks import Rulebooks
from tracker.rules.caps import limit_by_caps
from tracker.rules.cycles import Cycle, cycles_until
from tracker.rules.explain import LoggedEntry, Verdict, explain
from tracker.rules.plan import Plan
from tracker.rules.providers import Provider
from tracker.rules.renewal import is_before_records
from tracker.rules.standing import ApplicationStanding, Standing, Status
from tracker.services.applications import get_application_standings, list_undecided_applications
from tracker.services.declined_providers import DeclinedNames, load_declined_for
from tracker.services.endorsements import (
    CycleLocks,
    Endorsed,
    Own,
    load_person_locks,
    own_of,
)
from tracker.services.entries import list_entries
from tracker.services.evaluation import DayOf, judge_all, judge_current
from tracker.services.evidence import EntryFile, list_entry_files
from tracker.services.first_days import list_first_days
from tracker.services.payment_facts import Payments, read_payments
from tracker.services.rsc_providers import load_providers
from tracker.services.stages import WayRecords, read_ways
from tracker.services.submissions import list_last_submissions
from tracker.web.page_request import PageRequest

# The order in which renewals that can still be met are shown.
_UNSETTLED_FIRST = (Status.OVERDUE, Status.OPEN, Status.EXCUSED, Status.MET, Status.NO_RULES)


@dataclass(frozen=True, slots=True)
class YearData:
    """What the database and the rules know about one person's year.

    ``standings`` are those that the page shows, ``other_standings`` those that it only needs to
    explain entries. ``entries`` are newest first; ``files`` prove them, by entry. ``is_own``:
    the person reads the page, not a coordinator. ``first_days`` are the associations' first days in
    this system. ``submissions`` are the last ones of renewals, by endorsement and first day of the
    cycle, ``ways`` what their stages follow from besides (None: no such renewal), ``payments`` what
    was paid of their fees by the same. ``declined`` are the provider names
    that associations declined. Caps also count ``other_entries``; ``limited`` keeps what they came
    to, by entry.
    """

    rulebooks: Rulebooks
    day_of: DayOf
    endorsements: Sequence[Endorsed]
    entries: Sequence[LoggedEntry]
    files: Mapping[int, Sequence[EntryFile]]
    providers: Mapping[int, Provider]
    locks: CycleLocks
    standings: Sequence[Standing] = ()
    other_standings: Sequence[Standing] = ()
    application_standings: Collection[ApplicationStanding] = ()
    is_own: bool = True
    first_days: Mapping[str, date] = field(default_factory=dict)
    submissions: Mapping[tuple[int, date], Submission] = field(default_factory=dict)
    payments: Payments = field(default_factory=dict)
    ways: WayRecords | None = None
    declined: DeclinedNames = DeclinedNames({})  # noqa: RUF009 - nothing changes it
    other_entries: Sequence[LoggedEntry] = ()
    limited: dict[Plan, dict[int, Verdict]] = field(default_factory=dict)

    def has_records(self, endorsement: Endorsed, cycle: Cycle) -> bool:
        """Whether the renewal of a cycle was due on the association's first day here, or later."""
        due_on = self.locks.own.extended.get((endorsement.id, cycle.starts_on), cycle.due_on)
        return not is_before_records(self.first_days.get(endorsement.association), due_on)

    def provider_of(self, entry: LoggedEntry) -> Provider | None:
        """The RSC provider of an entry, if it names one that the database knows."""
        return self.providers.get(entry.provider_id) if entry.provider_id else None

    def is_final(self, standing: Standing | None) -> bool:
        """Whether it is settled, and so its entries are not judged again for their person."""
        return standing is not None and standing.settled_on is not None and self.is_own

    def explain(self, plan: Plan, entry: LoggedEntry) -> Verdict:
        """Whether an entry counts under a plan, and toward what."""
        if not plan.has_caps:
            return self._explain_alone(plan, entry)
        if plan not in self.limited:
            every = {each.id: each for each in (*self.other_entries, *self.entries)}
            explained = [(each, self._explain_alone(plan, each)) for each in every.values()]
            limited = limit_by_caps(plan, explained)
            self.limited[plan] = {each.id: verdict for each, verdict in limited}
        return self.limited[plan].get(entry.id) or self._explain_alone(plan, entry)

    def _explain_alone(self, plan: Plan, entry: LoggedEntry) -> Verdict:
        """The verdict on an entry, without the caps that limit it together with others."""
        today = self.day_of(plan.association)
        declined = self.declined.reason(plan.association, entry.provider_name)
        verdict = explain(entry, plan, self.provider_of(entry), today, declined)
        # Requirements for RSC providers alone are not what other people's hours count toward.
        not_asked = self._list_not_asked(plan)
        others = tuple(i for i in verdict.requirement_ids if i not in not_asked)
        return verdict._replace(requirement_ids=others) if others else verdict

    def _list_not_asked(self, plan: Plan) -> set[str]:
        """The requirements for RSC providers, or for people who return, that are not asked here."""
        standings = (*self.standings, *self.other_standings)
        provides_rsc = any(standing.facts.provides_rsc for standing in standings)
        asked = {r.requirement.id for s in standings if s.plan is plan for r in s.results}
        not_asked = set()
        for requirement in plan.requirements:
            is_for_return = requirement.returns_from and requirement.id not in asked
            if is_for_return or (requirement.only_rsc_providers and not provides_rsc):
                not_asked.add(requirement.id)
        return not_asked


def find_standing(standings: Iterable[Standing], endorsement_id: int, day: date) -> Standing | None:
    """The standing of an endorsement in the cycle that contains ``day``."""
    for standing in standings:
        if standing.facts.subject_id == endorsement_id and contains(standing, day):
            return standing
    return None


def contains(standing: Standing, day: date) -> bool:
    """Whether hours held on ``day`` are those of a standing's cycle."""
    cycle = standing.plan.cycle
    return cycle is not None and cycle.counts_from <= day <= cycle.ends_on


def list_cycles(rulebooks: Rulebooks, day_of: DayOf, endorsement: Endorsed) -> list[Cycle]:
    """The cycles in which an endorsement has or had a renewal, newest first."""
    rulebook = rulebooks.associations.get(endorsement.association)
    if rulebook is None:
        return []
    today = day_of(rulebook.id)
    plan = rulebooks.plan(*endorsement.triple, today)
    if plan is None or plan.cycle is None:
        return []
    last = endorsement.ends_on or date.max
    cycles = cycles_until(rulebook.cycles, endorsement.starts_on, today)
    return [cycle for cycle in cycles if cycle.due_on <= last]


def read_year_data(
    session: Session,
    page: PageRequest,
    person_id: int,
    own: Own,
    applications: Sequence[Application],
) -> YearData:
    """All entries of a person, judged for what they hold and for applications of theirs."""
    rulebooks, day_of = page.rulebooks, page.day_of
    entries = list_entries(session, person_id, date.min, date.max)
    undecided = [application.id for application in applications if not application.is_decided]
    applying = get_application_standings(session, rulebooks, day_of, undecided)
    standings = read_standings(session, page, own.endorsements)
    return YearData(
        rulebooks,
        day_of,
        own.endorsements,
        entries,
        list_entry_files(session, person_id),
        _read_providers(session, entries),
        CycleLocks(rulebooks, day_of, own, applies=bool(undecided)),
        standings=standings,
        submissions=_read_submissions(session, standings),
        ways=_read_ways(session, rulebooks, standings),
        payments=_read_payments(session, standings),
        application_standings=applying.values(),
        first_days=list_first_days(session),
        declined=load_declined_for(session, entries),
    )


def read_cycle_data(
    session: Session, page: PageRequest, endorsement: Endorsed, cycle: Cycle
) -> YearData:
    """One cycle of an endorsement, judged by its own rules, and the entries in it."""
    rulebooks, day_of, person_id = page.rulebooks, page.day_of, endorsement.person_id
    entries = list_entries(session, person_id, cycle.counts_from, cycle.ends_on)
    judged = list(
        judge_all(
            session, rulebooks, day_of, cycle_day=cycle.starts_on, endorsement_ids=[endorsement.id]
        )
    )
    return YearData(
        rulebooks,
        day_of,
        [endorsement],
        entries,
        list_entry_files(session, person_id),
        _read_providers(session, entries),
        load_person_locks(session, rulebooks, person_id, page.now),
        standings=judged,
        submissions=_read_submissions(session, judged),
        ways=_read_ways(session, rulebooks, judged),
        payments=_read_payments(session, judged),
        first_days=list_first_days(session),
        declined=load_declined_for(session, entries),
    )


def _read_submissions(
    session: Session, standings: Iterable[Standing]
) -> Mapping[tuple[int, date], Submission]:
    ids = {s.facts.subject_id for s in standings if s.plan.is_submitted}
    return list_last_submissions(session, ids) if ids else {}


def _read_ways(session: Session, rulebooks: Rulebooks, standings: Iterable[Standing]) -> WayRecords:
    """What stages follow from; of renewals that nobody submits, the standing says all of it."""
    ids = {s.facts.subject_id for s in standings if s.plan.is_submitted}
    return read_ways(session, rulebooks, endorsement_ids=ids)


def _read_payments(session: Session, standings: Iterable[Standing]) -> Payments:
    ids = {s.facts.subject_id for s in standings if s.plan.fees}
    return read_payments(session, sorted(ids)) if ids else {}


def read_entry_data(session: Session, page: PageRequest, entry: LoggedEntry) -> YearData:
    """What explains whether one entry, stored or not, counts for its person."""
    rulebooks, day_of, person_id = page.rulebooks, page.day_of, entry.person_id
    own = own_of(session, person_id)
    undecided = [a.id for a in list_undecided_applications(session, person_id)]
    ids = [endorsement.id for endorsement in own.endorsements]
    judged = [*judge_all(session, rulebooks, day_of, cycle_day=entry.held_on, endorsement_ids=ids)]
    others = _list_other_entries(session, entry, judged)
    applying = get_application_standings(session, rulebooks, day_of, undecided)
    return YearData(
        rulebooks,
        day_of,
        own.endorsements,
        [entry],
        list_entry_files(session, person_id, entry.id),
        _read_providers(session, [entry, *others]),
        CycleLocks(rulebooks, day_of, own, applies=bool(undecided)),
        other_standings=judged,
        application_standings=applying.values(),
        first_days=list_first_days(session),
        declined=load_declined_for(session, [entry, *others]),
        other_entries=others,
    )


def _list_other_entries(
    session: Session, entry: LoggedEntry, standings: Iterable[Standing]
) -> list[LoggedEntry]:
    """The other entries of the cycles in which a cap limits them together with this one."""
    others: dict[int, LoggedEntry] = {}
    for standing in standings:
        cycle = standing.plan.cycle
        if standing.plan.has_caps and cycle is not None:
            found = list_entries(session, entry.person_id, cycle.starts_on, cycle.ends_on)
            others.update((each.id, each) for each in found if each.id != entry.id)
    return [*others.values()]


def read_standings(
    session: Session, page: PageRequest, endorsements: Collection[Endorsed]
) -> list[Standing]:
    """The standings to show: the current cycle, and the one before while it matters.

    What can still be done comes first, then what has lapsed, then what is done.
    """
    day_of = page.day_of
    ids = [endorsement.id for endorsement in endorsements]
    shown = []
    for standing in judge_current(session, page.rulebooks, day_of, endorsement_ids=ids):
        today = day_of(standing.plan.association)
        if _is_shown(standing, today):
            shown.append((_rank(standing, today), standing))
    return [standing for _, standing in sorted(shown, key=lambda ranked: ranked[0])]


def _read_providers(session: Session, entries: Sequence[LoggedEntry]) -> Mapping[int, Provider]:
    ids = {entry.provider_id for entry in entries if entry.provider_id}
    return load_providers(session, ids) if ids else {}


def _is_shown(standing: Standing, today: date) -> bool:
    cycle, status = standing.plan.cycle, standing.status
    if cycle is None or cycle.ends_on >= today:
        return True
    if status is Status.MET and standing.due_on is not None:
        # A person who finished late sees that, as long as they could have.
        return cycle.grace_ends_on(standing.due_on) >= today
    return status in {Status.LAPSED, Status.OVERDUE, Status.OPEN}


def _rank(standing: Standing, today: date) -> tuple[int, int, date]:
    cycle, status = standing.plan.cycle, standing.status
    due_on = standing.due_on or date.max
    if status is Status.LAPSED:
        return 1, 0, due_on
    is_done = status is Status.MET and cycle is not None and cycle.ends_on < today
    return 2 if is_done else 0, _UNSETTLED_FIRST.index(status), due_on
