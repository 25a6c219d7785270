"""The notices mail: one a person a day, holding all that is due."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from tracker.formatting import format_month_day
from tracker.mail.contents import Action, NoticesMail
from tracker.notifications.notice_text import (
    NoticeText,
    render_cutoff,
    render_lapse,
    render_membership,
    render_references,
    render_renewal,
    render_window,
    short_results,
)
from tracker.rulebooks import Rulebooks
from tracker.rules.notice_config import NoticeConfig
from tracker.rules.notices import Decision, Kind

_DAY = timedelta(days=1)
_SUBJECT_LENGTH = 49
# The news that leads when a mail holds several.
_ORDER = (
    *(Kind.LAPSE, Kind.RENEWAL, Kind.RSC_WINDOW, Kind.MEMBERSHIP, Kind.CUTOFF),
    Kind.REFERENCES,
)

_CLOSING = (
    "Already did them? Logging takes half a minute. On leave, or something in the way? "
    "Reply: your coordinator can help before the deadline."
)
_RENEWED = "Already renewed? Enter the new term on your membership page: it counts at once."
_CLOSINGS = {
    Kind.LAPSE: "Did them in time after all? Log them now, and tell your coordinator.",
    Kind.MEMBERSHIP: _RENEWED,
    Kind.CUTOFF: "Nobody else within reach? Reply: your coordinator can help to find someone.",
    Kind.RSC_WINDOW: (
        "Already held them? Logging takes half a minute. Something in the way? "
        "Reply: your coordinator can help."
    ),
    Kind.REFERENCES: "Something in the way? Reply: your coordinator can help.",
}


def write_mail(
    rulebooks: Rulebooks,
    config: NoticeConfig,
    base_url: str,
    decisions: Sequence[Decision],
    as_of: date,
) -> NoticesMail:
    """Write the mail about ``decisions`` (at least one; all of one person, none skipped)."""
    ordered = in_order(decisions)
    told = _once(ordered, [_tell(rulebooks, config, base_url, d, as_of) for d in ordered])
    lead, news = ordered[0], told[0]
    sections = list(dict.fromkeys(n.section for n in told))
    if len(sections) == 1:
        sections = [news.alone]
    return NoticesMail(
        subject=fit(news.subjects),
        greeting_name=lead.standing.facts.name,
        headline=news.headline,
        intro=news.intro,
        sections=tuple(sections),
        action=news.action or _action(base_url, ordered),
        closing=_closing(ordered),
        why=_why(rulebooks, lead),
        next_reminder=_next_reminder(config, lead, as_of),
        choose_url=f"{base_url}/profile/mail",
    )


def in_order(decisions: Sequence[Decision]) -> list[Decision]:
    """The decisions of one mail; the first one leads: it has the subject, and gets the replies."""
    return sorted(
        decisions,
        key=lambda d: (_ORDER.index(d.key.kind), d.is_about_application, d.key.due_on),
    )


def fit(subjects: Sequence[str]) -> str:
    """The first of ``subjects`` (the fullest first) that is under 50 characters."""
    fitting = [s for s in subjects if len(s) <= _SUBJECT_LENGTH]
    return fitting[0] if fitting else subjects[-1][: _SUBJECT_LENGTH - 1] + "…"


def _tell(
    rulebooks: Rulebooks, config: NoticeConfig, base_url: str, decision: Decision, as_of: date
) -> NoticeText:
    match decision.key.kind:
        case Kind.RENEWAL:
            return render_renewal(rulebooks, decision, as_of)
        case Kind.LAPSE:
            return render_lapse(rulebooks, decision, as_of)
        case Kind.MEMBERSHIP:
            return render_membership(rulebooks, base_url, decision, as_of)
        case Kind.CUTOFF:
            return render_cutoff(
                rulebooks, base_url, decision, as_of, config.provider_cutoff.used_within_months
            )
        case Kind.RSC_WINDOW:
            return render_window(rulebooks, base_url, decision, as_of)
        case Kind.REFERENCES:
            return render_references(rulebooks, base_url, decision, as_of)


def _once(decisions: Sequence[Decision], told: Sequence[NoticeText]) -> list[NoticeText]:
    """The news, a membership that a renewal lists as missing told of with that, not beside it."""
    pairs = list(zip(decisions, told, strict=True))
    found = []
    for one, news in pairs:
        if any(_lists(other, one) for other in decisions):
            continue
        texts = tuple(n.section.text for d, n in pairs if _lists(one, d))
        found.append(
            news._replace(
                alone=replace(news.alone, details=news.alone.details + texts),
                section=replace(news.section, details=news.section.details + texts),
            )
        )
    return found


def _lists(renewal: Decision, membership: Decision) -> bool:
    """Whether the one names, among what is missing, the membership that the other is about."""
    return (
        membership.key.kind is Kind.MEMBERSHIP
        and renewal.key.kind in {Kind.RENEWAL, Kind.LAPSE}
        and renewal.is_about_application == membership.is_about_application
        and renewal.standing.facts.subject_id == membership.standing.facts.subject_id
        and any(r.requirement.counts == "membership" for r in short_results(renewal.standing))
    )


def _why(rulebooks: Rulebooks, lead: Decision) -> str:
    name = rulebooks.associations[lead.standing.plan.association].name
    if lead.is_about_application:
        return (
            f"You get this because you apply for an endorsement of {name}; "
            "notices stop once it is decided."
        )
    return (
        f"You get this because you hold an endorsement of {name}; "
        "reminders stop once everything is in."
    )


def _action(base_url: str, decisions: Sequence[Decision]) -> Action:
    """The prefilled form for the first hours that are missing; else the person's page."""
    for decision in decisions:
        if decision.is_about_application:
            continue
        for result in short_results(decision.standing):
            if result.requirement.counts != "membership":
                topic = f"&topic={result.requirement.topic}" if result.requirement.topic else ""
                return Action(
                    "Log hours", f"{base_url}/log?activity={result.requirement.counts}{topic}"
                )
    if _is_about_membership(decisions):
        return Action("Enter my membership", f"{base_url}/membership/new")
    return Action("See my year", f"{base_url}/my-year")


def _is_about_membership(decisions: Sequence[Decision]) -> bool:
    """Whether a membership is all that the mail asks for."""
    return all(
        decision.key.kind is Kind.MEMBERSHIP
        or [r.requirement.counts for r in short_results(decision.standing)] == ["membership"]
        for decision in decisions
        if not decision.is_about_application
    ) and not all(decision.is_about_application for decision in decisions)


def _closing(decisions: Sequence[Decision]) -> str:
    kind = decisions[0].key.kind
    if kind is Kind.RENEWAL and _is_about_membership(decisions):
        return _RENEWED
    return _CLOSINGS.get(kind, _CLOSING)


def _next_reminder(config: NoticeConfig, decision: Decision, as_of: date) -> str | None:
    if decision.key.kind is not Kind.RENEWAL:
        return None
    steps = sorted([-d for d in config.renewal.before] + list(config.renewal.after))
    days = [decision.key.due_on + step * _DAY for step in steps]
    following = next((d for d in days if d > as_of), None)
    return format_month_day(following) if following else None
