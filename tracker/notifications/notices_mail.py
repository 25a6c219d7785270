"""The notices mail: one a person a day, holding everything that is due."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import NamedTuple

from tracker.formatting import format_month_day
from tracker.mail.contents import Action, NoticesMail, Section
from tracker.notifications.notice_text import (
    MEMBERSHIP_FORM,
    NoticeFacts,
    NoticeText,
    render_cutoff,
    render_lapse,
    render_membership,
    render_references,
    render_renewal,
    render_window,
)
from tracker.notifications.way_text import (
    render_absence_end,
    render_term_end,
    render_window_closes,
    render_window_opens,
)
from tracker.rules.notice_config import NoticeConfigs
from tracker.rules.notices import Decision, Kind
from tracker.rules.standing import list_short
from tracker.settings import Settings

# What a list of mails shows on a computer. Telephones show less, so what is urgent comes first.
_SUBJECT_LENGTH = 65
_ASK_FOR_HELP = (
    "On leave, or is something in the way? Reply to this email. Your coordinator can help before "
    "the deadline."
)
_MEMBERSHIP_CLOSING = (
    "Already renewed? Enter the new term on your membership page. It counts right away."
)


class NoticeKind(NamedTuple):
    """What the mail does with notices of one kind.

    In a mail that holds several notices, the one with the lowest ``rank`` leads. Its ``closing``
    ends the mail.
    """

    render: Callable[[NoticeFacts], NoticeText]
    closing: str
    rank: int


NOTICE_KINDS = {
    Kind.LAPSE: NoticeKind(
        render_lapse,
        "Did you complete everything in time after all? Your coordinator can look into it. What "
        "you logged is kept.",
        rank=1,
    ),
    Kind.RENEWAL: NoticeKind(
        render_renewal,
        f"Already done? Log your hours. It takes half a minute. {_ASK_FOR_HELP}",
        rank=2,
    ),
    Kind.WINDOW_CLOSES: NoticeKind(
        render_window_closes,
        "Already submitted? Then there is nothing to do. Is something in the way? Reply to this "
        "email. Your coordinator can help before the last day.",
        rank=3,
    ),
    Kind.TERM_ENDS: NoticeKind(
        render_term_end,
        "Have you applied already? Then there is nothing to do. Do you have a question? Reply to "
        "this email.",
        rank=4,
    ),
    Kind.WINDOW_OPENS: NoticeKind(
        render_window_opens,
        "You don't need to submit it today. Do you have a question? Reply to this email.",
        rank=5,
    ),
    Kind.ABSENCE_ENDS: NoticeKind(
        render_absence_end,
        "Do you need more time? Reply to this email before the last day.",
        rank=7,
    ),
    Kind.RSC_WINDOW: NoticeKind(
        render_window,
        "Already had these sessions? Log them. It takes half a minute. Is something in the way? "
        "Reply to this email. Your coordinator can help.",
        rank=6,
    ),
    Kind.MEMBERSHIP: NoticeKind(render_membership, _MEMBERSHIP_CLOSING, rank=8),
    Kind.CUTOFF: NoticeKind(
        render_cutoff,
        "Can't find another provider? Reply to this email. Your coordinator can help.",
        rank=9,
    ),
    Kind.REFERENCES: NoticeKind(
        render_references,
        "Is something in the way? Reply to this email. Your coordinator can help.",
        rank=10,
    ),
}


def write_notices_mail(
    configs: NoticeConfigs, settings: Settings, decisions: Sequence[Decision], as_of: date
) -> NoticesMail:
    """Write the mail about ``decisions`` (at least one; all of one person, none skipped)."""
    ordered = in_order(decisions)
    texts = []
    for decision in ordered:
        config = configs.of(decision.standing.plan.association)
        facts = NoticeFacts(config, settings, decision, as_of)
        texts.append(NOTICE_KINDS[decision.key.kind].render(facts))
    texts = _merge_memberships(ordered, texts)
    lead, text = ordered[0], texts[0]
    button = text.actions[0]
    # Two cycles may have the same to say.
    sections = list(dict.fromkeys(_link(each.section, each, button) for each in texts))
    if len(sections) == 1:
        sections = [_link(text.alone, text, button)]
    return NoticesMail(
        subject=fit_subject(text.subjects),
        greeting_name=lead.standing.facts.name,
        headline=text.headline,
        intro=text.intro,
        sections=tuple(sections),
        action=button,
        closing=_format_closing(lead, button),
        why=_format_why(lead),
        next_reminder=_format_next_reminder(configs, lead, as_of),
        choose_url=f"{settings.base_url}/profile/mail",
    )


def _format_closing(lead: Decision, button: Action) -> str:
    """The end of the mail. Only a renewal that lacks hours asks to log them."""
    if lead.key.kind is not Kind.RENEWAL:
        return NOTICE_KINDS[lead.key.kind].closing
    if button.url.endswith(MEMBERSHIP_FORM):
        return _MEMBERSHIP_CLOSING
    missing = {
        result.requirement.counts for result in list_short(lead.standing) if not result.can_attest
    }
    if missing == {"paid"}:
        return f"Already paid? It counts once your coordinator has recorded it. {_ASK_FOR_HELP}"
    if missing <= {"paid", "signed", "submitted"}:
        return _ASK_FOR_HELP
    return NOTICE_KINDS[Kind.RENEWAL].closing


def _link(section: Section, text: NoticeText, button: Action) -> Section:
    """The section with links to the pages of ``text`` that the mail's button does not open."""
    return replace(section, links=tuple(action for action in text.actions if action != button))


def in_order(decisions: Sequence[Decision]) -> list[Decision]:
    """The decisions of one mail; the first leads: it gives the subject and who gets replies."""
    return sorted(
        decisions,
        key=lambda d: (NOTICE_KINDS[d.key.kind].rank, d.is_about_application, d.key.due_on),
    )


def fit_subject(subjects: Sequence[str]) -> str:
    """The first of ``subjects`` (the fullest first) that has at most 65 characters."""
    for subject in subjects:
        if len(subject) <= _SUBJECT_LENGTH:
            return subject
    return subjects[-1][: _SUBJECT_LENGTH - 1] + "…"


def _merge_memberships(
    decisions: Sequence[Decision], texts: Sequence[NoticeText]
) -> list[NoticeText]:
    """The texts; a membership that a renewal lists as missing becomes a detail of that renewal."""
    merged = []
    for decision, text in zip(decisions, texts, strict=True):
        if any(_lists_membership(renewal, decision) for renewal in decisions):
            continue
        details, actions = text.section.details, dict.fromkeys(text.actions)
        for other, other_text in zip(decisions, texts, strict=True):
            if _lists_membership(decision, other):
                details += (other_text.section.text,)
                actions |= dict.fromkeys(other_text.actions)
        alone, section = (replace(each, details=details) for each in (text.alone, text.section))
        merged.append(replace(text, alone=alone, section=section, actions=tuple(actions)))
    return merged


def _lists_membership(renewal: Decision, membership: Decision) -> bool:
    """Whether a renewal's notice lists as missing the membership that the other notice is about."""
    return (
        membership.key.kind is Kind.MEMBERSHIP
        and renewal.key.kind in {Kind.RENEWAL, Kind.LAPSE}
        and renewal.subject == membership.subject
        and any(r.requirement.counts == "membership" for r in list_short(renewal.standing))
    )


def _format_why(lead: Decision) -> str:
    name = lead.standing.plan.rulebook.name
    reason, end = "hold", "automatically when you have met the requirements"
    if lead.is_about_application:
        reason, end = "are applying for", "when your application is decided"
    return (
        f"You get this email because you {reason} an endorsement from {name}. Reminders stop {end}."
    )


def _format_next_reminder(configs: NoticeConfigs, decision: Decision, as_of: date) -> str | None:
    if decision.key.kind is not Kind.RENEWAL:
        return None
    config = configs.of(decision.standing.plan.association)
    days = sorted(decision.key.due_on + timedelta(days=step) for step in config.renewal.steps)
    for day in days:
        if day > as_of:
            return format_month_day(day)
    return None
