"""The hours that the demo's endorsees have logged, as rows of entries.csv."""

import csv
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from functools import partial
from itertools import cycle
from pathlib import Path

from dateutil.relativedelta import relativedelta

from tracker.demo.applicants import applicants_tables
from tracker.demo.people import Cast, Endorsee, Provider, Role, Stories
from tracker.formatting import format_hours
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import Cycle
from tracker.rules.plan import Plan, PlannedRequirement

Row = dict[str, str]
_DAY = timedelta(days=1)
# Nobody logs more than this on one day, however little of the year has passed.
_A_DAY = 9 * 60
_SHIFTS = 24
_HALF_AN_HOUR = 30
# How long after its due date an extension is given to a cycle that is over.
_STILL_FRESH = timedelta(days=45)


def is_fresh(ended: Cycle, today: date) -> bool:
    """Whether a cycle is over for so short a time that it may still be extended."""
    return today <= ended.due_on + _STILL_FRESH


def entries_of(
    rulebooks: Rulebooks, stories: Stories, cast: Cast, endorsee: Endorsee, today: date
) -> Iterator[Row]:
    """The hours of the cycle before and of the current one, for the first endorsement."""
    association, category, starts_on = endorsee.endorsements[0]
    story = endorsee.story
    current = rulebooks.plan(association, category, starts_on, today)
    if not current or not current.cycle:
        return
    before = rulebooks.plan(association, category, starts_on, current.cycle.starts_on - _DAY)
    passed = (today - current.cycle.starts_on).days + 1
    whole = (current.cycle.ends_on - current.cycle.starts_on).days + 1
    if before and before.cycle and before.cycle.share:
        fresh = is_fresh(before.cycle, today)
        share = story.last_cycle if fresh or not story.extended else 1.0
        # Whoever does not count now was no trouble then.
        role: Role = "ending" if story.provider == "ending" else "qualified"
        seen = partial(_seen, rulebooks, cast, endorsee, before, role)
        until, topics = before.cycle.ends_on, story.topics or not fresh
        yield from _hours(stories, endorsee, before, share, until, seen, topics=topics)
    spread = _own_number(endorsee)
    if story.share == "pace":
        share, last = min(passed / whole * (1.04 + spread / 2000), 1.0), today
    else:
        # Who has done everything has done so some time ago.
        share, last = story.share, today - int(passed * spread / 600) * _DAY
    seen = partial(_seen, rulebooks, cast, endorsee, current, story.provider)
    yield from _hours(stories, endorsee, current, share, last, seen, topics=story.topics)


def _own_number(endorsee: Endorsee) -> int:
    """From 0 to 96, each person's own: not everyone does the same on the same days."""
    return int.from_bytes(endorsee.email.encode()) % 97


def _hours(
    stories: Stories,
    endorsee: Endorsee,
    plan: Plan,
    share: float,
    last: date,
    seen: Callable[[date], list[Provider]],
    *,
    topics: bool,
) -> Iterator[Row]:
    """Sessions from the cycle's first day, or the endorsement's, to ``last``."""
    started = plan.cycle.starts_on if plan.cycle else last
    first = max(started, endorsee.endorsements[0][2])
    room = {first + n * _DAY: _A_DAY for n in range(max(0, (last - first).days) + 1)}
    shift = _own_number(endorsee) % _SHIFTS
    requirements = {
        requirement.counts: requirement
        for requirement in plan.requirements
        if requirement.topic is None
    }
    if "training" in requirements:
        lengths = _lengths(requirements["training"], share, stories.training_minutes)
        about = [a for a in plan.requirements if a.topic and topics][:1]
        for n, (day, length) in enumerate(_spread(room, lengths, shift)):
            title = stories.trainings[n % len(stories.trainings)]
            told = _topics(about, length) if n == 0 else ""
            yield _row(endorsee, "training", day, length, title=title, topics=told)
    if "rsc" in requirements:
        lengths = _lengths(requirements["rsc"], share, stories.rsc_minutes)
        for n, (day, length) in enumerate(_spread(room, lengths, shift)):
            email = seen(day)[n % 2].email
            kind = "individual" if length <= stories.rsc_minutes[0] else "group"
            cells = {"title": stories.rsc, "provider_email": email, "format": kind}
            yield _row(endorsee, "rsc", day, length, **cells)


def _lengths(requirement: PlannedRequirement, share: float, usual: Sequence[int]) -> list[int]:
    """Lengths of sessions, in minutes, that come to a share of what is asked (half hours)."""
    left = round(requirement.amount * share / _HALF_AN_HOUR) * _HALF_AN_HOUR
    lengths: list[int] = []
    for length in cycle(usual):
        if left <= sum(lengths):
            break
        lengths.append(min(length, left - sum(lengths)))
    return lengths


def _row(endorsee: Endorsee, activity: str, day: date, minutes: int, **cells: str) -> Row:
    return {
        "email": endorsee.email,
        "activity": activity,
        "date": day.isoformat(),
        "hours": format_hours(minutes),
        **dict.fromkeys(("title", "topics", "provider_email", "format"), ""),
        **cells,
    }


def _topics(requirements: list[PlannedRequirement], minutes: int) -> str:
    """What one training was about, as far as it is asked and the training is long enough."""
    return "; ".join(f"{a.topic}:{format_hours(min(a.amount, minutes))}" for a in requirements)


def _spread(room: dict[date, int], lengths: list[int], shift: int) -> Iterator[tuple[date, int]]:
    """Each length with its day, evenly over those with room for it, but for ``shift``."""
    days = list(room)
    number = len(lengths)
    for n, minutes in enumerate(lengths):
        start = ((2 * n + 1) * len(days) // (2 * number) + shift) % len(days)
        for day in days[start:] + days[:start]:
            if room[day] >= minutes:
                room[day] -= minutes
                yield day, minutes
                break


def _seen(
    rulebooks: Rulebooks, cast: Cast, endorsee: Endorsee, plan: Plan, role: Role, day: date
) -> list[Provider]:
    """The two providers, or the one twice, whom the endorsee's story sees in turn on a day."""
    known = [p for p in cast.providers if p.rule == plan.provider_rule]
    good = [p for p in known if p.role == "qualified" and p.counts_on(rulebooks, p.rule, day)]
    plans = [rulebooks.plan(*held, day) for held in endorsee.endorsements[1:]]
    rules = [other.provider_rule for other in plans if other and other.provider_rule]
    # Who holds two endorsements sees somebody who counts for both.
    good = [p for p in good if all(p.counts_on(rulebooks, rule, day) for rule in rules)] or good
    start = _own_number(endorsee) % max(1, len(good))
    turned = [*good[start:], *good[:start]]
    special = [p for p in known if p.role == role and role != "qualified"]
    return (special * 2 if role == "ended" else [*special, *turned * 2])[:2]


def write_roster(
    folder: Path, rulebooks: Rulebooks, stories: Stories, cast: Cast, today: date
) -> list[Path]:
    """Write the files into ``folder``; no entry is later than ``today``."""
    memberships, entries, leaves = [], [], []
    for endorsee in cast.endorsees:
        memberships += list(_memberships(rulebooks, endorsee, today))
        entries += list(entries_of(rulebooks, stories, cast, endorsee, today))
        leaves += list(_leaves(rulebooks, stories, endorsee, today))
    tables = {
        "people.csv": _people(cast),
        "endorsements.csv": _endorsements(cast),
        "vetting.csv": _vetting(cast),
        "memberships.csv": memberships,
        "entries.csv": entries,
        "leave.csv": leaves,
    }
    for name, rows in applicants_tables(rulebooks, stories, cast, today).items():
        tables[name] = [*tables.get(name, []), *rows]
    return [_write(folder / name, rows) for name, rows in tables.items() if rows]


def _write(file: Path, rows: Sequence[Row]) -> Path:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return file


def _only_providers(cast: Cast) -> list[Provider]:
    endorsed = {e.email for e in cast.endorsees}
    return [p for p in cast.providers if p.email not in endorsed]


def _people(cast: Cast) -> list[Row]:
    rows = [
        {
            "email": p.email,
            "name": p.name,
            "highest_degree": p.degree,
            "provides_rsc": "yes",
            "second_email": "",
        }
        for p in _only_providers(cast)
    ]
    return rows + [
        {
            "email": e.email,
            "name": e.name,
            "highest_degree": "bachelor",
            "provides_rsc": "yes" if e.provides_rsc else "no",
            "second_email": e.email.replace(".org", ".com") if e.has_second_address else "",
        }
        for e in cast.endorsees
    ]


def _endorsements(cast: Cast) -> list[Row]:
    rows = [
        _held(p.email, p.association, p.category, p.starts_on, p.ends_on)
        for p in _only_providers(cast)
        if p.category
    ]
    return rows + [
        _held(e.email, association, category, starts_on, None)
        for e in cast.endorsees
        for association, category, starts_on in e.endorsements
    ]


def _held(
    email: str, association: str, category: str, starts_on: date, ends_on: date | None
) -> Row:
    return {
        "email": email,
        "association": association,
        "category": category,
        "starts_on": starts_on.isoformat(),
        "ends_on": ends_on.isoformat() if ends_on else "",
    }


def _vetting(cast: Cast) -> list[Row]:
    return [
        {
            "email": p.email,
            "association": p.association,
            "starts_on": p.starts_on.isoformat(),
            "ends_on": p.ends_on.isoformat() if p.ends_on else "",
        }
        for p in cast.providers
        if p.category is None
    ]


def _memberships(rulebooks: Rulebooks, endorsee: Endorsee, today: date) -> Iterator[Row]:
    organizations = {association for association, _, _ in endorsee.endorsements}
    # Paid by the year, each person's ending on a day of their own.
    days = {"lapsed": -16, "ends soon": 20, "paid": 45 + sum(map(ord, endorsee.email)) * 7 % 320}
    until = today + days[endorsee.story.membership] * _DAY
    for organization in sorted(organizations & set(rulebooks.organizations)):
        for years in (2, 1, 0):
            begins = until + _DAY - relativedelta(years=years + 1)
            yield {
                "email": endorsee.email,
                "organization": organization,
                "starts_on": begins.isoformat(),
                "ends_on": (until + _DAY - relativedelta(years=years) - _DAY).isoformat(),
            }


def _leaves(
    rulebooks: Rulebooks, stories: Stories, endorsee: Endorsee, today: date
) -> Iterator[Row]:
    association, category, starts_on = endorsee.endorsements[0]
    plan = rulebooks.plan(association, category, starts_on, today)
    if endorsee.story.leave and plan and plan.cycle:
        yield {
            "email": endorsee.email,
            "association": association,
            "category": category,
            "starts_on": max(starts_on, today - 60 * _DAY).isoformat(),
            "ends_on": (plan.cycle.due_on + 60 * _DAY).isoformat(),
            "reason": stories.leave_reason,
        }
