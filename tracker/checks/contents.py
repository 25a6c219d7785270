"""Findings about rulebooks and stored data (T3: rules, T4: names, T5: runs, T6: mail)."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, func, select

from tracker.checks.environment import Fact, Finding, Findings, problem, warning
from tracker.clock import local_day
from tracker.db.ledgers import Outbox, RunRow
from tracker.db.people import Endorsement, Membership
from tracker.formatting import format_count, format_list
from tracker.jobs.schedule import Job, find_last_credible_date
from tracker.mail import outbox
from tracker.notifications.digest_mail import digest_subscription
from tracker.rulebooks import (
    RulebookError,
    Rulebooks,
    describe_unknown_association,
    load_notice_configs,
)
from tracker.services.desk_tasks import list_failed_tasks
from tracker.services.evaluation import days_at
from tracker.services.first_days import list_starts
from tracker.services.notification_preferences import is_unsubscribed
from tracker.services.run_ledger import get_last_run_date, list_failures
from tracker.services.team import list_coordinators, load_team
from tracker.settings import Schedule, Settings

# A job that ran before should run again within so many days.
_MOST_DAYS = {Job.EVALUATE: 2, Job.NOTICES: 2, Job.REFERENCES: 2, Job.DIGEST: 8}
_LONG_WAIT = timedelta(days=1)
_RECENT = timedelta(days=7)


def list_rule_errors(error: RulebookError) -> Findings:
    """One finding for each error in a rulebook, organizations.toml, or notices.toml."""
    for wrong in error.problems:
        yield problem("T301", str(wrong), "config/README.md describes every key.")


def check_rules(rulebooks: Rulebooks, settings: Settings, now: datetime) -> Findings:
    """Check the settings that name associations, and show the local times."""
    known = ", ".join(rulebooks.associations)
    yield Fact(f"rulebooks: {known}")
    # For a person to compare with a clock: wrong time zone data would move every deadline.
    zones = sorted({rulebook.time_zone for rulebook in rulebooks.associations.values()})
    times = [f"{zone} {now.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}" for zone in zones]
    yield Fact(f"time zones: it is now {'; '.join(times)}")
    for coordinator in settings.coordinators:
        if coordinator.association not in rulebooks.associations:
            yield problem(
                "T302",
                f"{coordinator.email} coordinates {coordinator.association!r}, without a rulebook",
                f"Write one of {known} in tracker.toml.",
            )
    for association in sorted(settings.judge_renewals_due_from.keys() - rulebooks.associations):
        yield problem(
            "T304",
            f"judge_renewals_due_from names {association!r}, which has no rulebook",
            f"Write one of {known}.",
        )
    for association in sorted(settings.associations.keys() - rulebooks.associations):
        reason = describe_unknown_association(association, rulebooks.associations)
        hint = f"Write one of {known}. No other command starts before that."
        yield problem("T307", f"associations.{association}: {reason}", hint)
    for association in rulebooks.associations:
        if association in settings.associations:
            yield Fact(f"{association}: {_format_times(settings.schedule_of(association))}")


def _format_times(times: Schedule) -> str:
    """When an association's jobs are due, in its own time zone."""
    return (
        f"evaluation at {times.evaluate_at:%H:%M}, notices at {times.notices_at:%H:%M}, "
        f"digest on {times.digest_on.capitalize()} at {times.digest_at:%H:%M}"
    )


def check_notices(rulebooks: Rulebooks, settings: Settings) -> Findings:
    """Check notices.toml, and name the associations with steps of their own."""
    try:
        configs = load_notice_configs(settings.config_dir, rulebooks.associations)
    except RulebookError as error:
        yield from list_rule_errors(error)
        return
    if configs.own:
        yield Fact(f"notices: {', '.join(configs.own)} differ from the installation")


def check_contents(
    session: Session, rulebooks: Rulebooks, settings: Settings, now: datetime
) -> Findings:
    """Check the stored data as of the instant ``now``."""
    yield from _check_names(session, rulebooks)
    query = select(Endorsement.association).distinct().order_by(Endorsement.association)
    associations = session.exec(query).all()
    yield from _check_digests(session, rulebooks, settings, associations, now)
    yield from _check_first_days(session, settings)
    for association in associations:
        rulebook = rulebooks.associations.get(association)
        if rulebook is not None:
            yield from _check_runs(session, association, local_day(now, rulebook.time_zone))
    for failure in list_failures(session):
        subject = f" ({failure.subject})" if failure.subject else ""
        yield problem(
            "T504",
            f"{failure.association}: {failure.job}{subject} failed "
            f"{format_count(failure.attempts, 'time')} since "
            f"{failure.first_failed_at:%Y-%m-%d %H:%M} UTC: {failure.error}",
            "It is tried again at every tick, and everyone else got theirs. The log has details; "
            "a number names the person with that id.",
        )
    for task in list_failed_tasks(session):
        yield warning(
            "T505",
            f"{task.association}: long work of the desk ({task.kind}, {task.done} of {task.total}) "
            f"failed on {task.ended_at:%Y-%m-%d %H:%M} UTC: {task.problem}",
            "The log has details. When the reason is gone, a coordinator presses Try again under "
            "Changes, Long work and prepared files.",
        )
    yield from _check_clock(session, now)
    yield from _check_mail(session, now)


def _check_digests(
    session: Session,
    rulebooks: Rulebooks,
    settings: Settings,
    associations: Sequence[str],
    now: datetime,
) -> Findings:
    """Find the associations whose digest nobody gets."""
    active = load_team(session, settings, rulebooks.associations).list_active(
        days_at(rulebooks, now)
    )
    coordinators = list_coordinators(active)
    for association in associations:
        own = [one for one in coordinators if one.association == association]
        if not own:
            yield warning(
                "T404",
                f"{association} has endorsees but no coordinator: nobody gets its digest",
                "Add [[coordinators]] to tracker.toml, or with `tracker team add`.",
            )
        elif all(is_unsubscribed(session, digest_subscription(one)) for one in own):
            names = format_list([one.email for one in own])
            yield warning(
                "T405",
                f"nobody gets the digest of {association}: {names} ended it, or marked it as spam",
                "Tell them: the first page of the desk has a button to get it again.",
            )


def _check_first_days(session: Session, settings: Settings) -> Findings:
    """Find settings that a chosen first day overrides, and days that nobody has chosen."""
    for start in list_starts(session):
        if start.first_day and not start.is_chosen:
            yield warning(
                "T306",
                f"{start.association}'s first day in this system was taken to be "
                f"{start.first_day} at an import: renewals due before have no records",
                f"Confirm or change it: `tracker first-day set {start.association}`.",
            )
        configured = settings.judge_renewals_due_from.get(start.association)
        if configured and start.is_chosen and start.first_day != configured:
            stored = start.first_day or "none"
            yield warning(
                "T305",
                f"judge_renewals_due_from says {configured} for {start.association}, but its first "
                f"day in the database is {stored}, which counts",
                "Delete the line from tracker.toml, or use `tracker first-day set`.",
            )


def _check_names(session: Session, rulebooks: Rulebooks) -> Findings:
    hint = "Restore the rulebook's entry, or correct the rows."
    categories = (
        select(Endorsement.association, Endorsement.category, func.count())
        .group_by(Endorsement.association, Endorsement.category)
        .order_by(Endorsement.association, Endorsement.category)
    )
    unknown = Counter[str]()
    for association, category, count in session.exec(categories):
        rulebook = rulebooks.associations.get(association)
        if rulebook is None:
            unknown[association] += count
        elif category not in rulebook.categories:
            endorsements = format_count(count, "endorsement")
            message = f"{endorsements} as {category!r}, which {association}'s rulebook doesn't have"
            yield problem("T402", message, hint)
    for association, count in unknown.items():
        endorsements = format_count(count, "endorsement")
        yield problem("T401", f"{endorsements} of {association!r}, which has no rulebook", hint)
    organizations = (
        select(Membership.organization, func.count())
        .group_by(Membership.organization)
        .order_by(Membership.organization)
    )
    for organization, count in session.exec(organizations):
        if organization not in rulebooks.organizations:
            yield problem(
                "T403",
                f"{format_count(count, 'membership')} in {organization!r}, "
                "which organizations.toml doesn't have",
                "Add it to organizations.toml, or correct the rows.",
            )


def _check_runs(session: Session, association: str, today: date) -> Findings:
    hint = "Keep `tracker serve` running, or run `tracker run-due` from cron or a timer."
    for job, most_days in _MOST_DAYS.items():
        last = get_last_run_date(session, job, association)
        if last is None:
            if job is Job.EVALUATE:
                yield warning("T501", f"{association}: no job has run yet", hint)
            continue
        days = (today - last).days
        if days > most_days:
            message = f"{association}: {job} last ran for {last}, {days} days ago"
            yield warning("T502", message, hint)
        else:
            yield Fact(f"{association}: {job} last ran for {last}")


def _check_clock(session: Session, now: datetime) -> Findings:
    limit = find_last_credible_date(now)
    query = select(func.count(), func.max(RunRow.local_date)).where(col(RunRow.local_date) > limit)
    future_runs, last = session.exec(query).one()
    if future_runs:
        yield problem(
            "T503",
            f"{format_count(future_runs, 'run is', 'runs are')} recorded for future days, up to "
            f"{last}: a clock is or was wrong, or `tracker run-due --as-of` was used on this "
            "database. Those jobs do not run before, and nobody gets a reminder",
            "Compare the times above with a clock and correct it. Then restore the backup from "
            "before: deploy/README.md, Back up and restore.",
        )


def _check_mail(session: Session, now: datetime) -> Findings:
    oldest = outbox.get_oldest_waiting(session)
    if oldest is not None and now - oldest > _LONG_WAIT:
        counts = outbox.count_by_state(session)
        waiting = counts.get("waiting", 0) + counts.get("sending", 0)
        yield warning(
            "T601",
            f"{format_count(waiting, 'message is', 'messages are')} waiting, the oldest since "
            f"{oldest:%Y-%m-%d %H:%M} UTC",
            "`tracker outbox` shows why. `tracker deliver` tries again now.",
        )
    # The longest pause between two attempts is an hour.
    is_far = (col(Outbox.state) == "waiting") & (col(Outbox.next_attempt_at) > now + _LONG_WAIT)
    number, until = session.exec(
        select(func.count(), func.min(Outbox.next_attempt_at)).where(is_far)
    ).one()
    if number:
        yield warning(
            "T603",
            f"{format_count(number, 'message does', 'messages do')} not leave before "
            f"{until:%Y-%m-%d %H:%M} UTC: a clock is or was wrong, or `tracker run-due --as-of` "
            "was used on this database",
            "Compare the times above with a clock. `tracker outbox` lists them.",
        )
    failed = _list_recently_failed(session, now)
    if failed:
        yield _warn_of_failed(failed)
    elif oldest is None:
        yield Fact("mail: nothing is waiting and nothing failed lately")


def _list_recently_failed(session: Session, now: datetime) -> list[outbox.ListedMessage]:
    failed = []
    for message in outbox.list_messages(session):
        finished_at = message.finished_at
        if message.state == "failed" and finished_at and now - finished_at < _RECENT:
            failed.append(message)
    return failed


def _warn_of_failed(failed: Sequence[outbox.ListedMessage]) -> Finding:
    reasons = {message.last_error or "no reason" for message in failed}
    bounced = [bool(message.bounced) for message in failed]
    hint = "`tracker outbox` lists them."
    if any(bounced):
        hint += " Correct the addresses that were refused."
    if not all(bounced):
        hint += " Some failures are not the address's: see what the mail server answered."
    message = f"{format_count(len(failed), 'message')} failed in the last {_RECENT.days} days"
    return warning("T602", f"{message}: {'; '.join(sorted(reasons)[:3])}", hint)
