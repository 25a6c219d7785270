"""What a mailing says to one recipient: the template's own part, and the coordinator's words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import NamedTuple

from tracker.formatting import format_count, format_date, format_hours_with_unit
from tracker.mail.contents import Action, MailingMail, Row, Section
from tracker.notifications.attention_text import format_missing, list_missing_briefly
from tracker.notifications.notice_text import MEMBERSHIP_FORM, NoticeFacts, render_membership
from tracker.notifications.notices_mail import write_notices_mail
from tracker.rules.model import Rulebook
from tracker.rules.notice_config import NoticeConfig, NoticeConfigs
from tracker.rules.notices import Decision, Key, Kind, last_membership
from tracker.rules.standing import Outcome, Standing, Status, lasts_for_life, list_short
from tracker.services.mailing_rules import (
    MailingField,
    MailingTemplate,
    Recipient,
    SkipReason,
)
from tracker.services.mailings import GOOD_SUBJECT, MAX_SUBJECT, MailingInput, fill_fields
from tracker.settings import Settings

_MOST_TRAININGS = 30


class TemplateText(NamedTuple):
    """A template as coordinators choose it: what it is for, and the texts that it starts with."""

    label: str
    purpose: str
    subject: str
    text: str


TEMPLATES = {
    MailingTemplate.REMINDER: TemplateText(
        "Reminder",
        "What each person is missing, by when, and a button to the form. People with nothing "
        "missing are skipped.",
        "Due {due date}: {missing}",
        "If something is in the way, reply to this email. I can help.",
    ),
    MailingTemplate.MEMBERSHIP: TemplateText(
        "Membership",
        "For people whose membership is missing, has ended, or ends soon.",
        "Please renew your membership",
        "Already renewed? Enter the new term on your membership page. It counts right away.",
    ),
    MailingTemplate.DOCUMENTS: TemplateText(
        "Missing documents",
        "Lists each person's trainings in this cycle that have no document.",
        "Please add documents for your trainings",
        "Please add a certificate, or another record that you attended, to each of these "
        "trainings. A photo is enough.",
    ),
    MailingTemplate.FREE: TemplateText(
        "Your own text", "Only what you write, in the look of the other emails.", "", ""
    ),
}

# What each field becomes, for the list from which coordinators choose.
FIELD_LABELS = {
    MailingField.NAME: "The person's name",
    MailingField.ASSOCIATION: "The association, in short",
    MailingField.ASSOCIATION_NAME: "The association's full name",
    MailingField.CATEGORY: "The endorsement",
    MailingField.DUE_DATE: "The due date of the renewal that comes next",
    MailingField.MISSING: "All that this renewal is missing",
    MailingField.MEMBERSHIP_ENDS: "The last day of the membership",
    MailingField.MY_YEAR: "A link to My year",
    MailingField.COORDINATOR: "Your name",
}

SKIP_TEXTS = {
    SkipReason.NOT_ENDORSED: "no longer an endorsee",
    SkipReason.NO_RENEWAL: "no renewal in this association",
    SkipReason.LAPSED: "the renewal has lapsed, so nothing can be completed",
    SkipReason.NOTHING_MISSING: "nothing is missing",
    SkipReason.MEMBERSHIP_CURRENT: "the membership is current",
    SkipReason.NO_MEMBERSHIP: "no membership on file",
    SkipReason.NO_DUE_DATE: "no due date",
    SkipReason.DOCUMENTED: "every training has a document",
    SkipReason.OPTED_OUT: "this kind of email is turned off",
    SkipReason.BOUNCED: "email bounces, and there is no second address",
    SkipReason.SAME_ADDRESS: "same address as another recipient",
    SkipReason.MAILED_TODAY: "already mailed today",
    SkipReason.STOPPED: "stopped before it left",
    SkipReason.CHANGED: "no longer true when it could leave",
}


@dataclass(frozen=True, slots=True)
class Letter:
    """Everything that the text of a mailing is made from, but for the recipient.

    ``as_of`` is the association's local day.
    """

    typed: MailingInput
    sender_name: str
    settings: Settings
    rulebook: Rulebook
    config: NoticeConfig
    as_of: date


def write_mailing(
    letter: Letter, recipient: Recipient, standings: Sequence[Standing], choose_url: str = ""
) -> MailingMail | None:
    """The mail to a recipient, with the renewals of whom ``standings`` are.

    None if the template has nothing to say any more, because the standings have just changed.
    """
    values = list_values(letter, recipient)
    parts = _PARTS[letter.typed.template](letter, recipient, standings)
    if parts is None:
        return None
    subject = _fit_subject(letter, recipient, values)
    return MailingMail(
        subject=subject,
        greeting_name=recipient.name,
        headline=parts.headline or subject,
        intro=parts.intro,
        paragraphs=_split_paragraphs(fill_fields(letter.typed.text, values)),
        sections=parts.sections,
        action=parts.action,
        signature=(letter.sender_name, letter.rulebook.name),
        why=(
            f"You get this email because {letter.sender_name}, who coordinates endorsements at "
            f"{letter.rulebook.name}, sent it to you."
        ),
        choose_url=choose_url,
    )


def list_values(letter: Letter, recipient: Recipient) -> dict[MailingField, str]:
    """The value of each field for a recipient; empty where there is none."""
    rulebook = letter.rulebook
    values = dict.fromkeys(MailingField, "")
    values |= {
        MailingField.NAME: recipient.name,
        MailingField.ASSOCIATION: rulebook.id,
        MailingField.ASSOCIATION_NAME: rulebook.name,
        MailingField.MY_YEAR: f"{letter.settings.base_url}/my-year",
        MailingField.COORDINATOR: letter.sender_name,
    }
    if recipient.renewals:
        renewal = recipient.renewals[0]
        category = rulebook.categories.get(renewal.category)
        values[MailingField.CATEGORY] = category.name if category else renewal.category
        values[MailingField.DUE_DATE] = format_date(renewal.due_on) if renewal.due_on else ""
        values[MailingField.MISSING] = format_missing(renewal.short)
        until = renewal.membership_until
        if until is not None:
            for_life = lasts_for_life(until)
            values[MailingField.MEMBERSHIP_ENDS] = "never" if for_life else format_date(until)
    return values


def _fit_subject(letter: Letter, recipient: Recipient, values: Mapping[MailingField, str]) -> str:
    """The subject with its fields, in the fullest form that a phone shows, or else that fits."""
    forms = [values[MailingField.MISSING]]
    if forms[0]:
        forms += list_missing_briefly(recipient.renewals[0].short)
    number = format_count(len(recipient.renewals[0].short), "requirement") if forms[0] else ""
    candidates = [(form, GOOD_SUBJECT) for form in forms]
    candidates += [(form, MAX_SUBJECT) for form in [*forms, number]]
    filled = ""
    for missing, length in candidates:
        filled = fill_fields(letter.typed.subject, {**values, MailingField.MISSING: missing})
        if len(filled) <= length:
            return filled
    return filled[: MAX_SUBJECT - 1].rstrip() + "…"


def _split_paragraphs(text: str) -> tuple[tuple[str, ...], ...]:
    """The paragraphs of a text, which blank lines separate, each as its lines."""
    paragraphs: list[tuple[str, ...]] = []
    lines: list[str] = []
    for line in [*text.split("\n"), ""]:
        if line.strip():
            lines.append(line.strip())
        elif lines:
            paragraphs.append(tuple(lines))
            lines = []
    return tuple(paragraphs)


class _Parts(NamedTuple):
    """What a template says by itself; without a headline the subject is it."""

    headline: str = ""
    intro: str = ""
    sections: tuple[Section, ...] = ()
    action: Action | None = None


def _write_reminder(
    letter: Letter, _recipient: Recipient, standings: Sequence[Standing]
) -> _Parts | None:
    """The same words as in the automatic reminders."""
    decisions = []
    for standing in standings:
        cycle, due_on = standing.plan.cycle, standing.due_on
        if cycle is None or due_on is None or not _can_complete(standing):
            continue
        step = (letter.as_of - due_on).days
        key = Key(Kind.RENEWAL, cycle.starts_on.isoformat(), due_on, step)
        decisions.append(Decision(standing, key, None))
    if not decisions:
        return None
    configs = NoticeConfigs(letter.config)
    mail = write_notices_mail(configs, letter.settings, decisions, letter.as_of)
    return _Parts(mail.headline, mail.intro, mail.sections, mail.action)


def _can_complete(standing: Standing) -> bool:
    """Whether something is short that the endorsee can still complete."""
    is_open = standing.status not in {Status.LAPSED, Status.EXCUSED}
    return is_open and bool(list_short(standing))


def _write_membership(
    letter: Letter, _recipient: Recipient, standings: Sequence[Standing]
) -> _Parts | None:
    """The words of the automatic notice, or that no membership is on file."""
    results = [
        (standing, result)
        for standing in standings
        for result in standing.results
        if result.requirement.counts == "membership"
    ]
    if not results:
        return None
    # If one of several is short, that one is meant.
    standing, result = min(results, key=lambda pair: pair[1].outcome is not Outcome.SHORT)
    until = standing.covered_until or last_membership(standing, letter.as_of)
    if until is None:
        accepted = f"Accepted: {result.requirement.about}."
        return _Parts(
            "We have no current membership on file for you.",
            "Your endorsement requires a current membership.",
            (Section("", f"Please join, or enter your membership. {accepted}"),),
            Action("Enter my membership", f"{letter.settings.base_url}{MEMBERSHIP_FORM}"),
        )
    key = Key(Kind.MEMBERSHIP, "", until, (letter.as_of - until).days)
    decision = Decision(standing, key, None)
    text = render_membership(NoticeFacts(letter.config, letter.settings, decision, letter.as_of))
    return _Parts(text.headline, text.intro, (text.alone,), text.actions[0])


def _write_documents(
    letter: Letter, recipient: Recipient, _standings: Sequence[Standing]
) -> _Parts | None:
    trainings = recipient.trainings
    if not trainings:
        return None
    rows = tuple(
        Row(
            training.title,
            f"{format_date(training.held_on)} ({format_hours_with_unit(training.minutes)})",
        )
        for training in trainings[:_MOST_TRAININGS]
    )
    more = len(trainings) - len(rows)
    details = (f"and {format_count(more, 'more training')}",) if more > 0 else ()
    verb = "has" if len(trainings) == 1 else "have"
    return _Parts(
        f"{format_count(len(trainings), 'training')} in your log {verb} no document.",
        "",
        (replace(Section("", "", rows), details=details),),
        Action("Add documents", f"{letter.settings.base_url}/my-year"),
    )


def _write_nothing(
    _letter: Letter, _recipient: Recipient, _standings: Sequence[Standing]
) -> _Parts:
    return _Parts()


_PARTS: dict[MailingTemplate, Callable[[Letter, Recipient, Sequence[Standing]], _Parts | None]] = {
    MailingTemplate.REMINDER: _write_reminder,
    MailingTemplate.MEMBERSHIP: _write_membership,
    MailingTemplate.DOCUMENTS: _write_documents,
    MailingTemplate.FREE: _write_nothing,
}
