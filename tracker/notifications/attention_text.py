"""What needs a coordinator's attention, in words: the same wherever it is shown."""

from datetime import date
from typing import NamedTuple

from tracker.formatting import format_count, format_date, format_hours_with_unit
from tracker.notifications.missing_text import format_missing
from tracker.services.dashboard import Attention, AttentionKind, RenewalLine
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
    if attention.renewal is None:
        raise ValueError("attention is about a renewal, a request, or a provider")
    reason, todo = _describe_renewal(attention.kind, attention.renewal, today)
    return AttentionText(reason, todo, path)


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
    missing, due_on = format_missing(renewal.short), renewal.due_on
    if kind is AttentionKind.BEHIND:
        left = f", {format_count((due_on - today).days, 'day')} left" if due_on else ""
        return f"{missing} to go{left}", "far behind"
    due = f", was due {format_date(due_on)}" if due_on else ""
    return f"{renewal.state}{due}: {missing} missing", "reach out"
