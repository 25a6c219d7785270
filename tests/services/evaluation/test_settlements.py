"""Which closed cycles a night settles, by which rules, and what would differ."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import delete
from sqlmodel import Session, col, select

from tests.rules.case_data import ENDORSEE, REAL, populate
from tracker.db.ledgers import SettledCycle
from tracker.db.people import Membership
from tracker.rulebooks import Rulebooks, with_rulebook
from tracker.rules.reasons import format_reason
from tracker.rules.standing import Standing, Status
from tracker.services.evaluation import judge_all
from tracker.services.facts import parse_settlement
from tracker.services.settlements import differences_of, list_differing, settle_closed

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
    return settle_closed(session, REAL, judge(session, held, today), since, lambda _: today)


def judge(session: Session, held: int, today: date) -> list[Standing]:
    """The standing for 2026, in a list."""
    cycle_day = date(2026, 6, 1)
    return [*judge_all(session, REAL, lambda _: today, cycle_day=cycle_day, endorsement_ids=[held])]


def test_cycle_that_closed_since_the_last_evaluation_is_settled_once(session: Session) -> None:
    held = populate(session, REAL, IFS).endorsements[f"{ENDORSEE}: CT-AIMH IFS"]
    last_day_of_grace = date(2027, 1, 31)
    assert settle(session, held, since=CLOSED) == 0
    assert settle(session, held, since=last_day_of_grace, today=last_day_of_grace) == 0
    assert settle(session, held, since=last_day_of_grace) == 1
    assert settle(session, held, since=last_day_of_grace, today=date(2027, 2, 2)) == 0
    assert session.exec(select(col(SettledCycle.settled_on))).all() == [CLOSED]


def test_what_others_need_not_settle_keeps_no_cycle_open(session: Session) -> None:
    held = populate(session, REAL, IFS).endorsements[f"{ENDORSEE}: CT-AIMH IFS"]
    [closed] = judge(session, held, CLOSED)
    long_ago = closed._replace(due_on=date(2020, 12, 31))
    without_rules = closed._replace(due_on=None)
    standings = [without_rules, long_ago, closed]
    assert settle_closed(session, REAL, standings, date(2027, 1, 31), lambda _: CLOSED) == 1


def test_settlement_before_the_cycle_ends_stays(session: Session) -> None:
    ct_aimh = REAL.associations["CT-AIMH"]
    early = ct_aimh.cycles[0].model_copy(update={"due_days_before_end": 61, "grace_days": 10})
    rulebooks = with_rulebook(REAL, ct_aimh.model_copy(update={"cycles": (early,)}))
    held = populate(session, rulebooks, IFS).endorsements[f"{ENDORSEE}: CT-AIMH IFS"]

    def judge_on(today: date) -> Standing:
        (standing,) = judge_all(session, rulebooks, lambda _: today, endorsement_ids=[held])
        return standing

    closed = date(2026, 11, 11)
    last_day_of_grace = closed - timedelta(days=1)
    standing = judge_on(closed)
    assert settle_closed(session, rulebooks, [standing], last_day_of_grace, lambda _: closed) == 1
    session.exec(delete(Membership))
    assert judge_on(closed).status is Status.MET
    assert judge_on(last_day_of_grace).facts.settlement is None


def test_differing_cycles_are_those_of_the_association(session: Session) -> None:
    case = {**IFS, "endorsed": ["CT-AIMH IFS 2015-03-01", "NCIMHA IFS 2015-03-01"]}
    held = populate(session, REAL, case).endorsements
    for association in ("CT-AIMH", "NCIMHA"):
        settled = SettledCycle(
            endorsement_id=held[f"{ENDORSEE}: {association} IFS"],
            cycle_starts_on=date(2026, 1, 1),
            settled_on=CLOSED,
            content="{}",
            differs_since=CLOSED,
        )
        session.add(settled)
    session.flush()
    [(found, endorsement, person)] = list_differing(session, "CT-AIMH")
    assert found.endorsement_id == endorsement.id == held[f"{ENDORSEE}: CT-AIMH IFS"]
    assert (endorsement.association, person.id) == ("CT-AIMH", endorsement.person_id)
    found.reopened_at, found.reopened_by = datetime(2027, 3, 1, tzinfo=UTC), "carol@example.org"
    found.reopening_reason = "An appeal"
    session.add(found)
    assert list_differing(session, "CT-AIMH") == []


def test_settled_cycle_names_the_rules_of_its_association(session: Session) -> None:
    held = populate(session, REAL, IFS).endorsements[f"{ENDORSEE}: CT-AIMH IFS"]
    settle(session, held, since=date(2027, 1, 31))
    (settled,) = session.exec(select(SettledCycle)).all()
    assert parse_settlement(settled.content).rules_digest == REAL.digest_of("CT-AIMH")


def test_changed_rules_are_a_reason_for_a_difference(session: Session) -> None:
    held = populate(session, REAL, IFS).endorsements[f"{ENDORSEE}: CT-AIMH IFS"]
    settle(session, held, since=date(2027, 1, 31))
    session.exec(delete(Membership))
    (standing,) = judge(session, held, CLOSED)
    changed = "the rulebooks have changed since"

    def says_changed(standing: Standing, rulebooks: Rulebooks) -> bool:
        found = differences_of(standing, rulebooks, CLOSED)
        assert len(found) > 1
        return changed in [format_reason(reason) for reason in found]

    assert not says_changed(standing, REAL)
    newer = replace(REAL, digests={**REAL.digests, "CT-AIMH": "newer"})
    assert says_changed(standing, newer)
    # Earlier versions stored the digest of all rulebooks.
    assert standing.facts.settlement is not None
    earlier = replace(standing.facts.settlement, rules_digest=REAL.digest)
    of_earlier = standing._replace(facts=standing.facts._replace(settlement=earlier))
    assert not says_changed(of_earlier, REAL)
    assert says_changed(of_earlier, replace(REAL, digest="newer"))
