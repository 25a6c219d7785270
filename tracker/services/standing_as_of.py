"""The standing as of any day: as it was stored then, and by today's records.

Where nothing was stored yet, such as before an upgrade, the day is judged by what is on record
today. The audit log has what every record was, but it is for people, and no standing is judged by
it. So the pages say by what a standing was judged.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from sqlmodel import Session

from tracker.db.ledgers import StandingHistory
from tracker.rulebooks import Rulebooks
from tracker.rules.standing import Standing
from tracker.services.evaluation import judge_current
from tracker.services.reminder_history import is_about
from tracker.services.standing_history import Key, list_stored_on
from tracker.services.timeline import DecidedNotice, SentEmail, TimelineItem, list_noticed


class PastStanding(NamedTuple):
    """A renewal as of a day.

    ``stored`` is what was stored at the end of that day (None: nothing yet). ``standing`` is judged
    by today's records, unless the cycle was settled by then. ``notice`` is the last one that was
    decided by then, with its email.
    """

    standing: Standing
    stored: StandingHistory | None
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
    stored = list_stored_on(session, endorsement_ids, day)
    noticed = [each for each in list_noticed(items) if each[0].decided_on <= day]
    past = [_find_stored(standing, stored, noticed) for standing in standings]
    return sorted(past, key=lambda p: p.standing.due_on or date.max, reverse=True)


def _find_stored(
    standing: Standing,
    stored: Mapping[Key, StandingHistory],
    noticed: Sequence[tuple[DecidedNotice, SentEmail | None]],
) -> PastStanding:
    """A standing with what was stored of its renewal on the day."""
    cycle = standing.plan.cycle
    starts_on = cycle.starts_on if cycle else standing.facts.starts_on
    own = [each for each in noticed if is_about(each[0], standing)]
    notice, email = max(own, key=lambda n: (n[0].decided_on, n[0].id), default=(None, None))
    row = stored.get((standing.facts.subject_id, starts_on))
    return PastStanding(standing, row, notice, email)
