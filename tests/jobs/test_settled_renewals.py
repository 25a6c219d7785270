"""What a closed renewal came to holds, though records change afterwards."""

from datetime import date

from sqlalchemy import update
from sqlmodel import select

from tests.jobs.harness import JobHarness, at
from tracker.db.engine import reading
from tracker.db.ledgers import SettledCycle, StandingRow
from tracker.db.tables import METADATA
from tracker.rules.standing import Status
from tracker.services.facts import parse_settlement

ENDORSEMENT = METADATA.tables["endorsement"]


def test_a_provider_who_ended_earlier_lapses_no_settled_renewal(jobs: JobHarness) -> None:
    first = at("2024-11-01")
    jobs.add_alice(first)
    with jobs.storing(first) as people:
        people.log("rsc 3.5h 2024-06-01 with Bob")
    jobs.run(first, at("2025-01-31"), at("2025-02-01"))
    with jobs.storing(at("2025-02-10")) as people:
        people.session.connection().execute(
            update(ENDORSEMENT)
            .where(ENDORSEMENT.c.person_id == jobs.ids["Bob"])
            .values(ends_on=date(2024, 2, 1))
        )
    before = len(jobs.mails())
    jobs.run(at("2025-02-11"))
    assert [mail.subject for mail in jobs.mails()[before:]] == []
    with reading(jobs.engine) as session:
        rows = session.exec(
            select(StandingRow).where(StandingRow.cycle_starts_on == date(2024, 1, 1))
        ).all()
    assert [row.status for row in rows] == ["met"]


def test_each_closed_renewal_is_settled_the_night_after(jobs: JobHarness) -> None:
    first = at("2024-11-01")
    jobs.add_alice(first)
    jobs.run(first, at("2025-01-31"))
    with reading(jobs.engine) as session:
        assert session.exec(select(SettledCycle)).all() == []
    jobs.run(at("2025-02-01"))
    with reading(jobs.engine) as session:
        [settled] = session.exec(select(SettledCycle)).all()
    settlement = parse_settlement(settled.content)
    assert (settlement.settled_on, settlement.status) == (date(2025, 2, 1), Status.LAPSED)
    [rsc] = [result for result in settlement.results if result.requirement_id == "rsc"]
    assert (rsc.required, rsc.counted, rsc.short) == (720, 510, 210)
