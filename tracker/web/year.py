"""A person's year: every renewal with its words, what lies ahead, and each logged entry."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import Connection

from tracker.records.applicants import standings_of
from tracker.records.applications import Applied
from tracker.records.endorsees import Endorsed, last_entry_id, spans_of
from tracker.records.entries import entries_of
from tracker.records.evaluation import DayOf, days_at, judge_current
from tracker.records.facts import make_id_table
from tracker.records.providers import load_providers
from tracker.rulebooks import Rulebooks
from tracker.rules.explain import LoggedEntry, Verdict, explain
from tracker.rules.providers import Provider, say_day
from tracker.rules.standing import Standing, Status
from tracker.web.ahead import Coming, Sessions, coming_up
from tracker.web.entry_words import EntryRow, Judged, entry_row, within_application
from tracker.web.renewal_words import Row, requirement_rows, say_effect, say_headline, say_lead
from tracker.web.words import say_cycle

_WORST_FIRST = (
    Status.LAPSED,
    Status.OVERDUE,
    Status.OPEN,
    Status.EXCUSED,
    Status.MET,
    Status.NO_RULES,
)
_TO_SETTLE = {Status.LAPSED, Status.OVERDUE}


@dataclass(frozen=True, slots=True)
class RenewalView:
    """One endorsement in one cycle, in words."""

    association: str
    category: str
    category_name: str
    cycle: str
    due_words: str
    status: str
    headline: str
    lead: str
    effect: str
    asks: str
    rows: Sequence[Row]
    coming: Sequence[Coming]


@dataclass(frozen=True, slots=True)
class YearView:
    """What My year shows. ``entries`` fall in a cycle shown, ``earlier`` in none of them.

    Where there is no renewal, but an application, all of them can count: none is ``earlier``.
    """

    renewals: Sequence[RenewalView]
    entries: Sequence[EntryRow]
    earlier: Sequence[EntryRow]
    others: Sequence[str]
    logged_in: str
    last_entry_id: int | None


@dataclass(slots=True)
class _Material:
    """All that a page is made of, read in one transaction."""

    books: Rulebooks
    day_of: DayOf
    standings: list[Standing]
    applied: list[Standing]
    entries: list[LoggedEntry]
    providers: dict[int, Provider]
    sessions: dict[int, Sessions] = field(default_factory=dict)

    def verdict(self, entry: LoggedEntry, standing: Standing) -> Verdict:
        plan = standing.plan
        rule = self.books.provider_rules[plan.provider_rule][1] if plan.provider_rule else None
        provider = self.providers.get(entry.provider_id) if entry.provider_id else None
        verdict = explain(entry, plan, rule, provider, self.day_of(plan.association))
        return within_application(standing, entry, verdict)


def read_year(
    connection: Connection,
    books: Rulebooks,
    person_id: int,
    endorsements: Sequence[Endorsed],
    at: datetime,
    applications: Sequence[Applied] = (),
) -> YearView:
    """A person's year at an instant, as far as ``endorsements`` (their own) go.

    Entries are also judged for ``applications``: the person's own, those that are decided aside.
    """
    day_of = days_at(books, at)
    standings = read_standings(connection, books, [e.id for e in endorsements], at)
    applied = standings_of(connection, books, day_of, [a.id for a in applications])
    entries = entries_of(connection, person_id, date.min, date.max)
    named = {e.provider_id for e in entries if e.provider_id}
    providers = load_providers(connection, named)
    material = _Material(books, day_of, standings, [*applied.values()], entries, providers)
    for number, standing in enumerate(standings):
        material.sessions[number] = _sessions(connection, material, standing)
    return _view(material, endorsements, last_entry_id(connection, person_id))


def read_standings(
    connection: Connection, books: Rulebooks, endorsement_ids: Collection[int], at: datetime
) -> list[Standing]:
    """The standings to show, worst first: the current cycle's, and the one before if unsettled."""
    make_id_table(connection, "shown", endorsement_ids)
    day_of = days_at(books, at)
    found = [
        standing
        for standing in judge_current(connection, books, day_of, only="shown")
        if _is_shown(standing, day_of(standing.plan.association))
    ]
    return sorted(found, key=lambda s: (_WORST_FIRST.index(s.status), s.due_on or date.max))


def _is_shown(standing: Standing, today: date) -> bool:
    cycle = standing.plan.cycle
    if cycle is None or cycle.ends_on >= today or standing.status in _TO_SETTLE:
        return True
    # A cycle that is over but not yet due still wants its hours.
    return standing.status is Status.OPEN


def _sessions(connection: Connection, material: _Material, standing: Standing) -> Sessions:
    counted: Counter[int] = Counter()
    used: dict[int, Provider] = {}
    for entry in material.entries:
        if entry.provider_id is None or not _falls_in(entry.held_on, standing):
            continue
        used[entry.provider_id] = material.providers[entry.provider_id]
        if material.verdict(entry, standing).counts:
            counted[entry.provider_id] += entry.minutes
    rule = standing.plan.provider_rule
    return Sessions(used, spans_of(connection, rule, used) if rule else {}, counted)


def _falls_in(day: date, standing: Standing) -> bool:
    cycle = standing.plan.cycle
    return cycle is not None and cycle.starts_on <= day <= cycle.ends_on


def _view(
    material: _Material, endorsements: Sequence[Endorsed], last_entry: int | None
) -> YearView:
    standings = material.standings
    here: list[EntryRow] = []
    earlier: list[EntryRow] = []
    for entry in material.entries:
        row = entry_row(entry, material.providers, _judged(material, entry))
        judging = standings or material.applied
        is_here = any(s.plan.cycle is None or _falls_in(entry.held_on, s) for s in judging)
        (here if is_here else earlier).append(row)
    cycles = {say_cycle(s.plan.cycle) for s in standings if s.plan.cycle}
    return YearView(
        renewals=[_renewal(material, number) for number in range(len(standings))],
        entries=here,
        earlier=earlier,
        others=[*_others(material, endorsements)],
        logged_in=f"Logged in {cycles.pop()}" if len(cycles) == 1 else "Logged",
        last_entry_id=last_entry,
    )


def _judged(material: _Material, entry: LoggedEntry) -> list[Judged]:
    """One verdict for each endorsement: by the cycle that the entry falls in, if one is shown.

    And one for each application.
    """
    chosen: dict[int, Standing] = {}
    for standing in material.standings:
        key = standing.facts.subject_id
        if key not in chosen or _falls_in(entry.held_on, standing):
            chosen[key] = standing
    judging = [*chosen.values(), *material.applied]
    return [Judged(standing, material.verdict(entry, standing)) for standing in judging]


def _renewal(material: _Material, number: int) -> RenewalView:
    standing = material.standings[number]
    plan, today = standing.plan, material.day_of(standing.plan.association)
    known = material.books.associations[plan.association].categories.get(plan.category)
    coming = coming_up(standing, material.books, today, material.sessions[number])
    return RenewalView(
        association=plan.association,
        category=plan.category,
        category_name=known.name if known else plan.category,
        cycle=say_cycle(plan.cycle) if plan.cycle else "",
        due_words=_due_words(standing),
        status=standing.status.value,
        headline=say_headline(standing),
        lead=say_lead(standing, today),
        effect=say_effect(standing),
        asks=_asks(standing, today),
        rows=requirement_rows(standing, today),
        coming=coming,
    )


def _asks(standing: Standing, today: date) -> str:
    cycle = standing.plan.cycle
    if cycle is None or cycle.ends_on < today:
        return f"What {say_cycle(cycle)} asked for" if cycle else ""
    named = say_cycle(cycle) == str(cycle.ends_on.year)
    return f"What this {'year' if named else 'cycle'} asks for"


def _due_words(standing: Standing) -> str:
    """The due date, without a year that the cycle's name has just said; empty without one."""
    cycle, due_on = standing.plan.cycle, standing.due_on
    if cycle is None or due_on is None:
        return ""
    return f"{due_on.day} {due_on:%B}" if say_cycle(cycle) == str(due_on.year) else say_day(due_on)


def _others(material: _Material, endorsements: Sequence[Endorsed]) -> Iterable[str]:
    """A word on each endorsement that has no renewal to show."""
    shown = {s.facts.subject_id for s in material.standings}
    for one in endorsements:
        if one.id in shown:
            continue
        name = f"{one.association} {one.category}"
        if one.association not in material.books.associations:
            yield f"{name}: there is no rulebook for this association."
        elif one.starts_on > material.day_of(one.association):
            yield f"{name}: begins on {say_day(one.starts_on)}."
        elif one.ends_on is not None:
            tense = "ended" if one.ends_on < material.day_of(one.association) else "ends"
            yield f"{name}: {tense} on {say_day(one.ends_on)}, so nothing is left to renew."
        else:
            yield f"{name}: the rulebook knows no renewal cycle for today."
