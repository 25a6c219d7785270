"""When membership terms are locked by a closed cycle, and how deleted ones are restored."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlmodel import select

from tests.services.conftest import Act
from tests.support.cast import ALICE, BOB
from tests.support.membership_terms import codes, problems, store, terms
from tracker.db.corrections import Removal
from tracker.db.people import Membership
from tracker.services.context import NotFound, Refused, ServiceContext
from tracker.services.memberships import (
    MembershipTerm,
    create_membership,
    delete_membership,
    find_membership_lock,
    list_memberships,
    restore_membership,
    update_membership,
)

NEXT_YEAR = MembershipTerm("NCIMHA", date(2027, 1, 1), date(2027, 12, 31))
LAST_YEAR = MembershipTerm("NCIMHA", date(2025, 1, 1), date(2025, 12, 31))
# The last day of grace of the cycle that ended with 2025, at noon at the association.
LAST_OPEN_DAY = datetime(2026, 1, 31, 17, 0, tzinfo=UTC)
ONE_DAY = timedelta(days=1)
CLOSED = (
    "2025 is closed at NCIMHA: its grace period ended on January 31, 2026. If something must be "
    "corrected, contact your NCIMHA coordinator."
)


@pytest.fixture
def bob(act: Act) -> ServiceContext:
    """Bob is an endorsee of NCIMHA, and has no membership."""
    return act(BOB)


def test_a_term_of_a_closed_cycle_is_locked(bob: ServiceContext) -> None:
    before = replace(bob, now=LAST_OPEN_DAY)
    number = create_membership(before, LAST_YEAR)
    update_membership(before, number, replace(LAST_YEAR, ends_on=date(2025, 12, 30)))
    for change in (
        lambda: delete_membership(bob, number),
        # The cycles of the old and the new last day are closed, which is one reason.
        lambda: update_membership(bob, number, LAST_YEAR),
        lambda: update_membership(bob, number, replace(LAST_YEAR, ends_on=date(2026, 12, 31))),
        lambda: create_membership(bob, replace(LAST_YEAR, starts_on=date(2025, 12, 31))),
    ):
        assert problems(change) == [("ends_on", CLOSED)]
    assert terms(bob) == [(date(2025, 1, 1), date(2025, 12, 30))]


@pytest.mark.parametrize(
    ("ends_on", "is_locked"),
    [(date(2025, 12, 31), True), (date(2026, 1, 1), False), (None, False)],
)
def test_the_last_day_decides_the_lock_of_a_term(
    bob: ServiceContext,
    ends_on: date | None,
    is_locked: bool,  # noqa: FBT001
) -> None:
    membership = bob.session.get_one(Membership, store(bob, replace(LAST_YEAR, ends_on=ends_on)))
    lock = find_membership_lock(bob.session, bob.rulebooks, membership, bob.now)
    assert (lock is not None and lock.grace_ends_on == date(2026, 1, 31)) == is_locked


def delete_term(context: ServiceContext, term: MembershipTerm = NEXT_YEAR) -> Removal:
    """Record and delete a term; what is kept for undo."""
    delete_membership(context, create_membership(context, term))
    return context.session.exec(select(Removal)).one()


def test_a_deleted_term_can_be_restored(bob: ServiceContext) -> None:
    removal = delete_term(bob, replace(NEXT_YEAR, kind="agency"))
    assert (removal.kind, removal.description) == ("own membership", "NCIMHA, 2027-01-01")
    assert terms(bob) == []
    for _ in range(2):
        restore_membership(replace(bob, now=bob.now + ONE_DAY / 2), removal.id)
        [membership] = list_memberships(bob.session, bob.person_id)
        assert (membership.kind, membership.ends_on) == ("agency", NEXT_YEAR.ends_on)
        assert membership.recorded_by == BOB
    # Once the term is restored, it can be changed, and the button changes nothing.
    update_membership(bob, membership.id, replace(NEXT_YEAR, ends_on=None))
    restore_membership(bob, removal.id)
    assert terms(bob) == [(NEXT_YEAR.starts_on, None)]


def test_only_its_owner_restores_a_term_within_a_day(act: Act, bob: ServiceContext) -> None:
    removal = delete_term(bob)
    for context in (act(ALICE), replace(bob, now=bob.now + ONE_DAY)):
        with pytest.raises(NotFound):
            restore_membership(context, removal.id)
    assert terms(bob) == []


def test_a_term_whose_days_are_taken_stays_deleted(bob: ServiceContext) -> None:
    removal = delete_term(bob)
    create_membership(bob, replace(NEXT_YEAR, starts_on=date(2027, 12, 31), ends_on=None))
    with pytest.raises(Refused) as refused:
        restore_membership(bob, removal.id)
    assert codes(refused) == [("ends_on", "membership-runs-into")]


def test_a_term_is_not_restored_into_a_closed_cycle(bob: ServiceContext) -> None:
    removal = delete_term(replace(bob, now=LAST_OPEN_DAY), LAST_YEAR)
    after = replace(bob, now=LAST_OPEN_DAY + ONE_DAY / 2)
    assert problems(restore_membership, after, removal.id) == [("ends_on", CLOSED)]
    assert terms(bob) == []
