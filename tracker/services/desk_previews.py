"""What a change on the desk would do to standings and emails, before it is saved."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from email import message_from_bytes, policy
from typing import NamedTuple

from sqlmodel import Session, col, func, select

from tracker.db.ledgers import Outbox, StandingRow
from tracker.db.people import REMOVED, Endorsement, Person
from tracker.db.signing_keys import body_cipher
from tracker.services.context import ServiceContext
from tracker.services.desk_access import check_association
from tracker.services.desk_changes import ChangePlan, digest_rows, list_differences, read_rows
from tracker.services.evaluation import StoredResult, immediate_evaluation, parse_results


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
    with session.begin_nested() as savepoint, immediate_evaluation(session):
        people = plan.person_ids | set(plan.work(context) or ())
        changed = sum(1 for _ in list_differences(rows, read_rows(session, plan.tables, people)))
        later = _read_lines(session, associations), _list_removed(session, associations)
        moved = tuple(_compare((lines, removed), later))
        messages = tuple(_read_messages(session, latest))
        savepoint.rollback()
    session.expire_all()
    return ChangePreview(moved, messages, changed, digest_rows(rows))


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


def _read_messages(session: Session, after_id: int) -> Iterator[PreviewedMessage]:
    query = select(Outbox).where(col(Outbox.id) > after_id).order_by(col(Outbox.id))
    rows = session.exec(query).all()
    cipher = body_cipher(session) if rows else None
    for number, row in enumerate(rows):
        if number >= _MOST_TEXTS:
            yield PreviewedMessage(row.recipient, row.subject, "")
            continue
        body = cipher.decrypt(row.message_id, row.body) if cipher else b""
        part = message_from_bytes(body or b"", policy=policy.default).get_body(("plain",))
        text = str(part.get_content()).replace("\r\n", "\n") if part else ""
        yield PreviewedMessage(row.recipient, row.subject, text)
