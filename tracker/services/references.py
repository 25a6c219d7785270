"""An applicant's references: whom they name, and which were received; not what referees write."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlmodel import Session, col, func, select
from sqlmodel.sql.expression import SelectOfScalar

from tracker.addresses import is_address
from tracker.clock import local_day
from tracker.db.applications import Application, Reference, WithdrawnReference
from tracker.db.ledgers import Outbox
from tracker.db.people import Person
from tracker.plain_text import looks_like_link, space_initials
from tracker.rules.application.references import (
    SPARE,
    ReferenceProgress,
    find_reference_rule,
    max_referees,
    roles_for,
)
from tracker.rules.requirement import ReferenceRule
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext, check_name
from tracker.services.reference_submission import progress_of, request_key
from tracker.services.removals import get_first_row, get_own_deletion, keep_for_undo, restore

# Each is a mail to a person who may never have heard of us.
DAILY_LIMIT = 10
_EMAIL_LIMIT = 254
_ONE_DAY = timedelta(days=1)
_AUDITED = {"application_id", "email", "name", "role"}


@dataclass(frozen=True, slots=True)
class RefereeInput:
    """Whom an applicant names: ``email`` in lower case, ``role`` a key of the rulebook."""

    email: str
    name: str
    role: str


@dataclass(frozen=True, slots=True)
class NamedReferee:
    """A referee as the applicant sees them.

    ``progress`` is what is shown. ``state`` is "received", "declined", or "waiting"; referees are
    told that the applicant sees whether they decline. ``was_asked``: a mail was written to them;
    ``mail_failed``: one of them could not be delivered; ``mail_bounced``: the address was refused.
    """

    id: int
    name: str
    email: str
    role: str
    state: str
    progress: ReferenceProgress
    was_asked: bool
    mail_failed: bool
    mail_bounced: bool


def find_own_application(
    session: Session, person_id: int | None, application_id: int
) -> Application | None:
    """One of a person's own applications; None if it does not exist or is another's."""
    return session.exec(_select_own(person_id, application_id)).first()


def list_named_referees(session: Session, application_id: int, zone: str) -> list[NamedReferee]:
    """Whom the applicant has named, in that order; days are those of the time zone ``zone``."""
    references = session.exec(
        select(Reference)
        .where(Reference.application_id == application_id)
        .order_by(col(Reference.id))
        .execution_options(populate_existing=True)
    ).all()
    keys: dict[str, int] = {}
    for reference in references:
        if reference.token_hash is not None:
            for number in range(reference.reminders + 1):
                keys[request_key(reference.id, reference.token_hash, number)] = reference.id
    failed = session.exec(
        select(Outbox.dedupe_key, Outbox.bounced).where(
            col(Outbox.dedupe_key).in_(keys), Outbox.state == "failed"
        )
    )
    bounced = {keys[key]: bool(has_bounced) for key, has_bounced in failed}
    return [
        NamedReferee(
            id=reference.id,
            name=reference.name,
            email=reference.email,
            role=reference.role,
            state=reference.state,
            progress=progress_of(reference, zone),
            was_asked=reference.asked_at is not None,
            mail_failed=reference.id in bounced,
            mail_bounced=bounced.get(reference.id, False),
        )
        for reference in references
    ]


def can_name_more(named: Sequence[NamedReferee], rule: ReferenceRule) -> bool:
    """Whether one more referee can be named.

    Received references take at most as many places as are required, so that the spare ones stay
    free. What they say plays no part: otherwise the limit would reveal it to the applicant.
    """
    limit = max_referees(rule)
    waiting = sum(referee.state == "waiting" for referee in named)
    received = sum(referee.state == "received" for referee in named)
    return waiting + min(received, limit - SPARE) < limit


def name_referee(context: ServiceContext, application_id: int, referee: RefereeInput) -> int | None:
    """Store a referee whom the applicant names.

    Returns the id of the reference to ask for by mail; None if just this one was asked before.
    Raises NotFound and Refused.
    """
    referee = replace(referee, name=space_initials(referee.name))
    application = _lock_own_application(context, application_id)
    applicant = context.session.get_one(Person, application.person_id)
    rulebook = context.rulebooks.associations[application.association]
    today = local_day(context.now, rulebook.time_zone)
    requirement = find_reference_rule(
        rulebook, application.category, today, application.plan_purpose
    )
    rule = requirement.references if requirement else None
    if refusals := _validate(referee, applicant, rule):
        raise Refused(*refusals)
    named = list_named_referees(context.session, application_id, rulebook.time_zone)
    same = {other.email: other for other in named}.get(referee.email)
    if application.is_decided:
        facts = {"state": application.state}
        raise Refused(Refusal("email", "application-takes-no-referees", facts))
    if same is not None and not same.mail_failed:
        stored = (same.name, same.role, same.state)
        if stored == (referee.name, referee.role, "waiting"):
            return None if same.was_asked else same.id
    if same is not None:
        raise Refused(Refusal("email", f"referee-{same.state}", {"name": same.name}))
    _require_room(context, applicant, named, rule)
    reference = Reference(
        application_id=application_id,
        email=referee.email,
        name=referee.name,
        role=referee.role,
        named_at=context.now,
    )
    context.create_row(reference, _AUDITED)
    return reference.id


def find_referee_to_ask(
    context: ServiceContext, application_id: int, reference_id: int
) -> int | None:
    """The id of a reference that an import named, to ask for by mail; None if it was asked.

    Raises NotFound if the reference is not waiting for an answer.
    """
    application = _lock_own_application(context, application_id)
    zone = context.rulebooks.associations[application.association].time_zone
    for referee in list_named_referees(context.session, application_id, zone):
        if referee.id == reference_id and referee.state == "waiting":
            if application.is_decided:
                break
            return None if referee.was_asked else reference_id
    raise NotFound


def withdraw_referee(context: ServiceContext, application_id: int, reference_id: int) -> None:
    """Remove a referee who has neither answered nor declined, so that the link stops working.

    For a day `restore_referee` brings them back. Raises NotFound.
    """
    _lock_own_application(context, application_id)
    reference = context.session.exec(
        select(Reference)
        .where(Reference.id == reference_id, Reference.application_id == application_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).first()
    if reference is None or reference.state != "waiting":
        raise NotFound
    keep_for_undo(context, "reference", reference_id, reference.name, application_id)
    values = reference.model_dump(include=_AUDITED)
    withdrawn = WithdrawnReference(**values, named_at=reference.named_at, withdrawn_at=context.now)
    context.session.add(withdrawn)
    context.delete_row(reference, _AUDITED)


def restore_referee(context: ServiceContext, application_id: int, removal_id: int) -> None:
    """Bring back a referee whom the actor removed, with their link; twice is like once.

    Raises NotFound if they were removed more than a day ago, and Refused if the application is
    decided, or if there is no place for them anymore.
    """
    application = _lock_own_application(context, application_id)
    removal = get_own_deletion(context, "reference", removal_id)
    if removal.subject_id != application_id:
        raise NotFound
    if removal.undone_at is not None:
        return
    rulebook = context.rulebooks.associations[application.association]
    today = local_day(context.now, rulebook.time_zone)
    requirement = find_reference_rule(
        rulebook, application.category, today, application.plan_purpose
    )
    rule = requirement.references if requirement else None
    facts = {"name": removal.description, "state": application.state}
    if application.is_decided:
        raise Refused(Refusal("email", "application-takes-no-referees", facts))
    _, values = get_first_row(removal)
    named = list_named_referees(context.session, application_id, rulebook.time_zone)
    if any(referee.email == values["email"] for referee in named):
        raise Refused(Refusal("email", "referee-named-again", facts))
    if rule is None or not can_name_more(named, rule):
        raise Refused(Refusal("email", "referee-has-no-place", facts))
    restore(context, removal)


def _lock_own_application(context: ServiceContext, application_id: int) -> Application:
    """The actor's own application, so that one writer at a time changes its referees."""
    query = _select_own(context.actor.person_id, application_id).with_for_update()
    newest = query.execution_options(populate_existing=True)
    application = context.session.exec(newest).first()
    if application is None or application.association not in context.rulebooks.associations:
        raise NotFound
    return application


def _select_own(person_id: int | None, application_id: int) -> SelectOfScalar[Application]:
    return select(Application).where(
        Application.id == application_id, Application.person_id == person_id
    )


def _validate(
    referee: RefereeInput, applicant: Person, rule: ReferenceRule | None
) -> list[Refusal]:
    refusals = _validate_names(referee, applicant)
    own = {email.lower() for email in (applicant.email, applicant.second_email) if email}
    if len(referee.email) > _EMAIL_LIMIT or not is_address(referee.email):
        refusals.append(Refusal("email", "email-invalid"))
    elif referee.email in own:
        refusals.append(Refusal("email", "referee-is-self"))
    roles = roles_for(rule) if rule else ()
    if referee.role not in roles:
        code = "referee-role-unknown" if referee.role else "referee-role-required"
        refusals.append(Refusal("role", code))
    return refusals


def _validate_names(referee: RefereeInput, applicant: Person) -> list[Refusal]:
    refusals = check_name(referee.name, "referee-name-required")
    if looks_like_link(applicant.name):
        refusals.append(Refusal("name", "own-name-looks-like-link", {"name": applicant.name}))
    return refusals


def _require_room(
    context: ServiceContext,
    applicant: Person,
    named: Sequence[NamedReferee],
    rule: ReferenceRule | None,
) -> None:
    # Referees named in the last 24 hours; the withdrawn ones had a mail too.
    named_lately = 0
    for table in (Reference, WithdrawnReference):
        query = (
            select(func.count())
            .join_from(table, Application)
            .where(
                Application.person_id == applicant.id,
                col(table.named_at) > context.now - _ONE_DAY,
            )
        )
        named_lately += context.session.exec(query).one()
    if named_lately >= DAILY_LIMIT:
        raise Refused(Refusal("email", "referees-daily-limit", {"limit": DAILY_LIMIT}))
    if rule is None or not can_name_more(named, rule):
        raise Refused(Refusal("email", "too-many-referees"))
