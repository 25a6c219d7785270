"""Emails about entries: an association's questions, and that an entry does not count or is removed.

One person gets at most one email with questions a day. What came later the same day is in the next
day's email (`tracker.jobs.questions`), unless it was answered by then.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from tracker.db.entry_reviews import EntryDecision
from tracker.formatting import (
    format_count,
    format_date,
    format_hours_with_unit,
    format_list,
    format_short_month_day,
    use_locale,
)
from tracker.mail.contents import Action, EntryQuestionMail, QuestionItem, RequestMail, Row
from tracker.mail.outbox import Message, enqueue
from tracker.notifications.context import Envelope, MailContext, create_message
from tracker.notifications.notices_mail import fit_subject
from tracker.plain_text import contains_link
from tracker.rules.explain import LoggedEntry
from tracker.services.context import ServiceContext
from tracker.services.entries import entry_input_of
from tracker.services.entry_question_mail import (
    QuestionToMail,
    list_unmailed_questions,
    mark_mailed,
)
from tracker.services.entry_reviews import EXCLUDED
from tracker.services.entry_rules import EntryInput
from tracker.services.group_notifications import had_mail
from tracker.services.message_subjects import About
from tracker.services.profile import get_person

_A_DAY = timedelta(days=1)
# What a correction can change, in the order of the form.
_LABELS = {
    "held_on": "date",
    "minutes": "length",
    "topics": "topics",
    "title": "title",
}


def list_proposed_changes(entry: LoggedEntry, proposal: EntryInput) -> list[Row]:
    """What a proposed correction would change: label, what it is now, what it would be."""
    now, proposed = entry_input_of(entry).values(), proposal.values()
    rows = []
    for name, label in _LABELS.items():
        if now[name] != proposed[name]:
            rows.append(Row(label, _format(name, now[name]), _format(name, proposed[name])))
    return rows


def _format(name: str, value: Any) -> str:  # noqa: ANN401 - a value of a column
    if name == "held_on":
        return format_date(value)
    if name == "minutes":
        return format_hours_with_unit(value)
    if name == "topics":
        return _format_topics(value)
    return str(value)


def _format_topics(topics: Mapping[str, int]) -> str:
    parts = [f"{format_hours_with_unit(topics[topic])} of {topic}" for topic in sorted(topics)]
    return format_list(parts) or "none"


def notify_question(mail_context: MailContext, context: ServiceContext, question_id: int) -> None:
    """Queue an email about a new question, unless the person had one within a day."""
    session = context.session
    for question in list_unmailed_questions(session, question_ids=[question_id]):
        kinds = [EntryQuestionMail.kind]
        if not had_mail(session, question.person.id, kinds, context.now - _A_DAY):
            message = write_questions(mail_context, [question], context.now)
            enqueue(session, [message], context.now)
            mark_mailed(session, [question_id], context.now)


def write_questions(
    mail_context: MailContext, questions: Sequence[QuestionToMail], now: datetime
) -> Message:
    """One email to one person about all these questions of one association."""
    first = questions[0]
    association = first.thread.question.association
    with use_locale(mail_context.rulebooks.associations[association].locale):
        mail = _write_mail(mail_context, questions)
    about = About("entry_question", first.thread.question.id, "open")
    key = f"entry-question:{first.thread.question.id}:{now.timestamp():.6f}"
    envelope = Envelope.to_person(
        first.person, association, key, about if len(questions) == 1 else None
    )
    return create_message(mail_context, envelope, mail, now)


def _write_mail(
    mail_context: MailContext, questions: Sequence[QuestionToMail]
) -> EntryQuestionMail:
    base_url, first = mail_context.settings.base_url, questions[0]
    association = first.thread.question.association
    names = {one.email: one.name for one in mail_context.settings.coordinators}
    items = []
    for question in questions:
        thread = question.thread
        changes = list_proposed_changes(thread.entry, thread.proposal) if thread.proposal else ()
        asked_by = names.get(thread.messages[-1].written_by, "Your coordinator")
        title = _format_session(thread.entry)
        items.append(QuestionItem(title, asked_by, question.text, tuple(changes)))
    day = format_short_month_day(first.thread.entry.held_on)
    if len(questions) == 1:
        url = f"{base_url}/questions/{first.thread.question.id}"
        subjects = [
            f"{association}: a question about {day}",
            "A question about one of your sessions",
        ]
        headline = f"{association} has a question about a session that you logged."
    else:
        url = f"{base_url}/questions"
        subjects = [f"{association}: {len(questions)} questions about your sessions"]
        count = format_count(len(questions), "question")
        headline = f"{association} has {count} about sessions that you logged."
    return EntryQuestionMail(
        subject=fit_subject(subjects),
        greeting_name=first.person.name,
        headline=headline,
        intro="Nothing in your log changes unless you change it or accept a correction.",
        items=tuple(items),
        action=Action("Answer", url),
        why=f"You get this email because your hours count at {association}.",
    )


def _format_session(entry: LoggedEntry) -> str:
    title = _format_title(entry.title)
    return f"{title}, {format_hours_with_unit(entry.minutes)}, {format_date(entry.held_on)}"


def notify_decision(
    mail_context: MailContext, context: ServiceContext, decision: EntryDecision, decided_by: str
) -> None:
    """Queue an email that an entry does not count or was removed; ``decided_by`` is a name."""
    association, base_url = decision.association, mail_context.settings.base_url
    person = get_person(context.session, decision.person_id)
    headline = f"{association} removed one of your sessions."
    intro = "It is no longer in your log. If this is a mistake, reply to this email."
    action = Action("View my renewal", f"{base_url}/my-year")
    if decision.kind == EXCLUDED:
        headline = f"One of your sessions does not count for {association}."
        intro = "It stays in your log, and the reason is shown with it."
        action = Action("View the session", f"{base_url}/entries/{decision.entry_id}")
    with use_locale(mail_context.rulebooks.associations[association].locale):
        day = format_short_month_day(decision.held_on)
        what = "does not count" if decision.kind == EXCLUDED else "was removed"
        mail = RequestMail(
            subject=fit_subject([f"{association}: your session of {day} {what}"]),
            greeting_name=person.name,
            headline=headline,
            intro=intro,
            rows=(
                Row("Session", _format_title(decision.title)),
                Row("Date", format_date(decision.held_on)),
                Row("Length", format_hours_with_unit(decision.minutes)),
            ),
            answer=decision.reason,
            answered_by=decided_by,
            action=action,
            why=f"You get this email because {association} decided this about your log.",
        )
        about = About(str(EntryDecision.__tablename__), decision.id)
        key = f"entry-decision:{decision.id}"
        envelope = Envelope.to_person(person, association, key, about)
        message = create_message(mail_context, envelope, mail, context.now)
    enqueue(context.session, [message], context.now)


def _format_title(title: str) -> str:
    # Mail programs make links of what looks like one.
    return "A session" if contains_link(title) else title
