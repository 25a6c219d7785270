"""Who may record which membership terms, whatever adapter asks."""

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from sqlmodel import Session, col, select

from tests.services.conftest import Act
from tests.support.cast import ALICE, BOB, CAROL, ERIN, EVE, Cast
from tests.support.membership_terms import codes, problems, store, terms
from tests.support.referees import apply
from tracker.db.ledgers import StandingRow
from tracker.db.log import AuditEvent
from tracker.db.people import Endorsement, Membership
from tracker.services.context import NotFound, Refused, ServiceContext
from tracker.services.memberships import (
    MembershipTerm,
    create_membership,
    delete_membership,
    list_accepted_organizations,
    list_memberships,
    update_membership,
)

NEXT_YEAR = MembershipTerm("NCIMHA", date(2027, 1, 1), date(2027, 12, 31))
TAKEN = (
    "You already have a NCIMHA term from January 1, 2027 to December 31, 2027. Terms cannot "
    "overlap: this one can start on January 1, 2028 or later."
)
RUNS_INTO = (
    "You already have a NCIMHA term that starts on January 1, 2027. Terms cannot overlap: this "
    "one can end on December 31, 2026 or earlier."
)
FOR_LIFE = (
    "You already have a NCIMHA membership for life since January 1, 2030. Change that one if it "
    "has a last day."
)


@pytest.fixture
def bob(act: Act) -> ServiceContext:
    """Bob is an endorsee of NCIMHA, and has no membership."""
    return act(BOB)


def covered_until(context: ServiceContext) -> set[date | None]:
    """Until when the actor's standings are covered by a membership."""
    query = select(col(StandingRow.membership_until)).join(Endorsement)
    rows = context.session.exec(query.where(Endorsement.person_id == context.person_id))
    return {day for day in rows if day}


def list_changes(session: Session) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """What the audit log has of memberships: the values before and after each change."""
    query = select(AuditEvent).filter_by(table_name="membership").order_by(col(AuditEvent.id))
    return [
        (json.loads(row.before or "{}"), json.loads(row.after or "{}"))
        for row in session.exec(query)
    ]


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
        (ALICE, MembershipTerm("NCIMHA", date(2026, 1, 1), date(2025, 12, 31)),
         [("ends_on", "ends-before-start"), ("ends_on", "cycle-closed"),
          ("starts_on", "membership-overlaps")]),
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


def test_terms_are_listed_by_organization_latest_first(bob: ServiceContext) -> None:
    for organization, year in (("VAIMH", 2026), ("NCIMHA", 2025), ("CT-AIMH", 2024),
                               ("NCIMHA", 2027), ("NCIMHA", 2026)):  # fmt: skip
        store(bob, MembershipTerm(organization, date(year, 1, 1), None))
    listed = list_memberships(bob.session, bob.person_id)
    assert [(each.organization, each.starts_on.year) for each in listed] == [
        ("CT-AIMH", 2024),
        ("NCIMHA", 2027),
        ("NCIMHA", 2026),
        ("NCIMHA", 2025),
        ("VAIMH", 2026),
    ]


def test_own_associations_come_first_among_the_accepted(act: Act, cast: Cast) -> None:
    def accepted(email: str) -> list[str]:
        context = act(email)
        return list_accepted_organizations(context.session, context.rulebooks, cast.people[email])

    others = ["ATTESTING", "MI-AIMH", "NCIMHA", "PAYING", "REMOVING", "VAIMH", "WAIMH"]
    assert (accepted(ALICE), accepted(ERIN)) == (["NCIMHA"], ["CT-AIMH", *others])
    assert accepted(EVE) == []
    apply(act(EVE).session, cast.people[EVE], association="NCIMHA")
    assert accepted(EVE) == ["NCIMHA"]
    apply(act(BOB).session, cast.people[BOB], association="CT-AIMH")
    others.remove("NCIMHA")
    assert accepted(BOB) == ["CT-AIMH", "NCIMHA", *others]


def test_each_change_of_a_term_moves_the_standing(bob: ServiceContext) -> None:
    this_year = MembershipTerm("NCIMHA", date(2026, 1, 1), date(2026, 12, 31))
    assert covered_until(bob) == set()
    number = create_membership(bob, this_year)
    assert covered_until(bob) == {date(2026, 12, 31)}
    update_membership(bob, number, replace(this_year, ends_on=date(2027, 3, 31)))
    assert covered_until(bob) == {date(2027, 3, 31)}
    delete_membership(bob, number)
    assert covered_until(bob) == set()


def test_the_audit_log_has_each_change_of_a_term(bob: ServiceContext) -> None:
    number = create_membership(bob, NEXT_YEAR)
    update_membership(bob, number, replace(NEXT_YEAR, ends_on=None, kind="agency"))
    delete_membership(bob, number)
    recorded = {
        "person_id": bob.person_id,
        "organization": "NCIMHA",
        "kind": "individual",
        "starts_on": "2027-01-01",
        "ends_on": "2027-12-31",
    }
    changed = {**recorded, "kind": "agency", "ends_on": None}
    assert list_changes(bob.session) == [
        ({}, recorded),
        (recorded, changed),
        (changed, {}),
    ]


@pytest.mark.parametrize(("kind", "other"), [("individual", "agency"), ("agency", "individual")])
def test_the_same_term_is_recorded_once(bob: ServiceContext, kind: str, other: str) -> None:
    term = replace(NEXT_YEAR, kind=kind)
    number = create_membership(bob, term)
    assert create_membership(bob, term) == number
    assert len(terms(bob)) == len(list_changes(bob.session)) == 1
    with pytest.raises(Refused) as refused:
        create_membership(bob, replace(NEXT_YEAR, kind=other))
    assert codes(refused) == [("starts_on", "membership-overlaps")]


def test_a_term_of_the_association_is_not_recorded_again(bob: ServiceContext) -> None:
    store(bob, NEXT_YEAR, recorded_by=None)
    with pytest.raises(Refused) as refused:
        create_membership(bob, NEXT_YEAR)
    assert codes(refused) == [("starts_on", "membership-overlaps")]


@pytest.mark.parametrize(
    ("first", "last", "field", "sentence"),
    [
        ("2027-12-31", "2028-12-30", "starts_on", TAKEN),
        ("2027-01-01", "2027-01-01", "starts_on", TAKEN),
        ("2026-01-02", "2027-01-01", "ends_on", RUNS_INTO),
        ("2030-01-01", "2030-01-01", "starts_on", FOR_LIFE),
    ],
)  # fmt: skip
def test_terms_of_an_organization_share_no_day(
    bob: ServiceContext, first: str, last: str, field: str, sentence: str
) -> None:
    create_membership(bob, NEXT_YEAR)
    create_membership(bob, MembershipTerm("NCIMHA", date(2030, 1, 1), None))
    term = MembershipTerm("NCIMHA", date.fromisoformat(first), date.fromisoformat(last))
    assert problems(create_membership, bob, term) == [(field, sentence)]


@pytest.mark.parametrize(
    ("first", "last"), [("2026-01-01", "2026-12-31"), ("2028-01-01", "2029-12-31")]
)
def test_adjoining_terms_are_accepted(bob: ServiceContext, first: str, last: str) -> None:
    create_membership(bob, NEXT_YEAR)
    create_membership(bob, MembershipTerm("NCIMHA", date(2030, 1, 1), None))
    create_membership(
        bob, MembershipTerm("NCIMHA", date.fromisoformat(first), date.fromisoformat(last))
    )
    assert len(terms(bob)) == 3


def test_terms_of_other_organizations_and_people_may_overlap(act: Act, cast: Cast) -> None:
    erin = act(ERIN)
    create_membership(erin, NEXT_YEAR)
    create_membership(erin, replace(NEXT_YEAR, organization="CT-AIMH"))
    assert len(terms(erin)) == 2
    create_membership(act(BOB), NEXT_YEAR)
    rows = list_memberships(erin.session, cast.people[BOB])
    assert [each.person_id for each in rows] == [cast.people[BOB]]


@pytest.mark.parametrize(
    ("term", "field", "sentence"),
    [
        (replace(NEXT_YEAR, ends_on=date(2026, 12, 31)), "ends_on",
         "The last day must be January 1, 2027 or later"),
        (replace(NEXT_YEAR, ends_on=date(2077, 1, 1)), "ends_on",
         "A term can be at most 50 years long. If it has no last day, choose “For life”."),
    ],
)  # fmt: skip
def test_the_refused_length_of_a_term_is_explained(
    bob: ServiceContext, term: MembershipTerm, field: str, sentence: str
) -> None:
    assert problems(create_membership, bob, term) == [(field, sentence)]


def test_a_term_can_last_one_day(bob: ServiceContext) -> None:
    create_membership(bob, replace(NEXT_YEAR, ends_on=NEXT_YEAR.starts_on))
    assert terms(bob) == [(NEXT_YEAR.starts_on, NEXT_YEAR.starts_on)]


def test_a_changed_term_may_not_overlap_another(bob: ServiceContext) -> None:
    number = create_membership(bob, NEXT_YEAR)
    create_membership(bob, MembershipTerm("NCIMHA", date(2028, 1, 1), date(2028, 12, 31)))
    with pytest.raises(Refused) as refused:
        update_membership(bob, number, replace(NEXT_YEAR, ends_on=date(2028, 1, 1)))
    assert codes(refused) == [("ends_on", "membership-runs-into")]


def test_a_term_keeps_an_organization_no_longer_accepted(bob: ServiceContext) -> None:
    number = store(bob, replace(NEXT_YEAR, organization="VAIMH"))
    update_membership(bob, number, replace(NEXT_YEAR, organization="VAIMH", ends_on=None))
    assert terms(bob) == [(NEXT_YEAR.starts_on, None)]
    with pytest.raises(Refused) as refused:
        update_membership(bob, number, replace(NEXT_YEAR, organization="CT-AIMH"))
    assert codes(refused) == [("organization", "organization-not-accepted")]
