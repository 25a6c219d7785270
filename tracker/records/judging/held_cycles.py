"""The renewal cycles that an endorsement has known, and where it stands in one of them."""

from datetime import date

from sqlalchemy import Connection

from tracker.records.judging.endorsees import Endorsed
from tracker.records.judging.evaluation import DayOf, judge_all
from tracker.records.judging.facts import make_id_table
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import Cycle, cycles_until
from tracker.rules.standing import Standing

_WANTED = "cycle_endorsement"


def cycles_held(books: Rulebooks, endorsed: Endorsed, today: date) -> list[Cycle]:
    """Every cycle from that of ``today`` (or of the endorsement's last day) back, newest first.

    None where there is no rulebook, no renewal rules for the category, or nothing has begun.
    """
    last = min(today, endorsed.ends_on or today)
    if endorsed.association not in books.associations or last < endorsed.starts_on:
        return []
    plan = books.plan(endorsed.association, endorsed.category, endorsed.starts_on, last)
    if plan is None or plan.cycle is None:
        return []
    schemes = books.associations[endorsed.association].cycles
    return cycles_until(schemes, endorsed.starts_on, last)


def standing_in(
    connection: Connection, books: Rulebooks, day_of: DayOf, endorsement_id: int, cycle: Cycle
) -> Standing | None:
    """Where an endorsement stands in one of its cycles; None where it ended before the due date."""
    make_id_table(connection, _WANTED, [endorsement_id])
    judged = judge_all(connection, books, day_of, cycle_day=cycle.starts_on, only=_WANTED)
    # Read to its end, so that the connection is free for the next query.
    return next(iter(list(judged)), None)
