"""What a renewal lacks, and what needs a coordinator's attention, in words."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from sqlmodel import Session

from tracker.formatting import (
    MINUTES_IN_HOUR,
    format_count,
    format_date,
    format_hours,
    format_hours_with_unit,
    format_list,
    hours_word,
    use_locale,
)
from tracker.rules.model import Rulebook
from tracker.services.dashboard import (
    Attention,
    AttentionKind,
    RenewalLine,
    ShortRequirement,
    list_attention,
)
from tracker.services.evaluation import DayOf
from tracker.services.facts import parse_settlement
from tracker.services.time_requests import LEAVE


class AttentionText(NamedTuple):
    """Why something needs attention, what to do, and the path of the page to do it on."""

    reason: str
    todo: str
    path: str


def describe_attention(attention: Attention, today: date) -> AttentionText:
    """The words for one thing that needs attention."""
    path = f"/coordinator/people/{attention.endorsement_id}"
    if attention.request:
        request = attention.request.request
        reason = f"requests a later due date: {format_date(request.ends_on or request.starts_on)}"
        if request.kind == LEAVE:
            reason = f"requests leave starting {format_date(request.starts_on)}"
        return AttentionText(reason, "decide", f"/coordinator/requests/{request.id}")
    if attention.provider:
        hours = format_hours_with_unit(attention.provider.minutes)
        reason = (
            f"named {attention.provider.name} as RSC provider; {hours} of RSC will count "
            "once you confirm that the provider qualifies"
        )
        return AttentionText(reason, "confirm provider", path)
    if attention.settled:
        starts_on = attention.settled.cycle_starts_on
        status = parse_settlement(attention.settled.content).status.value
        reason = (
            f"the cycle that began on {format_date(starts_on)} was settled as {status}; records "
            "have changed since and would give another result"
        )
        return AttentionText(reason, "review", f"{path}/{starts_on.isoformat()}")
    if attention.renewal is None:
        raise ValueError("attention is about a renewal, a request, a provider, or a cycle")
    reason, todo = _describe_renewal(attention.kind, attention.renewal, today)
    return AttentionText(reason, todo, path)


class AttentionRow(NamedTuple):
    """One thing to do, for programs and spreadsheets; ``url`` is the page to do it on."""

    association: str
    kind: str
    name: str
    category: str
    reason: str
    todo: str
    url: str


def attention_rows(
    session: Session, rulebook: Rulebook, day_of: DayOf, base_url: str
) -> list[AttentionRow]:
    """What needs attention at an association, the most urgent first, in its locale."""
    today, rows = day_of(rulebook.id), []
    with use_locale(rulebook.locale):
        for one in list_attention(session, rulebook.id, today):
            text = describe_attention(one, today)
            about = (rulebook.id, one.kind.value, one.name, one.category)
            rows.append(AttentionRow(*about, text.reason, text.todo, f"{base_url}{text.path}"))
    return rows


def format_attention_count(count: int) -> str:
    """``Nothing needs your attention``, ``1 item needs your attention``; without a full stop."""
    if not count:
        return "Nothing needs your attention"
    verb = "needs" if count == 1 else "need"
    return f"{format_count(count, 'item')} {verb} your attention"


def _describe_renewal(kind: AttentionKind, renewal: RenewalLine, today: date) -> tuple[str, str]:
    """Why a renewal needs attention, and what to do."""
    if kind is AttentionKind.UNREACHABLE:
        return f"email to {renewal.email} bounced; no second address", "reach out"
    missing, due_on = format_missing(renewal.short), renewal.standing.due_on
    if kind is AttentionKind.BEHIND:
        left = f", {format_count((due_on - today).days, 'day')} left" if due_on else ""
        return f"{missing} to go{left}", "far behind"
    due = f", was due {format_date(due_on)}" if due_on else ""
    return f"{renewal.state}{due}: {missing} missing", "reach out"


def format_missing(short: Sequence[ShortRequirement], *, membership: str = "membership") -> str:
    """All that is missing: "5 training hours (one on DEIA), 3.5 RSC hours, and membership".

    A topic stands in parentheses if its hours fit into the hours that are missing anyway.
    """
    whole, parts, memberships = [], [], []
    minutes = {item.counts: item.minutes for item in short if item.topic is None}
    for item in short:
        if item.counts == "membership":
            memberships.append(membership)
        elif item.topic is None:
            whole.append(format_short(item) + _format_topics(item, short))
        elif item.minutes > minutes.get(item.counts, 0):
            parts.append(format_short(item))
    return format_list([*whole, *parts, *memberships])


def list_missing_briefly(short: Sequence[ShortRequirement]) -> list[str]:
    """All that is missing, for a subject; the fullest form first.

    "15 training (one on DEIA) and 8 RSC hours", then "15 training and 8 RSC hours", without the
    topics whose hours fit into hours that are missing anyway.
    """
    whole = {item.counts: item.minutes for item in short if item.topic is None}
    main = [item for item in short if not item.topic or item.minutes > whole.get(item.counts, 0)]
    words = _share_unit(main)
    full = []
    for item, text in zip(main, words, strict=True):
        full.append(text if item.topic else text + _format_topics(item, short))
    return list(dict.fromkeys([format_list(full), format_list(words)]))


def _share_unit(items: Sequence[ShortRequirement]) -> list[str]:
    """Each item in words; the last hours have the unit for all: "15 training", "8 RSC hours"."""
    words = [format_short(item) for item in items]
    hours = [n for n, item in enumerate(items) if item.counts != "membership"]
    if all(words[n].endswith(" hours") for n in hours):
        for n in hours[:-1]:
            words[n] = words[n].removesuffix(" hours")
    return words


def format_short(item: ShortRequirement) -> str:
    """One missing requirement: "3.5 RSC hours", "one DEIA hour", "membership"."""
    if item.counts == "membership":
        return "membership"
    unit = "hour" if item.minutes == MINUTES_IN_HOUR else "hours"
    return f"{_number(item.minutes)} {hours_word(item.counts, item.topic or '')} {unit}"


def _format_topics(whole: ShortRequirement, short: Sequence[ShortRequirement]) -> str:
    """The topics whose hours fit into those of ``whole``: " (one on DEIA)"; empty if none do."""
    topics = []
    for part in short:
        if part.topic and part.counts == whole.counts and part.minutes <= whole.minutes:
            topics.append(f"{_number(part.minutes)} on {part.topic}")
    return f" ({format_list(topics)})" if topics else ""


def _number(minutes: int) -> str:
    return "one" if minutes == MINUTES_IN_HOUR else format_hours(minutes)
