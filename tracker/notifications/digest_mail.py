"""The digest: one association's week, for its coordinators."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from urllib.parse import quote

from tracker.formatting import (
    format_alternatives,
    format_count,
    format_date,
    format_hours_with_unit,
    format_percent,
    format_period,
    format_short_month_day,
    lowercase_first,
)
from tracker.mail.contents import Action, Applicants, DigestMail, Figure, Line, Need, Trend
from tracker.notifications.attention_text import (
    describe_attention,
    format_attention_count,
    path_of_row,
)
from tracker.notifications.way_lines import list_way_lines, list_window_lines
from tracker.rules.standing import Status
from tracker.services.notification_preferences import Subscription
from tracker.services.week import FailedMail, Week
from tracker.settings import Coordinator

_MOST_FAILED = 10


def digest_subscription(coordinator: Coordinator) -> Subscription:
    """What ends if a coordinator no longer wants the digest of their association."""
    return Subscription(coordinator.email, DigestMail.kind, coordinator.association)


def write_digest(week: Week, base_url: str, unsubscribe_url: str, most: int) -> DigestMail:
    """Write the digest. It names ``most`` people and counts the rest; a quiet week shows zeros."""
    subject, headline = _format_news(week)
    return DigestMail(
        subject=subject,
        association=week.association,
        period=format_period(week.first, week.last),
        headline=headline,
        health=_format_health(week),
        healthy=week.is_healthy,
        figures=_list_figures(week),
        needs=_list_needs(week, base_url, most),
        more_needs=max(0, len(week.queue.open) - most),
        snoozed=len(week.queue.snoozed),
        changes=(_write_changes(week), *list_way_lines(week.way)),
        trend=_write_trend(week),
        ahead=(*list_window_lines(week.way), *_list_cutoffs(week), *_list_endings(week, most)),
        bounced=_list_failed(week.bounced),
        more_bounced=max(0, len(week.bounced) - _MOST_FAILED),
        unsent=_list_failed(week.unsent),
        more_unsent=max(0, len(week.unsent) - _MOST_FAILED),
        action=Action(
            "Open the dashboard", f"{base_url}/coordinator?association={quote(week.association)}"
        ),
        why=f"You get this weekly digest because you coordinate {week.association}.",
        unsubscribe_url=unsubscribe_url,
        applicants=_write_applicants(week, base_url),
    )


def _list_cutoffs(week: Week) -> Iterator[Line]:
    for cutoff in week.cutoffs:
        providers = format_count(len(cutoff.providers), "provider counts", "providers count")
        endorsees = format_count(len(cutoff.endorsees), "endorsee")
        day = format_date(cutoff.last_day)
        yield Line(f"the last day on which {providers}", endorsees, strong=day)


def _list_endings(week: Week, most: int) -> Iterator[Line]:
    """Endorsements that end before they are due, and so are in no other list."""
    coming = [ending for ending in week.endings if not ending.has_ended(week.as_of)]
    for ending in coming[:most]:
        text = f"the last day of {ending.name}'s {ending.category} endorsement"
        due = f"due {format_date(ending.due_on)}"
        if ending.becomes:
            due += f"; until then it can become {format_alternatives(ending.becomes)}"
        yield Line(text, due, strong=format_date(ending.ends_on))
    if len(coming) > most:
        yield Line(f"{len(coming) - most} more endorsements end before they are due")


def _list_failed(mails: Sequence[FailedMail]) -> tuple[Line, ...]:
    return tuple(Line(m.error, m.address, strong=m.name) for m in mails[:_MOST_FAILED])


def _list_needs(week: Week, base_url: str, most: int) -> tuple[Need, ...]:
    """The first rows of the start page; the link of each opens its row there."""
    needs = []
    for attention, _ in week.queue.open[:most]:
        text = describe_attention(attention, week.association, week.as_of)
        url = f"{base_url}{path_of_row(week.association, attention.key)}"
        reason = f"{text.reason}. {text.consequence}"
        needs.append(Need(text.who, attention.category, reason, text.todo, url))
    return tuple(needs)


def _format_news(week: Week) -> tuple[str, str]:
    """The subject and the headline."""
    attention = format_attention_count(len(week.queue.open))
    complete = f"{week.counts['met']} of {format_count(week.total, 'renewal')} complete"
    if not week.total and week.applicants:
        # An association that only has applicants has other news than "0 of 0".
        return f"{week.association}: {lowercase_first(attention)}", f"{attention}."
    return (
        f"{week.association}: {lowercase_first(attention)}, {complete}",
        f"{attention}. {complete}.",
    )


def _format_health(week: Week) -> str:
    reminders = (
        f"{format_count(week.mails_sent, 'reminder')} went out this week, "
        f"{len(week.bounced)} bounced."
    )
    if week.unsent:
        reminders += f" {len(week.unsent)} could not be sent: please tell your operator."
    if week.last_evaluation is None:
        return f"The nightly run has not run yet. {reminders}"
    day = "today"
    if week.last_evaluation != week.as_of:
        day = f"on {format_date(week.last_evaluation)}"
    state = "healthy"
    if week.failures:
        problems = format_count(len(week.failures), "problem")
        state = f"with {problems} that we keep retrying: please tell your operator"
    elif week.missed_nights:
        nights = format_count(week.missed_nights, "night")
        state = f"after {nights} without one: please tell your operator"
    elif week.last_evaluation < week.as_of - timedelta(days=1):
        state = "and not since: please tell your operator"
    return f"Last nightly run: {day}, {state}. {reminders}"


def _list_figures(week: Week) -> tuple[Figure, ...]:
    counts, needing = week.counts, len(week.queue.open)
    comparison = ""
    if week.earlier:
        change = counts["met"] - week.earlier[-1].met
        comparison = ", same as last week"
        if change:
            comparison = f", {abs(change)} {'more' if change > 0 else 'fewer'} than last week"
    return (
        Figure(str(counts["met"]), f"complete{comparison}", "good"),
        Figure(str(counts["open"]), "open, on pace"),
        Figure(str(counts["behind"]), "behind", "warm" if counts["behind"] else "plain"),
        Figure(str(needing), "need your attention", "warm" if needing else "plain"),
    )


def _write_changes(week: Week) -> Line:
    text = (
        f"{week.completed} completed, {week.fell_behind} fell behind, "
        f"{format_hours_with_unit(week.minutes)} of sessions"
    )
    if week.counts["excused"]:
        text += f"; {week.counts['excused']} on leave"
    if week.counts["inactive"]:
        text += f"; {week.counts['inactive']} inactive"
    if week.counts["emeritus"]:
        text += f"; {week.counts['emeritus']} emeritus"
    share = f"{format_percent(week.figures.share)} complete"
    if week.earlier:
        share = f"{format_percent(week.earlier[-1].share)} → {share}"
    return Line(text, share)


def _write_trend(week: Week) -> Trend:
    """Earlier weeks and this one; empty until there is something to compare."""
    if not week.earlier:
        return Trend()
    rows = []
    for figures in (*week.earlier, week.figures):
        day = format_short_month_day(figures.digest_date)
        rows.append((day, str(figures.met), str(figures.total), str(figures.behind)))
    return Trend(("Week ending", "complete", "total", "behind"), tuple(rows))


def _write_applicants(week: Week, base_url: str) -> Applicants:
    """Count all applicants; those who wait for a decision need attention and are named there."""
    if not week.applicants:
        return Applicants()
    statuses = [standing.status for standing in week.applicants]
    review = statuses.count(Status.NEEDS_REVIEW)
    return Applicants(
        summary=(
            f"{statuses.count(Status.READY)} ready, "
            f"{format_count(review, 'needs review', 'need review')}, "
            f"{statuses.count(Status.NOT_READY)} not ready"
        ),
        url=f"{base_url}/coordinator/applicants?association={quote(week.association)}",
    )
