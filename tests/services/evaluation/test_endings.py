"""Endorsements that end before their renewal is due."""

from datetime import date, timedelta

import pytest
from sqlmodel import Session

from tests.rules.case_data import IMAGINED, CasePeople, insert_row
from tests.support.cast import BOOKS
from tracker.db.people import REMOVED, Endorsement
from tracker.rulebooks import with_rulebook
from tracker.services.endings import EndingEndorsement, list_endings

DAY = timedelta(days=1)
TODAY, DUE, YEAR = date(2026, 7, 1), date(2026, 12, 31), date(2026, 1, 1)


@pytest.fixture
def people(session: Session) -> CasePeople:
    return CasePeople(session)


def list_names(session: Session, today: date = TODAY, **more: object) -> list[str]:
    days = {"NCIMHA": today}
    endings = list_endings(session, BOOKS, "NCIMHA", days.__getitem__, **more)  # type: ignore[arg-type]
    return [ending.name for ending in endings]


def hold(people: CasePeople, name: str, ends_on: date | str, starts_on: str = "2020-05-01") -> int:
    """Store a person with an endorsement of NCIMHA; its id."""
    people.add(name, [f"NCIMHA IFS {starts_on}..{ends_on}"])
    return people.endorsements[f"{name}: NCIMHA IFS"]


def test_endings_are_listed_by_last_day_and_name(session: Session, people: CasePeople) -> None:
    zoe = hold(people, "Zoe", "2026-06-30")
    hold(people, "Amy", "2026-06-30")
    hold(people, "Bob", "2026-07-31")
    people.add("Cleo", ["CT-AIMH IFS 2020-05-01..2026-06-30", "NCIMHA IFS 2020-05-01"])
    amys, zoes, bobs = list_endings(session, BOOKS, "NCIMHA", lambda _: TODAY)
    assert [ending.name for ending in (amys, zoes, bobs)] == ["Amy", "Zoe", "Bob"]
    about = (zoe, "Zoe", "zoe@example.org", "NCIMHA", "IFS")
    assert zoes == EndingEndorsement(*about, TODAY - DAY, DUE, zoes.cycle, ())
    assert (zoes.cycle.starts_on, zoes.cycle.ends_on) == (YEAR, DUE)
    assert [ending.has_ended(TODAY) for ending in (zoes, bobs)] == [True, False]
    assert not zoes.has_ended(zoes.ends_on)


@pytest.mark.parametrize(
    ("ends_on", "is_listed"),
    [(YEAR - DAY, False), (YEAR, True), (DUE - DAY, True), (DUE, False)],
)
def test_only_ends_before_the_due_date_are_listed(
    session: Session, people: CasePeople, ends_on: date, *, is_listed: bool
) -> None:
    hold(people, "Amy", ends_on)
    for today in (YEAR, DUE):
        assert list_names(session, today) == ["Amy"] * is_listed
    assert list_names(session, DUE + DAY) == []


def test_an_extension_moves_the_due_date(session: Session, people: CasePeople) -> None:
    amys, bobs = hold(people, "Amy", DUE), hold(people, "Bob", DUE)
    extended = {"extended_due_on": DUE + 31 * DAY, "reason": "A flood"}
    insert_row(session, "renewal", endorsement_id=amys, cycle_starts_on=YEAR, **extended)
    earlier = {"endorsement_id": bobs, "cycle_starts_on": date(2025, 1, 1)}
    insert_row(session, "renewal", **earlier, **extended)
    [ending] = list_endings(session, BOOKS, "NCIMHA", lambda _: TODAY)
    assert (ending.name, ending.due_on) == ("Amy", DUE + 31 * DAY)


def test_removed_endorsements_were_due_before(session: Session, people: CasePeople) -> None:
    session.get_one(Endorsement, hold(people, "Amy", "2026-06-30")).ended_as = REMOVED
    session.flush()
    assert list_names(session) == []


def test_the_cycle_of_another_day_is_listed(session: Session, people: CasePeople) -> None:
    hold(people, "Amy", "2025-06-30")
    hold(people, "Bob", "2026-06-30", "2025-08-01")
    assert list_names(session, cycle_day=date(2025, 7, 31)) == ["Amy"]
    assert list_names(session, cycle_day=TODAY) == ["Bob"]
    # Not those that begin later.
    hold(people, "Cleo", "2026-08-31", "2026-07-01")
    assert list_names(session, TODAY - DAY) == ["Bob"]
    assert list_names(session, TODAY) == ["Bob", "Cleo"]


def test_chosen_endorsements_are_listed(session: Session, people: CasePeople) -> None:
    amys = hold(people, "Amy", "2026-06-30")
    hold(people, "Bob", "2026-06-30")
    assert list_names(session, endorsement_ids=[amys]) == ["Amy"]
    assert list_names(session, endorsement_ids=[]) == []


def test_endings_without_rules_are_left_out(session: Session, people: CasePeople) -> None:
    people.add("Amy", ["NCIMHA GONE 2020-05-01..2026-06-30"])
    hold(people, "Bob", "2026-06-30")
    assert list_names(session) == ["Bob"]
    # Nor was there a cycle long ago, or is there one in a rulebook without any.
    hold(people, "Cleo", "1990-06-30", "1980-01-01")
    assert list_names(session, cycle_day=date(1990, 6, 29)) == []
    rules = BOOKS.associations["NCIMHA"].model_copy(update={"cycles": ()})
    assert list_endings(session, with_rulebook(BOOKS, rules), "NCIMHA", lambda _: TODAY) == []


@pytest.mark.parametrize(
    ("days", "today"),
    [
        # The cycle that began in 2024 is lengthened to the end of 2029.
        ("2024-08-01..2025-01-01", date(2029, 11, 1)),
        # Counted from a leap day, one lasts from February 28 through February 28.
        ("2012-02-29..2021-02-28", date(2024, 2, 28)),
    ],
)
def test_long_cycles_keep_their_endings(
    session: Session, people: CasePeople, days: str, today: date
) -> None:
    people.add("Amy", [f"LEAP IFS {days}"])
    [ending] = list_endings(session, IMAGINED, "LEAP", lambda _: today)
    assert ending.cycle.starts_on <= ending.ends_on
    assert ending.cycle.ends_on >= today
