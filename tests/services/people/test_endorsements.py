"""What people hold, the cycles of an endorsement, and what locks the days of a cycle."""

from datetime import date

import pytest
from sqlmodel import Session

from tests.support.cast import ALICE, ATTESTING, BOB, BOOKS, ERIN, EVE, NOW, Cast
from tests.support.referees import apply
from tests.support.submitting import CYCLE, GIL, submit_for_gil
from tracker.db.ledgers import ProviderSpan
from tracker.db.people import Endorsement, Person, Renewal
from tracker.db.submissions import Submission
from tracker.refusal_text import format_refusal
from tracker.rules.cycles import Cycle
from tracker.rules.standing import Span
from tracker.services.endorsements import (
    CycleLocks,
    Endorsed,
    cycles_held,
    endorsement_within,
    endorsements_of,
    load_person_locks,
    own_of,
    refusal_of_lock,
    spans_of,
    standing_in,
)
from tracker.services.evaluation import days_at

TODAY = date(2026, 11, 22)
ALICES = Endorsed(1, 1, "Alice Moreno", ALICE, "NCIMHA", "IFS", date(2024, 3, 1), None)
CLOSED_DAY, OPEN_DAY = date(2025, 6, 1), date(2026, 6, 1)


def hold(session: Session, person_id: int, association: str, starts_on: date) -> int:
    """Store an endorsement for infant family specialists; its id."""
    held = Endorsement(
        person_id=person_id, association=association, category="IFS", starts_on=starts_on
    )
    session.add(held)
    session.flush()
    return held.id


def extend(session: Session, endorsement_id: int, due_on: date, year: int = 2025) -> None:
    """Store that a due date is extended."""
    session.add(
        Renewal(
            endorsement_id=endorsement_id,
            cycle_starts_on=date(year, 1, 1),
            extended_due_on=due_on,
            reason="illness",
        )
    )
    session.flush()


def load_locks(session: Session, person_id: int) -> CycleLocks:
    return load_person_locks(session, BOOKS, person_id, NOW)


def test_endorsements_are_listed_by_association_and_day(cast: Cast, session: Session) -> None:
    alice = cast.people[ALICE]
    later = hold(session, alice, "NCIMHA", date(2026, 1, 1))
    earlier = hold(session, alice, "NCIMHA", date(2020, 1, 1))
    other = hold(session, alice, "CT-AIMH", date(2026, 5, 1))
    held = endorsements_of(session, alice)
    assert [each.id for each in held] == [other, earlier, cast.endorsements[ALICE], later]
    assert held[2] == ALICES._replace(id=cast.endorsements[ALICE], person_id=alice)
    assert [each.id for each in own_of(session, alice).endorsements] == [each.id for each in held]


def test_own_facts_are_of_one_person(cast: Cast, session: Session) -> None:
    submit_for_gil(session, cast)
    gil, held = cast.people[GIL], cast.endorsements[GIL]
    extend(session, held, date(2028, 3, 31))
    extend(session, cast.endorsements[BOB], date(2026, 12, 1))
    session.get_one(Person, gil).time_zone = "Pacific/Honolulu"
    apply(session, gil, association="NCIMHA", state="endorsed", decided_on=TODAY)
    session.flush()
    own = own_of(session, gil)
    assert (own.time_zone, own.has_applied) == ("Pacific/Honolulu", True)
    assert own.endorsements == endorsements_of(session, gil)
    assert own.extended == {(held, CYCLE): date(2028, 3, 31)}
    assert own.submitted == {(held, CYCLE)}
    assert own.frozen == {cast.entries["gil"]: held}


def test_somebody_without_records_holds_nothing(cast: Cast, session: Session) -> None:
    own = own_of(session, cast.people[EVE])
    assert own == (None, False, [], {}, set(), {})
    assert own_of(session, 999) == own


def test_a_returned_renewal_is_not_submitted(cast: Cast, session: Session) -> None:
    submission = session.get_one(Submission, submit_for_gil(session, cast))
    submission.state, submission.returned_at = "returned", NOW
    session.flush()
    own = own_of(session, cast.people[GIL])
    assert (own.submitted, own.frozen) == (set(), {})


def test_an_endorsement_is_found_within_its_association(cast: Cast, session: Session) -> None:
    number = cast.endorsements[ERIN]
    found = endorsement_within(session, number, {"NCIMHA", "CT-AIMH"})
    assert found is not None
    assert (found.id, found.email) == (number, ERIN)
    assert endorsement_within(session, number, {"NCIMHA"}) is None
    assert endorsement_within(session, number, ()) is None
    assert endorsement_within(session, 999, {"CT-AIMH"}) is None


def test_spans_are_of_a_rule_and_of_providers(cast: Cast, session: Session) -> None:
    alice, bob, erin = (cast.people[each] for each in (ALICE, BOB, ERIN))
    early = Span(date(2024, 1, 1), date(2024, 12, 31))
    late = Span(date(2026, 1, 1), date(9999, 12, 31))
    for rule, provider_id, span in (
        ("A/rule", alice, late),
        ("A/rule", alice, early),
        ("A/other", alice, Span(date(2020, 1, 1), date(2020, 2, 1))),
        ("A/rule", bob, late),
        ("A/rule", erin, early),
    ):
        session.add(
            ProviderSpan(
                rule=rule,
                provider_id=provider_id,
                starts_on=span.starts_on,
                ends_on=span.ends_on,
            )
        )
    session.flush()
    assert spans_of(session, "A/rule", [alice, bob]) == {alice: [early, late], bob: [late]}


@pytest.mark.parametrize(
    ("changes", "years"),
    [
        ({}, [2026, 2025, 2024]),
        ({"ends_on": date(2025, 12, 31)}, [2025, 2024]),
        ({"ends_on": date(2027, 12, 31)}, [2026, 2025, 2024]),
        ({"starts_on": TODAY}, [2026]),
        ({"starts_on": date(2026, 11, 23)}, []),
        ({"association": "Mars"}, []),
        ({"category": "unknown"}, []),
        # Its first renewal rules are of 2022.
        ({"association": ATTESTING, "starts_on": date(2020, 5, 1)}, [2025, 2022]),
        ({"association": ATTESTING, "starts_on": date(2010, 5, 1),
          "ends_on": date(2011, 1, 1)}, []),
    ],
)  # fmt: skip
def test_cycles_are_listed_back_to_the_first(changes: dict[str, object], years: list[int]) -> None:
    endorsed = ALICES._replace(**changes)  # type: ignore[arg-type]
    cycles = cycles_held(BOOKS, endorsed, TODAY)
    assert [each.starts_on.year for each in cycles] == years


def cycle_of(year: int) -> Cycle:
    """The cycle of Alice's endorsement that starts with a year."""
    cycles = cycles_held(BOOKS, ALICES, TODAY)
    return next(each for each in cycles if each.starts_on.year == year)


@pytest.mark.parametrize("year", [2025, 2026])
def test_one_endorsement_is_judged_in_one_cycle(cast: Cast, session: Session, year: int) -> None:
    number, day_of = cast.endorsements[BOB], days_at(BOOKS, NOW)
    standing = standing_in(session, BOOKS, day_of, number, cycle_of(year).starts_on)
    assert standing is not None
    assert standing.facts.subject_id == number
    assert standing.plan.cycle == cycle_of(year)
    session.get_one(Endorsement, number).ends_on = date(year, 12, 30)
    session.flush()
    assert standing_in(session, BOOKS, day_of, number, cycle_of(year).starts_on) is None


def test_a_submitted_renewal_locks_only_sessions(cast: Cast, session: Session) -> None:
    submit_for_gil(session, cast)
    locks = load_locks(session, cast.people[GIL])
    lock = locks.lock_on(OPEN_DAY)
    assert lock is not None
    assert (lock.association, lock.is_submitted) == (ATTESTING, True)
    assert locks.closed_on(OPEN_DAY) is None
    refusal = refusal_of_lock("held_on", lock)
    assert refusal.field == "held_on"
    assert format_refusal(refusal.code, refusal.facts) == (
        "The renewal for 2025 to 2027 is submitted at ATTESTING, so you can't add or change its "
        "sessions. If something must be corrected, contact your ATTESTING coordinator, who can "
        "return the renewal to you."
    )


def test_another_renewal_takes_sessions_of_a_submitted_one(cast: Cast, session: Session) -> None:
    submit_for_gil(session, cast)
    gil = cast.people[GIL]
    hold(session, gil, "NCIMHA", date(2024, 3, 1))
    locks = load_locks(session, gil)
    assert locks.lock_on(OPEN_DAY) is None
    # The submitted session itself stays as it is, and no other.
    lock = locks.lock_of(cast.entries["gil"], OPEN_DAY)
    assert lock is not None
    assert (lock.association, lock.is_submitted) == (ATTESTING, True)
    assert locks.lock_of(cast.entries["gil"] + 1, OPEN_DAY) is None


def test_a_closed_cycle_shows_its_grace_period(cast: Cast, session: Session) -> None:
    lock = load_locks(session, cast.people[ALICE]).closed_on(CLOSED_DAY)
    assert lock is not None
    refusal = refusal_of_lock("ends_on", lock)
    assert refusal.field == "ends_on"
    assert format_refusal(refusal.code, refusal.facts) == (
        "2025 is closed at NCIMHA: its grace period ended on January 31, 2026. If something must "
        "be corrected, contact your NCIMHA coordinator."
    )


def test_the_first_of_alike_locks_is_named(cast: Cast, session: Session) -> None:
    alice = cast.people[ALICE]
    hold(session, alice, "CT-AIMH", date(2024, 3, 1))
    locks = load_locks(session, alice)
    lock = locks.closed_on(CLOSED_DAY)
    assert lock is not None
    assert (lock.association, lock.grace_ends_on) == ("CT-AIMH", date(2026, 1, 31))
    extend(session, cast.endorsements[ALICE], date(2026, 2, 28))
    lock = load_locks(session, alice).closed_on(CLOSED_DAY)
    assert lock is not None
    assert lock.association == "NCIMHA"
    assert lock.grace_ends_on > date(2026, 2, 28)


@pytest.mark.parametrize("association", ["VAIMH", "Mars"])
def test_an_endorsement_without_renewals_locks_nothing(
    cast: Cast, session: Session, association: str
) -> None:
    eve = cast.people[EVE]
    hold(session, eve, association, date(2020, 1, 1))
    assert load_locks(session, eve).lock_on(CLOSED_DAY) is None
    hold(session, eve, "NCIMHA", date(2024, 3, 1))
    lock = load_locks(session, eve).lock_on(CLOSED_DAY)
    assert lock is not None
    assert lock.association == "NCIMHA"


def test_a_decided_application_opens_no_day(cast: Cast, session: Session) -> None:
    alice = cast.people[ALICE]
    apply(session, alice, association="NCIMHA", state="endorsed", decided_on=TODAY)
    assert load_locks(session, alice).lock_on(CLOSED_DAY) is not None
    apply(session, alice, association="CT-AIMH")
    assert load_locks(session, alice).lock_on(CLOSED_DAY) is None
