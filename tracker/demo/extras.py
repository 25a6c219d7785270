"""What the demo's people have that no file can carry: waivers, extensions, named providers."""

from datetime import date, datetime, timedelta

from sqlalchemy import Connection, insert, select

from tracker.demo.cast import Cast, Endorsee
from tracker.demo.stories import Stories
from tracker.records.audit import Change, record_changes
from tracker.records.entry_writes import Author, Content, add_entry
from tracker.records.tables import METADATA
from tracker.rulebooks import Rulebooks

_WHO = "tracker demo"
_SESSION_MINUTES = 60
_EXTENSION = timedelta(days=60)
_PERSON, _ENDORSEMENT = METADATA.tables["person"], METADATA.tables["endorsement"]


def add_extras(
    connection: Connection, books: Rulebooks, stories: Stories, cast: Cast, now: datetime
) -> set[int]:
    """Write them, each with its audit event; the ids of the people concerned."""
    changed = set()
    for endorsee in cast.endorsees:
        story = endorsee.story
        if story.waived or story.extended or story.unconfirmed:
            person_id, endorsement_id = _ids(connection, endorsee)
            changed.add(person_id)
            if story.unconfirmed:
                _log_with_a_stranger(connection, books, stories, person_id, now)
            if story.waived or story.extended:
                _grant(connection, books, endorsee, endorsement_id, now)
    return changed


def _ids(connection: Connection, endorsee: Endorsee) -> tuple[int, int]:
    association, category, _ = endorsee.endorsements[0]
    query = (
        select(_PERSON.c.id, _ENDORSEMENT.c.id)
        .join_from(_PERSON, _ENDORSEMENT, _ENDORSEMENT.c.person_id == _PERSON.c.id)
        .where(
            _PERSON.c.email == endorsee.email,
            _ENDORSEMENT.c.association == association,
            _ENDORSEMENT.c.category == category,
        )
    )
    row = connection.execute(query).one()
    return row[0], row[1]


def _log_with_a_stranger(
    connection: Connection, books: Rulebooks, stories: Stories, person_id: int, now: datetime
) -> None:
    content = Content(
        activity="rsc",
        held_on=now.date() - timedelta(days=1),
        minutes=_SESSION_MINUTES,
        title=stories.rsc,
        provider_id=None,
        provider_name=stories.new_provider,
        format="individual",
        reference=None,
        topics={},
    )
    author = Author(person_id, _WHO, now)
    add_entry(connection, books, author, content, form_key=f"demo-{person_id}")


def _grant(
    connection: Connection,
    books: Rulebooks,
    endorsee: Endorsee,
    endorsement_id: int,
    now: datetime,
) -> None:
    """Waive an hours requirement of the current cycle, or extend the cycle before."""
    association, category, starts_on = endorsee.endorsements[0]
    plan = books.plan(association, category, starts_on, now.date())
    if plan is None or plan.cycle is None:
        return
    before = plan.cycle.starts_on - timedelta(days=1)
    waived = next((a.id for a in plan.asks if a.counts == "rsc"), None)
    values: dict[str, object] = {"endorsement_id": endorsement_id}
    if endorsee.story.waived and waived:
        table = METADATA.tables["waiver"]
        values |= {
            "cycle_starts_on": plan.cycle.starts_on,
            "requirement": waived,
            "reason": "No qualified provider within reach this year",
        }
    elif (old := books.plan(association, category, starts_on, before)) and old.cycle:
        table = METADATA.tables["renewal"]
        values |= {
            "cycle_starts_on": old.cycle.starts_on,
            "extended_due_on": _extended(old.cycle.due_on, now.date()),
            "reason": "Illness in the family",
        }
    else:
        return
    row_id = connection.execute(insert(table).values(**values).returning(table.c.id)).scalar_one()
    record_changes(connection, [Change(_WHO, now, table.name, row_id, None, values)])


def _extended(due_on: date, today: date) -> date:
    """Still open for some weeks, so that the demo shows it on any day of the year."""
    return max(due_on + _EXTENSION, today + _EXTENSION / 2)
