"""What referees are asked by email, and the one answer that each link takes.

What they write is for coordinators of the application's association alone (`ReferenceReport`).
"""

import hmac
import json
from base64 import urlsafe_b64encode
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import NamedTuple

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, or_, select

from tracker.clock import local_day
from tracker.db.applications import UNDECIDED, Application, Reference
from tracker.db.ledgers import Outbox
from tracker.db.people import Endorsement, Person, Vetting
from tracker.db.signing_keys import REFERENCE, find_former_key, get_signing_key
from tracker.plain_text import plain_name
from tracker.rulebooks import Rulebooks
from tracker.rules.application.references import (
    ReferenceProgress,
    find_progress,
    find_reference_rule,
    rating_questions,
)
from tracker.rules.model import RatingQuestion, Rulebook
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext
from tracker.services.sign_in import hash_token

_LONGEST_NAME = 200


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
    """A referee's answer; ``endorsed_by`` and ``endorsed_as`` are None without an endorsement.

    ``endorsed_by`` is an association by its name or id. ``ratings`` are steps of the scales of
    `list_ratings`, by the questions' ids.
    """

    role_confirmed: bool
    relationship: str
    endorsed_by: str | None
    endorsed_as: str | None
    vetted: bool
    signed_as: str
    ratings: Mapping[str, str] = {}


class Rating(NamedTuple):
    """What a referee rated, in the words of the question and of the scale on that day."""

    id: str
    asks: str
    rating: str


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
    requirement = find_reference_rule(
        rulebook, application.category, today, application.plan_purpose
    )
    return bool(requirement and requirement.references and requirement.references.vetted)


def list_ratings(
    rulebooks: Rulebooks, application: Application, now: datetime
) -> list[RatingQuestion]:
    """What the application's rulebook has referees rate, in its order."""
    rulebook = rulebooks.associations[application.association]
    today = local_day(now, rulebook.time_zone)
    return rating_questions(rulebook, application.category, today)


def progress_of(reference: Reference, zone: str, as_of: date | None = None) -> ReferenceProgress:
    """How far a reference has come, by the days in a time zone; ``as_of`` leaves out later ones."""
    days = []
    for instant in (reference.asked_at, reference.received_at):
        day = local_day(instant, zone) if instant else None
        days.append(day if day is None or as_of is None or day <= as_of else None)
    return find_progress(*days)


def list_references(
    session: Session, application_ids: Collection[int]
) -> dict[int, list[Reference]]:
    """The references of applications, each in the order in which the referees were named."""
    query = select(Reference).where(col(Reference.application_id).in_(application_ids))
    references: defaultdict[int, list[Reference]] = defaultdict(list)
    for reference in session.exec(query.order_by(col(Reference.id))):
        references[reference.application_id].append(reference)
    return references


def parse_ratings(reference: Reference) -> list[Rating]:
    """What a referee rated; empty if nothing was to be rated, or the answer was imported."""
    return [Rating(**each) for each in json.loads(reference.ratings or "[]")]


def format_ratings(ratings: Sequence[Rating]) -> str:
    """What a referee rated, as `parse_ratings` reads it."""
    return json.dumps([each._asdict() for each in ratings], ensure_ascii=False)


def list_known_associations(rulebooks: Rulebooks) -> dict[str, str]:
    """The names of the associations that we know, by id."""
    organizations = rulebooks.organizations.values()
    return {each.id: each.name for each in organizations if each.infant_mental_health}


def submit_reference(context: ServiceContext, token: str, answer: ReferenceAnswer) -> bool:
    """Store a referee's one answer; False if the link takes no answer anymore.

    Raises NotFound for an unknown link, and Refused if a rating or the association is missing.
    """
    request = find_request(context.session, context.rulebooks, token, lock=True)
    if request is None:
        raise NotFound
    if request.state != "waiting":
        return False
    vetted = answer.vetted and asks_vetted(context.rulebooks, request.application, context.now)
    questions = list_ratings(context.rulebooks, request.application, context.now)
    if refusals := _validate(answer, questions):
        raise Refused(*refusals)
    ratings = [Rating(each.id, each.asks, answer.ratings[each.id]) for each in questions]
    values = {
        **answer._asdict(),
        "vetted": vetted,
        "endorsed_by": _find_association(context.rulebooks, answer.endorsed_by),
        "ratings": format_ratings(ratings),
        "received_at": context.now,
    }
    context.update_row(request.reference, values, **values, answered_by_link=True)
    return True


def _validate(answer: ReferenceAnswer, questions: Sequence[RatingQuestion]) -> list[Refusal]:
    refusals = []
    for question in questions:
        if answer.ratings.get(question.id) not in question.scale:
            refusals.append(Refusal(f"rating-{question.id}", "rating-required"))
    if answer.endorsed_as is not None and not answer.endorsed_by:
        refusals.append(Refusal("endorsed_by", "endorsed-by-required"))
    if len(answer.endorsed_by or "") > _LONGEST_NAME:
        refusals.append(Refusal("endorsed_by", "text-too-long", {"limit": _LONGEST_NAME}))
    return refusals


def _find_association(rulebooks: Rulebooks, typed: str | None) -> str | None:
    """The id of the known association with this name or id, however it is written; else as typed.

    A known name may also be typed with its id: ``CT-AIMH (Connecticut Association …)``.
    """
    if typed is None:
        return None
    names = {}
    for key, name in list_known_associations(rulebooks).items():
        for spelling in (key, name, f"{key} {name}", f"{name} {key}"):
            names[plain_name(spelling)] = key
    return names.get(plain_name(typed), typed)


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


def list_open_request_keys(session: Session, ids: Collection[int]) -> set[str]:
    """The outbox keys of mails about these references that still want an answer."""
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
    return found


def list_unsent_requests(session: Session, application_id: int) -> list[int]:
    """The references whose first mail was dropped before it left, and that still want an answer."""
    requests = _list_requests(
        session,
        col(Reference.application_id) == application_id,
        col(Application.state).in_(UNDECIDED),
        col(Reference.asked_at).is_not(None),
        col(Reference.received_at).is_(None),
        col(Reference.declined_at).is_(None),
    )
    unsent = []
    for reference, _, _ in requests:
        key = request_key(reference.id, reference.token_hash or "", 0)
        dropped = select(Outbox.id).where(col(Outbox.dedupe_key).startswith(f"{key}:dropped:"))
        if session.exec(dropped).first() is not None:
            unsent.append(reference.id)
    return unsent


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
        .join(Person)
        .where(*where)
        .order_by(col(Reference.id))
        .execution_options(populate_existing=True)
    )
    if lock:
        query = query.with_for_update(of=Reference)
    return [ReferenceRequest(*row) for row in session.exec(query)]


def _store_link(session: Session, request: ReferenceRequest) -> ReferenceLink:
    """The link of a reference; stores its hash, which differs if the key is another one now."""
    token = _sign(get_signing_key(session, REFERENCE), request)
    former = find_former_key(session, REFERENCE)
    if former is not None:
        # A link that an earlier version made stays the same in reminders.
        earlier = _sign(bytes.fromhex(former), request)
        if hash_token(earlier) == request.reference.token_hash:
            token = earlier
    request.reference.token_hash = hash_token(token)
    session.add(request.reference)
    session.flush()
    return ReferenceLink(request, token)


def _sign(key: bytes, request: ReferenceRequest) -> str:
    # The instant too, so that a reference that is asked anew has a new link.
    asked_at = request.asked_at.astimezone(UTC).isoformat()
    text = f"{request.reference.id}\n{request.reference.email}\n{asked_at}"
    return urlsafe_b64encode(hmac.digest(key, text.encode(), sha256)).rstrip(b"=").decode()


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
    references = list_references(session, [application.id]).get(application.id, [])
    return [_report(session, reference, rulebook) for reference in references]


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
        .join(Person)
        .where(Person.email == reference.email, held_on_day(Endorsement))
        .order_by(Endorsement.association, Endorsement.category)
    ).all()
    vetting = session.exec(
        select(Vetting.id)
        .join(Person)
        .where(
            Person.email == reference.email,
            Vetting.association == rulebook.id,
            held_on_day(Vetting),
        )
    ).first()
    return ReferenceReport(reference, tuple(endorsements), is_vetted=vetting is not None)
