"""Sessions that providers have logged for others, and a settled cycle, straight into the tables."""

from datetime import date

from sqlalchemy import insert
from sqlmodel import Session

from tests.support.cast import BOOKS, NOW, Cast
from tracker.db.tables import METADATA
from tracker.services.evaluation import days_at, judge_all
from tracker.services.settlements import settle_closed

HELD_ON = date(2026, 11, 18)
TITLE = "Monthly group"


def hold_session(session: Session, cast: Cast, provider: str) -> int:
    """A session of a provider's, 1.5 hours long; its id."""
    table = METADATA.tables["group_session"]
    statement = insert(table).values(
        provider_id=cast.people[provider],
        held_on=HELD_ON,
        minutes=90,
        title=TITLE,
        form_key=f"held-{provider}",
        logged_at=NOW,
    )
    return int(session.connection().execute(statement.returning(table.c.id)).scalar_one())


def name_supervisee(session: Session, cast: Cast, session_id: int, email: str) -> int:
    """Somebody who is asked about it; the row's id."""
    table = METADATA.tables["group_member"]
    statement = insert(table).values(
        group_session_id=session_id,
        email=email,
        person_id=cast.people.get(email),
        state="asked",
        asked_at=NOW,
    )
    return int(session.connection().execute(statement.returning(table.c.id)).scalar_one())


def settle_last_year(session: Session, cast: Cast, email: str) -> None:
    """Settle somebody's cycle of the year before as it stands."""
    last_year = date(NOW.year - 1, 6, 1)
    ids, day_of = [cast.endorsements[email]], days_at(BOOKS, NOW)
    closed = judge_all(session, BOOKS, day_of, cycle_day=last_year, endorsement_ids=ids)
    settle_closed(session, BOOKS, closed, date.min, day_of)
