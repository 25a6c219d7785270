"""Reads what a transcript is made of."""

from datetime import date, datetime

from sqlalchemy import Connection, select

from tracker.records.entries.entries import entries_of
from tracker.records.judging.endorsees import Endorsed, endorsements_of
from tracker.records.judging.evaluation import days_at
from tracker.records.judging.held_cycles import cycles_held, standing_in
from tracker.records.judging.providers import load_providers
from tracker.records.schema.tables import METADATA
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import Cycle
from tracker.rules.standing import Span
from tracker.transfer.transcript import Material, Subject, Transcript, make_transcript

_MEMBERSHIP = METADATA.tables["membership"]


def read_transcript(
    connection: Connection,
    books: Rulebooks,
    person_id: int,
    endorsement_id: int,
    cycle_starts_on: date,
    at: datetime,
) -> Transcript | None:
    """The transcript of a person's own endorsement for the cycle that starts on that very day.

    None where the endorsement is absent or somebody else's, or has no such cycle.
    """
    held = next((e for e in endorsements_of(connection, person_id) if e.id == endorsement_id), None)
    if held is None or held.association not in books.associations:
        return None
    today = days_at(books, at)(held.association)
    cycles = cycles_held(books, held, today)
    cycle = next((c for c in cycles if c.starts_on == cycle_starts_on), None)
    if cycle is None:
        return None
    material = _material(connection, books, held, cycle, at)
    return make_transcript(_subject(books, held, cycle, today), material)


def _subject(books: Rulebooks, held: Endorsed, cycle: Cycle, today: date) -> Subject:
    book = books.associations[held.association]
    category = book.categories.get(held.category)
    return Subject(
        name=held.name,
        email=held.email,
        association=held.association,
        association_name=book.name,
        category=held.category,
        category_name=category.name if category else held.category,
        cycle=cycle,
        printed_on=today,
    )


def _material(
    connection: Connection, books: Rulebooks, held: Endorsed, cycle: Cycle, at: datetime
) -> Material:
    entries = entries_of(connection, held.person_id, cycle.starts_on, cycle.ends_on)
    return Material(
        books=books,
        plan=books.plan_for(held.association, held.category, cycle),
        standing=standing_in(connection, books, days_at(books, at), held.id, cycle),
        entries=entries,
        providers=load_providers(connection, {e.provider_id for e in entries if e.provider_id}),
        memberships=_memberships(connection, held.person_id, cycle),
    )


def _memberships(connection: Connection, person_id: int, cycle: Cycle) -> list[tuple[str, Span]]:
    """The terms that reach into the cycle, the earliest first."""
    table = _MEMBERSHIP.c
    query = (
        select(table.organization, table.starts_on, table.ends_on)
        .where(table.person_id == person_id)
        .where((table.starts_on <= cycle.ends_on) & (table.ends_on >= cycle.starts_on))
        .order_by(table.starts_on, table.organization)
    )
    return [(row[0], Span(row[1], row[2])) for row in connection.execute(query)]
