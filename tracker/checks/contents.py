"""Rulebooks, notices, time zones and the names that settings give (T3…)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlmodel import Session

from tracker.checks.environment import Fact, Findings, problem, warning
from tracker.clock import local_day
from tracker.jobs.schedule import Job
from tracker.mail import outbox
from tracker.rulebooks import Rulebooks, RulebooksWrong
from tracker.services.run_ledger import last_run
from tracker.settings import Settings


def check_wrong_rules(wrong: RulebooksWrong) -> Findings:
    """One finding for each error in a rulebook, organizations.toml or notices.toml."""
    for found in wrong.problems:
        yield problem("T301", str(found), "config/README.md describes every key.")


def check_rules(rulebooks: Rulebooks, settings: Settings, now: datetime) -> Findings:
    """Look at rulebooks that could be read, and at the settings that name associations."""
    yield Fact(f"rulebooks: {', '.join(rulebooks.associations)}")
    # For a person to compare with a clock: wrong zone data would move every deadline.
    zones = sorted({rulebook.time_zone for rulebook in rulebooks.associations.values()})
    times = (f"{zone} {now.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}" for zone in zones)
    yield Fact(f"time zones: it is now {'; '.join(times)}")
    yield from _check_coordinators(rulebooks, settings)
    for name in sorted(set(settings.judge_renewals_due_from) - set(rulebooks.associations)):
        yield problem(
            "T304",
            f"judge_renewals_due_from names {name!r}, and no rulebook is about it",
            f"Write one of {', '.join(rulebooks.associations)}.",
        )


def _check_coordinators(rulebooks: Rulebooks, settings: Settings) -> Findings:
    for coordinator in settings.coordinators:
        if coordinator.association not in rulebooks.associations:
            yield problem(
                "T302",
                f"{coordinator.email} coordinates {coordinator.association!r}, "
                "and no rulebook is about it",
                f"Write one of {', '.join(rulebooks.associations)} into tracker.toml.",
            )


# Days after which a job that ran before should have run again.
_MOST_DAYS = {Job.EVALUATE: 2, Job.NOTICES: 2, Job.REFERENCES: 2, Job.DIGEST: 8}
_LONG_WAIT = timedelta(days=1)
_RECENT = timedelta(days=7)


def check_contents(
    session: Session, rulebooks: Rulebooks, settings: Settings, now: datetime
) -> Findings:
    """Look at what is stored, at the instant ``now``."""
    yield from _check_names(session, rulebooks)
    active = _associations(session)
    known = [name for name in active if name in rulebooks.associations]
    yield from _check_coordinators_contents(active, settings)
    yield from _check_runs(session, rulebooks, known, now)
    yield from _check_clock(session, now)
    yield from _check_mail(session, now)


def _associations(session: Session) -> list[str]:
    query = "SELECT DISTINCT association FROM endorsement ORDER BY association"
    return list(session.scalars(text(query)))


def _check_names(session: Session, rulebooks: Rulebooks) -> Findings:
    hint = "Bring back the rulebook's entry, or correct the rows."
    query = text(
        "SELECT association, category, count(*) FROM endorsement GROUP BY 1, 2 ORDER BY 1, 2"
    )
    for association, category, count in session.connection().execute(query):
        rulebook = rulebooks.associations.get(association)
        if rulebook is None:
            told = f"{count} endorsements are by {association!r}, which has no rulebook"
            yield problem("T401", told, hint)
        elif category not in rulebook.categories:
            told = f"{count} endorsements are {category!r}, which {association}'s rulebook lacks"
            yield problem("T402", told, hint)
    query = text("SELECT organization, count(*) FROM membership GROUP BY 1 ORDER BY 1")
    for organization, count in session.connection().execute(query):
        if organization not in rulebooks.organizations:
            told = f"{count} memberships are in {organization!r}, which organizations.toml lacks"
            yield problem("T403", told, "Add it to organizations.toml, or correct the rows.")


def _check_coordinators_contents(active: Sequence[str], settings: Settings) -> Findings:
    for name in active:
        if not settings.coordinators_of(name):
            yield warning(
                "T404",
                f"{name} has endorsees and no coordinator: nobody gets its digest",
                "Add [[coordinators]] to tracker.toml.",
            )


def _check_runs(
    session: Session, rulebooks: Rulebooks, active: Sequence[str], now: datetime
) -> Findings:
    hint = "Keep `tracker serve` running, or let cron or a timer call `tracker run-due`."
    for name in active:
        today = local_day(now, rulebooks.associations[name].time_zone)
        for job, most in _MOST_DAYS.items():
            last = last_run(session, job, name)
            if last is None and job is Job.EVALUATE:
                yield warning("T501", f"{name}: no job has run yet", hint)
            elif last is not None and today - last > timedelta(days=most):
                told = f"{name}: {job} ran last for {last}, {(today - last).days} days ago"
                yield warning("T502", told, hint)
            elif last is not None:
                yield Fact(f"{name}: {job} ran last for {last}")


def _check_clock(session: Session, now: datetime) -> Findings:
    query = "SELECT count(*) FROM run_ledger WHERE local_date > :tomorrow"
    # Two days: no zone is further ahead than one, and a run may be finished as one looks.
    ahead = session.scalar(text(query), {"tomorrow": (now + timedelta(days=2)).date().isoformat()})
    if ahead:
        yield warning(
            "T503",
            f"{ahead} runs are recorded for days to come: a clock was, or is, wrong; or somebody "
            "ran `tracker run-due --as-of` on this database",
            "Compare the time zones above with a clock. Nothing is due again until those days.",
        )


def _check_mail(session: Session, now: datetime) -> Findings:
    oldest = outbox.oldest_waiting(session)
    counts = outbox.counts(session)
    if oldest is not None and now - oldest > _LONG_WAIT:
        waiting = counts.get("waiting", 0) + counts.get("sending", 0)
        yield warning(
            "T601",
            f"{waiting} mails wait, the oldest since {oldest:%Y-%m-%d %H:%M} UTC",
            "`tracker outbox` says why; `tracker deliver` tries again now.",
        )
    failed = [
        found
        for found in outbox.listing(session)
        if found.state == "failed" and found.finished_at and now - found.finished_at < _RECENT
    ]
    if failed:
        reasons = sorted({found.last_error or "no reason" for found in failed})
        told = (
            f"{len(failed)} mails failed in the last {_RECENT.days} days: {'; '.join(reasons[:3])}"
        )
        yield warning("T602", told, "`tracker outbox` names them; correct the addresses.")
    if oldest is None and not failed:
        yield Fact("mail: nothing waits, nothing failed lately")
