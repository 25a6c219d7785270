"""What referees are asked by email, and the one answer that each link takes.

What they write is for coordinators of the application's association alone (`ReferenceReport`).
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, or_, select

from tracker.clock import local_day
from tracker.db.applications import UNDECIDED, Application, Reference
from tracker.db.people import Endorsement, Person, Vetting
from tracker.db.signing_keys import get_signing_key
from tracker.rulebooks import Rulebooks
from tracker.rules.application.references import find_reference_rule
from tracker.rules.model import Rulebook
from tracker.services.context import NotFound, ServiceContext
from tracker.services.sign_in import hash_token

_KEY_NAME = "reference"


class ReferenceRequest(NamedTuple):
    """A reference that a referee is asked for, with the applicant's name and application."""

    reference: Reference
    applicant: str
    application: Application

    @property
    def state(self) -> str:
        """What the link shows: "received", "declined", "over", or (the form) "waiting"."""
        is_over = self.reference.state == "waiting" and self.application.is_decided
        return "over" if is_over else self.reference.state

    @property
    def asked_at(self) -> datetime:
        """When the referee was asked; raises ValueError before that."""
        if self.reference.asked_at is None:
            raise ValueError(f"reference {self.reference.id} has not been asked for")
        return self.reference.asked_at


class ReferenceAnswer(NamedTuple):
    """A referee's answer; ``endorsed_by`` and ``endorsed_as`` are None without an endorsement."""

    role_confirmed: bool
    relationship: str
    endorsed_by: str | None
    endorsed_as: str | None
    vetted: bool
    signed_as: str


class ReferenceLink(NamedTuple):
    """A request with the secret token of its link."""

    request: ReferenceRequest
    token: str


def request_key(reference_id: int, token_hash: str, number: int) -> str:
    """The outbox key of the ``number``-th mail (0: the first) about a reference.

    Part of the token's hash is in it, so that a reference that is asked anew has new keys.
    """
    return f"reference:{reference_id}:{number}:{token_hash[:16]}"


def open_link(session: Session, reference_id: int, now: datetime) -> ReferenceLink:
    """Give a reference a new secret link; an earlier link stops working."""
    [request] = _list_requests(session, col(Reference.id) == reference_id)
    request.reference.asked_at, request.reference.reminders = now, 0
    return _store_link(session, request)


def find_request(
    session: Session, rulebooks: Rulebooks, token: str, *, lock: bool = False
) -> ReferenceRequest | None:
    """The request whose link has this token, if its association still has a rulebook."""
    has_token = col(Reference.token_hash) == hash_token(token)
    for request in _list_requests(session, has_token, lock=lock):
        if request.application.association in rulebooks.associations:
            return request
    return None


def asks_vetted(rulebooks: Rulebooks, application: Application, now: datetime) -> bool:
    """Whether the rulebook accepts a vetted referee, so that the form asks about it."""
    rulebook = rulebooks.associations[application.association]
    today = local_day(now, rulebook.time_zone)
    requirement = find_reference_rule(rulebook, application.category, today)
    return bool(requirement and requirement.references and requirement.references.vetted)


def submit_reference(context: ServiceContext, token: str, answer: ReferenceAnswer) -> bool:
    """Store a referee's one answer; False if the link takes no answer anymore.

    Raises NotFound for an unknown link.
    """
    request = find_request(context.session, context.rulebooks, token, lock=True)
    if request is None:
        raise NotFound
    if request.state != "waiting":
        return False
    vetted = answer.vetted and asks_vetted(context.rulebooks, request.application, context.now)
    values = answer._replace(vetted=vetted)._asdict()
    values["received_at"] = context.now
    context.update_row(request.reference, values, **values, answered_by_link=True)
    return True


def decline_reference(context: ServiceContext, token: str) -> bool:
    """Store that a referee gives no reference; False if the link takes no answer anymore.

    Raises NotFound for an unknown link.
    """
    request = find_request(context.session, context.rulebooks, token, lock=True)
    if request is None:
        raise NotFound
    if request.state != "waiting":
        return False
    context.update_row(request.reference, {"declined_at"}, declined_at=context.now)
    return True


def list_unanswered_requests(
    session: Session, association: str, before: datetime
) -> list[ReferenceRequest]:
    """Requests of undecided applications, made before the instant; none answered or declined."""
    return _list_requests(
        session,
        col(Application.association) == association,
        col(Application.state).in_(UNDECIDED),
        col(Reference.asked_at) < before,
        col(Reference.received_at).is_(None),
        col(Reference.declined_at).is_(None),
    )


def list_open_request_keys(session: Session, keys: Collection[str]) -> set[str]:
    """Those outbox keys of mails to referees that still want an answer: see `request_key`."""
    ids = {int(key.split(":")[1]) for key in keys}
    requests = _list_requests(
        session,
        col(Reference.id).in_(ids),
        col(Application.state).in_(UNDECIDED),
        col(Reference.received_at).is_(None),
        col(Reference.declined_at).is_(None),
    )
    found = set()
    for reference, _, _ in requests:
        if reference.token_hash is not None:
            numbers = range(reference.reminders + 1)
            found |= {request_key(reference.id, reference.token_hash, n) for n in numbers}
    return found.intersection(keys)


def count_reminder(
    session: Session, request: ReferenceRequest, now: datetime
) -> ReferenceLink | None:
    """Count one more reminder; the link to send, or None if the referee has answered meanwhile.

    None, too, if another process has counted this reminder.
    """
    reminders = request.reference.reminders
    locked = _list_requests(session, col(Reference.id) == request.reference.id, lock=True)
    if not locked or locked[0].state != "waiting" or locked[0].reference.reminders != reminders:
        return None
    request = locked[0]
    request.reference.reminders, request.reference.reminded_at = reminders + 1, now
    return _store_link(session, request)


def _list_requests(
    session: Session, *where: ColumnElement[bool], lock: bool = False
) -> list[ReferenceRequest]:
    """With ``lock``, nobody else changes these references before the transaction ends."""
    query = (
        select(Reference, Person.name, Application)
        .join(Application, col(Application.id) == Reference.application_id)
        .join(Person, col(Person.id) == Application.person_id)
        .where(*where)
        .order_by(col(Reference.id))
        .execution_options(populate_existing=True)
    )
    if lock:
        query = query.with_for_update(of=Reference)
    return [ReferenceRequest(*row) for row in session.exec(query)]


def _store_link(session: Session, request: ReferenceRequest) -> ReferenceLink:
    """The link of a reference; stores its hash, which differs if the key is another one now."""
    # The instant too, so that a reference that is asked anew has a new link.
    asked_at = request.asked_at.astimezone(UTC).isoformat()
    key = bytes.fromhex(get_signing_key(session, _KEY_NAME))
    text = f"{request.reference.id}\n{request.reference.email}\n{asked_at}"
    token = urlsafe_b64encode(hmac.digest(key, text.encode(), sha256)).rstrip(b"=").decode()
    request.reference.token_hash = hash_token(token)
    session.add(request.reference)
    session.flush()
    return ReferenceLink(request, token)


@dataclass(frozen=True, slots=True)
class ReferenceReport:
    """A reference as stored, and the referee's record on the day it was received.

    ``endorsements`` are (association, category) of the person with the referee's address;
    ``is_vetted``: the application's association had vetted that person. Both are empty while
    the reference has not been received.
    """

    reference: Reference
    endorsements: tuple[tuple[str, str], ...] = ()
    is_vetted: bool = False


def list_reference_reports(
    session: Session, application: Application, rulebook: Rulebook
) -> list[ReferenceReport]:
    """All references of an application, in the order in which the applicant named the referees.

    For coordinators of the application's association; the caller has checked that.
    """
    query = select(Reference).where(Reference.application_id == application.id)
    return [
        _report(session, reference, rulebook)
        for reference in session.exec(query.order_by(col(Reference.id))).all()
    ]


def _report(session: Session, reference: Reference, rulebook: Rulebook) -> ReferenceReport:
    if reference.received_at is None:
        return ReferenceReport(reference)
    day = local_day(reference.received_at, rulebook.time_zone)

    def held_on_day(table: type[Endorsement] | type[Vetting]) -> ColumnElement[bool]:
        return (col(table.starts_on) <= day) & or_(
            col(table.ends_on).is_(None), col(table.ends_on) >= day
        )

    endorsements = session.exec(
        select(Endorsement.association, Endorsement.category)
        .join(Person, col(Person.id) == Endorsement.person_id)
        .where(Person.email == reference.email, held_on_day(Endorsement))
        .order_by(Endorsement.association, Endorsement.category)
    ).all()
    vetting = session.exec(
        select(Vetting.id)
        .join(Person, col(Person.id) == Vetting.person_id)
        .where(
            Person.email == reference.email,
            Vetting.association == rulebook.id,
            held_on_day(Vetting),
        )
    ).first()
    return ReferenceReport(reference, tuple(endorsements), is_vetted=vetting is not None)
