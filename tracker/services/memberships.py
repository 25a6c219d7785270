"""A person's membership terms: read, and recorded by themselves.

Writing belongs into the caller's transaction: a term is never stored without its audit event and
the standing that follows. Both days of a term are included.
"""

from dataclasses import asdict, dataclass
from datetime import date
from typing import NamedTuple

from sqlalchemy import delete, insert, select, update
from sqlmodel import Session

from tracker.db.audit import Change, record_changes
from tracker.db.statements import with_own_id
from tracker.db.tables import METADATA
from tracker.rulebooks import Rulebooks
from tracker.services.context import Author, lock_person
from tracker.services.evaluation import evaluate_later

_MEMBERSHIP = METADATA.tables["membership"]


@dataclass(frozen=True, slots=True)
class Term:
    """What a term says: from its first to its last day, both included."""

    organization: str
    starts_on: date
    ends_on: date


class Recorded(NamedTuple):
    """A stored term; ``recorded_by`` is None where it came in a file of the association's."""

    id: int
    term: Term
    recorded_by: str | None


class TermOverlaps(Exception):  # noqa: N818 - reads as the sentence it prints
    """Some day of the term is covered already, by ``other``."""

    def __init__(self, other: Term) -> None:
        super().__init__(f"{other.starts_on} to {other.ends_on}")
        self.other = other


def terms_of(session: Session, person_id: int) -> list[Recorded]:
    """All terms of a person: by organization, the latest first."""
    columns = _MEMBERSHIP.c
    query = (
        select(
            columns.id,
            columns.organization,
            columns.starts_on,
            columns.ends_on,
            columns.recorded_by,
        )
        .where(columns.person_id == person_id)
        .order_by(columns.organization, columns.starts_on.desc())
    )
    return [
        Recorded(row[0], Term(*row[1:4]), row[4]) for row in session.connection().execute(query)
    ]


def own_term(session: Session, person_id: int, term_id: int) -> Recorded | None:
    """A term that the person recorded; None where it is absent, foreign or the association's."""
    mine = (each for each in terms_of(session, person_id) if each.recorded_by)
    return next((each for each in mine if each.id == term_id), None)


def record_term(session: Session, rulebooks: Rulebooks, author: Author, term: Term) -> int:
    """Store a term once: the same one again (a double tap) gives the first one's id.

    Raises TermOverlaps.
    """
    lock_person(session, author.person_id)
    for known in terms_of(session, author.person_id):
        if known.term == term and known.recorded_by:
            return known.id
    _refuse_overlap(session, author.person_id, term, None)
    values = {"person_id": author.person_id, **asdict(term), "recorded_by": author.who}
    number = (
        session.connection()
        .execute(
            insert(_MEMBERSHIP)
            .values(with_own_id(session, "membership", values))
            .returning(_MEMBERSHIP.c.id)
        )
        .scalar_one()
    )
    _finish(session, rulebooks, author, number, before=None, after=term)
    return int(number)


def change_term(
    session: Session, rulebooks: Rulebooks, author: Author, term_id: int, term: Term
) -> bool:
    """Change one's own term; False where `own_term` finds none. Raises TermOverlaps."""
    lock_person(session, author.person_id)
    stored = own_term(session, author.person_id, term_id)
    if stored is None:
        return False
    _refuse_overlap(session, author.person_id, term, term_id)
    session.connection().execute(
        update(_MEMBERSHIP).where(_MEMBERSHIP.c.id == term_id).values(asdict(term))
    )
    _finish(session, rulebooks, author, term_id, before=stored.term, after=term)
    return True


def remove_term(session: Session, rulebooks: Rulebooks, author: Author, term_id: int) -> bool:
    """Remove one's own term; False where `own_term` finds none."""
    lock_person(session, author.person_id)
    stored = own_term(session, author.person_id, term_id)
    if stored is None:
        return False
    session.connection().execute(delete(_MEMBERSHIP).where(_MEMBERSHIP.c.id == term_id))
    _finish(session, rulebooks, author, term_id, before=stored.term, after=None)
    return True


def _refuse_overlap(session: Session, person_id: int, term: Term, without: int | None) -> None:
    for known in terms_of(session, person_id):
        other = known.term
        apart = other.ends_on < term.starts_on or term.ends_on < other.starts_on
        if other.organization == term.organization and not apart and known.id != without:
            raise TermOverlaps(other)


def _finish(
    session: Session,
    rulebooks: Rulebooks,
    author: Author,
    term_id: int,
    *,
    before: Term | None,
    after: Term | None,
) -> None:
    whose = {"person_id": author.person_id}
    shapes = [whose | asdict(term) if term else None for term in (before, after)]
    record_changes(session, [Change(author.who, author.at, "membership", term_id, *shapes)])
    evaluate_later(session, rulebooks, author.person_id, author.at)
