"""An association's first day in this system: who sets it, and which renewals it ends."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlmodel import Session, col, select

from tests.rules.case_data import insert_row
from tests.support.cast import ALICE, BOB, BOOKS, ERIN, NOW, Cast
from tracker.db.ledgers import RunRow, SettledCycle, StandingRow
from tracker.db.log import AuditEvent
from tracker.db.people import AssociationStart, Endorsement
from tracker.rules.standing import CycleSettlement, Status
from tracker.services.context import Actor, NotFound, Refusal, Refused, ServiceContext
from tracker.services.facts import format_settlement
from tracker.services.first_days import (
    ProvisionalDay,
    RenewalWithoutRecords,
    StandingCounts,
    UndecidedAssociation,
    adopt_first_days,
    choose_first_days,
    count_standings,
    find_start,
    list_first_days,
    list_starts,
    list_undecided,
    list_without_records,
    set_first_day,
    take_provisional_days,
)

DAY = timedelta(days=1)
YEAR, LAST_YEAR, LAST_DUE = date(2026, 1, 1), date(2025, 1, 1), date(2025, 12, 31)
# In New York, it is still the day before.
NIGHT, TODAY = datetime(2026, 11, 23, 3, 0, tzinfo=UTC), date(2026, 11, 22)
WHY = "moved from the old system"


@pytest.fixture
def operator(session: Session) -> ServiceContext:
    return ServiceContext(session, BOOKS, Actor("tracker first-day"), NIGHT)


def starts_of(session: Session) -> list[tuple[str, date | None, bool, str, datetime, str]]:
    return [
        (each.association, each.first_day, each.is_chosen, each.reason, each.set_at, each.set_by)
        for each in list_starts(session)
    ]


def store_start(session: Session, association: str, day: date | None, *, chosen: bool) -> None:
    start = AssociationStart(
        association=association,
        first_day=day,
        is_chosen=chosen,
        reason="before",
        set_at=NOW - DAY,
        set_by="tracker import",
    )
    session.add(start)
    session.flush()


def statuses(session: Session, cast: Cast, email: str) -> list[str]:
    query = select(StandingRow.status).where(StandingRow.endorsement_id == cast.endorsements[email])
    return list(session.exec(query.order_by(col(StandingRow.cycle_starts_on))))


def test_a_first_day_is_stored_and_everyone_evaluated(
    session: Session, cast: Cast, operator: ServiceContext
) -> None:
    assert statuses(session, cast, BOB) == ["lapsed", "open"]
    set_first_day(operator, "NCIMHA", YEAR, f" {WHY} ")
    set_first_day(operator, "CT-AIMH", None, WHY)
    assert statuses(session, cast, BOB) == ["open"]
    by = (WHY, NIGHT, "tracker first-day")
    assert starts_of(session) == [("CT-AIMH", None, True, *by), ("NCIMHA", YEAR, True, *by)]
    assert list_first_days(session) == {"NCIMHA": YEAR}
    events = session.exec(select(AuditEvent).where(AuditEvent.table_name == "association_start"))
    created, _ = events.all()
    assert json.loads(created.after or "") == {
        "association": "NCIMHA",
        "first_day": "2026-01-01",
        "is_chosen": True,
        "reason": WHY,
    }


def test_a_changed_first_day_replaces_the_one_before(
    session: Session, cast: Cast, operator: ServiceContext
) -> None:
    store_start(session, "NCIMHA", date(2020, 1, 1), chosen=False)
    set_first_day(operator, "NCIMHA", YEAR, f" {WHY} ")
    stored = ("NCIMHA", YEAR, True, WHY, NIGHT, "tracker first-day")
    assert starts_of(session) == [stored]
    assert statuses(session, cast, BOB) == ["open"]
    query = select(AuditEvent).where(AuditEvent.table_name == "association_start")
    [event] = session.exec(query)
    changed = {"association": "NCIMHA", "is_chosen": True, "first_day": "2026-01-01", "reason": WHY}
    assert json.loads(event.after or "") == changed
    set_first_day(operator, "NCIMHA", None, WHY)
    assert list_first_days(session) == {}
    assert statuses(session, cast, BOB) == ["lapsed", "open"]


@pytest.mark.parametrize(
    ("actor", "association"),
    [
        (Actor(ALICE, 1), "NCIMHA"),
        (Actor("carol@example.org", None, ("NCIMHA",)), "NCIMHA"),
        (Actor("tracker first-day"), "GONE"),
    ],
)
def test_only_operators_set_a_first_day(session: Session, actor: Actor, association: str) -> None:
    context = ServiceContext(session, BOOKS, actor, NOW)
    with pytest.raises(NotFound):
        set_first_day(context, association, YEAR, WHY)
    assert list_starts(session) == []


def test_days_that_are_typing_errors_are_refused(
    session: Session, operator: ServiceContext
) -> None:
    first, last = TODAY - timedelta(days=50 * 366), TODAY + timedelta(days=366)
    for day, code, facts in (
        (last + DAY, "first-day-too-late", {"first_day": last + DAY, "last": last}),
        (first - DAY, "first-day-too-early", {"first_day": first - DAY, "first": first}),
    ):
        with pytest.raises(Refused) as refused:
            set_first_day(operator, "NCIMHA", day, " ")
        assert refused.value.refusals == (
            Refusal("reason", "reason-missing"),
            Refusal("first_day", code, facts),
        )
    for day in (first, last):
        set_first_day(operator, "NCIMHA", day, WHY)
        assert list_first_days(session) == {"NCIMHA": day}


def settle(session: Session, held: int, starts_on: date, due_on: date) -> SettledCycle:
    """A settled cycle from whose records today's differ."""
    content = CycleSettlement(TODAY, "", Status.MET, due_on, None, (), {}, (), (), ())
    settled = SettledCycle(
        endorsement_id=held,
        cycle_starts_on=starts_on,
        settled_on=TODAY,
        content=format_settlement(content),
        differs_since=TODAY,
    )
    session.add(settled)
    session.flush()
    return settled


def test_renewals_before_the_first_day_differ_from_nothing(
    session: Session, cast: Cast, operator: ServiceContext
) -> None:
    bobs = cast.endorsements[BOB]
    before = settle(session, bobs, date(2024, 1, 1), date(2024, 12, 31))
    after = settle(session, bobs, LAST_YEAR, LAST_DUE)
    elsewhere = settle(session, cast.endorsements[ERIN], date(2024, 1, 1), date(2024, 12, 31))
    set_first_day(operator, "NCIMHA", LAST_DUE, WHY)
    session.expire_all()
    assert before.differs_since is None
    assert elsewhere.differs_since == TODAY
    assert after.differs_since is not None


def run(session: Session, association: str, day: date) -> None:
    names = {"job": "evaluate", "association": association, "local_date": day, "report": "{}"}
    session.add(RunRow.model_validate({**names, "started_at": NOW, "finished_at": NOW}))
    session.flush()


def undecided(association: str, *due_dates: date) -> UndecidedAssociation:
    return UndecidedAssociation(association, len(due_dates), BOB, due_dates[0], due_dates)


def test_a_new_association_begins_today(
    session: Session, cast: Cast, operator: ServiceContext
) -> None:
    run(session, "NCIMHA", YEAR)
    wanted = undecided("NCIMHA", TODAY - DAY, TODAY, TODAY + DAY)
    new = [cast.endorsements[email] for email in (ALICE, BOB)]
    assert take_provisional_days(operator, [wanted], new) == [ProvisionalDay(wanted, TODAY, 2)]
    reason = "taken at an import; nobody has said another day"
    stored = ("NCIMHA", TODAY, False, reason, NIGHT, "tracker first-day")
    assert starts_of(session) == [stored]
    assert statuses(session, cast, BOB) == ["open"]


@pytest.mark.parametrize(
    ("ran_on", "first_day"),
    [(None, LAST_DUE), (YEAR, LAST_DUE), (LAST_DUE - DAY, LAST_DUE - DAY)],
)
def test_people_who_were_here_keep_their_standings(
    session: Session, cast: Cast, operator: ServiceContext, ran_on: date | None, first_day: date
) -> None:
    if ran_on:
        run(session, "NCIMHA", ran_on)
    run(session, "CT-AIMH", date(2020, 1, 1))
    days = take_provisional_days(
        operator, [undecided("NCIMHA", LAST_DUE)], [cast.endorsements[ALICE]]
    )
    assert [each.first_day for each in days] == [first_day]
    assert statuses(session, cast, BOB) == ["lapsed", "open"]


def test_an_association_begins_with_its_first_night(
    session: Session, cast: Cast, operator: ServiceContext
) -> None:
    """The standings of new people do not count, nor do those without a due date."""
    standings = select(StandingRow).where(
        StandingRow.endorsement_id == cast.endorsements[ALICE],
        StandingRow.cycle_starts_on == LAST_YEAR,
    )
    standing = session.exec(standings).one()
    standing.due_on, standing.status = None, "no rules"
    run(session, "NCIMHA", date(2026, 3, 1))
    new = [cast.endorsements[BOB]]
    wanted = [undecided("NCIMHA", LAST_DUE), undecided("CT-AIMH", LAST_DUE)]
    days = take_provisional_days(operator, wanted, new)
    assert [(each.undecided.association, each.first_day) for each in days] == [
        ("NCIMHA", date(2026, 3, 1)),
        ("CT-AIMH", TODAY),
    ]


def test_an_import_names_first_days_once(
    session: Session, cast: Cast, operator: ServiceContext
) -> None:
    store_start(session, "CT-AIMH", YEAR, chosen=False)
    choose_first_days(operator, {"NCIMHA": YEAR, "CT-AIMH": None}, WHY)
    by = (True, WHY, NIGHT, "tracker first-day")
    chosen = [("CT-AIMH", None, *by), ("NCIMHA", YEAR, *by)]
    assert starts_of(session) == chosen
    choose_first_days(operator, {"NCIMHA": YEAR, "CT-AIMH": None}, "again")
    assert starts_of(session) == chosen
    with pytest.raises(Refused) as refused:
        choose_first_days(operator, {"NCIMHA": None, "CT-AIMH": YEAR}, WHY)
    assert refused.value.refusals == tuple(
        Refusal("first_day", "first-day-chosen", {"association": name, "first_day": day})
        for name, day in (("NCIMHA", YEAR), ("CT-AIMH", None))
    )
    assert statuses(session, cast, BOB) == ["open"]


def test_the_setting_gives_days_that_nobody_has_chosen(
    session: Session, operator: ServiceContext
) -> None:
    store_start(session, "CT-AIMH", None, chosen=False)
    store_start(session, "VAIMH", None, chosen=True)
    days = dict.fromkeys(["GONE", "VAIMH", "CT-AIMH", "NCIMHA"], YEAR)
    assert adopt_first_days(operator, days) == ["CT-AIMH", "NCIMHA"]
    by = (True, "the setting judge_renewals_due_from", NIGHT, "tracker first-day")
    assert [each for each in starts_of(session) if each[0] != "VAIMH"] == [
        ("CT-AIMH", YEAR, *by),
        ("NCIMHA", YEAR, *by),
    ]
    assert adopt_first_days(operator, days) == []
    vaimh = find_start(session, "VAIMH")
    assert vaimh is not None
    assert vaimh.first_day is None


def test_standings_are_counted_by_association(session: Session, cast: Cast) -> None:
    assert count_standings(session, "NCIMHA") == StandingCounts(4, 1)
    standing = session.get_one(StandingRow, (cast.endorsements[ALICE], LAST_YEAR))
    standing.status = "overdue"
    session.flush()
    assert count_standings(session, "NCIMHA") == StandingCounts(4, 2)
    assert count_standings(session, "VAIMH") == StandingCounts(0, 0)


def test_undecided_associations_name_their_first_late_renewal(session: Session, cast: Cast) -> None:
    new = [cast.endorsements[email] for email in (ALICE, BOB, ERIN)]
    assert list_undecided(session, new) == [
        UndecidedAssociation("NCIMHA", 1, BOB, LAST_DUE, (LAST_DUE,))
    ]
    for email, status, due_on in ((ERIN, "overdue", TODAY), (ALICE, "overdue", TODAY - DAY)):
        standing = session.get_one(StandingRow, (cast.endorsements[email], YEAR))
        standing.status, standing.due_on = status, due_on
    session.flush()
    assert list_undecided(session, new) == [
        UndecidedAssociation("CT-AIMH", 1, ERIN, TODAY, (TODAY,)),
        UndecidedAssociation("NCIMHA", 2, BOB, LAST_DUE, (LAST_DUE, TODAY - DAY)),
    ]
    assert list_undecided(session, new[:1]) == [
        UndecidedAssociation("NCIMHA", 1, ALICE, TODAY - DAY, (TODAY - DAY,))
    ]
    store_start(session, "NCIMHA", None, chosen=True)
    assert [each.association for each in list_undecided(session, new)] == ["CT-AIMH"]


def without_records(session: Session, today: date = TODAY, **more: object) -> list[str]:
    days = dict.fromkeys(("NCIMHA", "CT-AIMH"), today)
    found = list_without_records(session, BOOKS, days.__getitem__, **more)  # type: ignore[arg-type]
    return [renewal.name for renewal in found]


def test_renewals_before_the_first_day_have_no_records(session: Session, cast: Cast) -> None:
    assert without_records(session) == []
    store_start(session, "NCIMHA", date(2027, 1, 1), chosen=True)
    alice, bob = list_without_records(session, BOOKS, lambda _: TODAY)
    about = (cast.endorsements[BOB], "Bob Osei", BOB, "NCIMHA", "IFS")
    assert bob == RenewalWithoutRecords(*about, bob.cycle, date(2026, 12, 31), date(2027, 1, 1))
    assert (alice.name, bob.cycle.starts_on) == ("Alice Moreno", YEAR)
    store_start(session, "CT-AIMH", date(2027, 1, 1), chosen=True)
    assert sorted(without_records(session)) == ["Alice Moreno", "Bob Osei", "Erin Vance"]
    assert without_records(session, association="CT-AIMH") == ["Erin Vance"]
    assert without_records(session, endorsement_ids=[cast.endorsements[BOB]]) == ["Bob Osei"]
    assert without_records(session, endorsement_ids=[]) == []


@pytest.mark.parametrize(
    ("first_day", "names"),
    [(date(2026, 12, 31), ["Bob Osei"]), (date(2027, 1, 1), ["Bob Osei", "Alice Moreno"])],
)
def test_an_extension_decides_whether_there_are_records(
    session: Session, cast: Cast, first_day: date, names: list[str]
) -> None:
    store_start(session, "NCIMHA", first_day, chosen=True)
    renewal = {"cycle_starts_on": YEAR, "reason": "A flood"}
    for email, due_on in ((BOB, date(2026, 12, 30)), (ALICE, date(2026, 12, 31))):
        held = cast.endorsements[email]
        insert_row(session, "renewal", endorsement_id=held, extended_due_on=due_on, **renewal)
    last_year = {"cycle_starts_on": LAST_YEAR, "extended_due_on": date(2030, 1, 1)}
    insert_row(session, "renewal", endorsement_id=cast.endorsements[BOB], reason="", **last_year)
    assert sorted(without_records(session)) == sorted(names)


@pytest.mark.parametrize(
    ("ends_on", "is_listed"),
    [
        (TODAY - DAY, False),
        (date(2026, 12, 30), False),
        (date(2026, 12, 31), True),
        (None, True),
    ],
)
def test_endorsements_that_end_earlier_have_no_renewal(
    session: Session, cast: Cast, ends_on: date | None, *, is_listed: bool
) -> None:
    store_start(session, "NCIMHA", date(2027, 1, 1), chosen=True)
    session.get_one(Endorsement, cast.endorsements[BOB]).ends_on = ends_on
    session.flush()
    assert ("Bob Osei" in without_records(session)) is is_listed


def test_the_cycle_of_another_day_has_no_records(session: Session, cast: Cast) -> None:
    store_start(session, "NCIMHA", YEAR, chosen=True)
    assert without_records(session) == []
    assert without_records(session, cycle_day=LAST_DUE) == ["Alice Moreno", "Bob Osei"]
    # Before there were cycles, and before they were endorsed.
    assert without_records(session, cycle_day=date(1999, 1, 1)) == []
    assert without_records(session, cycle_day=date(2023, 6, 1)) == []
    session.get_one(Endorsement, cast.endorsements[BOB]).ends_on = LAST_DUE
    session.flush()
    assert without_records(session, cycle_day=LAST_DUE) == ["Alice Moreno", "Bob Osei"]
    assert without_records(session, date(2024, 2, 29), cycle_day=LAST_DUE) == []
    assert without_records(session, date(2024, 3, 1), cycle_day=LAST_DUE) == [
        "Alice Moreno",
        "Bob Osei",
    ]
