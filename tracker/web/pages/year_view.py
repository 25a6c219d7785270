"""A person's year in words: every renewal, what lies ahead, and each logged entry."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlmodel import Session

from tracker.db.applications import Application
from tracker.formatting import format_date
from tracker.rulebooks import Rulebooks
from tracker.rules.explain import LoggedEntry
from tracker.rules.standing import Status
from tracker.services.coordinator_access import access_windows, sees_entry
from tracker.services.endorsements import Endorsed
from tracker.services.entries import find_entry
from tracker.services.evaluation import days_at
from tracker.web.pages.entry_view import EntryRow, entry_row
from tracker.web.pages.renewal_view import CycleLink, RenewalView, cycle_links, view_renewal
from tracker.web.pages.verdicts import judge_entry
from tracker.web.pages.year_data import (
    Material,
    cycles_of,
    holds,
    read_cycle,
    read_for_entry,
    read_material,
)
from tracker.web.text import format_cycle, format_when_closed


@dataclass(frozen=True, slots=True)
class Other:
    """A word on an endorsement that has no renewal to show, and its cycles, newest first."""

    name: str
    says: str
    cycles: Sequence[CycleLink]


@dataclass(frozen=True, slots=True)
class YearView:
    """What My year shows. ``entries`` fall in a cycle shown, ``outside`` in no cycle at all.

    Those of earlier cycles stand on their cycles' pages. Where there is no renewal, but an
    application, all entries can count: they are ``entries``. ``nothing`` says that there are none;
    ``has_logged``: there are some, if elsewhere.
    """

    renewals: Sequence[RenewalView]
    entries: Sequence[EntryRow]
    outside: Sequence[EntryRow]
    others: Sequence[Other]
    logged_in: str
    nothing: str
    has_logged: bool
    last_entry_id: int | None


@dataclass(frozen=True, slots=True)
class CycleView:
    """What the page of one cycle shows; ``closed`` says so, where nothing can change any more."""

    year: YearView
    name: str
    starts_on: date
    cycles: Sequence[CycleLink]
    closed: str


def read_year(
    session: Session,
    rulebooks: Rulebooks,
    person_id: int,
    endorsements: Sequence[Endorsed],
    at: datetime,
    applications: Sequence[Application] = (),
    *,
    own: bool = True,
) -> YearView:
    """A person's year at an instant, as far as ``endorsements`` go; ``own``: they read it.

    Coordinators read the entries that belong to their time (records/evidence/insight.py). Entries
    are also judged for ``applications``: the person's own, those that are decided aside.
    """
    material = read_material(session, rulebooks, person_id, endorsements, at, applications)
    if own:
        return _view(material)
    associations = {one.association for one in endorsements}
    sights = access_windows(session, person_id, associations)
    seen = [entry for entry in material.entries if sees_entry(sights, entry.held_on)]
    # A coordinator comes for what has lapsed, though its owner can do nothing about it.
    lapsed_first = sorted(material.standings, key=lambda s: s.status is not Status.LAPSED)
    return _view(replace(material, entries=seen, standings=lapsed_first, own=False))


def read_entry(
    session: Session, rulebooks: Rulebooks, person_id: int, entry_id: int, at: datetime
) -> EntryRow | None:
    """One entry of a person's own and why it counts, or not; None where it is not theirs."""
    entry = find_entry(session, person_id, entry_id)
    return view_entry(session, rulebooks, entry, at) if entry else None


def view_entry(
    session: Session, rulebooks: Rulebooks, entry: LoggedEntry, at: datetime
) -> EntryRow:
    """An entry of a person's, stored or not, and why it counts, or would, or not."""
    return _view_entry(read_for_entry(session, rulebooks, entry, at), entry)


def read_earlier(
    session: Session,
    rulebooks: Rulebooks,
    one: Endorsed,
    starts_on: date,
    at: datetime,
    *,
    own: bool = True,
) -> CycleView | None:
    """The cycle of an endorsement that starts on a day, judged anew; None where there is none."""
    if one.association not in rulebooks.associations:
        return None
    today = days_at(rulebooks, at)(one.association)
    cycle = next((c for c in cycles_of(rulebooks, one, today) if c.starts_on == starts_on), None)
    if cycle is None:
        return None
    material = replace(read_cycle(session, rulebooks, one, cycle, at), own=own)
    is_closed = material.closing.closed(cycle.ends_on) is not None
    cycle_of_it = material.closing.cycle_of(one, cycle.ends_on)
    return CycleView(
        year=_view(material),
        name=format_cycle(cycle),
        starts_on=starts_on,
        cycles=cycle_links(material, one.id),
        closed=format_when_closed(cycle_of_it) if is_closed and cycle_of_it else "",
    )


def _view_entry(material: Material, entry: LoggedEntry) -> EntryRow:
    """One entry with what each endorsement, and each application, makes of it."""
    closed = material.closing.closed(entry.held_on)
    judged = judge_entry(material, entry)
    files = material.files.get(entry.id, ())
    return entry_row(entry, material.providers, judged, closed, files)


def _view(material: Material) -> YearView:
    here, outside = [], []
    for entry in material.entries:
        if _is_here(material, entry):
            here.append(_view_entry(material, entry))
        elif not _is_earlier(material, entry):
            outside.append(_view_entry(material, entry))
    cycles = {format_cycle(s.plan.cycle) for s in material.standings if s.plan.cycle}
    if any(_is_ahead(material, entry) for entry in material.entries[:1]):
        cycles = set()
    if material.asked_for:
        cycles = {format_cycle(material.asked_for)}
    name = cycles.pop() if len(cycles) == 1 else ""
    return YearView(
        renewals=[view_renewal(material, standing) for standing in material.standings],
        entries=here,
        outside=outside,
        others=[*_others(material)],
        logged_in=f"Logged in {name}" if name else "Logged",
        nothing=f"Nothing is logged in {name}" if name else "Nothing is logged",
        has_logged=bool(material.entries),
        last_entry_id=material.last_entry_id,
    )


def _is_here(material: Material, entry: LoggedEntry) -> bool:
    """Whether an entry falls in a cycle shown; where only an application is shown, all can count.

    Where there is neither, nothing else would show them.
    """
    if material.asked_for is not None:
        return True
    if _is_ahead(material, entry):
        return True
    standings = material.standings
    return not standings or any(s.plan.cycle is None or holds(s, entry.held_on) for s in standings)


def _is_ahead(material: Material, entry: LoggedEntry) -> bool:
    """Whether an entry's day has not come at the association yet: the writer's zone is ahead.

    It belongs to the cycle in hand, or to the next one, whose first day is about to begin.
    """
    standings = (s for s in material.standings if s.plan.cycle)
    return any(entry.held_on > material.day_of(s.plan.association) for s in standings)


def _is_earlier(material: Material, entry: LoggedEntry) -> bool:
    """Whether the page of an earlier cycle shows an entry."""
    return any(
        cycle.starts_on <= entry.held_on <= cycle.ends_on
        for cycles in material.cycles.values()
        for cycle in cycles
    )


def _others(material: Material) -> Iterator[Other]:
    """A word on each endorsement that has no renewal to show."""
    shown = {s.facts.subject_id for s in material.standings}
    for one in material.endorsements:
        if one.id not in shown:
            name = f"{one.association} {one.category}"
            says = f"{name}: {_why_none(material, one)}"
            yield Other(name, says, cycle_links(material, one.id))


def _why_none(material: Material, one: Endorsed) -> str:
    if one.association not in material.rulebooks.associations:
        return "there is no rulebook for this association."
    today = material.day_of(one.association)
    if one.starts_on > today:
        return f"begins on {format_date(one.starts_on)}."
    if one.ends_on is not None:
        tense = "ended" if one.ends_on < today else "ends"
        return f"{tense} on {format_date(one.ends_on)}, so nothing is left to renew."
    return "the rulebook knows no renewal cycle for today."
