"""Who a person is, to erase them: their records, addresses, and names, of today and from history.

And how a person is called after the erasure.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from tracker.db.corrections import FormerEmail
from tracker.db.log import AuditEvent, GroupMember
from tracker.db.people import Person
from tracker.services.merged_records import list_merged_records


def format_erased_name(person_id: int) -> str:
    """The name that a person has after the erasure."""
    return f"Erased person {person_id}"


class PersonIdentity(NamedTuple):
    """What identifies a person.

    ``record_ids`` are the person's id and those of the records that were merged into theirs.
    ``emails`` are in lower case.
    """

    record_ids: set[int]
    emails: set[str]
    names: set[str]


def find_identity(session: Session, person: Person) -> PersonIdentity:
    """All records, addresses, and names of a person."""
    merged = list_merged_records(session, person.id)
    ids = {person.id, *(values["id"] for values in merged)}
    former = select(FormerEmail.email).where(FormerEmail.person_id == person.id)
    invited = select(GroupMember.email).where(GroupMember.person_id == person.id)
    emails = {*session.exec(former), *session.exec(invited)}
    records = [person.model_dump(), *merged, *_list_former_values(session, ids)]
    for values in records:
        emails |= {str(values.get("email")), str(values.get("second_email"))}
    names = {str(values["name"]) for values in records if "name" in values}
    return PersonIdentity(ids, {email.lower() for email in emails if "@" in email}, names)


def _list_former_values(session: Session, record_ids: set[int]) -> Iterator[dict[str, Any]]:
    """What the history has of the person's own rows."""
    events = select(AuditEvent.before, AuditEvent.after).where(
        AuditEvent.table_name == "person", col(AuditEvent.row_id).in_(record_ids)
    )
    for pair in session.exec(events):
        for stored in pair:
            if stored:
                yield json.loads(stored)
