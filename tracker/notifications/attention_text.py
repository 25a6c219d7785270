"""What needs a coordinator's attention, in words: the same wherever it is shown."""

from datetime import date
from typing import NamedTuple

from tracker.formatting import format_count, format_date, format_hours_with_unit
from tracker.notifications.missing_text import format_missing
from tracker.services.dashboard import Attention, AttentionKind, NamedProvider, RenewalLine
from tracker.services.time_requests import LEAVE, SubmittedRequest


class AttentionText(NamedTuple):
    """Why something needs attention, what to do, and the path of the page to do it on."""

    reason: str
    todo: str
    path: str


def describe_attention(attention: Attention, today: date) -> AttentionText:
    """The words for one thing that needs attention."""
    path = f"/coordinator/people/{attention.endorsement_id}"
    if attention.request:
        path = f"/coordinator/requests/{attention.request.request.id}"
        return AttentionText(_describe_request(attention.request), "decide", path)
    if attention.provider:
        return AttentionText(_describe_provider(attention.provider), "confirm provider", path)
    if attention.renewal is None:
        raise ValueError("attention is about a renewal, a request, or a provider")
    if attention.kind is AttentionKind.UNREACHABLE:
        reason = f"mail to {attention.renewal.email} came back; no second address"
        return AttentionText(reason, "reach out", path)
    if attention.kind is AttentionKind.BEHIND:
        return AttentionText(_describe_behind(attention.renewal, today), "far behind", path)
    return AttentionText(_describe_late(attention.renewal), "reach out", path)


def format_attention_count(count: int) -> str:
    """``Nothing needs your attention``, ``1 item needs your attention``; without a full stop."""
    if not count:
        return "Nothing needs your attention"
    verb = "needs" if count == 1 else "need"
    return f"{format_count(count, 'item')} {verb} your attention"


def _describe_request(submitted: SubmittedRequest) -> str:
    request = submitted.request
    if request.kind == LEAVE:
        return f"requests leave starting {format_date(request.starts_on)}"
    return f"requests a later due date: {format_date(request.ends_on or request.starts_on)}"


def _describe_provider(provider: NamedProvider) -> str:
    hours = format_hours_with_unit(provider.minutes)
    return (
        f"named {provider.name} as RSC provider; {hours} of RSC will count "
        "once you confirm that the provider qualifies"
    )


def _describe_behind(renewal: RenewalLine, today: date) -> str:
    missing = format_missing(renewal.short)
    if renewal.due_on is None:
        return f"{missing} to go"
    return f"{missing} to go, {format_count((renewal.due_on - today).days, 'day')} left"


def _describe_late(renewal: RenewalLine) -> str:
    due = f", was due {format_date(renewal.due_on)}" if renewal.due_on else ""
    return f"{renewal.state}{due}: {format_missing(renewal.short)} missing"
