"""What the database holds, beside rulebooks and clock (T4… names, T5… runs, T6… mail)."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from tracker.checks.finding import Fact, Findings, problem, warning
from tracker.clock import local_day
from tracker.jobs.schedule import Job
from tracker.records.mailing import outbox
from tracker.records.mailing.run_ledger import last_run
from tracker.rulebooks import Rulebooks
from tracker.settings import Settings

# Days after which a job that ran before should have run again.
_MOST_DAYS = {Job.EVALUATE: 2, Job.NOTICES: 2, Job.REFERENCES: 2, Job.DIGEST: 8}
_LONG_WAIT = timedelta(days=1)
_RECENT = timedelta(days=7)


def check_contents(
    connection: Connection, books: Rulebooks, settings: Settings, now: datetime
) -> Findings:
    """Look at what is stored, at the instant ``now``."""
    yield from _check_names(connection, books)
    active = _associations(connection)
    known = [name for name in active if name in books.associations]
    yield from _check_coordinators(active, settings)
    yield from _check_runs(connection, books, known, now)
    yield from _check_clock(connection, now)
    yield from _check_mail(connection, now)


def _associations(connection: Connection) -> list[str]:
    query = "SELECT DISTINCT association FROM endorsement ORDER BY association"
    return list(connection.scalars(text(query)))


def _check_names(connection: Connection, books: Rulebooks) -> Findings:
    hint = "Bring back the rulebook's entry, or correct the rows."
    query = text(
        "SELECT association, category, count(*) FROM endorsement GROUP BY 1, 2 ORDER BY 1, 2"
    )
    for association, category, count in connection.execute(query):
        book = books.associations.get(association)
        if book is None:
            told = f"{count} endorsements are by {association!r}, which has no rulebook"
            yield problem("T401", told, hint)
        elif category not in book.categories:
            told = f"{count} endorsements are {category!r}, which {association}'s rulebook lacks"
            yield problem("T402", told, hint)
    query = text("SELECT organization, count(*) FROM membership GROUP BY 1 ORDER BY 1")
    for organization, count in connection.execute(query):
        if organization not in books.organizations:
            told = f"{count} memberships are in {organization!r}, which organizations.toml lacks"
            yield problem("T403", told, "Add it to organizations.toml, or correct the rows.")


def _check_coordinators(active: Sequence[str], settings: Settings) -> Findings:
    for name in active:
        if not settings.coordinators_of(name):
            yield warning(
                "T404",
                f"{name} has endorsees and no coordinator: nobody gets its digest",
                "Add [[coordinators]] to tracker.toml.",
            )


def _check_runs(
    connection: Connection, books: Rulebooks, active: Sequence[str], now: datetime
) -> Findings:
    hint = "Keep `tracker serve` running, or let cron or a timer call `tracker run-due`."
    for name in active:
        today = local_day(now, books.associations[name].time_zone)
        for job, most in _MOST_DAYS.items():
            last = last_run(connection, job, name)
            if last is None and job is Job.EVALUATE:
                yield warning("T501", f"{name}: no job has run yet", hint)
            elif last is not None and today - last > timedelta(days=most):
                told = f"{name}: {job} ran last for {last}, {(today - last).days} days ago"
                yield warning("T502", told, hint)
            elif last is not None:
                yield Fact(f"{name}: {job} ran last for {last}")


def _check_clock(connection: Connection, now: datetime) -> Findings:
    query = "SELECT count(*) FROM run_ledger WHERE local_date > :tomorrow"
    # Two days: no zone is further ahead than one, and a run may be finished as one looks.
    ahead = connection.scalar(
        text(query), {"tomorrow": (now + timedelta(days=2)).date().isoformat()}
    )
    if ahead:
        yield warning(
            "T503",
            f"{ahead} runs are recorded for days to come: a clock was, or is, wrong; or somebody "
            "ran `tracker run-due --as-of` on this database",
            "Compare the time zones above with a clock. Nothing is due again until those days.",
        )


def _check_mail(connection: Connection, now: datetime) -> Findings:
    oldest = outbox.oldest_waiting(connection)
    counts = outbox.counts(connection)
    if oldest is not None and now - oldest > _LONG_WAIT:
        waiting = counts.get("waiting", 0) + counts.get("sending", 0)
        yield warning(
            "T601",
            f"{waiting} mails wait, the oldest since {oldest:%Y-%m-%d %H:%M} UTC",
            "`tracker outbox` says why; `tracker deliver` tries again now.",
        )
    failed = [
        found
        for found in outbox.listing(connection)
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
