"""Reads what one endorsee holds, and when providers' sessions count."""

from collections.abc import Collection
from datetime import date
from typing import NamedTuple

from sqlalchemy import select
from sqlmodel import Session

from tracker.db.statements import Row, as_date, run
from tracker.db.tables import METADATA
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import Cycle, cycles_until
from tracker.rules.standing import Span, Standing
from tracker.services.evaluation import DayOf, judge_all
from tracker.services.facts import make_id_table

_PERSON = METADATA.tables["person"]
_ENDORSEMENT = METADATA.tables["endorsement"]
_ENTRY = METADATA.tables["entry"]
_SPAN = METADATA.tables["provider_span"]


class Endorsed(NamedTuple):
    """One endorsement and whose it is; ``ends_on`` includes its day, None has no end."""

    id: int
    person_id: int
    name: str
    email: str
    association: str
    category: str
    starts_on: date
    ends_on: date | None

    @property
    def triple(self) -> tuple[str, str, date]:
        """What decides which plan a cycle has: association, category and first day."""
        return self.association, self.category, self.starts_on


_COLUMNS = (
    select(
        _ENDORSEMENT.c.id,
        _ENDORSEMENT.c.person_id,
        _PERSON.c.name,
        _PERSON.c.email,
        _ENDORSEMENT.c.association,
        _ENDORSEMENT.c.category,
        _ENDORSEMENT.c.starts_on,
        _ENDORSEMENT.c.ends_on,
    )
    .join_from(_ENDORSEMENT, _PERSON)
    .order_by(_ENDORSEMENT.c.association, _ENDORSEMENT.c.starts_on, _ENDORSEMENT.c.id)
)


# As above, in the words of the driver: nearly every page asks it.
_OF_PERSON = """
    SELECT en.id, en.person_id, p.name, p.email, en.association, en.category,
        en.starts_on, en.ends_on
    FROM endorsement en JOIN person p ON p.id = en.person_id
    WHERE en.person_id = ? ORDER BY en.association, en.starts_on, en.id
"""


def endorsements_of(session: Session, person_id: int) -> list[Endorsed]:
    """Every endorsement that a person holds, held or will hold."""
    rows = run(session, _OF_PERSON, [person_id])
    return [_endorsed(row) for row in rows]


def _endorsed(row: Row) -> Endorsed:
    ends_on = as_date(row[7]) if row[7] else None
    return Endorsed._make((*row[:6], as_date(row[6]), ends_on))


class Own(NamedTuple):
    """What is known of a person before anything else: ``endorsements`` as of `endorsements_of`."""

    time_zone: str | None
    has_applied: bool
    endorsements: list[Endorsed]


def own_of(session: Session, person_id: int) -> Own:
    """The same as `endorsements_of` with two facts more, in one statement."""
    rows = run(session, _OWN, [person_id])
    held = [row[2:] for row in rows if row[2] is not None]
    zone, applied = rows[0][:2] if rows else (None, False)
    return Own(zone, bool(applied), [_endorsed(row) for row in held])


_OWN = """
    SELECT p.time_zone, EXISTS (SELECT 1 FROM application ap WHERE ap.person_id = p.id),
        en.id, en.person_id, p.name, p.email, en.association, en.category,
        en.starts_on, en.ends_on
    FROM person p LEFT JOIN endorsement en ON en.person_id = p.id
    WHERE p.id = ? ORDER BY en.association, en.starts_on, en.id
"""


def endorsement_within(
    session: Session, endorsement_id: int, associations: Collection[str]
) -> Endorsed | None:
    """One endorsement of these associations; None where it is absent or another one's."""
    within = (_ENDORSEMENT.c.id == endorsement_id) & _ENDORSEMENT.c.association.in_(associations)
    row = session.connection().execute(_COLUMNS.where(within)).first()
    return None if row is None else Endorsed(*row)


def spans_of(session: Session, rule: str, provider_ids: Collection[int]) -> dict[int, list[Span]]:
    """On which days each provider's sessions count under a rule, in order; both ends count."""
    query = (
        select(_SPAN.c.provider_id, _SPAN.c.starts_on, _SPAN.c.ends_on)
        .where((_SPAN.c.rule == rule) & _SPAN.c.provider_id.in_(provider_ids))
        .order_by(_SPAN.c.starts_on)
    )
    found: dict[int, list[Span]] = {}
    for provider_id, starts_on, ends_on in session.connection().execute(query):
        found.setdefault(provider_id, []).append(Span(starts_on, ends_on))
    return found


_WANTED = "cycle_endorsement"


def cycles_held(rulebooks: Rulebooks, endorsed: Endorsed, today: date) -> list[Cycle]:
    """Every cycle from that of ``today`` (or of the endorsement's last day) back, newest first.

    None where there is no rulebook, no renewal rules for the category, or nothing has begun.
    """
    last = min(today, endorsed.ends_on or today)
    if endorsed.association not in rulebooks.associations or last < endorsed.starts_on:
        return []
    plan = rulebooks.plan(endorsed.association, endorsed.category, endorsed.starts_on, last)
    if plan is None or plan.cycle is None:
        return []
    schemes = rulebooks.associations[endorsed.association].cycles
    return cycles_until(schemes, endorsed.starts_on, last)


def standing_in(
    session: Session, rulebooks: Rulebooks, day_of: DayOf, endorsement_id: int, cycle: Cycle
) -> Standing | None:
    """Where an endorsement stands in one of its cycles; None where it ended before the due date."""
    make_id_table(session, _WANTED, [endorsement_id])
    judged = judge_all(session, rulebooks, day_of, cycle_day=cycle.starts_on, only=_WANTED)
    # Read to its end, so that the connection is free for the next query.
    return next(iter(list(judged)), None)
