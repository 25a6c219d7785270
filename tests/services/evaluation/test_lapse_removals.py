"""Lapsed endorsements are removed when that is due, and reinstated while that can be asked for."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from sqlmodel import Session

from tests.support.cast import BOOKS, REMOVING, Cast
from tests.support.removing import UMA, VIC, add_training, fill_with_uma, own, rex
from tracker.db.engine import writing
from tracker.db.people import Endorsement
from tracker.rules.standing import Outcome
from tracker.services.applications import endorse_applicant, get_application_standings
from tracker.services.attention import AttentionKind, list_attention
from tracker.services.board_report import ReportPeriod, count_movements
from tracker.services.context import NotFound, Refused, ServiceContext
from tracker.services.desk_changes import ChangePlan, apply_change, undo_change
from tracker.services.evaluation import days_at, evaluate_people
from tracker.services.lapse_removals import list_due_removals, remove_lapsed
from tracker.services.reinstatements import (
    list_ways_back,
    require_in_time,
    start_reinstatement,
)


def noon(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, 17, 0, tzinfo=UTC)


KEPT, DUE, LATER = noon(2026, 2, 28), noon(2026, 3, 1), noon(2026, 3, 2)
ASKED = noon(2026, 6, 1)


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    filled = fill_with_uma(database_url, KEPT)
    yield filled
    filled.engine.dispose()


@pytest.fixture
def session(cast: Cast) -> Iterator[Session]:
    with writing(cast.engine) as session:
        yield session


def list_causes(session: Session, now: datetime) -> list[tuple[AttentionKind, str, date | None]]:
    causes = list_attention(session, BOOKS, REMOVING, now)
    return [(cause.kind, cause.name, cause.deadline) for cause in causes]


def test_removal_is_due_after_the_last_kept_day(session: Session) -> None:
    due = []
    for now in (KEPT, DUE, LATER):
        found = list_due_removals(session, BOOKS, REMOVING, days_at(BOOKS, now))
        due.append([one.person.name for one in found])
    assert due == [[], ["Uma Bell"], ["Uma Bell"]]


def test_today_shows_a_removal_to_decide(session: Session) -> None:
    assert list_causes(session, KEPT) == [(AttentionKind.LAPSED, "Uma Bell", date(2026, 3, 1))]
    assert list_causes(session, DUE) == [(AttentionKind.REMOVAL, "Uma Bell", None)]


def test_nobody_is_removed_before_the_day(session: Session, cast: Cast) -> None:
    with pytest.raises(Refused) as refused:
        remove_lapsed(rex(session, KEPT), cast.endorsements[UMA])
    assert refused.value.refusals[0].code == "removal-not-due"


def test_removed_endorsement_ends_and_leaves_the_desk(session: Session, cast: Cast) -> None:
    remove_lapsed(rex(session, LATER), cast.endorsements[UMA])
    held = session.get_one(Endorsement, cast.endorsements[UMA])
    assert (held.ends_on, held.ended_as) == (date(2026, 3, 1), "removed")
    assert list_causes(session, LATER) == []


def test_undoing_a_removal_brings_the_lapse_back(session: Session, cast: Cast) -> None:
    uma = cast.endorsements[UMA]
    people = frozenset({cast.people[UMA]})

    def work(context: ServiceContext) -> None:
        remove_lapsed(context, uma)

    plan = ChangePlan(REMOVING, "Remove it", people, ("endorsement",), work, "Lapsed")
    change = apply_change(rex(session, LATER), plan)
    undo_change(rex(session, LATER), change.id)
    session.expire_all()
    held = session.get_one(Endorsement, uma)
    assert (held.ends_on, held.ended_as) == (None, None)
    assert list_causes(session, LATER) == [(AttentionKind.REMOVAL, "Uma Bell", None)]


@pytest.mark.parametrize(
    ("day", "offered"),
    [(noon(2027, 2, 28), "open"), (noon(2027, 3, 1), "open"), (noon(2027, 3, 2), "closed")],
)
def test_reinstatement_is_offered_through_its_last_day(
    session: Session, cast: Cast, day: datetime, offered: str
) -> None:
    [way] = list_ways_back(session, BOOKS, days_at(BOOKS, day), cast.people[VIC])
    assert way.latest_on == date(2027, 3, 1)
    assert way.is_open(day.date()) is (offered == "open")


def test_reinstatement_is_refused_after_its_last_day(session: Session, cast: Cast) -> None:
    with pytest.raises(Refused) as refused:
        start_reinstatement(own(session, cast, VIC, noon(2027, 3, 2)), cast.endorsements[VIC])
    assert refused.value.refusals[0].code == "reinstatement-too-late"


def test_reinstatement_is_submitted_by_its_last_day(session: Session, cast: Cast) -> None:
    asked = start_reinstatement(own(session, cast, VIC, noon(2027, 3, 1)), cast.endorsements[VIC])
    require_in_time(own(session, cast, VIC, noon(2027, 3, 1)), asked, date(2027, 3, 1))
    with pytest.raises(Refused):
        require_in_time(own(session, cast, VIC, noon(2027, 3, 2)), asked, date(2027, 3, 2))


def test_asking_twice_is_one_reinstatement(session: Session, cast: Cast) -> None:
    vic = own(session, cast, VIC, ASKED)
    asked = start_reinstatement(vic, cast.endorsements[VIC])
    assert start_reinstatement(vic, cast.endorsements[VIC]) == asked


@pytest.mark.parametrize(
    ("held_on", "outcome"),
    [
        (date(2025, 6, 1), Outcome.SHORT),
        (date(2025, 6, 2), Outcome.MET),
        (date(2026, 6, 1), Outcome.MET),
    ],
)
def test_hours_of_the_last_year_count(
    session: Session, cast: Cast, held_on: date, outcome: Outcome
) -> None:
    asked = start_reinstatement(own(session, cast, VIC, ASKED), cast.endorsements[VIC])
    add_training(session, cast, VIC, held_on, 6)
    standings = get_application_standings(session, BOOKS, days_at(BOOKS, ASKED), [asked])
    [training] = [r for r in standings[asked].results if r.requirement.id == "back.training"]
    assert training.outcome is outcome


def test_reinstated_endorsement_runs_with_a_new_cycle(session: Session, cast: Cast) -> None:
    asked = start_reinstatement(own(session, cast, VIC, ASKED), cast.endorsements[VIC])
    begun = endorse_applicant(rex(session, ASKED), asked, ASKED.date())
    held = session.get_one(Endorsement, begun)
    assert (held.starts_on, held.ends_on, held.ended_as) == (ASKED.date(), None, None)
    assert list_ways_back(session, BOOKS, days_at(BOOKS, ASKED), cast.people[VIC]) == []
    standing = BOOKS.plan(REMOVING, "IFS", held.starts_on, ASKED.date())
    assert standing is not None
    assert standing.cycle is not None
    assert standing.cycle.due_on == date(2026, 12, 31)


def test_movements_count_the_reinstated(session: Session, cast: Cast) -> None:
    asked = start_reinstatement(own(session, cast, VIC, ASKED), cast.endorsements[VIC])
    endorse_applicant(rex(session, ASKED), asked, ASKED.date())
    evaluate_people(session, BOOKS, {cast.people[VIC]}, ASKED)
    period = ReportPeriod(REMOVING, date(2026, 5, 1), date(2026, 12, 1))
    report = count_movements(session, BOOKS, period)
    assert report.total.reinstated == 1
    assert report.total.adds_up


def test_only_their_holder_can_ask(session: Session, cast: Cast) -> None:
    with pytest.raises(NotFound):
        start_reinstatement(own(session, cast, UMA, ASKED), cast.endorsements[VIC])
