"""The demo's roster as the files that `tracker import` reads."""

import csv
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import cycle as around
from pathlib import Path

from tracker.demo.cast import Cast, Endorsee, Provider
from tracker.demo.stories import Stories
from tracker.hours import say_hours
from tracker.rulebooks import Rulebooks
from tracker.rules.plan import Ask, Plan

Row = dict[str, str]
_DAY = timedelta(days=1)
_TRAINING_MINUTES, _RSC_MINUTES = 180, 90
# Nobody logs more than this on one day, however little of the year has passed.
_A_DAY = 9 * 60
_SHIFTS = 24


def write_roster(
    folder: Path, books: Rulebooks, stories: Stories, cast: Cast, today: date
) -> list[Path]:
    """Write the six files into ``folder``; no entry is later than ``today``."""
    memberships, entries, leaves = [], [], []
    for endorsee in cast.endorsees:
        memberships += list(_memberships(books, endorsee, today))
        entries += list(_entries(books, stories, cast, endorsee, today))
        leaves += list(_leaves(endorsee, today))
    tables = {
        "people.csv": _people(cast),
        "endorsements.csv": _endorsements(cast),
        "vetting.csv": _vetting(cast),
        "memberships.csv": memberships,
        "entries.csv": entries,
        "leave.csv": leaves,
    }
    return [_write(folder / name, rows) for name, rows in tables.items() if rows]


def _write(file: Path, rows: Sequence[Row]) -> Path:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return file


def _people(cast: Cast) -> list[Row]:
    rows = [
        {"email": p.email, "name": p.name, "highest_degree": p.degree, "provides_rsc": "yes"}
        for p in cast.providers
    ]
    return rows + [
        {
            "email": e.email,
            "name": e.name,
            "highest_degree": "bachelor",
            "provides_rsc": "yes" if e.provides_rsc else "no",
        }
        for e in cast.endorsees
    ]


def _endorsements(cast: Cast) -> list[Row]:
    rows = [
        _held(p.email, p.association, p.category, p.starts_on, p.ends_on)
        for p in cast.providers
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
        {"email": p.email, "association": p.association, "starts_on": p.starts_on.isoformat()}
        for p in cast.providers
        if p.category is None
    ]


def _memberships(books: Rulebooks, endorsee: Endorsee, today: date) -> Iterator[Row]:
    organizations = {association for association, _, _ in endorsee.endorsements}
    for organization in sorted(organizations & set(books.organizations)):
        for year in (today.year - 1, today.year):
            ends_on = date(year, 12, 31)
            if year == today.year and endorsee.story.membership == "lapsed":
                continue
            if year == today.year and endorsee.story.membership == "ends soon":
                ends_on = today + 20 * _DAY
            yield {
                "email": endorsee.email,
                "organization": organization,
                "starts_on": date(year, 1, 1).isoformat(),
                "ends_on": ends_on.isoformat(),
            }


def _leaves(endorsee: Endorsee, today: date) -> Iterator[Row]:
    if endorsee.story.leave:
        association, category, _ = endorsee.endorsements[0]
        yield {
            "email": endorsee.email,
            "association": association,
            "category": category,
            "starts_on": max(endorsee.endorsements[0][2], today - 60 * _DAY).isoformat(),
            "ends_on": date(today.year + 1, 3, 31).isoformat(),
            "reason": "parental leave",
        }


def _entries(
    books: Rulebooks, stories: Stories, cast: Cast, endorsee: Endorsee, today: date
) -> Iterator[Row]:
    """The hours of the cycle before and of the current one, for the first endorsement."""
    association, category, starts_on = endorsee.endorsements[0]
    current = books.plan(association, category, starts_on, today)
    if current is None or current.cycle is None:
        return
    before = books.plan(association, category, starts_on, current.cycle.starts_on - _DAY)
    passed = (today - current.cycle.starts_on).days + 1
    whole = (current.cycle.ends_on - current.cycle.starts_on).days + 1
    share = passed / whole if endorsee.story.share == "pace" else endorsee.story.share
    if before and before.cycle and before.cycle.share:
        yield from _hours(stories, cast, endorsee, before, endorsee.story.last_cycle, today)
    yield from _hours(stories, cast, endorsee, current, share, today)


def _hours(
    stories: Stories, cast: Cast, endorsee: Endorsee, plan: Plan, share: float, today: date
) -> Iterator[Row]:
    if plan.cycle is None:
        return
    first = max(plan.cycle.starts_on, endorsee.endorsements[0][2])
    last = min(plan.cycle.ends_on, today)
    asks = {a.counts: a for a in plan.asks if a.topic is None}
    topics = [a for a in plan.asks if a.topic] if endorsee.story.topics else []
    providers = around([p for p in cast.providers if _suits(p, endorsee, plan)])
    titles = around(stories.trainings)
    room = dict.fromkeys((first + n * _DAY for n in range((last - first).days + 1)), _A_DAY)
    for counts, length in (("training", _TRAINING_MINUTES), ("rsc", _RSC_MINUTES)):
        number = round(asks[counts].minutes * share / length) if counts in asks else 0
        # Not everyone on the same days.
        shift = sum(map(ord, endorsee.email)) % _SHIFTS
        for n, day in enumerate(_spread(room, number, length, shift)):
            row = _row(endorsee.email, counts, day, length)
            if counts == "training":
                row |= {"title": next(titles), "topics": _topics(topics) if n == 0 else ""}
            else:
                row |= {"title": stories.rsc, "provider_email": next(providers).email}
            yield row


def _row(email: str, activity: str, day: date, minutes: int) -> Row:
    return {
        "email": email,
        "activity": activity,
        "date": day.isoformat(),
        "hours": say_hours(minutes),
        "title": "",
        "topics": "",
        "provider_email": "",
        "format": "group" if activity == "rsc" else "",
    }


def _topics(asks: list[Ask]) -> str:
    """What one training was about, as far as it is asked; a training has three hours."""
    return "; ".join(f"{a.topic}:{say_hours(min(a.minutes, _TRAINING_MINUTES))}" for a in asks[:1])


def _spread(room: dict[date, int], number: int, minutes: int, shift: int) -> Iterator[date]:
    """Up to ``number`` days, evenly over those with room for as many minutes, but for ``shift``."""
    days = list(room)
    for n in range(number):
        start = ((2 * n + 1) * len(days) // (2 * number) + shift) % len(days)
        for day in days[start:] + days[:start]:
            if room[day] >= minutes:
                room[day] -= minutes
                yield day
                break


def _suits(provider: Provider, endorsee: Endorsee, plan: Plan) -> bool:
    """Whether the endorsee's story takes this provider."""
    ended = provider.ends_on is not None
    return provider.rule == plan.provider_rule and ended == (endorsee.story.provider == "ended")
