"""Rulebooks, notices, time zones and the names that settings give (T3…)."""

from datetime import datetime
from zoneinfo import ZoneInfo

from tracker.checks.finding import Fact, Findings, problem
from tracker.mail.headers import is_address
from tracker.rulebooks import Rulebooks, RulebooksWrong
from tracker.settings import Settings


def check_wrong_rules(wrong: RulebooksWrong) -> Findings:
    """One finding for each error in a rulebook, organizations.toml or notices.toml."""
    for found in wrong.problems:
        yield problem("T301", str(found), "config/README.md describes every key.")


def check_rules(books: Rulebooks, settings: Settings, now: datetime) -> Findings:
    """Look at rulebooks that could be read, and at the settings that name associations."""
    yield Fact(f"rulebooks: {', '.join(books.associations)}")
    # For a person to compare with a clock: wrong zone data would move every deadline.
    zones = sorted({book.time_zone for book in books.associations.values()})
    times = (f"{zone} {now.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}" for zone in zones)
    yield Fact(f"time zones: it is now {'; '.join(times)}")
    yield from _check_coordinators(books, settings)
    for name in sorted(set(settings.judge_renewals_due_from) - set(books.associations)):
        yield problem(
            "T304",
            f"judge_renewals_due_from names {name!r}, and no rulebook is about it",
            f"Write one of {', '.join(books.associations)}.",
        )


def _check_coordinators(books: Rulebooks, settings: Settings) -> Findings:
    for coordinator in settings.coordinators:
        if coordinator.association not in books.associations:
            yield problem(
                "T302",
                f"{coordinator.email} coordinates {coordinator.association!r}, "
                "and no rulebook is about it",
                f"Write one of {', '.join(books.associations)} into tracker.toml.",
            )
        if not is_address(coordinator.email):
            yield problem(
                "T303",
                f"the coordinator {coordinator.name!r} has {coordinator.email!r}, "
                "which is no e-mail address",
                "Correct it in tracker.toml.",
            )
