"""Coordinators record endorsements, vettings, and memberships, and never twice for one day."""

from collections.abc import Callable
from datetime import date

import pytest
from sqlmodel import Session, select

from tests.support.cast import ALICE, BOB, CAROL, DANA, ERIN, Cast
from tracker.db.ledgers import StandingRow
from tracker.db.people import Endorsement, Membership, Vetting
from tracker.services.context import NotFound, Refused, ServiceContext
from tracker.services.holdings import (
    Term,
    add_endorsement,
    add_membership,
    add_vetting,
    change_days,
    list_recorded_organizations,
)

Act = Callable[[str], ServiceContext]
DAY, NEXT = date(2026, 1, 1), date(2027, 1, 1)


@pytest.fixture
def carol(act: Act) -> ServiceContext:
    return act(CAROL)


def statuses(session: Session, endorsement_id: int) -> list[str]:
    query = select(StandingRow.status).where(StandingRow.endorsement_id == endorsement_id)
    return sorted(session.exec(query))


def test_an_endorsement_is_added_with_its_standing(carol: ServiceContext, cast: Cast) -> None:
    added = add_endorsement(carol, cast.people[ALICE], "NCIMHA", "IFA", Term(DAY))
    stored = carol.session.get_one(Endorsement, added)
    assert (stored.category, stored.starts_on, stored.ends_on) == ("IFA", DAY, None)
    assert statuses(carol.session, added)


def test_an_ended_endorsement_has_nothing_left_to_renew(carol: ServiceContext, cast: Cast) -> None:
    held = cast.endorsements[ALICE]
    change_days(carol, Endorsement, held, Term(date(2024, 3, 1), date(2026, 6, 30)))
    assert carol.session.get_one(Endorsement, held).ends_on == date(2026, 6, 30)
    assert "open" not in statuses(carol.session, held)


@pytest.mark.parametrize(
    "term",
    [Term(DAY), Term(date(2023, 1, 1)), Term(date(2020, 1, 1), date(2024, 3, 1))],
)
def test_the_same_category_is_held_once_on_any_day(
    carol: ServiceContext, cast: Cast, term: Term
) -> None:
    with pytest.raises(Refused, match="term-overlaps"):
        add_endorsement(carol, cast.people[ALICE], "NCIMHA", "IFS", term)


def test_a_day_before_is_free(carol: ServiceContext, cast: Cast) -> None:
    before = Term(date(2020, 1, 1), date(2024, 2, 29))
    assert add_endorsement(carol, cast.people[ALICE], "NCIMHA", "IFS", before)


@pytest.mark.parametrize(
    ("term", "code"),
    [
        (Term(NEXT, DAY), "ends-before-start"),
        (Term(date(1960, 1, 1), date(2020, 1, 1)), "term-too-long"),
    ],
)
def test_days_are_checked(carol: ServiceContext, cast: Cast, term: Term, code: str) -> None:
    for add in (
        lambda: add_membership(carol, cast.people[BOB], "NCIMHA", term),
        lambda: add_vetting(carol, cast.people[BOB], "NCIMHA", term),
        lambda: change_days(carol, Endorsement, cast.endorsements[BOB], term),
    ):
        with pytest.raises(Refused, match=code):
            add()


def test_a_membership_can_follow_the_last_one(carol: ServiceContext, cast: Cast) -> None:
    with pytest.raises(Refused, match="term-overlaps"):
        add_membership(carol, cast.people[ALICE], "NCIMHA", Term(date(2026, 12, 31)))
    added = add_membership(carol, cast.people[ALICE], "NCIMHA", Term(NEXT))
    assert carol.session.get_one(Membership, added).recorded_by is None


def test_only_accepted_organizations_are_recorded(carol: ServiceContext, cast: Cast) -> None:
    assert list_recorded_organizations(carol)[0] == "NCIMHA"
    with pytest.raises(Refused, match="organization-not-accepted"):
        add_membership(carol, cast.people[ALICE], "Chess club", Term(DAY))


def test_a_membership_of_an_agency_is_recorded(carol: ServiceContext, cast: Cast) -> None:
    added = add_membership(carol, cast.people[BOB], "NCIMHA", Term(DAY), kind="agency")
    assert carol.session.get_one(Membership, added).kind == "agency"
    with pytest.raises(Refused, match="organization-not-accepted"):
        add_membership(carol, cast.people[ALICE], "NCIMHA", Term(NEXT), kind="club")


def test_an_unknown_category_is_refused(carol: ServiceContext, cast: Cast) -> None:
    with pytest.raises(Refused, match="category-not-offered"):
        add_endorsement(carol, cast.people[ALICE], "NCIMHA", "XYZ", Term(DAY))


def test_the_end_of_a_vetting_counts_for_supervised_people(
    carol: ServiceContext, cast: Cast
) -> None:
    before = carol.session.exec(select(StandingRow.short_minutes)).all()
    [vetting] = carol.session.exec(select(Vetting)).all()
    change_days(carol, Vetting, vetting.id, Term(date(2020, 1, 1), date(2026, 2, 1)))
    after = carol.session.exec(select(StandingRow.short_minutes)).all()
    assert sum(after) > sum(before)
    assert vetting.person_id == cast.people[DANA]


def test_foreign_endorsements_are_absent(carol: ServiceContext, cast: Cast) -> None:
    with pytest.raises(NotFound):
        add_endorsement(carol, cast.people[ERIN], "NCIMHA", "IFS", Term(DAY))
    with pytest.raises(NotFound):
        add_endorsement(carol, cast.people[ALICE], "CT-AIMH", "IFS", Term(DAY))
    for number in (cast.endorsements[ERIN], 999):
        with pytest.raises(NotFound):
            change_days(carol, Endorsement, number, Term(DAY))
