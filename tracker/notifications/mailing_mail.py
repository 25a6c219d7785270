"""Mailings as messages: planned, shown before they are sent, and written.

`mailing_sending.py` sends them, and `tracker.jobs.mailing_recheck` writes them again before they
leave.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from email import message_from_bytes, policy
from functools import cached_property
from typing import Any, NamedTuple

from sqlmodel import Session

from tracker.clock import local_day
from tracker.formatting import use_locale
from tracker.mail.contents import Action, MailingMail, Row, Section
from tracker.mail.outbox import Message
from tracker.notifications.context import Envelope, MailContext, create_message
from tracker.notifications.mailing_text import Letter, write_mailing
from tracker.rules.standing import Standing
from tracker.services.evaluation import days_at, judge_current
from tracker.services.mailing_recipients import list_recipients, list_trainings
from tracker.services.mailing_rules import (
    MailingPlan,
    MailingRules,
    MailingTemplate,
    Recipient,
    find_optional_kind,
    plan_mailing,
)
from tracker.services.mailings import MailingInput
from tracker.services.message_subjects import About
from tracker.services.notices import day_key
from tracker.services.notification_preferences import ChoiceLinks

# Their text is made from the standings themselves, as the automatic notices are.
_JUDGED = (MailingTemplate.REMINDER, MailingTemplate.MEMBERSHIP)


class Sender(NamedTuple):
    """The coordinator who writes: the name under the text, and the address for replies."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class OpenLetter:
    """A mailing at an instant: its text, and the rules that decide who gets it."""

    context: MailContext
    sender: Sender
    now: datetime
    letter: Letter
    rules: MailingRules


@dataclass(frozen=True, slots=True)
class PlannedMailing:
    """A mailing as it would be sent now, and who gets it."""

    opened: OpenLetter
    plan: MailingPlan


def open_letter(
    context: MailContext,
    typed: MailingInput,
    sender: Sender,
    now: datetime,
    *,
    is_recheck: bool = False,
) -> OpenLetter:
    """What a mailing is made from. ``is_recheck``: its messages are written, and wait."""
    rulebook = context.rulebooks.associations[typed.association]
    config = context.notices.of(rulebook.id)
    today = local_day(now, rulebook.time_zone)
    letter = Letter(typed, sender.name, context.settings, rulebook, config, today)
    rules = MailingRules(
        typed.template,
        typed.fields,
        config,
        today,
        is_personal=len(typed.person_ids) == 1,
        is_recheck=is_recheck,
    )
    return OpenLetter(context, sender, now, letter, rules)


def read_recipients(
    session: Session, opened: OpenLetter, person_ids: Collection[int]
) -> list[Recipient]:
    """What the mailing needs to know of people, by name."""
    typed = opened.letter.typed
    is_about_documents = typed.template is MailingTemplate.DOCUMENTS
    return list_recipients(
        session,
        typed.association,
        person_ids,
        opened.rules.today,
        with_documents=is_about_documents,
    )


def plan_letter(
    session: Session, opened: OpenLetter, person_ids: Collection[int] | None = None
) -> PlannedMailing:
    """Who would get a mailing and who would not, of its people or of some; nothing is written."""
    chosen = opened.letter.typed.person_ids if person_ids is None else person_ids
    recipients = read_recipients(session, opened, chosen)
    return PlannedMailing(opened, plan_mailing(recipients, opened.rules))


class ShownMail(NamedTuple):
    """A mail as its reader sees it."""

    subject: str
    text: str
    html: str


def render_preview(session: Session, opened: OpenLetter, recipient: Recipient) -> ShownMail | None:
    """The mail that a recipient would get; None if there is nothing to say to them."""
    standings = _judge(session, opened, [recipient]).get(recipient.person_id, ())
    [recipient] = _add_trainings(session, opened, [recipient])
    kind = find_optional_kind(recipient, opened.rules)
    choose_url = _choose_url(opened) if kind else ""
    with use_locale(opened.letter.rulebook.locale):
        mail = write_mailing(opened.letter, recipient, standings, choose_url)
    reader = (recipient.name, recipient.email)
    association = opened.letter.typed.association
    return show_mail(opened.context, mail, reader, opened.now, association) if mail else None


def show_mail(
    context: MailContext,
    mail: MailingMail,
    recipient: tuple[str, str],
    now: datetime,
    association: str,
) -> ShownMail:
    """A mail of an association as its reader (name and address) sees it."""
    rendered = context.composer.compose(
        mail,
        sender=context.settings.mail.sender,
        recipient=recipient,
        at=now,
        branding=context.settings.branding_of(association),
    )
    message = message_from_bytes(rendered.body, policy=policy.default)
    parts = []
    for subtype in ("plain", "html"):
        part = message.get_body((subtype,))
        parts.append(str(part.get_content()) if part else "")
    return ShownMail(rendered.subject, *parts)


@dataclass(frozen=True)
class MailingWriter:
    """Writes the messages of one mailing for some of its recipients."""

    session: Session
    planned: PlannedMailing
    mailing_id: int

    @cached_property
    def choice_links(self) -> ChoiceLinks:
        """Makes the links that switch off the optional mail."""
        return ChoiceLinks(self.session)

    def write(self, recipients: Sequence[Recipient]) -> dict[int, tuple[Message, str]]:
        """The message of each recipient, and its content as JSON, by person.

        Without those to whom there is nothing to say any more.
        """
        opened = self.planned.opened
        standings = _judge(self.session, opened, recipients)
        written = {}
        with use_locale(opened.letter.rulebook.locale):
            for recipient in _add_trainings(self.session, opened, recipients):
                own = standings.get(recipient.person_id, ())
                if message := self._write_one(recipient, own):
                    written[recipient.person_id] = message
        return written

    def _write_one(
        self, recipient: Recipient, standings: Sequence[Standing]
    ) -> tuple[Message, str] | None:
        opened = self.planned.opened
        letter, base_url = opened.letter, opened.context.settings.base_url
        kind = find_optional_kind(recipient, opened.rules)
        mail = write_mailing(letter, recipient, standings, _choose_url(opened) if kind else "")
        if mail is None:
            return None
        unsubscribe_url = ""
        if kind is not None:
            token = self.choice_links.create_token(recipient.person_id, [kind.value])
            unsubscribe_url = f"{base_url}/unsubscribe/mail/{token}"
        envelope = Envelope(
            dedupe_key=day_key(recipient.person_id, letter.as_of),
            name=recipient.name,
            address=recipient.email,
            association=letter.typed.association,
            person_id=recipient.person_id,
            unsubscribe_url=unsubscribe_url,
            about=About("mailing", self.mailing_id),
            reply_to=opened.sender.email,
        )
        message = create_message(opened.context, envelope, mail, opened.now)
        return message, json.dumps(asdict(mail), ensure_ascii=False)


def _choose_url(opened: OpenLetter) -> str:
    return f"{opened.context.settings.base_url}/profile/mail"


def read_content(content: str) -> MailingMail:
    """The mail that `MailingWriter` kept as JSON."""
    values: dict[str, Any] = json.loads(content)
    action = values["action"]
    return MailingMail(
        **{
            **values,
            "paragraphs": tuple(tuple(lines) for lines in values["paragraphs"]),
            "sections": tuple(_read_section(section) for section in values["sections"]),
            "action": Action(**action) if action else None,
            "signature": tuple(values["signature"]),
        }
    )


def _read_section(values: dict[str, Any]) -> Section:
    return Section(
        values["title"],
        values["text"],
        tuple(Row(**row) for row in values["rows"]),
        tuple(values["details"]),
        tuple(Action(**link) for link in values["links"]),
    )


def _add_trainings(
    session: Session, opened: OpenLetter, recipients: Sequence[Recipient]
) -> Sequence[Recipient]:
    """The recipients with their trainings, if the mail is about these."""
    typed = opened.letter.typed
    if typed.template is not MailingTemplate.DOCUMENTS:
        return recipients
    ids = [recipient.person_id for recipient in recipients]
    trainings = list_trainings(session, typed.association, opened.rules.today, ids)
    return [
        replace(recipient, trainings=tuple(trainings.get(recipient.person_id, ())))
        for recipient in recipients
    ]


def _judge(
    session: Session, opened: OpenLetter, recipients: Sequence[Recipient]
) -> dict[int, list[Standing]]:
    """The standings of the recipients' listed renewals, by person, the most urgent first."""
    if opened.letter.typed.template not in _JUDGED:
        return {}
    places = {
        (renewal.endorsement_id, renewal.cycle_starts_on): place
        for recipient in recipients
        for place, renewal in enumerate(recipient.renewals)
    }
    by_person: defaultdict[int, list[tuple[int, Standing]]] = defaultdict(list)
    ids = {endorsement_id for endorsement_id, _ in places}
    rulebooks = opened.context.rulebooks
    day_of = days_at(rulebooks, opened.now)
    for standing in judge_current(session, rulebooks, day_of, endorsement_ids=ids):
        cycle, facts = standing.plan.cycle, standing.facts
        place = places.get((facts.subject_id, cycle.starts_on)) if cycle else None
        if place is not None:
            by_person[facts.person_id].append((place, standing))
    return {
        person_id: [standing for _, standing in sorted(own, key=lambda pair: pair[0])]
        for person_id, own in by_person.items()
    }
