"""What is stored about a person besides what the CSV files contain, as JSON."""

import json
import re
from collections.abc import Collection, Iterator
from operator import methodcaller
from typing import Any

from sqlalchemy import ColumnElement
from sqlmodel import Session, SQLModel, col, or_, select

from tracker.db.access import BrowserSession, CalendarFeed
from tracker.db.applications import Application, Degree, Position, Reference
from tracker.db.ledgers import Notice, Outbox, StandingRow
from tracker.db.log import (
    AuditEvent,
    Entry,
    Evidence,
    GroupMember,
    GroupSession,
    ImportedRow,
)
from tracker.db.people import (
    Endorsement,
    MailOff,
    Membership,
    Person,
    Renewal,
    TimeRequest,
    Waiver,
)

# Secrets, and what only keeps a form from being saved twice.
_SECRET = {"token_hash", "code_hash", "nonce", "form_key", "stored_as", "dedupe_key", "person_id"}
_OF_PERSON: tuple[Any, ...] = (
    Membership,
    BrowserSession,
    CalendarFeed,
    MailOff,
    ImportedRow,
    Evidence,
)
_OF_ENDORSEMENT: tuple[Any, ...] = (Waiver, Renewal, StandingRow, TimeRequest)
_WITH_HISTORY: tuple[Any, ...] = (Endorsement, Application, Entry, Membership, Degree, Position)
_MAIL_COLUMNS = {
    "kind",
    "association",
    "recipient",
    "subject",
    "state",
    "created_at",
    "finished_at",
}
_EMAIL = re.compile(r"[^\s@<>\"',;:]+@[^\s@<>\"',;:]+")
_LEFT_OUT = "(another person)"


def collect_other_records(session: Session, person: Person) -> dict[str, Any]:
    """Rows by table. Addresses are left out, except those that the person typed."""
    person_id = person.id
    endorsements = _ids(session, Endorsement, person_id)
    applications = _ids(session, Application, person_id)
    records = {"person": _list_records(session, Person, col(Person.id) == person_id)}
    for model in _OF_PERSON:
        records[model.__tablename__] = _list_records(session, model, model.person_id == person_id)
    for model in _OF_ENDORSEMENT:
        own = model.endorsement_id.in_(endorsements)
        records[model.__tablename__] = _list_records(session, model, own)
    about = or_(
        col(Notice.endorsement_id).in_(endorsements), col(Notice.application_id).in_(applications)
    )
    records["notice"] = _list_records(session, Notice, about)
    # The texts stay out: an email to sign in contains a key.
    mails = select(Outbox).where(Outbox.person_id == person_id).order_by(col(Outbox.id))
    records["mail"] = [mail.model_dump(include=_MAIL_COLUMNS) for mail in session.exec(mails)]
    records["group_session"] = [
        *_list_records(session, GroupSession, col(GroupSession.provider_id) == person_id),
        *_list_records(session, GroupMember, col(GroupMember.person_id) == person_id),
    ]
    records["history"] = [*_list_history(session, person_id)]
    plain = json.loads(json.dumps(records, default=methodcaller("isoformat")))
    # The addresses that the person typed: their own, and those of referees.
    referees = select(Reference.email).join(Application).where(Application.person_id == person_id)
    own = {person.email, person.second_email or person.email, *session.exec(referees)}
    result: dict[str, Any] = _leave_out_emails(plain, {email.lower() for email in own})
    return result


def _ids(session: Session, model: Any, person_id: int) -> list[int]:  # noqa: ANN401 - any table
    return list(session.exec(select(model.id).where(model.person_id == person_id)))


def _list_records(
    session: Session, model: type[SQLModel], where: ColumnElement[bool]
) -> list[dict[str, Any]]:
    key = model.__table__.primary_key  # type: ignore[attr-defined]
    rows = session.exec(select(model).where(where).order_by(*key))
    return [row.model_dump(exclude=_SECRET) for row in rows]


def _list_history(session: Session, person_id: int) -> Iterator[dict[str, Any]]:
    """Who changed what about the person, from what to what, also in rows that are gone."""
    ids = {"person": [person_id], "calendar_feed": [person_id]}
    for model in _WITH_HISTORY:
        ids[model.__tablename__] = _ids(session, model, person_id)
    # A deleted row is found by the person in its values.
    conditions = [col(AuditEvent.before).contains(f'"person_id": {person_id}')]
    for name, row_ids in ids.items():
        conditions.append(
            (col(AuditEvent.table_name) == name) & col(AuditEvent.row_id).in_(row_ids)
        )
    for event in session.exec(
        select(AuditEvent).where(or_(*conditions)).order_by(col(AuditEvent.id))
    ):
        before = json.loads(event.before) if event.before else None
        after = json.loads(event.after) if event.after else None
        concerns = (before or {}).get("person_id", (after or {}).get("person_id", person_id))
        if concerns == person_id:
            yield {**event.model_dump(), "before": before, "after": after}


def _leave_out_emails(value: Any, allowed: Collection[str]) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return {name: _leave_out_emails(each, allowed) for name, each in value.items()}
    if isinstance(value, list):
        return [_leave_out_emails(each, allowed) for each in value]
    if not isinstance(value, str):
        return value
    return _EMAIL.sub(lambda match: match[0] if match[0].lower() in allowed else _LEFT_OUT, value)
