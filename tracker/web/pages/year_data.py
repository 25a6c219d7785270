"""All that a year's page is made of, read in one place: a handful of queries, however long."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlmodel import Session

from tracker.db.applications import Application
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import Cycle, cycles_until
from tracker.rules.explain import LoggedEntry
from tracker.rules.providers import Provider
from tracker.rules.standing import ApplicationStanding, Standing, Status
from tracker.services.applications import get_application_standings, list_undecided_applications
from tracker.services.cycle_locks import CycleLocks, read_cycle_locks, read_cycle_locks_of
from tracker.services.endorsements import Endorsed, endorsements_of
from tracker.services.entries import list_entries
from tracker.services.evaluation import DayOf, days_at, judge_all, judge_current
from tracker.services.evidence import File, files_of_entries
from tracker.services.facts import Few
from tracker.services.rsc_providers import load_providers

# What can still be put right, then today's cycle.
_IN_HAND = (Status.OVERDUE, Status.OPEN, Status.EXCUSED, Status.MET, Status.NO_RULES)
_TO_SETTLE = {Status.LAPSED, Status.OVERDUE}


@dataclass(frozen=True, slots=True)
class Material:
    """What was read. ``standings`` are those to show, ``applied`` those of applications.

    ``entries`` are newest first, ``files`` (by entry) prove them; ``providers`` are those whom
    they name. ``cycles`` are those of each endorsement that a page shows, newest first;
    ``asked_for`` is the one earlier cycle that was asked for, None for My year. ``own``: whose
    year it is reads it. ``aside`` are standings which the page does not show, and by which it says
    what is asked.
    """

    rulebooks: Rulebooks
    day_of: DayOf
    endorsements: Sequence[Endorsed]
    standings: Sequence[Standing]
    applied: Sequence[ApplicationStanding]
    entries: Sequence[LoggedEntry]
    files: Mapping[int, Sequence[File]]
    providers: dict[int, Provider]
    closing: CycleLocks
    cycles: Mapping[int, Sequence[Cycle]]
    last_entry_id: int | None
    asked_for: Cycle | None = None
    own: bool = True
    aside: Sequence[Standing] = ()

    def standing_on(self, endorsement_id: int, day: date) -> Standing | None:
        """The standing shown of an endorsement whose cycle holds ``day``, if there is one."""
        return _of(self.standings, endorsement_id, day)

    def standing_aside(self, endorsement_id: int, day: date) -> Standing | None:
        """The same of those that are not shown."""
        return _of(self.aside, endorsement_id, day)


def _of(standings: Sequence[Standing], endorsement_id: int, day: date) -> Standing | None:
    return next(
        (s for s in standings if s.facts.subject_id == endorsement_id and holds(s, day)), None
    )


def holds(standing: Standing, day: date) -> bool:
    """Whether a standing's cycle holds ``day``."""
    cycle = standing.plan.cycle
    return cycle is not None and cycle.starts_on <= day <= cycle.ends_on


def cycles_of(rulebooks: Rulebooks, one: Endorsed, day: date) -> list[Cycle]:
    """The cycles in which an endorsement had, or has, a renewal: from that of ``day`` back."""
    plan = rulebooks.plan(one.association, one.category, one.starts_on, day)
    if plan is None or plan.cycle is None:
        return []
    found = cycles_until(rulebooks.associations[one.association].cycles, one.starts_on, day)
    return [c for c in found if one.ends_on is None or c.due_on <= one.ends_on]


def read_material(
    session: Session,
    rulebooks: Rulebooks,
    person_id: int,
    endorsements: Sequence[Endorsed],
    at: datetime,
    applications: Sequence[Application],
) -> Material:
    """All of a person's year at an instant, as far as ``endorsements`` (their own) go."""
    day_of = days_at(rulebooks, at)
    standings = read_standings(session, rulebooks, endorsements, at)
    applied = get_application_standings(session, rulebooks, day_of, [a.id for a in applications])
    entries = list_entries(session, person_id, date.min, date.max)
    applies = any(not a.is_decided for a in applications)
    return Material(
        rulebooks=rulebooks,
        day_of=day_of,
        endorsements=endorsements,
        standings=standings,
        applied=[*applied.values()],
        entries=entries,
        files=files_of_entries(session, person_id),
        providers=_providers(session, entries),
        closing=read_cycle_locks(session, rulebooks, at, endorsements, applies=applies),
        cycles=_cycles(rulebooks, endorsements, day_of),
        last_entry_id=max((entry.id for entry in entries), default=None),
    )


def read_cycle(
    session: Session, rulebooks: Rulebooks, one: Endorsed, cycle: Cycle, at: datetime
) -> Material:
    """One cycle of one endorsement, judged anew by its own rules, and what was logged in it."""
    day_of = days_at(rulebooks, at)
    found = judge_all(session, rulebooks, day_of, cycle_day=cycle.starts_on, only=_few([one]))
    standings = list(found)
    entries = list_entries(session, one.person_id, cycle.starts_on, cycle.ends_on)
    return Material(
        rulebooks=rulebooks,
        day_of=day_of,
        endorsements=[one],
        standings=standings,
        applied=(),
        entries=entries,
        files=files_of_entries(session, one.person_id),
        providers=_providers(session, entries),
        closing=read_cycle_locks_of(session, rulebooks, one.person_id, at),
        cycles=_cycles(rulebooks, [one], day_of),
        last_entry_id=None,
        asked_for=cycle,
    )


def read_for_entry(
    session: Session, rulebooks: Rulebooks, entry: LoggedEntry, at: datetime
) -> Material:
    """What it takes to say of one entry of a person's, stored or not, why it counts."""
    day_of = days_at(rulebooks, at)
    endorsements = endorsements_of(session, entry.person_id)
    undecided = list_undecided_applications(session, entry.person_id)
    return Material(
        rulebooks=rulebooks,
        day_of=day_of,
        endorsements=endorsements,
        standings=(),
        applied=[
            *get_application_standings(
                session, rulebooks, day_of, [a.id for a in undecided]
            ).values()
        ],
        entries=[entry],
        files=files_of_entries(session, entry.person_id, entry.id),
        providers=_providers(session, [entry]),
        closing=read_cycle_locks(session, rulebooks, at, endorsements, applies=bool(undecided)),
        cycles={},
        last_entry_id=None,
        aside=_judged_for(session, rulebooks, day_of, endorsements, entry.held_on),
    )


def _judged_for(
    session: Session,
    rulebooks: Rulebooks,
    day_of: DayOf,
    endorsements: Sequence[Endorsed],
    day: date,
) -> list[Standing]:
    """How each endorsement stands in the cycle that holds a day."""
    only = _few(endorsements)
    return list(judge_all(session, rulebooks, day_of, cycle_day=day, only=only)) if only else []


def read_standings(
    session: Session, rulebooks: Rulebooks, endorsements: Collection[Endorsed], at: datetime
) -> list[Standing]:
    """Those to show: the current cycle's standings, and the one before's while something is up.

    What can be done comes first: nobody can log hours for a cycle that has lapsed, and one that
    was finished in its days of grace is shown only to say so.
    """
    if not endorsements:
        return []
    day_of = days_at(rulebooks, at)
    found = [
        standing
        for standing in judge_current(session, rulebooks, day_of, only=_few(endorsements))
        if _is_shown(standing, day_of(standing.plan.association))
    ]
    return sorted(found, key=lambda s: _order(s, day_of(s.plan.association)))


def _few(endorsements: Collection[Endorsed]) -> Few:
    return {one.id: one.triple for one in endorsements}


def _cycles(
    rulebooks: Rulebooks, endorsements: Sequence[Endorsed], day_of: DayOf
) -> dict[int, list[Cycle]]:
    known = [one for one in endorsements if one.association in rulebooks.associations]
    return {one.id: cycles_of(rulebooks, one, day_of(one.association)) for one in known}


def _providers(session: Session, entries: Sequence[LoggedEntry]) -> dict[int, Provider]:
    named = {e.provider_id for e in entries if e.provider_id}
    return load_providers(session, named) if named else {}


def _is_shown(standing: Standing, today: date) -> bool:
    cycle = standing.plan.cycle
    if cycle is None or cycle.ends_on >= today or standing.status in _TO_SETTLE:
        return True
    if standing.status is Status.MET and standing.due_on is not None:
        # Whoever finished it late is told so, as long as they could have.
        return cycle.grace_ends_on(standing.due_on) >= today
    # A cycle that is over but not yet due still wants its hours.
    return standing.status is Status.OPEN


def _order(standing: Standing, today: date) -> tuple[int, int, date]:
    """By what there is to do: in hand, lapsed, done with; each by what it wants, and by when."""
    cycle, status = standing.plan.cycle, standing.status
    due_on = standing.due_on or date.max
    if status is Status.LAPSED:
        return 1, 0, due_on
    is_done_with = status is Status.MET and cycle is not None and cycle.ends_on < today
    return 2 if is_done_with else 0, _IN_HAND.index(status), due_on
