"""The text of reminders about submission windows, days away, and limited terms."""

from tracker.formatting import (
    capitalize_first,
    format_alternatives,
    format_date,
    format_short_month_day,
)
from tracker.mail.contents import Section
from tracker.notifications.notice_text import NoticeFacts, NoticeText, list_forms
from tracker.notifications.way_rows import find_own_window
from tracker.rules.absence_rules import ABSENCE_NOUNS, read_kind


def render_window_opens(facts: NoticeFacts) -> NoticeText:
    """The first day on which a renewal can be submitted, and what is missing."""
    window = find_own_window(facts.decision.renewal)
    closes = f" through {format_date(window.closes_on)}" if window else ""
    headline = f"You can submit your renewal{closes}."
    return NoticeText(
        subjects=[headline.rstrip("."), "You can submit your renewal now"],
        headline=headline,
        intro=f"Your {facts.category} endorsement ({facts.association}) is due for renewal.",
        alone=facts.missing,
        section=_list_missing(facts, headline),
        actions=list_forms(facts),
    )


def render_window_closes(facts: NoticeFacts) -> NoticeText:
    """The last day on which a renewal can be submitted, and what is missing."""
    last_day = format_date(facts.due_on)
    headline = f"Submit your renewal by {last_day}."
    by = f"submit your renewal by {format_short_month_day(facts.due_on)}"
    return NoticeText(
        subjects=[f"{facts.countdown}: {by}"],
        headline=headline,
        intro=(
            f"Your {facts.category} endorsement ({facts.association}) is due for renewal. It can't "
            f"be submitted after {last_day}. The whole day counts."
        ),
        alone=facts.missing,
        section=_list_missing(facts, headline),
        actions=list_forms(facts),
    )


def render_absence_end(facts: NoticeFacts) -> NoticeText:
    """The last day of leave, or of inactive status."""
    noun = ABSENCE_NOUNS[read_kind(facts.decision.key.subject_key)]
    headline = f"Your {noun} ends on {format_date(facts.due_on)}."
    due_on = facts.decision.renewal.due_on
    due = f" Your renewal is due on {format_date(due_on)}." if due_on else ""
    text = f"From the next day on, your renewal requires everything as usual.{due}"
    return NoticeText(
        subjects=[f"{facts.countdown}: {headline.rstrip('.').removeprefix('Your ')}"],
        headline=headline,
        intro=f"This is about your {facts.category} endorsement ({facts.association}).",
        alone=Section("", text),
        section=Section(capitalize_first(noun), f"{headline} {text}"),
        actions=(facts.overview,),
    )


def render_term_end(facts: NoticeFacts) -> NoticeText:
    """The last day of an endorsement that is for a limited time."""
    headline = f"Your {facts.category} endorsement ends on {format_date(facts.due_on)}."
    plan = facts.standing.plan
    categories = plan.rulebook.categories
    becomes = [categories[each].name for each in categories[plan.category].becomes]
    text = "After that day, you no longer hold it."
    if becomes:
        text = f"Until then, it can become {format_alternatives(becomes)}. {text}"
    ends = f"ends {format_short_month_day(facts.due_on)}"
    return NoticeText(
        subjects=[
            f"{facts.countdown}: your {facts.category} endorsement {ends}",
            f"{facts.countdown}: your {plan.category} endorsement {ends}",
        ],
        headline=headline,
        intro=f"{facts.association} grants this endorsement for a limited time.",
        alone=Section("", text),
        section=Section(facts.category, f"{headline} {text}"),
        actions=(facts.overview,),
    )


def _list_missing(facts: NoticeFacts, headline: str) -> Section:
    missing = facts.missing
    title = f"{facts.category}, {facts.association}"
    return Section(title, f"{headline} {missing.text}", missing.rows)
