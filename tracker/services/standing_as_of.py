"""The standing as of any day: by today's records, and beside it what was stored on that day.

The audit log has what every record was, but it is for people, and no standing is judged by it. So
the day is judged by what is on record today, and the pages say so.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from sqlmodel import Session, col, select

from tracker.db.ledgers import StandingRow
from tracker.rulebooks import Rulebooks
from tracker.rules.standing import Standing
from tracker.services.evaluation import judge_current
from tracker.services.reminder_history import is_about
from tracker.services.timeline import DecidedNotice, SentEmail, TimelineItem, list_noticed


class PastStanding(NamedTuple):
    """A renewal as of a day, judged by today's records unless it was settled by then.

    ``stored_status`` is the status that was stored on that day, and ``stored_since`` since when;
    both are None if it has changed since, or is of an older cycle. ``notice`` is the last one that
    was decided by then, with its email.
    """

    standing: Standing
    stored_status: str | None
    stored_since: date | None
    notice: DecidedNotice | None
    email: SentEmail | None


def list_standings_as_of(
    session: Session,
    rulebooks: Rulebooks,
    day: date,
    endorsement_ids: Sequence[int],
    items: Sequence[TimelineItem],
) -> list[PastStanding]:
    """The renewals of the cycles that were current on a day, and before; newest first.

    ``items`` are the timeline of the person whose endorsements these are.
    """
    judged = judge_current(session, rulebooks, lambda _: day, endorsement_ids=endorsement_ids)
    standings = [standing for standing in judged if standing.facts.starts_on <= day]
    rows = select(StandingRow).where(col(StandingRow.endorsement_id).in_(endorsement_ids))
    stored = {(row.endorsement_id, row.cycle_starts_on): row for row in session.exec(rows)}
    noticed = [each for each in list_noticed(items) if each[0].decided_on <= day]
    past = [_find_stored(standing, day, stored, noticed) for standing in standings]
    return sorted(past, key=lambda p: p.standing.due_on or date.max, reverse=True)


def _find_stored(
    standing: Standing,
    day: date,
    stored: Mapping[tuple[int, date], StandingRow],
    noticed: Sequence[tuple[DecidedNotice, SentEmail | None]],
) -> PastStanding:
    """A standing with what was stored of its renewal on the day."""
    cycle = standing.plan.cycle
    row = stored.get((standing.facts.subject_id, cycle.starts_on)) if cycle else None
    status, since = None, None
    if row is not None and row.status_since <= day:
        status, since = row.status, row.status_since
    own = [each for each in noticed if is_about(each[0], standing)]
    notice, email = max(own, key=lambda n: (n[0].decided_on, n[0].id), default=(None, None))
    return PastStanding(standing, status, since, notice, email)
