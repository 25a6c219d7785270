"""The demo's roster as the files that `tracker import` reads."""

import csv
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

from dateutil.relativedelta import relativedelta

from tracker.demo.applying import applicants_tables
from tracker.demo.cast import Cast, Endorsee
from tracker.demo.providers import Provider
from tracker.demo.sessions import Row, entries_of
from tracker.demo.stories import Stories
from tracker.rulebooks import Rulebooks

_DAY = timedelta(days=1)


def write_roster(
    folder: Path, books: Rulebooks, stories: Stories, cast: Cast, today: date
) -> list[Path]:
    """Write the files into ``folder``; no entry is later than ``today``."""
    memberships, entries, leaves = [], [], []
    for endorsee in cast.endorsees:
        memberships += list(_memberships(books, endorsee, today))
        entries += list(entries_of(books, stories, cast, endorsee, today))
        leaves += list(_leaves(books, stories, endorsee, today))
    tables = {
        "people.csv": _people(cast),
        "endorsements.csv": _endorsements(cast),
        "vetting.csv": _vetting(cast),
        "memberships.csv": memberships,
        "entries.csv": entries,
        "leave.csv": leaves,
    }
    for name, rows in applicants_tables(books, stories, cast, today).items():
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


def _memberships(books: Rulebooks, endorsee: Endorsee, today: date) -> Iterator[Row]:
    organizations = {association for association, _, _ in endorsee.endorsements}
    # Paid by the year, each person's ending on a day of their own.
    days = {"lapsed": -16, "ends soon": 20, "paid": 45 + sum(map(ord, endorsee.email)) * 7 % 320}
    until = today + days[endorsee.story.membership] * _DAY
    for organization in sorted(organizations & set(books.organizations)):
        for years in (2, 1, 0):
            begins = until + _DAY - relativedelta(years=years + 1)
            yield {
                "email": endorsee.email,
                "organization": organization,
                "starts_on": begins.isoformat(),
                "ends_on": (until + _DAY - relativedelta(years=years) - _DAY).isoformat(),
            }


def _leaves(books: Rulebooks, stories: Stories, endorsee: Endorsee, today: date) -> Iterator[Row]:
    association, category, starts_on = endorsee.endorsements[0]
    plan = books.plan(association, category, starts_on, today)
    if endorsee.story.leave and plan and plan.cycle:
        yield {
            "email": endorsee.email,
            "association": association,
            "category": category,
            "starts_on": max(starts_on, today - 60 * _DAY).isoformat(),
            "ends_on": (plan.cycle.due_on + 60 * _DAY).isoformat(),
            "reason": stories.leave_reason,
        }
