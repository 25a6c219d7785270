"""What referees are asked by email, and the one answer that each link takes."""

import hmac
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, update
from sqlmodel import Session, col, select

from tracker.clock import local_day
from tracker.db.applications import UNDECIDED, Application, Reference
from tracker.db.people import Person
from tracker.db.signing_keys import get_signing_key
from tracker.rulebooks import Rulebooks
from tracker.rules.application.references import find_reference_rule
from tracker.services.context import NotFound, ServiceContext
from tracker.services.sign_in import hash_token

_KEY_NAME = "reference"
_UNANSWERED = (col(Reference.received_at).is_(None), col(Reference.declined_at).is_(None))


class ReferenceRequest(NamedTuple):
    """A reference that a referee is asked for; ``reminders`` were sent so far."""

    id: int
    email: str
    name: str
    role: str
    asked_at: datetime | None
    reminded_at: datetime | None
    reminders: int
    token_hash: str | None
    received_at: datetime | None
    declined_at: datetime | None
    applicant: str
    association: str
    category: str
    application_state: str

    @property
    def state(self) -> str:
        """What the link shows: "received", "declined", "over", or (the form) "waiting"."""
        if self.received_at is not None:
            return "received"
        if self.declined_at is not None:
            return "declined"
        return "waiting" if self.application_state in UNDECIDED else "over"


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
    reference = session.get_one(Reference, reference_id, populate_existing=True)
    reference.asked_at, reference.reminders = now, 0
    session.add(reference)
    (request,) = _list_requests(session, col(Reference.id) == reference_id)
    link = _link(session, request)
    reference.token_hash = link.request.token_hash
    session.add(reference)
    session.flush()
    return link


def find_request(session: Session, rulebooks: Rulebooks, token: str) -> ReferenceRequest | None:
    """The request whose link has this token, if its association still has a rulebook."""
    for request in _list_requests(session, col(Reference.token_hash) == hash_token(token)):
        if request.association in rulebooks.associations:
            return request
    return None


def asks_vetted(rulebooks: Rulebooks, request: ReferenceRequest, now: datetime) -> bool:
    """Whether the rulebook accepts a vetted referee, so that the form asks about it."""
    rulebook = rulebooks.associations[request.association]
    today = local_day(now, rulebook.time_zone)
    requirement = find_reference_rule(rulebook, request.category, today)
    return bool(requirement and requirement.references and requirement.references.vetted)


def submit_reference(context: ServiceContext, token: str, answer: ReferenceAnswer) -> bool:
    """Store a referee's one answer; False if the link takes no answer anymore.

    Raises NotFound for an unknown link.
    """
    request = _require_request(context, token)
    vetted = answer.vetted and asks_vetted(context.rulebooks, request, context.now)
    values = answer._replace(vetted=vetted)._asdict()
    return _finish(context, request, {**values, "received_at": context.now}, by_link=True)


def decline_reference(context: ServiceContext, token: str) -> bool:
    """Store that a referee gives no reference; False if the link takes no answer anymore.

    Raises NotFound for an unknown link.
    """
    request = _require_request(context, token)
    return _finish(context, request, {"declined_at": context.now}, by_link=False)


def list_unanswered_requests(
    session: Session, association: str, before: datetime
) -> list[ReferenceRequest]:
    """Requests of undecided applications, made before the instant; none answered or declined."""
    return _list_requests(
        session,
        col(Application.association) == association,
        col(Application.state).in_(UNDECIDED),
        col(Reference.asked_at) < before,
        *_UNANSWERED,
    )


def count_reminder(
    session: Session, request: ReferenceRequest, now: datetime
) -> ReferenceLink | None:
    """Count one more reminder; the link to send, or None if the referee has answered meanwhile."""
    reminders = request.reminders + 1
    link = _link(session, request._replace(reminders=reminders, reminded_at=now))
    statement = (
        update(Reference)
        .where(
            col(Reference.id) == request.id,
            col(Reference.reminders) == request.reminders,
            *_UNANSWERED,
        )
        # The hash differs if the installation has a new key since.
        .values(reminders=reminders, reminded_at=now, token_hash=link.request.token_hash)
    )
    return link if session.exec(statement).rowcount == 1 else None


def _require_request(context: ServiceContext, token: str) -> ReferenceRequest:
    request = find_request(context.session, context.rulebooks, token)
    if request is None:
        raise NotFound
    return request


def _list_requests(session: Session, *where: ColumnElement[bool]) -> list[ReferenceRequest]:
    query = (
        select(Reference, Person.name, Application)
        .join(Application, col(Application.id) == Reference.application_id)
        .join(Person, col(Person.id) == Application.person_id)
        .where(*where)
        .order_by(col(Reference.id))
        .execution_options(populate_existing=True)
    )
    return [
        ReferenceRequest(
            id=reference.id,
            email=reference.email,
            name=reference.name,
            role=reference.role,
            asked_at=reference.asked_at,
            reminded_at=reference.reminded_at,
            reminders=reference.reminders,
            token_hash=reference.token_hash,
            received_at=reference.received_at,
            declined_at=reference.declined_at,
            applicant=applicant,
            association=application.association,
            category=application.category,
            application_state=application.state,
        )
        for reference, applicant, application in session.exec(query)
    ]


def _link(session: Session, request: ReferenceRequest) -> ReferenceLink:
    if request.asked_at is None:
        raise ValueError(f"reference {request.id} has not been asked for")
    # The instant too, so that a reference that is asked anew has a new link.
    asked_at = request.asked_at.astimezone(UTC).isoformat()
    key = bytes.fromhex(get_signing_key(session, _KEY_NAME))
    digest = hmac.digest(key, f"{request.id}\n{request.email}\n{asked_at}".encode(), sha256)
    token = urlsafe_b64encode(digest).rstrip(b"=").decode()
    return ReferenceLink(request._replace(token_hash=hash_token(token)), token)


def _finish(
    context: ServiceContext, request: ReferenceRequest, values: dict[str, Any], *, by_link: bool
) -> bool:
    """Store the values if there is neither an answer nor a refusal yet."""
    if request.state != "waiting":
        return False
    statement = update(Reference).where(col(Reference.id) == request.id, *_UNANSWERED)
    stored = context.session.exec(statement.values(**values, answered_by_link=by_link))
    if stored.rowcount != 1:
        return False
    context.record_change("reference", request.id, before=dict.fromkeys(values), after=values)
    return True
