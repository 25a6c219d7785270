"""What the demo's people have by the day on which it is shown: waivers, extensions, a stranger."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, insert, select

from tracker.demo.cast import Cast, Endorsee
from tracker.demo.sessions import is_fresh
from tracker.demo.stories import Stories
from tracker.records.entries.entry_writes import Author, Content, add_entry
from tracker.records.schema.tables import METADATA
from tracker.records.store.audit import Change, record_changes
from tracker.rulebooks import Rulebooks

_WHO = "tracker demo"
_SESSION_MINUTES = 60
_DAY = timedelta(days=1)
_EXTENSION = timedelta(days=60)
# Early enough for the latest digest to tell of it.
_LATELY = timedelta(days=9)
_PERSON, _ENDORSEMENT = METADATA.tables["person"], METADATA.tables["endorsement"]


def add_extras(
    connection: Connection, books: Rulebooks, stories: Stories, cast: Cast, now: datetime
) -> set[int]:
    """Write them, each with its audit event; the ids of the people concerned."""
    changed = set()
    for endorsee in cast.endorsees:
        story = endorsee.story
        association, category, _ = endorsee.endorsements[0]
        # Where the rulebook asks nothing there is nothing to waive, and nobody to confirm.
        ruled = books.associations[association].requirements_of(category)
        if ruled and (story.waived or story.extended or story.unconfirmed):
            person_id, endorsement_id = _ids(connection, endorsee)
            changed.add(person_id)
            if story.unconfirmed:
                _log_with_a_stranger(connection, books, stories, person_id, now)
            if story.waived or story.extended:
                _grant(connection, books, stories, endorsee, endorsement_id, now)
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
        held_on=now.date() - _LATELY,
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
    stories: Stories,
    endorsee: Endorsee,
    endorsement_id: int,
    now: datetime,
) -> None:
    """Waive the RSC of the current cycle, or extend the cycle before while that makes sense."""
    association, category, starts_on = endorsee.endorsements[0]
    today = now.date()
    plan = books.plan(association, category, starts_on, today)
    if plan is None or plan.cycle is None:
        return
    values: dict[str, object] = {
        "endorsement_id": endorsement_id,
        "cycle_starts_on": plan.cycle.starts_on,
    }
    if endorsee.story.waived:
        name = "waiver"
        waived = next((a.id for a in plan.asks if a.counts == "rsc"), plan.asks[0].id)
        values |= {"requirement": waived, "reason": stories.waiver_reason}
    else:
        name = "renewal"
        before = books.plan(association, category, starts_on, plan.cycle.starts_on - _DAY)
        old = before.cycle if before else None
        extended = old if old and is_fresh(old, today) else plan.cycle
        values |= {
            "cycle_starts_on": extended.starts_on,
            "extended_due_on": extended.due_on + _EXTENSION,
            "reason": stories.extension_reason,
        }
    table = METADATA.tables[name]
    row_id = connection.execute(insert(table).values(**values).returning(table.c.id)).scalar_one()
    record_changes(connection, [Change(_WHO, now, name, row_id, None, values)])
