"""A person's own data: CSV files that another installation can import, and everything else.

No cell contains another person's address, except those that the person typed: a provider is named,
and of a reference only whom the person asked.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import date, datetime
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from sqlalchemy import ColumnElement
from sqlmodel import Session, SQLModel, col, or_, select

from tracker.db.access import BrowserSession, CalendarFeed, SecurityEvent
from tracker.db.applications import Application, Degree, Position, Reference, Review
from tracker.db.audits import AuditCase, AuditHours, AuditItem
from tracker.db.certificates import Certificate
from tracker.db.corrections import FormerEmail
from tracker.db.entry_reviews import (
    EntryConfirmation,
    EntryDecision,
    EntryMessage,
    EntryQuestion,
)
from tracker.db.ledgers import Notice, Outbox, SettledCycle, StandingHistory, StandingRow
from tracker.db.lists import PersonMark
from tracker.db.log import (
    AuditEvent,
    Entry,
    Evidence,
    GroupMember,
    GroupSession,
    ImportedRow,
)
from tracker.db.mailings import MailingRecipient
from tracker.db.payments import Payment, PaymentShare
from tracker.db.people import (
    Endorsement,
    Leave,
    MailOff,
    Membership,
    Person,
    Renewal,
    TimeRequest,
    Waiver,
)
from tracker.db.providers import DeclinedProvider, OutsideEndorsement
from tracker.db.registry import RegistryListing
from tracker.db.returned_mail import ReturnedMail
from tracker.db.snoozes import Snooze
from tracker.db.submissions import Submission
from tracker.formatting import format_date
from tracker.importer.csv_row import CsvRow, format_cell
from tracker.importer.entry_rows import reference_key
from tracker.importer.schemas import (
    SCHEMAS,
    EntryRow,
    PersonRow,
    PositionRow,
    ReferenceRow,
)
from tracker.rules.application.references import find_progress
from tracker.services.audits import list_own_cases
from tracker.services.entries import list_entries
from tracker.services.evidence import list_entry_files, list_requirement_files
from tracker.services.evidence_storage import EvidenceFolder
from tracker.services.merged_records import list_record_ids
from tracker.services.rsc_providers import load_providers
from tracker.spreadsheet_csv import csv_lines

# What only the referee says, and other people's addresses.
_HIDDEN: dict[type[CsvRow], set[str]] = {
    ReferenceRow: {
        "received_on",
        "relationship",
        "signed_as",
        "role_confirmed",
        "endorsed_by",
        "endorsed_as",
        "vetted",
        "ratings",
    },
    PersonRow: {"previous_email"},
    PositionRow: {"supervisor_email"},
    EntryRow: {"provider_email", "similar", "days"},
}
_PROVIDER_COLUMNS = ("provider_name", "association", "held", "starts_on", "ends_on")
# Readable by its owner alone, once unpacked.
_MODE = 0o600 << 16
_CHUNK = 64 * 1024
_UNSAFE = re.compile(r"[^A-Za-z0-9._ -]")
# A file: its name in the archive, and where it is stored.
EvidenceFiles = Iterable[tuple[str, Path]]

_README = """\
Everything that is stored about {name} ({email}), as of {today}.

import/   CSV files, which any spreadsheet opens and `tracker import` reads, so that another
          association can import them. RSC providers are listed by name: a coordinator confirms
          who they are, and then those sessions count again. To save that step, the coordinator
          can add a column provider_email with the providers' addresses before the import.
          Of references there is only whom you asked: what they wrote is for the association.
          A cell that starts with an apostrophe and = + - or @ is written that way so that
          spreadsheets don't calculate with it; the import removes the apostrophe. If several of
          your sessions have the same reference, it is in the column shared_reference.
          Importing the files where this data came from changes nothing.
providers.csv
          The endorsements and vetting that your RSC providers had on the days of your sessions,
          for the coordinator who confirms them. It is not imported: each association decides
          itself which providers it accepts.
other.json
          Everything else: standings, the renewals that you submitted, their audits and fees, the
          notices and emails that you got, requests, questions of your association about sessions
          and your answers, the public registries in which you are listed or were, whether your
          references were received, the browsers in which you are signed in, and who changed what
          and when. Keys and other people's addresses are left out, and of payments for many people
          there is only your part.
evidence/ The files that you added to your entries. Each name starts with the number of the entry,
          or with that of the audit for which you sent it.

Keep this file where only you can read it.
"""


# Secrets, and what only keeps a form from being saved twice.
_SECRET = {"token_hash", "code_hash", "nonce", "form_key", "stored_as", "dedupe_key", "person_id"}
_OF_PERSON: tuple[Any, ...] = (
    FormerEmail,
    Membership,
    BrowserSession,
    CalendarFeed,
    SecurityEvent,
    MailOff,
    ImportedRow,
    Evidence,
    DeclinedProvider,
    OutsideEndorsement,
    MailingRecipient,
    PersonMark,
    Snooze,
    EntryDecision,
    RegistryListing,
    ReturnedMail,
)
_OF_ENTRY: tuple[Any, ...] = (EntryConfirmation, EntryQuestion, EntryMessage)
_OF_ENDORSEMENT: tuple[Any, ...] = (
    Waiver,
    Renewal,
    StandingRow,
    StandingHistory,
    SettledCycle,
    TimeRequest,
    Leave,
    Submission,
    AuditCase,
    AuditItem,
    AuditHours,
    Certificate,
)
# The history of these is found by the person in each event.
_EVENTS_OF_PERSON = (
    "submission",
    "audit_case",
    "audit_item",
    "audit_hours",
    "payment_share",
    "leave",
)
_WITH_HISTORY: tuple[Any, ...] = (
    Endorsement,
    Application,
    Entry,
    Membership,
    Degree,
    Position,
    RegistryListing,
)
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


def write_my_data(
    session: Session,
    person_id: int,
    target: IO[bytes],
    now: datetime,
    evidence: EvidenceFiles = (),
) -> None:
    """Write a ZIP file into ``target``. The same data gives the same bytes."""
    person = session.exec(select(Person).where(Person.id == person_id)).one()
    with ZipFile(target, "w", ZIP_DEFLATED) as archive:

        def add(name: str, pieces: Iterable[bytes], compression: int = ZIP_DEFLATED) -> None:
            info = ZipInfo(name, now.timetuple()[:6])
            info.compress_type = compression
            info.external_attr = _MODE
            with archive.open(info, "w", force_zip64=True) as file:
                for piece in pieces:
                    file.write(piece)

        today = format_date(now.date())
        readme = _README.format(name=person.name, email=person.email, today=today)
        add("README.txt", [readme.encode()])
        for kind, schema in SCHEMAS.items():
            add(f"import/{kind}.csv", export_csv(session, schema, person))
        add("providers.csv", providers_csv(session, person_id))
        records = collect_other_records(session, person)
        text = json.dumps(records, ensure_ascii=False, indent=1, sort_keys=True)
        add("other.json", [text.encode()])
        for name, path in evidence:
            with path.open("rb") as file:
                add(f"evidence/{name}", iter(partial(file.read, _CHUNK), b""), ZIP_STORED)


def list_evidence(session: Session, person_id: int, folder: EvidenceFolder) -> EvidenceFiles:
    """The files of a person's entries; each name starts with the entry's number and its own.

    Those for audits that are about no entry start with the number of the audit.
    """
    groups = [
        (str(key), each) for key, each in sorted(list_entry_files(session, person_id).items())
    ]
    for audited in list_own_cases(session, person_id):
        of_audit = list_requirement_files(session, audited.case.id)
        groups += [(f"audit-{audited.case.id}", each) for each in of_audit.values()]
    for start, files in groups:
        for file in files:
            path = folder.file(file.stored_as)
            # A file that a restored backup lacks must not keep the others from coming.
            if path is not None:
                name = _UNSAFE.sub("_", file.name).lstrip(".")
                yield f"{start}-{file.id}-{name}", path


def export_csv(session: Session, schema: type[CsvRow], person: Person) -> Iterator[bytes]:
    """A person's rows in the file that an import reads, line by line."""
    hidden = _HIDDEN.get(schema, set())
    columns = [column for column in schema.columns() if column not in hidden]
    lines = []
    if schema is EntryRow:
        rows = _list_entry_rows(session, person.id)
    else:
        rows = _list_rows(session, schema, person.id)
    for row in rows:
        row["email"] = person.email
        cells = {column: format_cell(column, row.get(column)) for column in columns}
        lines.append([cells[name] or schema.open_ended.get(name, "") for name in columns])
    return csv_lines(columns, lines)


def _list_rows(session: Session, schema: type[CsvRow], person_id: int) -> Iterator[dict[str, Any]]:
    """The rows of a file that is not about entries, by column, without the person's address."""
    model: Any = schema.table
    for owner in (Endorsement, Application):
        link = f"{owner.__tablename__}_id"
        if link in model.model_fields:
            own = (getattr(model, link) == owner.id) & (col(owner.person_id) == person_id)
            query = select(model, owner).where(own).order_by(model.id)
            for row, owned_by in session.exec(query):
                values = {**owned_by.model_dump(), **row.model_dump()}
                values["endorsed_on"] = getattr(owned_by, "starts_on", None)
                if schema is ReferenceRow:
                    values.update(referee_email=row.email, referee_name=row.name)
                yield values
            return
    own = model.id if schema is PersonRow else model.person_id
    for row in session.exec(select(model).where(own == person_id).order_by(model.id)):
        yield row.model_dump()


def _list_entry_rows(session: Session, person_id: int) -> Iterator[dict[str, Any]]:
    entries = list_entries(session, person_id, date.min, date.max)
    entries.sort(key=lambda entry: (entry.held_on, entry.id))
    providers = load_providers(session, {e.provider_id for e in entries if e.provider_id})
    query = select(ImportedRow.key, ImportedRow.entry_id)
    imported = dict(session.exec(query.where(ImportedRow.person_id == person_id)).all())
    uses = Counter(entry.reference for entry in entries)
    for entry in entries:
        known = providers.get(entry.provider_id) if entry.provider_id else None
        # An import can't recognize an entry by a reference that several entries have, or that an
        # import has used for another entry, which the row would change, or for a deleted one.
        is_free = imported.get(reference_key(entry.reference), entry.id) == entry.id
        is_own = uses[entry.reference] == 1 and is_free
        column = "reference" if is_own else "shared_reference"
        yield {
            "activity": entry.activity,
            "date": entry.held_on,
            "hours": entry.minutes,
            "title": entry.title,
            "topics": tuple(sorted(entry.topics.items())),
            "provider_name": known.name if known else entry.provider_name,
            "format": entry.format,
            column: entry.reference,
        }


def providers_csv(session: Session, person_id: int) -> Iterator[bytes]:
    """The endorsements and vetting that a person's providers held on the days of sessions.

    Both days are included; without an end the last cell is empty.
    """
    days = defaultdict[int, set[date]](set)
    for entry in list_entries(session, person_id, date.min, date.max):
        if entry.provider_id:
            days[entry.provider_id].add(entry.held_on)
    rows = set()
    for provider_id, provider in load_providers(session, set(days)).items():
        for held in provider.credentials:
            last = held.ends_on or date.max
            if any(held.starts_on <= day <= last for day in days[provider_id]):
                starts_on = held.starts_on.isoformat()
                ends_on = held.ends_on.isoformat() if held.ends_on else ""
                what = held.category or "vetted"
                rows.add((provider.name, held.association, what, starts_on, ends_on))
    return csv_lines(_PROVIDER_COLUMNS, sorted(rows))


def collect_other_records(session: Session, person: Person) -> dict[str, Any]:
    """Rows by table. Addresses are left out, except those that the person typed."""
    person_id = person.id
    endorsements = _list_ids(session, Endorsement, person_id)
    applications = _list_ids(session, Application, person_id)
    records = {"person": _list_records(session, Person, col(Person.id) == person_id)}
    for model in _OF_PERSON:
        records[model.__tablename__] = _list_records(session, model, model.person_id == person_id)
    for model in _OF_ENDORSEMENT:
        own = model.endorsement_id.in_(endorsements)
        records[model.__tablename__] = _list_records(session, model, own)
    records["payment"] = _list_payments(session, endorsements)
    entries = _list_ids(session, Entry, person_id)
    for model in _OF_ENTRY:
        own = model.entry_id.in_(entries)
        records[model.__tablename__] = _list_records(session, model, own)
    of_own = col(Review.application_id).in_(applications)
    records["review"] = _list_records(session, Review, of_own)
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
    records["reference"] = _list_references(session, person_id)
    records["history"] = [*_list_history(session, person_id)]
    plain = json.loads(json.dumps(records, default=methodcaller("isoformat")))
    # The addresses that the person typed: their own, also former ones, and those of referees.
    referees = select(Reference.email).join(Application).where(Application.person_id == person_id)
    former = select(FormerEmail.email).where(FormerEmail.person_id == person_id)
    own = {person.email, person.second_email or person.email}
    own |= {*session.exec(referees), *session.exec(former)}
    result: dict[str, Any] = _leave_out_emails(plain, {email.lower() for email in own})
    return result


def _list_references(session: Session, person_id: int) -> list[dict[str, Any]]:
    """Whom the person asked for references, and whether they came; nothing that a referee said."""
    own = select(Reference).join(Application).where(Application.person_id == person_id)
    return [
        {
            "application_id": each.application_id,
            "name": each.name,
            "email": each.email,
            "role": each.role,
            "state": find_progress(each.asked_at, each.received_at).state,
            "asked_at": each.asked_at,
            "received_at": each.received_at,
        }
        for each in session.exec(own.order_by(col(Reference.id)))
    ]


def _list_payments(session: Session, endorsements: Collection[int]) -> list[dict[str, Any]]:
    """What was paid for the person's renewals: their part of each payment, which can be of many."""
    own = (
        select(PaymentShare, Payment)
        .join(Payment, col(Payment.id) == PaymentShare.payment_id)
        .where(col(PaymentShare.endorsement_id).in_(endorsements))
        .order_by(col(PaymentShare.id))
    )
    of_payment = {
        "association", "paid_on", "payer", "reference", "recorded_at", "recorded_by",
        "removed_at", "removed_by", "removed_because",
    }  # fmt: skip
    return [
        {**payment.model_dump(include=of_payment), **share.model_dump()}
        for share, payment in session.exec(own)
    ]


def _list_ids(session: Session, model: Any, person_id: int) -> list[int]:  # noqa: ANN401 - any table
    return list(session.exec(select(model.id).where(model.person_id == person_id)))


def _list_records(
    session: Session, model: type[SQLModel], where: ColumnElement[bool]
) -> list[dict[str, Any]]:
    key = model.__table__.primary_key  # type: ignore[attr-defined]
    rows = session.exec(select(model).where(where).order_by(*key))
    return [row.model_dump(exclude=_SECRET) for row in rows]


def _list_history(session: Session, person_id: int) -> Iterator[dict[str, Any]]:
    """Who changed what about the person, from what to what, also in rows that are gone.

    With the history of the records that were merged into the person's.
    """
    records = list_record_ids(session, person_id)
    ids = {"person": list(records), "calendar_feed": list(records)}
    for model in _WITH_HISTORY:
        ids[model.__tablename__] = _list_ids(session, model, person_id)
    # A deleted row is found by the person in its values.
    conditions = [col(AuditEvent.before).contains(f'"person_id": {each}') for each in records]
    by_person = col(AuditEvent.person_id).in_(records) & col(AuditEvent.table_name).in_(
        _EVENTS_OF_PERSON
    )
    conditions.append(by_person)
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
        if concerns in records:
            values = event.model_dump(exclude=_SECRET)
            yield {**values, "before": before, "after": after}


def _leave_out_emails(value: Any, allowed: Collection[str]) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return {name: _leave_out_emails(each, allowed) for name, each in value.items()}
    if isinstance(value, list):
        return [_leave_out_emails(each, allowed) for each in value]
    if not isinstance(value, str):
        return value
    return _EMAIL.sub(lambda match: match[0] if match[0].lower() in allowed else _LEFT_OUT, value)
