"""Undoing a decision or removing a row together with its letter.

The letter is dropped if it has not left; otherwise a correction follows.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from tracker.db.applications import Application
from tracker.db.corrections import Removal
from tracker.db.desk import DeskChange
from tracker.db.people import Endorsement, Person
from tracker.formatting import format_date, use_locale
from tracker.mail.contents import Action, RequestMail, Row
from tracker.mail.outbox import (
    WithdrawnLetter,
    enqueue,
    list_left,
    requeue_about,
    withdraw_about,
    withdraw_messages,
    withdraw_occasions,
)
from tracker.notifications import application_mail, request_mail
from tracker.notifications.context import (
    Envelope,
    MailContext,
    change_prefix,
    create_message,
    use_locale_of,
)
from tracker.notifications.notices_mail import fit_subject
from tracker.notifications.reference_mail import ask_referee
from tracker.rules.absence_rules import ABSENCE_NOUNS
from tracker.services.applications import get_application, undo_application_decision
from tracker.services.context import NotFound, ServiceContext
from tracker.services.desk_changes import REVERSED, UndoneRecord, list_reversed, undo_change
from tracker.services.message_subjects import About, list_endorsed_applications
from tracker.services.reference_submission import list_unsent_requests
from tracker.services.removals import RemovableRow, remove_row
from tracker.services.time_requests import EXTENSION, absence_kind, undo_request_decision
from tracker.services.undo import get_decision
from tracker.services.unmerging import UndoneRemoval, undo_removal_or_merge

_REASON = "the decision was undone"
_REMOVAL = str(Removal.__tablename__)
_CORRECTION_HEADLINE = "Please disregard our last email about this."
_CORRECTION_SUBJECTS = ["Correction: please disregard our last email about this", "Correction"]


class _Correction(NamedTuple):
    """What the letter says that corrects an earlier one; ``told`` is what that one said."""

    subjects: list[str]
    told: str
    now: str
    rows: tuple[Row, ...]
    action: Action
    why: str


def undo_decision(
    mail_context: MailContext,
    context: ServiceContext,
    removal_id: int,
    subject_id: int | None = None,
) -> bool | None:
    """Undo a decision; whether its letter had left, so that a correction follows.

    If it was undone before, nothing happens, and None is returned. Raises NotFound if it is not
    the actor's to undo, or not about the row ``subject_id``; and Refused if it is too late, or
    something came after it.
    """
    removal = get_decision(context, removal_id)
    if subject_id is not None and removal.subject_id != subject_id:
        raise NotFound
    if removal.undone_at is not None:
        return None
    undo = _undo_application if removal.kind.endswith("application") else _undo_request
    key, correction = undo(mail_context, context, removal)
    has_left = withdraw_messages(context.session, key, context.now, _REASON)
    if has_left:
        _queue(mail_context, context, removal, correction)
    return has_left


def remove_with_letters(
    mail_context: MailContext, context: ServiceContext, row: RemovableRow, reason: str
) -> tuple[Removal, int]:
    """Remove a row as `remove_row` does; and how many letters about it had left.

    One correction about all of them follows. Letters that wait are dropped.
    """
    endorsed = list(_list_endorsed(context, row))
    removal = remove_row(context, row, reason)
    abouts = [*_list_abouts(removal), *endorsed]
    left = withdraw_about(context.session, abouts, context.now, _removal_reason(removal))
    letters = [letter for letter in left if letter.person_id is not None]
    if letters:
        about = About(str(Removal.__tablename__), removal.id)
        _correct(mail_context, context, about, f"removed:{removal.id}", letters)
    return removal, len(letters)


def undo_change_with_letters(
    mail_context: MailContext, context: ServiceContext, change_id: int
) -> list[UndoneRecord]:
    """Undo a change as `undo_change` does, with the letters that it sent.

    Those that wait are dropped. One correction goes to each person whose letters have left. What
    a removal said about letters is taken back as `undo_removal_with_letters` does.
    """
    session = context.session
    change = session.get(DeskChange, change_id)
    was_undone = change is not None and change.undone_at is not None
    records = undo_change(context, change_id)
    if change is not None and not was_undone:
        letters = _withdraw_letters(mail_context, context, change, records)
        about = About(str(DeskChange.__tablename__), change_id)
        for person_id, own in groupby(letters, key=itemgetter(0)):
            key = f"change-undone:{change_id}:{person_id}"
            _correct(mail_context, context, about, key, [letter for _, letter in own])
    return records


def _withdraw_letters(
    mail_context: MailContext,
    context: ServiceContext,
    change: DeskChange,
    records: Iterable[UndoneRecord],
) -> list[tuple[int, WithdrawnLetter]]:
    """Drop the letters of an undone change; those that have left, each with its person."""
    session, reason = context.session, "the change was undone"
    rows = []
    for table, row_id in list_reversed(session, change.id):
        if table == _REMOVAL:
            _bring_letters_back(mail_context, context, row_id)
        else:
            rows.append((table, row_id))
    prefixes = []
    for record in records:
        if record.outcome == REVERSED and record.person_id is not None:
            prefixes.append(change_prefix(record.person_id, change.made_at))
    left = withdraw_about(session, rows, context.now, reason, since=change.made_at)
    left += withdraw_occasions(session, prefixes, context.now, reason)
    # A set: a letter about a created row may have such a key too.
    return sorted({(one.person_id, one) for one in left if one.person_id is not None})


def undo_removal_with_letters(
    mail_context: MailContext, context: ServiceContext, removal_id: int
) -> tuple[UndoneRemoval, int]:
    """Undo a removal as `undo_removal_or_merge` does; and how many of its letters wait again.

    A correction that has not left is dropped. If it has, another email says what applies again.
    """
    undone = undo_removal_or_merge(context, removal_id)
    return undone, _bring_letters_back(mail_context, context, removal_id)


def _bring_letters_back(mail_context: MailContext, context: ServiceContext, removal_id: int) -> int:
    """Let the letters about what was removed wait again; how many they are."""
    removal = context.session.get_one(Removal, removal_id)
    abouts = list(_list_abouts(removal))
    for kind, row_id in list(abouts):
        if kind == Endorsement.__tablename__:
            abouts += _list_applications(context, row_id)
    correction = [(str(Removal.__tablename__), removal.id)]
    if withdraw_about(context.session, correction, context.now, "the removal was undone"):
        letters = [each for each in list_left(context.session, abouts) if each.person_id]
        if letters:
            _notify_restored(mail_context, context, removal, letters)
    return requeue_about(context.session, abouts, context.now, _removal_reason(removal))


def _removal_reason(removal: Removal) -> str:
    return f"what it says was removed (removal {removal.id})"


def _list_abouts(removal: Removal) -> Iterator[tuple[str, int]]:
    """The rows that a removal deleted, each with its table and id."""
    for table, values in json.loads(removal.content)["rows"]:
        if "id" in values:
            yield table, values["id"]


def _list_endorsed(context: ServiceContext, row: RemovableRow) -> Iterator[tuple[str, int]]:
    """The applications whose letter says that someone has the endorsement that is removed."""
    if row.kind == Endorsement.__tablename__:
        yield from _list_applications(context, row.id)


def _list_applications(context: ServiceContext, endorsement_id: int) -> list[tuple[str, int]]:
    endorsement = context.session.get(Endorsement, endorsement_id)
    if endorsement is None:
        return []
    ids = list_endorsed_applications(context.session, endorsement)
    return [(str(Application.__tablename__), each) for each in ids]


def _correct(
    mail_context: MailContext,
    context: ServiceContext,
    about: About,
    key: str,
    letters: Sequence[WithdrawnLetter],
) -> None:
    """Queue a correction of a person's letters; ``about`` is why they are not true any more."""
    association = letters[0].association or ""
    person = context.session.get_one(Person, letters[0].person_id)
    with use_locale(context.rulebooks.associations[association].locale):
        mail = RequestMail(
            subject=fit_subject(_CORRECTION_SUBJECTS),
            greeting_name=person.name,
            headline=_CORRECTION_HEADLINE,
            intro="It should not have been recorded, and is no longer on record. My year shows "
            "what applies now. Reply to this email if you have a question.",
            rows=tuple(Row("No longer applies", letter.subject) for letter in letters),
            action=Action("View my renewal", f"{mail_context.settings.base_url}/my-year"),
            why=f"You get this email because {association} sent you the earlier one.",
        )
        envelope = Envelope.to_person(person, association, key, about)
        message = create_message(mail_context, envelope, mail, context.now)
    enqueue(context.session, [message], context.now)


def _notify_restored(
    mail_context: MailContext,
    context: ServiceContext,
    removal: Removal,
    letters: Sequence[WithdrawnLetter],
) -> None:
    """Take back a correction that has left."""
    association = letters[0].association or ""
    person = context.session.get_one(Person, removal.person_id)
    with use_locale(context.rulebooks.associations[association].locale):
        mail = RequestMail(
            subject=fit_subject(["Our first email applies after all"]),
            greeting_name=person.name,
            headline="Our first email applies after all.",
            intro="Please disregard our correction. It is on record again. Reply to this email if "
            "you have a question.",
            rows=tuple(Row("Applies again", letter.subject) for letter in letters),
            action=Action("View my renewal", f"{mail_context.settings.base_url}/my-year"),
            why=f"You get this email because {association} sent you the earlier ones.",
        )
        key = f"restored:{removal.id}"
        envelope = Envelope.to_person(person, association, key)
        message = create_message(mail_context, envelope, mail, context.now)
    enqueue(context.session, [message], context.now)


def ask_again(mail_context: MailContext, context: ServiceContext, application_id: int) -> None:
    """Ask those referees whose mail was dropped while nobody wanted their answer."""
    for reference_id in list_unsent_requests(context.session, application_id):
        ask_referee(mail_context, context.session, reference_id, context.now)


def _undo_application(
    mail_context: MailContext, context: ServiceContext, removal: Removal
) -> tuple[str, _Correction]:
    _, _, subject_id, decided = undo_application_decision(context, removal)
    ask_again(mail_context, context, subject_id)
    application = get_application(context.session, subject_id)
    if application is None:
        raise NotFound
    name = f"{application.association} {application.category}"
    state = decided["state"]
    told = f"that you are endorsed ({name})"
    if state == "declined":
        told = f"that your application ({name}) was declined"
    path = f"{mail_context.settings.base_url}/application/{subject_id}"
    with use_locale_of(mail_context, application.association):
        opened_on = format_date(application.opened_on)
    correction = _Correction(
        [f"Correction: your application ({name}) is not decided yet", "Correction"],
        told,
        "Your application is not decided yet. You will get another email when it is.",
        (Row("Application opened", opened_on),),
        Action("View my application", path),
        f"You get this email because you applied to {application.association}.",
    )
    return application_mail.letter_key(subject_id, state, decided["decided_on"]), correction


def _undo_request(
    mail_context: MailContext, context: ServiceContext, removal: Removal
) -> tuple[str, _Correction]:
    undone, submitted = undo_request_decision(context, removal)
    what = "a later due date"
    if submitted.request.kind != EXTENSION:
        what = ABSENCE_NOUNS[absence_kind(submitted.request.kind)]
    name = submitted.endorsement_name
    correction = _Correction(
        [f"Correction: your request for {what} is not decided yet", "Correction"],
        f"that your request for {what} ({name}) was {undone.decided['state']}",
        "Your request is not decided yet. You will get another email when it is. Until then, due "
        "dates and reminders are as they were before.",
        (Row("Endorsement", name),),
        Action("View my requests", f"{mail_context.settings.base_url}/requests"),
        f"You get this email because you sent this request to {submitted.endorsement.association}.",
    )
    return request_mail.letter_key(undone.subject_id), correction


def _queue(
    mail_context: MailContext, context: ServiceContext, removal: Removal, correction: _Correction
) -> None:
    person = context.session.get_one(Person, removal.person_id)
    mail = RequestMail(
        subject=fit_subject(correction.subjects),
        greeting_name=person.name,
        headline=_CORRECTION_HEADLINE,
        intro=f"It said {correction.told}. That was a mistake. {correction.now}",
        rows=correction.rows,
        action=correction.action,
        why=correction.why,
    )
    envelope = Envelope.to_person(person, removal.association, f"undone:{removal.id}")
    message = create_message(mail_context, envelope, mail, context.now)
    enqueue(context.session, [message], context.now)
