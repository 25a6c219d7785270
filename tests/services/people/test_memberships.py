"""Who may record which membership terms, whatever adapter asks."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest
from sqlmodel import select

from tests.support.cast import ALICE, BOB, CAROL, EVE
from tracker.db.people import Membership
from tracker.services.context import NotFound, Refused, ServiceContext
from tracker.services.memberships import (
    MembershipTerm,
    create_membership,
    delete_membership,
    list_memberships,
    update_membership,
)

Act = Callable[[str], ServiceContext]
NEXT_YEAR = MembershipTerm("NCIMHA", date(2027, 1, 1), date(2027, 12, 31))


def codes(refused: pytest.ExceptionInfo[Refused]) -> list[tuple[str, str]]:
    return [(refusal.field, refusal.code) for refusal in refused.value.refusals]


@pytest.mark.parametrize(
    ("email", "term", "expected"),
    [
        (EVE, NEXT_YEAR, [("organization", "organization-not-accepted")]),
        (ALICE, MembershipTerm("CT-AIMH", date(2027, 1, 1), date(2027, 12, 31)),
         [("organization", "organization-not-accepted")]),
        (BOB, MembershipTerm("NCIMHA", date(2027, 1, 1), date(2026, 12, 31)),
         [("ends_on", "ends-before-start")]),
        (BOB, MembershipTerm("NCIMHA", date(2027, 1, 1), date(2077, 1, 1)),
         [("ends_on", "membership-too-long")]),
        (BOB, MembershipTerm("NCIMHA", date(2025, 1, 1), date(2025, 12, 31)),
         [("ends_on", "cycle-closed")]),
        (ALICE, MembershipTerm("NCIMHA", date(2026, 12, 31), date(2027, 12, 30)),
         [("starts_on", "membership-overlaps")]),
        (BOB, MembershipTerm("NCIMHA", date(2027, 1, 1), date(2027, 12, 31), kind="club"),
         [("organization", "organization-not-accepted")]),
        (ALICE, MembershipTerm("Mars", date(1970, 1, 1), date(2026, 1, 1)),
         [("organization", "organization-not-accepted"), ("ends_on", "membership-too-long")]),
    ],
)  # fmt: skip
def test_every_reason_is_given_at_once(
    act: Act, email: str, term: MembershipTerm, expected: list[tuple[str, str]]
) -> None:
    with pytest.raises(Refused) as refused:
        create_membership(act(email), term)
    assert codes(refused) == expected


@pytest.mark.parametrize("kind", ["individual", "agency"])
def test_a_term_is_of_a_kind(act: Act, kind: str) -> None:
    bob = act(BOB)
    number = create_membership(bob, replace(NEXT_YEAR, kind=kind))
    [stored] = list_memberships(bob.session, bob.person_id)
    assert stored.kind == kind
    update_membership(bob, number, NEXT_YEAR)
    assert stored.kind == "individual"


@pytest.mark.parametrize("ends_on", [date(2076, 12, 31), None])
def test_long_and_lifelong_terms_are_accepted(act: Act, ends_on: date | None) -> None:
    term = MembershipTerm("NCIMHA", date(2027, 1, 1), ends_on)
    bob = act(BOB)
    create_membership(bob, term)
    [stored] = list_memberships(bob.session, bob.person_id)
    assert (stored.ends_on, stored.recorded_by) == (term.ends_on, BOB)


@pytest.mark.parametrize(
    ("term", "field", "code", "fits_on"),
    [
        (("2027-06-01", "2028-05-31"), "starts_on", "membership-overlaps", "2029-01-01"),
        (("2028-03-01", "2029-02-28"), "starts_on", "membership-overlaps", "2029-01-01"),
        (("2026-06-01", "2027-05-31"), "ends_on", "membership-runs-into", "2026-12-31"),
        (("2026-06-01", None), "ends_on", "membership-runs-into", "2026-12-31"),
    ],
)
def test_an_overlapping_term_is_told_which_day_fits(
    act: Act, term: tuple[str, str | None], field: str, code: str, fits_on: str
) -> None:
    bob = act(BOB)
    create_membership(bob, NEXT_YEAR)
    create_membership(bob, MembershipTerm("NCIMHA", date(2028, 1, 1), date(2028, 12, 31)))
    first, last = term
    last_day = date.fromisoformat(last) if last else None
    with pytest.raises(Refused) as refused:
        create_membership(bob, MembershipTerm("NCIMHA", date.fromisoformat(first), last_day))
    [refusal] = refused.value.refusals
    assert (refusal.field, refusal.code) == (field, code)
    assert refusal.facts["fits_on"] == date.fromisoformat(fits_on)


def test_nothing_fits_after_a_term_for_life(act: Act) -> None:
    bob = act(BOB)
    create_membership(bob, MembershipTerm("NCIMHA", date(2027, 1, 1), None))
    with pytest.raises(Refused) as refused:
        create_membership(bob, MembershipTerm("NCIMHA", date(2030, 1, 1), date(2030, 12, 31)))
    assert codes(refused) == [("starts_on", "membership-is-for-life")]


def test_a_term_for_life_can_get_a_last_day(act: Act) -> None:
    bob = act(BOB)
    number = create_membership(bob, MembershipTerm("NCIMHA", date(2020, 1, 1), None))
    update_membership(bob, number, MembershipTerm("NCIMHA", date(2020, 1, 1), date(2027, 6, 30)))
    [stored] = list_memberships(bob.session, bob.person_id)
    assert stored.ends_on == date(2027, 6, 30)


def test_a_term_may_replace_itself(act: Act) -> None:
    bob = act(BOB)
    number = create_membership(bob, NEXT_YEAR)
    longer = MembershipTerm("NCIMHA", NEXT_YEAR.starts_on, date(2028, 6, 30))
    update_membership(bob, number, longer)
    [stored] = list_memberships(bob.session, bob.person_id)
    assert (stored.id, stored.ends_on) == (number, longer.ends_on)


def test_only_the_person_changes_their_term(act: Act) -> None:
    number = create_membership(act(BOB), NEXT_YEAR)
    for other in (ALICE, CAROL):
        with pytest.raises(NotFound):
            update_membership(act(other), number, NEXT_YEAR)
        with pytest.raises(NotFound):
            delete_membership(act(other), number)


def test_terms_of_an_association_cannot_be_changed(act: Act) -> None:
    alice = act(ALICE)
    query = select(Membership).where(Membership.person_id == alice.person_id)
    imported = alice.session.exec(query).all()
    assert imported
    for membership in imported:
        with pytest.raises(NotFound):
            delete_membership(alice, membership.id)
