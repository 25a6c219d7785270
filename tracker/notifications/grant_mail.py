"""The letters about waivers, leave, and later due dates that coordinators record by import.

What is decided on a request in the browser has its own letter: see `request_mail`.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from sqlmodel import Session, col, select

from tracker.db.people import Endorsement, Person
from tracker.db.statements import in_chunks
from tracker.formatting import capitalize_first, format_date, use_locale
from tracker.mail.contents import Action, RequestMail, Row
from tracker.mail.outbox import Message, enqueue
from tracker.notifications.context import (
    Envelope,
    MailContext,
    change_prefix,
    create_message,
)
from tracker.notifications.notices_mail import fit_subject
from tracker.notifications.request_mail import Wording, word_due_date, word_excuse
from tracker.rules.absence_rules import ABSENCE_NOUNS
from tracker.rules.standing import Standing
from tracker.services.evaluation import days_at, judge_current
from tracker.services.time_requests import Grant, find_grant

_IDS_PER_QUERY = 1_000


def notify_grants(
    context: MailContext, session: Session, grants: Iterable[Grant], now: datetime
) -> list[str]:
    """Queue a letter about each grant that still matters; return to whom.

    It belongs into the transaction that stores the grants.
    """
    grants = list(grants)
    ids = sorted({grant.endorsement_id for grant in grants})
    owners = _read_owners(session, ids)
    standings = _judge_renewals(context, session, grants, now)
    messages: dict[str, tuple[Message, str]] = {}
    for grant in grants:
        endorsement, person = owners[grant.endorsement_id]
        with use_locale(context.rulebooks.associations[endorsement.association].locale):
            standing = standings.get((grant.endorsement_id, grant.starts_on))
            wording = _word(context, grant, endorsement, standing, now)
            if wording is None:
                continue
            mail = RequestMail(
                subject=fit_subject(wording.subjects),
                greeting_name=person.name,
                headline=wording.headline,
                intro=wording.intro,
                rows=wording.rows,
                action=Action("View my renewal", f"{context.settings.base_url}/my-year"),
                why=f"You get this email because {endorsement.association} recorded this for you.",
            )
            about = find_grant(session, grant)
            key = grant.key
            if grant.occasion:
                key = f"{change_prefix(person.id, now)}{key}"
            envelope = Envelope.to_person(person, endorsement.association, key, about)
            message = create_message(context, envelope, mail, now)
            messages.setdefault(message.dedupe_key, (message, person.email))
    queued = enqueue(session, [message for message, _ in messages.values()], now)
    return [email for key, (_, email) in messages.items() if key in queued]


def _read_owners(
    session: Session, endorsement_ids: Sequence[int]
) -> dict[int, tuple[Endorsement, Person]]:
    """Endorsements with their people, by the endorsement's id."""
    query = select(Endorsement, Person).join(Person, col(Person.id) == Endorsement.person_id)
    owners = {}
    for ids in in_chunks(endorsement_ids, _IDS_PER_QUERY):
        for endorsement, person in session.exec(query.where(col(Endorsement.id).in_(ids))):
            owners[endorsement.id] = endorsement, person
    return owners


def _judge_renewals(
    context: MailContext, session: Session, grants: Iterable[Grant], now: datetime
) -> dict[tuple[int, date], Standing]:
    """The standings of the renewals that grants are about, by endorsement and first day."""
    renewals = {g.endorsement_id for g in grants if g.requirement or g.is_extension}
    day_of = days_at(context.rulebooks, now)
    judged = judge_current(session, context.rulebooks, day_of, endorsement_ids=sorted(renewals))
    return {
        (standing.facts.subject_id, standing.plan.cycle.starts_on): standing
        for standing in judged
        if standing.plan.cycle is not None
    }


def _word(
    context: MailContext,
    grant: Grant,
    endorsement: Endorsement,
    standing: Standing | None,
    now: datetime,
) -> Wording | None:
    """What the letter says; None for a cycle or a leave that is over."""
    name = f"{endorsement.association} {endorsement.category}"
    if not grant.requirement and not grant.is_extension:
        today = days_at(context.rulebooks, now)(endorsement.association)
        is_over = grant.ends_on is not None and grant.ends_on < today
        excuse = word_excuse(context, endorsement, grant.kind, grant.starts_on)
        return None if is_over else _word_leave(grant, excuse)
    if standing is None or standing.plan.cycle is None:
        return None
    if grant.is_extension:
        return word_due_date(name, grant.ends_on, standing.plan.cycle.ends_on)
    return _word_waiver(grant, name, standing)


def _word_leave(grant: Grant, excuse: str) -> Wording:
    noun = ABSENCE_NOUNS[grant.kind]
    starts_on = format_date(grant.starts_on)
    if grant.kind == "emeritus" and grant.ends_on is None:
        return Wording(
            [f"You are emeritus from {starts_on}", "You are emeritus"],
            f"Your endorsement is emeritus from {starts_on}.",
            excuse,
            (Row("First day", starts_on),),
        )
    last_day = format_date(grant.ends_on) if grant.ends_on else "not known yet"
    return Wording(
        [f"Your {noun} is recorded from {starts_on}", f"Your {noun} is recorded"],
        f"Your {noun} is recorded.",
        excuse,
        (Row("First day", starts_on), Row("Last day", last_day)),
    )


def _word_waiver(grant: Grant, name: str, standing: Standing) -> Wording | None:
    for result in standing.results:
        if result.requirement.id == grant.requirement:
            label = capitalize_first(result.requirement.label)
            rows = [Row("Waived", label)]
            if standing.due_on:
                rows.append(Row("Renewal due", format_date(standing.due_on)))
            return Wording(
                [f"{label} is waived ({name})", "A requirement is waived"],
                f"{label} is waived.",
                f"You don't need it for this {name} renewal. All other requirements stay.",
                tuple(rows),
            )
    return None
