"""What every service function that writes starts from, and how it refuses."""

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from tracker.addresses import is_erased_address
from tracker.db.audit import Change, record_changes
from tracker.db.engine import is_postgresql
from tracker.db.people import Person
from tracker.db.statements import in_chunks
from tracker.plain_text import looks_like_link
from tracker.rulebooks import Rulebooks

MAX_TEXT_LENGTH = 500
MAX_NAME_LENGTH = 200
_PEOPLE_PER_QUERY = 1_000


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: a person, a coordinator, a program with a token, or the system.

    ``label`` is what the audit log shows. ``person_id`` is None for an actor who is not a person
    in the database; ``coordinates`` names the associations whose coordinator the actor is.
    """

    label: str
    person_id: int | None = None
    coordinates: tuple[str, ...] = ()

    @property
    def is_operator(self) -> bool:
        """Whether it is a command, which its label names; everyone else is named by an address."""
        return self.person_id is None and not self.coordinates and "@" not in self.label


@dataclass(frozen=True, slots=True)
class ServiceContext:
    """An open writing session, the rules in force, who acts, and when (``now`` is aware UTC)."""

    session: Session
    rulebooks: Rulebooks
    actor: Actor
    now: datetime

    @property
    def person_id(self) -> int:
        """The actor's id. Raises NotFound if the actor is not a person in the database."""
        if self.actor.person_id is None:
            raise NotFound
        return self.actor.person_id

    @property
    def associations(self) -> tuple[str, ...]:
        """The associations whose coordinator the actor is; all of them for an operator."""
        if self.actor.is_operator:
            return tuple(self.rulebooks.associations)
        return self.actor.coordinates

    def record_change(
        self,
        table: str,
        row_id: int,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        """Add an audit event to this transaction; no event if ``before`` equals ``after``."""
        change = Change(self.actor.label, self.now, table, row_id, before, after)
        record_changes(self.session, [change])

    def create_row(self, row: Any, audited: Collection[str]) -> None:  # noqa: ANN401 - any table
        """Insert a row, with an audit event of its ``audited`` columns."""
        self.session.add(row)
        self.session.flush()
        after = row.model_dump(include=set(audited))
        self.record_change(row.__tablename__, row.id, after=after)

    def update_row(
        self,
        row: Any,  # noqa: ANN401 - any table
        audited: Collection[str],
        **values: Any,  # noqa: ANN401 - values of columns
    ) -> None:
        """Set columns of a row, with an audit event of its ``audited`` columns."""
        before = row.model_dump(include=set(audited))
        row.sqlmodel_update(values)
        self.session.add(row)
        self.session.flush()
        after = row.model_dump(include=set(audited))
        self.record_change(row.__tablename__, row.id, before=before, after=after)

    def delete_row(self, row: Any, audited: Collection[str]) -> None:  # noqa: ANN401 - any table
        """Delete a row, with an audit event of its ``audited`` columns."""
        before = row.model_dump(include=set(audited))
        self.session.delete(row)
        self.session.flush()
        self.record_change(row.__tablename__, row.id, before=before)


def require_other_person(context: "ServiceContext", person_id: int) -> None:
    """Raise Refused if a coordinator is about to decide about themselves."""
    if person_id == context.actor.person_id:
        raise Refused(Refusal("", "own-decision"))


def lock_person(session: Session, person_id: int) -> None:
    """Let one transaction at a time write for a person, until it ends.

    Without it two entries saved at the same moment would each be judged without the other. What
    was read before may have changed while this one waited. Raises NotFound if the record was
    merged or erased meanwhile.
    """
    query = select(Person.email).where(Person.id == person_id).with_for_update()
    email = session.exec(query).first()
    if email is None or is_erased_address(email):
        raise NotFound


def lock_records(session: Session, person_ids: Iterable[int]) -> None:
    """As `lock_person` for several people, whether or not their records are still there.

    Transactions that lock several people do it in the order of their ids, and lock addresses
    (`EMAILS`) only afterwards, so that no two of them wait for each other.
    """
    if is_postgresql(session):
        for ids in in_chunks(sorted(person_ids), _PEOPLE_PER_QUERY):
            query = select(Person.id).where(col(Person.id).in_(ids)).order_by(col(Person.id))
            session.exec(query.with_for_update()).all()


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason why a service refuses: the input's field, a code, and the facts to explain it.

    `tracker.refusal_text` has the sentence for each code.
    """

    field: str
    code: str
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class Refused(Exception):  # noqa: N818 - reads as the sentence it is
    """A service did nothing, and why: every reason that can be known at once."""

    def __init__(self, *refusals: Refusal) -> None:
        super().__init__(", ".join(f"{one.field}: {one.code}" for one in refusals))
        self.refusals = refusals


class NotFound(Exception):  # noqa: N818 - reads as the sentence it is
    """What a service was asked to change does not exist, or is not the actor's to see."""


def check_text(field: str, text: str, *, required: bool = True) -> list[Refusal]:
    """Why a reason or an answer can't be stored: it is missing, or too long."""
    if required and not text:
        return [Refusal(field, f"{field}-missing")]
    if len(text) > MAX_TEXT_LENGTH:
        return [Refusal(field, "text-too-long", {"limit": MAX_TEXT_LENGTH})]
    return []


def check_name(name: str, missing: str) -> list[Refusal]:
    """Why a person's name can't be stored; ``missing`` is the code if there is none."""
    if not name:
        return [Refusal("name", missing)]
    if len(name) > MAX_NAME_LENGTH:
        return [Refusal("name", "text-too-long", {"limit": MAX_NAME_LENGTH})]
    return [Refusal("name", "name-looks-like-link")] if looks_like_link(name) else []
