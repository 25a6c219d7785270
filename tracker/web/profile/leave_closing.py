"""Which leave comes too late to change anything, in words."""

from datetime import datetime

from sqlalchemy import Connection

from tracker.records.evidence.closing import read_closing_of
from tracker.records.profile.time_requests import LEAVE, Wish
from tracker.rulebooks import Rulebooks
from tracker.rules.providers import say_day
from tracker.web.frame.words import say_cycle


def why_too_late(
    connection: Connection, books: Rulebooks, person_id: int, wish: Wish, at: datetime
) -> str:
    """Why no renewal can be excused any more by the leave asked for; empty where one can."""
    last = wish.ends_on
    if wish.kind != LEAVE or last is None:
        return ""
    closing = read_closing_of(connection, books, person_id, at)
    one = next(each for each in closing.endorsements if each.id == wish.endorsement_id)
    if last < one.starts_on:
        return f"The endorsement began on {say_day(one.starts_on)}, after this leave's last day"
    cycle = closing.cycle_of(one, last)
    if cycle is None or cycle.last_day >= closing.day_of(one.association):
        return ""
    return (
        f"{say_cycle(cycle.cycle)} is closed since {say_day(cycle.last_day)}: leave that ends in "
        "it changes nothing any more. Ask your coordinator"
    )
