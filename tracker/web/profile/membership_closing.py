"""Terms of closed cycles: like hours, they stay what they were when the cycle was settled."""

from datetime import datetime

from sqlalchemy import Connection

from tracker.records.evidence.closing import closed_for
from tracker.records.profile.memberships import Term
from tracker.rulebooks import Rulebooks
from tracker.web.frame.closed_words import say_closed


def closed_words(
    connection: Connection,
    books: Rulebooks,
    person_id: int,
    at: datetime,
    *terms: Term | None,
) -> str:
    """Why one of these terms may no longer be written; empty where all may.

    A term belongs to the cycles that hold its last day: one that reaches into a cycle that is
    still open serves that one, however early it began.
    """
    for term in terms:
        if term and (closed := closed_for(connection, books, person_id, term.ends_on, at)):
            return say_closed(closed)
    return ""
