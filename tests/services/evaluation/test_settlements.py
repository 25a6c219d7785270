"""Which closed cycles a night settles, and by which rules."""

from datetime import date

from sqlmodel import Session, col, select

from tests.rules.case_data import ENDORSEE, REAL, populate
from tracker.db.ledgers import SettledCycle
from tracker.services.evaluation import judge_all
from tracker.services.facts import parse_settlement
from tracker.services.settlements import settle_closed

IFS = {
    "endorsed": ["CT-AIMH IFS 2015-03-01"],
    "members": ["CT-AIMH 2020-01-01..2030-12-31"],
    "providers": {"Bob": ["CT-AIMH IFRS 2010-01-01"]},
    "entries": ["training 15h 2026-02-01", "rsc 12h 2026-03-01 with Bob"],
}
# The cycle of 2026 has its last day of grace on the day before.
CLOSED = date(2027, 2, 1)


def settle(session: Session, held: int, since: date, today: date = CLOSED) -> int:
    """Settle what has closed of one endorsement since the last evaluation; how many cycles."""
    standings = judge_all(
        session, REAL, lambda _: today, cycle_day=date(2026, 6, 1), endorsement_ids=[held]
    )
    return settle_closed(session, REAL, standings, since, lambda _: today)


def test_cycle_that_closed_since_the_last_evaluation_is_settled_once(session: Session) -> None:
    held = populate(session, REAL, IFS).endorsements[f"{ENDORSEE}: CT-AIMH IFS"]
    last_day_of_grace = date(2027, 1, 31)
    assert settle(session, held, since=CLOSED) == 0
    assert settle(session, held, since=last_day_of_grace, today=last_day_of_grace) == 0
    assert settle(session, held, since=last_day_of_grace) == 1
    assert settle(session, held, since=last_day_of_grace, today=date(2027, 2, 2)) == 0
    assert session.exec(select(col(SettledCycle.settled_on))).all() == [CLOSED]


def test_settled_cycle_names_the_rules_of_its_association(session: Session) -> None:
    held = populate(session, REAL, IFS).endorsements[f"{ENDORSEE}: CT-AIMH IFS"]
    settle(session, held, since=date(2027, 1, 31))
    (settled,) = session.exec(select(SettledCycle)).all()
    assert parse_settlement(settled.content).rules_digest == REAL.digest_of("CT-AIMH")
