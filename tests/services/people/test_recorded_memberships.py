"""Which membership terms coordinators record for endorsees and applicants."""

import json
from dataclasses import replace
from datetime import date

import pytest
from sqlmodel import col, select

from tests.services.conftest import Act
from tests.support.cast import ALICE, BOB, CAROL, ERIN, EVE, Cast
from tests.support.referees import apply
from tracker.db.ledgers import StandingRow
from tracker.db.log import AuditEvent
from tracker.db.people import Membership
from tracker.refusal_text import format_refusal
from tracker.services.context import Actor, NotFound, Refused, ServiceContext
from tracker.services.memberships import (
    MembershipTerm,
    list_memberships,
    list_recordable_organizations,
    record_membership,
)

NEXT_YEAR = MembershipTerm("NCIMHA", date(2027, 1, 1), date(2027, 12, 31))
OTHERS = ["ATTESTING", "MI-AIMH", "PAYING", "REMOVING", "VAIMH", "WAIMH"]

TOO_LONG = "A term can be at most 50 years long. If it has no last day, choose “For life”."
TAKEN = (
    "There is already a NCIMHA term from January 1, 2026 to December 31, 2026. Terms cannot "
    "overlap: this one can start on January 1, 2027 or later."
)
RUNS_INTO = (
    "There is already a NCIMHA term that starts on January 1, 2025. Terms cannot overlap: this "
    "one can end on December 31, 2024 or earlier."
)


@pytest.fixture
def carol(act: Act) -> ServiceContext:
    """Carol coordinates NCIMHA."""
    return act(CAROL)


def problems(carol: ServiceContext, person_id: int, term: MembershipTerm) -> list[tuple[str, str]]:
    """Each refused field with the sentence that Carol reads there."""
    with pytest.raises(Refused) as refused:
        record_membership(carol, person_id, term)
    return [(each.field, format_refusal(each.code, each.facts)) for each in refused.value.refusals]


def test_a_recorded_term_is_the_associations_word(carol: ServiceContext, cast: Cast) -> None:
    term = MembershipTerm("NCIMHA", date(2026, 1, 1), date(2026, 12, 31), "agency")
    number = record_membership(carol, cast.people[BOB], term)
    stored = carol.session.get_one(Membership, number)
    assert (stored.person_id, stored.organization) == (cast.people[BOB], "NCIMHA")
    assert (stored.starts_on, stored.ends_on) == (term.starts_on, term.ends_on)
    assert (stored.kind, stored.recorded_by) == ("agency", None)
    event = carol.session.exec(select(AuditEvent).filter_by(table_name="membership")).one()
    assert (event.who, event.row_id, json.loads(event.after or "{}")) == (
        CAROL,
        number,
        {
            "person_id": cast.people[BOB],
            "organization": "NCIMHA",
            "kind": "agency",
            "starts_on": "2026-01-01",
            "ends_on": "2026-12-31",
        },
    )


def test_a_recorded_term_moves_the_standing(carol: ServiceContext, cast: Cast) -> None:
    record_membership(carol, cast.people[BOB], replace(NEXT_YEAR, starts_on=date(2026, 1, 1)))
    query = select(col(StandingRow.membership_until)).filter_by(
        endorsement_id=cast.endorsements[BOB]
    )
    assert NEXT_YEAR.ends_on in carol.session.exec(query).all()


def test_a_term_is_recorded_in_a_closed_cycle(carol: ServiceContext, cast: Cast) -> None:
    last_year = MembershipTerm("NCIMHA", date(2025, 1, 1), date(2025, 12, 31))
    record_membership(carol, cast.people[BOB], last_year)
    [stored] = list_memberships(carol.session, cast.people[BOB])
    assert stored.ends_on == last_year.ends_on


def test_terms_are_recorded_for_own_people_only(carol: ServiceContext, cast: Cast) -> None:
    for stranger in (cast.people[EVE], cast.people[ERIN], 999):
        with pytest.raises(NotFound):
            record_membership(carol, stranger, NEXT_YEAR)
    apply(carol.session, cast.people[EVE], association="NCIMHA")
    record_membership(carol, cast.people[EVE], NEXT_YEAR)
    assert len(list_memberships(carol.session, cast.people[EVE])) == 1


def test_nobody_records_their_own_term_for_an_association(act: Act, cast: Cast) -> None:
    bob = replace(act(BOB), actor=Actor(BOB, cast.people[BOB], ("NCIMHA",)))
    with pytest.raises(Refused, match="own-decision"):
        record_membership(bob, cast.people[BOB], NEXT_YEAR)


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        (replace(NEXT_YEAR, organization="CT-AIMH"),
         [("organization", "Choose an organization from the list")]),
        (replace(NEXT_YEAR, kind="club"),
         [("organization", "Choose an organization from the list")]),
        (replace(NEXT_YEAR, ends_on=date(2026, 12, 31)),
         [("ends_on", "The last day must be January 1, 2027 or later")]),
        (MembershipTerm("Mars", date(1970, 1, 1), date(2026, 1, 1)),
         [("ends_on", TOO_LONG), ("organization", "Choose an organization from the list")]),
        (replace(NEXT_YEAR, starts_on=date(2026, 12, 31)),
         [("starts_on", TAKEN)]),
        (MembershipTerm("NCIMHA", date(2024, 1, 1), date(2025, 1, 1)),
         [("ends_on", RUNS_INTO)]),
    ],
)  # fmt: skip
def test_every_reason_against_a_recorded_term_is_given(
    carol: ServiceContext, cast: Cast, term: MembershipTerm, expected: list[tuple[str, str]]
) -> None:
    assert problems(carol, cast.people[ALICE], term) == expected


def test_no_term_is_recorded_after_one_for_life(carol: ServiceContext, cast: Cast) -> None:
    record_membership(carol, cast.people[BOB], replace(NEXT_YEAR, ends_on=None))
    later = replace(NEXT_YEAR, starts_on=date(2030, 1, 1), ends_on=None)
    assert problems(carol, cast.people[BOB], later) == [
        ("starts_on", "There is already a NCIMHA membership for life since January 1, 2027")
    ]


@pytest.mark.parametrize(
    ("coordinated", "organizations"),
    [
        (("NCIMHA",), ["NCIMHA"]),
        (("PAYING",), []),
        (("CT-AIMH",), ["CT-AIMH", *sorted([*OTHERS, "NCIMHA"])]),
        (("NCIMHA", "CT-AIMH"), ["CT-AIMH", "NCIMHA", *OTHERS]),
    ],
)
def test_coordinators_record_what_their_associations_accept(
    carol: ServiceContext, coordinated: tuple[str, ...], organizations: list[str]
) -> None:
    context = replace(carol, actor=Actor(CAROL, None, coordinated))
    assert list_recordable_organizations(context) == organizations
