"""Which fees the lists of an association have, in which order, and for which years."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlmodel import Session

from tests.rules.case_data import insert_row
from tests.support.cast import BOOKS, LEE, NOW, PAYING, REMOVING, Cast
from tests.support.paying import CYCLE, IVY, JON, fill_with_ivy, lee, payment_for
from tests.support.removing import UMA, VIC, add_lapsed, rex
from tracker.db.applications import REINSTATEMENT, Application
from tracker.db.people import REMOVED, Endorsement, Person
from tracker.rulebooks import with_rulebook
from tracker.rules.fees import FeeAccount, PaidShare
from tracker.services.fee_lists import (
    FeePeriod,
    list_association_fees,
    list_fee_years,
    recent_fees,
)
from tracker.services.fees import (
    FeeLine,
    FeeState,
    PaymentInput,
    ShareInput,
    record_payment,
)

DAY, TODAY, REMOVED_ON = timedelta(days=1), NOW.date(), date(2026, 3, 1)
LATER = date(2031, 6, 1)


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    cast = fill_with_ivy(database_url)
    yield cast
    cast.engine.dispose()


def list_fees(
    session: Session,
    day: date = TODAY,
    period: FeePeriod | None = None,
    *,
    association: str = PAYING,
    endorsement_ids: list[int] | None = None,
) -> list[FeeLine]:
    return list_association_fees(
        session, BOOKS, association, lambda _: day, period, endorsement_ids=endorsement_ids
    )


def list_names(lines: list[FeeLine]) -> list[tuple[str, int]]:
    return [(line.name, line.cycle_starts_on.year) for line in lines]


SINCE = date(2026, 6, 1)


@pytest.mark.parametrize(
    ("ends_on", "paid_on", "is_owed", "expected"),
    [
        (SINCE, None, False, True),
        (SINCE - DAY, None, False, False),
        (SINCE - DAY, None, True, True),
        (SINCE - DAY, SINCE, False, True),
        (SINCE - DAY, SINCE - DAY, False, False),
    ],
)
def test_a_recent_fee_runs_or_is_owed_or_paid(
    ends_on: date, paid_on: date | None, *, is_owed: bool, expected: bool
) -> None:
    paid = [PaidShare("renewal", paid_on, 7500)] if paid_on else []
    for year, period in ((2026, FeePeriod(SINCE)), (2026, FeePeriod(SINCE, 2026))):
        is_listed = period.includes(year, ends_on, paid, is_owed=is_owed)
        assert is_listed == (expected or period.year is not None)
    assert not FeePeriod(year=2027).includes(2026, ends_on, paid, is_owed=is_owed)
    assert FeePeriod().includes(2026, ends_on, paid, is_owed=is_owed)


def test_recent_fees_are_those_of_one_year() -> None:
    assert recent_fees(date(2027, 12, 31)) == FeePeriod(since=date(2026, 12, 31))


def test_association_without_fees_lists_none(session: Session) -> None:
    assert list_fees(session, association="NCIMHA") == []
    assert list_fee_years(session, BOOKS, "NCIMHA", []) == []


def test_fees_are_in_the_order_of_names_and_days(cast: Cast, session: Session) -> None:
    ivy, jon = (session.get_one(Person, cast.people[email]) for email in (IVY, JON))
    ivy.name, jon.name = "zoe", "Yan"
    session.flush()
    expected = [("Yan", 2026), ("Yan", 2027), ("zoe", 2026), ("zoe", 2027)]
    assert list_names(list_fees(session, date(2027, 2, 10))) == expected
    ivy.name = jon.name
    session.flush()
    lines = list_fees(session, date(2027, 2, 10))
    assert [(line.person_id, line.cycle_starts_on.year) for line in lines] == [
        (person.id, year) for person in (ivy, jon) for year in (2026, 2027)
    ]


def test_fees_can_be_those_of_some_endorsements(cast: Cast, session: Session) -> None:
    record_payment(lee(session), payment_for(cast, 7500, JON))
    add_settled(session, cast.endorsements[JON])
    lines = list_fees(session, endorsement_ids=[cast.endorsements[IVY]])
    assert list_names(lines) == [("Ivy Okafor", 2026)]
    assert list_fees(session, endorsement_ids=[]) == []
    assert list_fees(session, association=REMOVING, endorsement_ids=[cast.endorsements[IVY]]) == []


def add_settled(session: Session, endorsement_id: int, starts_on: date = CYCLE) -> None:
    """Store a settled cycle that was reopened, so that today's records count."""
    reopened = {"reopened_at": NOW, "reopened_by": LEE, "reopening_reason": "A mistake"}
    cycle = {"endorsement_id": endorsement_id, "cycle_starts_on": starts_on}
    insert_row(session, "settled_cycle", settled_on=LATER, content="{}", **cycle, **reopened)


def test_unpaid_fee_of_a_settled_renewal_stays_listed(cast: Cast, session: Session) -> None:
    """Not that of another endorsement that began on the same day."""
    assert ("Ivy Okafor", 2026) not in list_names(list_fees(session, LATER, FeePeriod()))
    add_settled(session, cast.endorsements[IVY])
    for period in (None, FeePeriod(), FeePeriod(year=2026)):
        names = list_names(list_fees(session, LATER, period))
        assert ("Ivy Okafor", 2026) in names
        assert ("Jon Petersen", 2026) not in names
    assert ("Ivy Okafor", 2026) not in list_names(list_fees(session, LATER, FeePeriod(year=2031)))


def test_paid_fee_of_an_earlier_renewal_is_listed(cast: Cast, session: Session) -> None:
    """Recently, if it was paid within a year."""
    late = replace(payment_for(cast, 10000, JON), paid_on=LATER)
    record_payment(lee(session, NOW.replace(year=2031, month=6, day=2)), late)
    for day, is_listed in ((LATER.replace(year=2032), True), (date(2032, 6, 2), False)):
        assert (("Jon Petersen", 2026) in list_names(list_fees(session, day))) == is_listed
        assert ("Jon Petersen", 2026) in list_names(list_fees(session, day, FeePeriod()))
        assert ("Ivy Okafor", 2026) not in list_names(list_fees(session, day, FeePeriod()))


def test_a_waived_fee_is_listed_until_its_cycle_ends(cast: Cast, session: Session) -> None:
    waiver = {"requirement": "fee", "reason": "Illness", "cycle_starts_on": CYCLE}
    insert_row(session, "waiver", endorsement_id=cast.endorsements[IVY], **waiver)
    lines = list_fees(session, date(2026, 12, 31), FeePeriod())
    assert [(line.name, line.state) for line in lines] == [
        ("Ivy Okafor", FeeState.WAIVED),
        ("Jon Petersen", FeeState.OPEN),
    ]
    names = list_names(list_fees(session, date(2027, 1, 1), FeePeriod()))
    assert names == [("Ivy Okafor", 2027), ("Jon Petersen", 2026), ("Jon Petersen", 2027)]


def test_payment_for_another_day_is_no_renewal(cast: Cast, session: Session) -> None:
    """The cycle began on another day before the endorsement was corrected."""
    payment = record_payment(lee(session), payment_for(cast, 7500, IVY, amount=7600))
    share = {"payment_id": payment, "fee": "renewal", "cents": 100}
    held = cast.endorsements[JON]
    another_day = date(2027, 2, 1)
    insert_row(session, "payment_share", endorsement_id=held, cycle_starts_on=another_day, **share)
    assert list_names(list_fees(session, LATER, FeePeriod(year=2026))) == [("Ivy Okafor", 2026)]
    assert list_fee_years(session, BOOKS, PAYING, []) == [2026]


def test_years_are_those_of_fees_and_lines(cast: Cast, session: Session) -> None:
    add_settled(session, cast.endorsements[IVY])
    lines = list_fees(session, LATER)
    assert list_fee_years(session, BOOKS, PAYING, lines) == [2031, 2030, 2026]
    assert list_fee_years(session, BOOKS, PAYING, []) == [2026]
    add_lapsed(session, cast)
    add_settled(session, cast.endorsements[UMA], date(2025, 1, 1))
    assert list_fee_years(session, BOOKS, REMOVING, []) == []


@pytest.fixture
def asked(cast: Cast, session: Session) -> Application:
    """Vic asks to be reinstated."""
    add_lapsed(session, cast)
    request = Application(
        person_id=cast.people[VIC],
        association=REMOVING,
        category="IFS",
        purpose=REINSTATEMENT,
        opened_on=date(2026, 5, 1),
    )
    session.add(request)
    session.flush()
    return request


def pay_for_vic(session: Session, cast: Cast, cents: int = 5000) -> None:
    share = ShareInput(cast.endorsements[VIC], REMOVED_ON, "reinstatement", cents)
    paid = PaymentInput(REMOVING, date(2026, 11, 18), cents, "Vic Soto", "", "", (share,), "v" * 32)
    record_payment(rex(session), paid)


def decide(session: Session, request: Application) -> None:
    request.state, request.submitted_on, request.decided_on = "declined", TODAY, TODAY
    session.flush()


@pytest.mark.usefixtures("asked")
def test_fee_of_a_reinstatement_is_due_on_the_last_day(cast: Cast, session: Session) -> None:
    last_day = date(2027, 3, 1)
    (line,) = list_fees(session, association=REMOVING)
    assert line == FeeLine(
        cast.people[VIC],
        "Vic Soto",
        cast.endorsements[VIC],
        REMOVING,
        "IFS",
        REMOVED_ON,
        last_day,
        last_day,
        line.fee,
        FeeAccount(5000, 0, last_day, is_late=False),
        FeeState.OPEN,
        "USD",
        is_reinstatement=True,
    )
    assert line.fee.id == "reinstatement"
    umas = [cast.endorsements[UMA]]
    assert list_fees(session, association=REMOVING, endorsement_ids=umas) == []
    pay_for_vic(session, cast, 2000)
    (line,) = list_fees(session, association=REMOVING)
    assert (line.account.paid, line.owed, line.state) == (2000, 3000, FeeState.OPEN)
    (line,) = list_fees(session, last_day + DAY, association=REMOVING)
    assert line.state is FeeState.LATE


@pytest.mark.usefixtures("asked")
def test_fee_without_a_reinstatement_rule_is_due_today(session: Session) -> None:
    rules = BOOKS.associations[REMOVING].model_copy(update={"reinstatements": ()})
    books = with_rulebook(BOOKS, rules)
    (line,) = list_association_fees(session, books, REMOVING, lambda _: TODAY)
    assert (line.due_on, line.owed, line.state) == (TODAY, 5000, FeeState.OPEN)


def test_decided_reinstatement_owes_nothing_more(
    cast: Cast, session: Session, asked: Application
) -> None:
    pay_for_vic(session, cast, 2000)
    decide(session, asked)
    (line,) = list_fees(session, association=REMOVING)
    assert (line.account.paid, line.owed, line.state) == (2000, 0, FeeState.WAIVED)
    rules = BOOKS.associations[REMOVING]
    two = (rules.fees[0].model_copy(update={"id": "letter"}), *rules.fees)
    books = with_rulebook(BOOKS, rules.model_copy(update={"fees": two}))
    (line,) = list_association_fees(session, books, REMOVING, lambda _: TODAY)
    assert line.fee.id == "reinstatement"
    period = FeePeriod(year=2026)
    assert list_fees(session, LATER, association=REMOVING) == []
    assert len(list_fees(session, LATER, period, association=REMOVING)) == 1


def test_decided_reinstatement_without_payment_has_no_fee(
    session: Session, asked: Application
) -> None:
    decide(session, asked)
    assert list_fees(session, association=REMOVING) == []


def test_each_reinstatement_has_its_own_fee(
    cast: Cast, session: Session, asked: Application
) -> None:
    pay_for_vic(session, cast)
    held = session.get_one(Endorsement, cast.endorsements[UMA])
    held.ended_as, held.ends_on = REMOVED, date(2026, 2, 28)
    request = asked.model_dump(exclude={"id", "person_id"})
    session.add(Application(**request, person_id=cast.people[UMA]))
    session.flush()
    lines = list_fees(session, association=REMOVING)
    assert [(line.name, line.state) for line in lines] == [
        ("Uma Bell", FeeState.OPEN),
        ("Vic Soto", FeeState.PAID),
    ]
