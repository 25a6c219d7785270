"""What a change on the desk would do to standings and emails, before it is saved."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from email import message_from_bytes, policy
from typing import Any, NamedTuple

from sqlalchemy import exists
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, func, select

from tracker.db.certificates import Certificate
from tracker.db.ledgers import Outbox, StandingRow
from tracker.db.people import REMOVED, Endorsement, Person
from tracker.db.signing_keys import body_cipher
from tracker.db.submissions import Submission
from tracker.rules.stages import Stage
from tracker.services.certificates import RENEWAL
from tracker.services.context import ServiceContext
from tracker.services.desk_access import check_association
from tracker.services.desk_changes import ChangePlan, digest_rows, list_differences, read_rows
from tracker.services.evaluation import StoredResult, immediate_evaluation, parse_results

_NUMBER_TO_COME = "(its number)"


class StoredStanding(NamedTuple):
    """What the standing table says about a renewal; ``short`` are its unmet requirements."""

    status: str
    due_on: date | None
    short: tuple[StoredResult, ...]


class StandingChange(NamedTuple):
    """A renewal whose standing a change moves; None: it has none then.

    ``removed`` says whether the endorsement is removed after a lapse, before and after the change.
    """

    person_id: int
    name: str
    association: str
    category: str
    cycle_starts_on: date
    before: StoredStanding | None
    after: StoredStanding | None
    removed: tuple[bool, bool] = (False, False)


class DecidedRenewal(NamedTuple):
    """A submitted renewal whose state a change moves.

    ``has_certificate``: one is issued, or is no longer valid.
    """

    name: str
    cycle_starts_on: date
    cycle_ends_on: date
    state: str
    has_certificate: bool


# To read the text of an email takes as long as to write it, and nobody reads hundreds.
_MOST_TEXTS = 20


class PreviewedMessage(NamedTuple):
    """An email that a change sends; only the first twenty of a preview have their text."""

    recipient: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class ChangePreview:
    """What a plan would do. ``state`` names the rows that it starts from."""

    standings: tuple[StandingChange, ...]
    messages: tuple[PreviewedMessage, ...]
    row_count: int
    state: str
    decided: tuple[DecidedRenewal, ...] = ()


class _Line(NamedTuple):
    """A stored standing, and whose it is."""

    person_id: int
    name: str
    association: str
    category: str
    status: str
    due_on: date | None
    requirements: str

    @property
    def standing(self) -> StoredStanding:
        results = parse_results(self.requirements)
        short = tuple(result for result in results if result.outcome == "short")
        return StoredStanding(self.status, self.due_on, short)


_Lines = dict[tuple[int, date], _Line]


def preview_change(context: ServiceContext, plan: ChangePlan) -> ChangePreview:
    """Return what the plan would do, and change nothing. Raises Refused if its work does."""
    check_association(context.actor, plan.association)
    session = context.session
    associations = context.actor.coordinates or (plan.association,)
    rows = read_rows(session, plan.tables, plan.person_ids)
    lines, removed = _read_lines(session, associations), _list_removed(session, associations)
    latest = session.exec(select(func.max(Outbox.id))).one() or 0
    last_certificate = session.exec(select(func.max(Certificate.id))).one() or 0
    states = _read_states(session, associations)
    with session.begin_nested() as savepoint, immediate_evaluation(session):
        people = plan.person_ids | set(plan.work(context) or ())
        changed = sum(1 for _ in list_differences(rows, read_rows(session, plan.tables, people)))
        later = _read_lines(session, associations), _list_removed(session, associations)
        moved = tuple(_compare((lines, removed), later))
        issued = select(Certificate.number).where(col(Certificate.id) > last_certificate)
        messages = tuple(_read_messages(session, latest, session.exec(issued).all()))
        decided = tuple(_list_decided(states, _read_states(session, associations)))
        savepoint.rollback()
    session.expire_all()
    return ChangePreview(moved, messages, changed, digest_rows(rows), decided)


def _read_lines(session: Session, associations: Collection[str]) -> _Lines:
    """The stored standings of associations, by endorsement and first day of the cycle."""
    query = (
        select(  # type: ignore[call-overload]
            StandingRow.endorsement_id,
            StandingRow.cycle_starts_on,
            Endorsement.person_id,
            Person.name,
            StandingRow.association,
            Endorsement.category,
            StandingRow.status,
            StandingRow.due_on,
            StandingRow.requirements,
        )
        .join(Endorsement, col(Endorsement.id) == StandingRow.endorsement_id)
        .join(Person, col(Person.id) == Endorsement.person_id)
        .where(col(StandingRow.association).in_(associations))
    )
    return {(row[0], row[1]): _Line(*row[2:]) for row in session.exec(query)}


def _read_states(session: Session, associations: Collection[str]) -> dict[int, DecidedRenewal]:
    """The submitted renewals of associations by id; each with whether it has a certificate."""
    has_certificate = exists().where(
        col(Certificate.endorsement_id) == Submission.endorsement_id,
        col(Certificate.cycle_starts_on) == Submission.cycle_starts_on,
        col(Certificate.kind) == RENEWAL,
    )
    query: Any = (
        select_columns(
            col(Submission.id),
            col(Person.name),
            col(Submission.cycle_starts_on),
            col(Submission.cycle_ends_on),
            col(Submission.state),
            has_certificate,
        )
        .join(Endorsement, col(Endorsement.id) == Submission.endorsement_id)
        .join(Person, col(Person.id) == Endorsement.person_id)
        .where(col(Endorsement.association).in_(associations))
        .order_by(col(Person.name), col(Submission.id))
    )
    session.flush()
    rows = session.connection().execute(query).all()
    return {number: DecidedRenewal(*rest) for number, *rest in rows}


def _list_decided(
    before: Mapping[int, DecidedRenewal], after: Mapping[int, DecidedRenewal]
) -> Iterator[DecidedRenewal]:
    """The renewals whose state moved, by name; with the certificates that are new."""
    for number, renewal in after.items():
        former = before.get(number)
        if former is not None and former.state != renewal.state:
            is_moved = former.has_certificate == (renewal.state == Stage.RETURNED)
            yield renewal._replace(has_certificate=renewal.has_certificate and is_moved)


def _list_removed(session: Session, associations: Collection[str]) -> frozenset[int]:
    """The endorsements of associations that are removed after a lapse."""
    query = select(Endorsement.id).where(
        Endorsement.ended_as == REMOVED, col(Endorsement.association).in_(associations)
    )
    return frozenset(session.exec(query))


def _compare(
    earlier: tuple[_Lines, Collection[int]], later: tuple[_Lines, Collection[int]]
) -> Iterator[StandingChange]:
    """The renewals whose standing moved, by name."""
    (before, was_removed), (after, is_removed) = earlier, later
    moved = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    owners = {key: after.get(key) or before[key] for key in moved}
    for key in sorted(moved, key=lambda each: (owners[each].name.casefold(), each)):
        was, now = before.get(key), after.get(key)
        standings = (was.standing if was else None, now.standing if now else None)
        if standings[0] != standings[1]:
            removed = (key[0] in was_removed, key[0] in is_removed)
            yield StandingChange(*owners[key][:4], key[1], *standings, removed)


def _read_messages(
    session: Session, after_id: int, numbers: Collection[str]
) -> Iterator[PreviewedMessage]:
    """What would be sent. Certificates get other ``numbers`` when it is saved, so none is shown."""
    query = select(Outbox).where(col(Outbox.id) > after_id).order_by(col(Outbox.id))
    rows = session.exec(query).all()
    if not rows:
        return
    cipher = body_cipher(session)
    for number, row in enumerate(rows):
        if number >= _MOST_TEXTS:
            yield PreviewedMessage(row.recipient, row.subject, "")
            continue
        body = cipher.decrypt(row.message_id, row.body)
        part = message_from_bytes(body or b"", policy=policy.default).get_body(("plain",))
        text = str(part.get_content()).replace("\r\n", "\n") if part else ""
        for issued in numbers:
            text = text.replace(issued, _NUMBER_TO_COME)
        yield PreviewedMessage(row.recipient, row.subject, text)
