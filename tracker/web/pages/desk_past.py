"""The parts of a timeline page about the past: what became of reminders, and the standing then."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlmodel import Session
from starlette.datastructures import FormData

from tracker.db.ledgers import StandingHistory
from tracker.formatting import (
    capitalize_first,
    format_date,
    format_measure,
    format_measure_number,
)
from tracker.rules.requirement import HOURS
from tracker.rules.standing import Outcome, Standing
from tracker.services.evaluation import format_results, parse_results
from tracker.services.reminder_history import Reminder, ReminderHistory, ReminderState
from tracker.services.standing_as_of import PastStanding, list_standings_as_of
from tracker.services.timeline import SentEmail, TimelineItem, list_recorded_after
from tracker.web.forms.days import PastDayForm
from tracker.web.page_request import PageRequest
from tracker.web.pages.desk_timeline_text import TimelineWording, format_reason
from tracker.web.pages.renewal_text import format_effect, format_headline
from tracker.web.rendering import format_cycle

_STATES = {
    ReminderState.SENT: ("Sent", "good"),
    ReminderState.WAITING: ("Waiting to be sent", "plain"),
    ReminderState.FAILED: ("Not delivered", "warm"),
    ReminderState.SKIPPED: ("Not sent", "plain"),
    ReminderState.AHEAD: ("Ahead", "plain"),
    ReminderState.UNDECIDED: ("Not decided yet", "warm"),
}
_MOST_CHANGES = 12


class AsOfForm(PastDayForm):
    """The day on which to see the standing."""

    first_field = "day"


def view_history(history: ReminderHistory, words: TimelineWording) -> dict[str, Any]:
    """The reminders of one renewal, in words; ``summary`` is the latest decision."""
    plan = history.standing.plan
    return {
        "name": f"{plan.association} {plan.category}",
        "cycle": format_cycle(plan.cycle) if plan.cycle else "",
        "due_on": history.standing.due_on,
        "has_failed": bool(history.error),
        "rows": [_view_reminder(reminder, words) for reminder in history.reminders],
        "summary": _summarize(history, words),
    }


def _view_reminder(reminder: Reminder, words: TimelineWording) -> dict[str, Any]:
    state, tone = _STATES[reminder.state]
    why = format_reason(reminder.reason or "")
    if reminder.state is ReminderState.FAILED and reminder.email and reminder.email.error:
        why = format_reason(reminder.email.error)
    elif reminder.state is ReminderState.UNDECIDED:
        why = "the next daily run decides it"
    return {
        "day": reminder.planned_on,
        "what": _format_step(reminder, words),
        "state": state,
        "tone": tone,
        "why": capitalize_first(why),
        "decided_on": reminder.notice.decided_on if reminder.notice else None,
        "mail_id": _find_mail_id(reminder.email),
    }


def _format_step(reminder: Reminder, words: TimelineWording) -> str:
    key = reminder.notice.subject_key if reminder.notice else ""
    return words.format_step(reminder.kind, reminder.step, reminder.due_on, key)


def _find_mail_id(email: SentEmail | None) -> int | None:
    """The email that has a page of its own, if it may be read."""
    return email.id if email is not None and email.subject is not None else None


def _summarize(history: ReminderHistory, words: TimelineWording) -> str:
    """The latest decision in a sentence: why there was no reminder, or when there was one."""
    decided = [(r.notice.decided_on, r.planned_on, r) for r in history.reminders if r.notice]
    if not decided:
        return "Nothing has been decided for this renewal yet."
    day, _, latest = max(decided, key=lambda each: each[:2])
    about = f"{_format_step(latest, words)}; decided {format_date(day)}"
    if latest.state is ReminderState.SKIPPED:
        return f"Last decision: not sent, because {format_reason(latest.reason or '')} ({about})."
    return f"Last decision: {_STATES[latest.state][0].lower()} ({about})."


def view_as_of(
    session: Session,
    page: PageRequest,
    endorsement_ids: Sequence[int],
    items: Sequence[TimelineItem],
    words: TimelineWording,
    typed: FormData,
) -> dict[str, Any]:
    """What the page shows of the day that is asked for: nothing unless one is.

    ``later`` are the records that the system did not have on that day.
    """
    form = AsOfForm(typed)
    day = None
    if any(typed.get(part) for part in ("day", "month", "year")):
        day = form.parse_past_day(words.today(page.now), named="standing")
    if day is None:
        return {"form": form, "as_of": None}
    past = list_standings_as_of(session, page.rulebooks, day, endorsement_ids, items)
    later = list_recorded_after(items, day, words.zone)
    return {
        "form": form,
        "as_of": day,
        "standings": [_view_past(one, day, words) for one in past],
        "later": [words.view(item) for item in later[:_MOST_CHANGES]],
        "later_count": len(later),
    }


def _view_past(past: PastStanding, day: date, words: TimelineWording) -> dict[str, Any]:
    standing, notice, stored = past.standing, past.notice, past.stored
    plan = standing.plan
    said = ""
    if notice is not None:
        outcome = "sent" if notice.message_id else f"not sent, because {notice.reason}"
        said = f"{words.format_notice(notice)}: {format_reason(outcome)}"
    return {
        "name": f"{plan.association} {plan.category}",
        "cycle": format_cycle(plan.cycle) if plan.cycle else "",
        "headline": format_headline(standing, day, is_own=False),
        "effect": format_effect(standing),
        "settled_on": standing.settled_on,
        "stored": _view_stored(stored) if stored is not None else None,
        "differs": stored is not None and _differs(stored, standing),
        "said": said,
        "said_on": notice.decided_on if notice else None,
        "mail_id": _find_mail_id(past.email),
    }


def _view_stored(stored: StandingHistory) -> dict[str, Any]:
    """What was stored, in words; ``rows`` are requirement, progress, outcome, and its tone."""
    rows = []
    for result in parse_results(stored.requirements):
        progress = ""
        if result.counts in HOURS and result.required:
            needed = format_measure(result.required, result.unit)
            progress = f"{format_measure_number(result.counted, result.unit)} of {needed}"
        outcome = "missing" if result.outcome == Outcome.SHORT else result.outcome
        tone = "warm" if result.outcome == Outcome.SHORT else "good"
        rows.append((result.label, progress, outcome, tone))
    return {
        "status": stored.status,
        "since": stored.since,
        "due_on": stored.due_on,
        "rows": rows,
    }


def _differs(stored: StandingHistory, standing: Standing) -> bool:
    """Whether today's records would have given another standing."""
    same = (standing.status.value, format_results(standing.results), standing.due_on)
    return (stored.status, stored.requirements, stored.due_on) != same
