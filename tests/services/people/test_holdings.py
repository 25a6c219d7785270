"""Coordinators record endorsements, vettings, and memberships, and never twice for one day."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select, update

from tests.services.conftest import Act
from tests.support.cast import ALICE, BOB, CAROL, DANA, ERIN, Cast
from tracker.db.ledgers import StandingRow
from tracker.db.log import AuditEvent
from tracker.db.people import REMOVED, Endorsement, Membership, Vetting
from tracker.refusal_text import format_refusal
from tracker.services.context import NotFound, Refused, ServiceContext
from tracker.services.holdings import (
    Holding,
    Term,
    add_endorsement,
    add_membership,
    add_vetting,
    change_days,
)
from tracker.services.memberships import list_recordable_organizations

DAY, NEXT = date(2026, 1, 1), date(2027, 1, 1)
ONE_DAY = timedelta(days=1)
Add = Callable[[ServiceContext, int], int]


@pytest.fixture
def carol(act: Act) -> ServiceContext:
    return act(CAROL)


def statuses(session: Session, endorsement_id: int) -> list[str]:
    query = select(StandingRow.status).where(StandingRow.endorsement_id == endorsement_id)
    return sorted(session.exec(query))


def problems(work: Callable[..., object], *arguments: object) -> list[tuple[str, str]]:
    """Each refused field with the sentence that people read there."""
    with pytest.raises(Refused) as refused:
        work(*arguments)
    return [(each.field, format_refusal(each.code, each.facts)) for each in refused.value.refusals]


def on_record(name: str, days: str) -> list[tuple[str, str]]:
    advice = "Change that one, or enter days that do not overlap it."
    return [("starts_on", f"{name} is on record {days}. {advice}")]


def list_changes(session: Session) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """What the audit log has: the table, and the values before and after each change."""
    rows = session.exec(select(AuditEvent).order_by(col(AuditEvent.id)))
    return [
        (row.table_name, json.loads(row.before or "{}"), json.loads(row.after or "{}"))
        for row in rows
    ]


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
    ids=["later", "earlier", "until its first day"],
)
def test_the_same_category_is_held_once_on_any_day(
    carol: ServiceContext, cast: Cast, term: Term
) -> None:
    found = problems(add_endorsement, carol, cast.people[ALICE], "NCIMHA", "IFS", term)
    assert found == on_record("NCIMHA IFS", "from March 1, 2024 on")


def test_a_day_before_is_free(carol: ServiceContext, cast: Cast) -> None:
    before = Term(date(2020, 1, 1), date(2024, 2, 29))
    assert add_endorsement(carol, cast.people[ALICE], "NCIMHA", "IFS", before)


@pytest.mark.parametrize(
    ("term", "sentence"),
    [
        (Term(NEXT, NEXT - ONE_DAY), "The last day must be January 1, 2027 or later"),
        (
            Term(date(1970, 1, 1), date(2020, 1, 1)),
            (
                "That is more than 50 years. Check the year, or leave the last day empty if it is "
                "not known."
            ),
        ),
    ],
    ids=["ends before its start", "more than 50 years"],
)
def test_days_are_checked(carol: ServiceContext, cast: Cast, term: Term, sentence: str) -> None:
    for add in (
        lambda: add_membership(carol, cast.people[BOB], "NCIMHA", term),
        lambda: add_vetting(carol, cast.people[BOB], "NCIMHA", term),
        lambda: change_days(carol, Endorsement, cast.endorsements[BOB], term),
    ):
        assert problems(add) == [("ends_on", sentence)]


@pytest.mark.parametrize("term", [Term(NEXT, NEXT), Term(date(1970, 1, 1), date(2019, 12, 31))])
def test_a_term_has_a_day_to_fifty_years(carol: ServiceContext, cast: Cast, term: Term) -> None:
    added = add_membership(carol, cast.people[BOB], "NCIMHA", term)
    stored = carol.session.get_one(Membership, added)
    assert (stored.starts_on, stored.ends_on) == term


@pytest.mark.parametrize(
    ("add", "table", "held"),
    [
        (
            lambda carol, bob: add_endorsement(carol, bob, "NCIMHA", "IFA", Term(DAY)),
            Endorsement,
            {"association": "NCIMHA", "category": "IFA"},
        ),
        (
            lambda carol, bob: add_vetting(carol, bob, "NCIMHA", Term(DAY)),
            Vetting,
            {"association": "NCIMHA"},
        ),
        (
            lambda carol, bob: add_membership(carol, bob, "NCIMHA", Term(DAY)),
            Membership,
            {"organization": "NCIMHA", "kind": "individual"},
        ),
    ],
    ids=["endorsement", "vetting", "membership"],
)
def test_the_audit_log_has_what_is_recorded(
    carol: ServiceContext, cast: Cast, add: Add, table: type[Holding], held: dict[str, str]
) -> None:
    added = add(carol, cast.people[BOB])
    days = {"starts_on": "2026-01-01", "ends_on": None}
    stored = carol.session.get_one(table, added).model_dump(mode="json")
    expected = {"person_id": cast.people[BOB], **held, **days}
    assert {name: stored[name] for name in expected} == expected
    assert list_changes(carol.session) == [(table.__tablename__, {}, expected)]


def test_both_days_of_a_term_can_change(carol: ServiceContext, cast: Cast) -> None:
    held = cast.endorsements[ALICE]
    change_days(carol, Endorsement, held, Term(date(2024, 4, 1), date(2027, 3, 31)))
    before = {"starts_on": "2024-03-01", "ends_on": None}
    after = {"starts_on": "2024-04-01", "ends_on": "2027-03-31"}
    assert list_changes(carol.session) == [("endorsement", before, after)]


def test_a_term_changed_meanwhile_is_read_anew(carol: ServiceContext) -> None:
    vetting = carol.session.exec(select(Vetting)).one()
    # As another transaction: the session does not know of it.
    unknown = {"synchronize_session": False}
    carol.session.exec(update(Vetting).values(starts_on=DAY), execution_options=unknown)
    change_days(carol, Vetting, vetting.id, Term(NEXT))
    [(_, before, after)] = list_changes(carol.session)
    assert (before["starts_on"], after["starts_on"]) == ("2026-01-01", "2027-01-01")


def test_terms_that_change_overlap_no_others(carol: ServiceContext, cast: Cast) -> None:
    vetting = add_vetting(carol, cast.people[BOB], "NCIMHA", Term(NEXT))
    add_vetting(carol, cast.people[BOB], "NCIMHA", Term(DAY, date(2026, 6, 30)))
    longer = Term(date(2026, 6, 30))
    expected = on_record("NCIMHA", "from January 1, 2026 to June 30, 2026")
    assert problems(change_days, carol, Vetting, vetting, longer) == expected
    change_days(carol, Vetting, vetting, Term(date(2026, 7, 1)))
    assert carol.session.get_one(Vetting, vetting).starts_on == date(2026, 7, 1)


@pytest.mark.parametrize(
    ("last", "ended_as"), [(None, None), (date(2026, 6, 30), REMOVED)], ids=["goes on", "ends"]
)
def test_a_removed_endorsement_can_go_on(
    carol: ServiceContext, cast: Cast, last: date | None, ended_as: str | None
) -> None:
    held = carol.session.get_one(Endorsement, cast.endorsements[ALICE])
    held.ends_on, held.ended_as = date(2026, 5, 31), REMOVED
    change_days(carol, Endorsement, held.id, Term(date(2024, 3, 1), last))
    assert (held.ends_on, held.ended_as) == (last, ended_as)


def test_a_membership_can_follow_the_last_one(carol: ServiceContext, cast: Cast) -> None:
    last_day = Term(date(2026, 12, 31))
    expected = on_record("NCIMHA", "from January 1, 2026 to December 31, 2026")
    alice = cast.people[ALICE]
    assert problems(add_membership, carol, alice, "NCIMHA", last_day) == expected
    added = add_membership(carol, alice, "NCIMHA", Term(NEXT))
    assert carol.session.get_one(Membership, added).recorded_by is None


def test_only_accepted_organizations_are_recorded(carol: ServiceContext, cast: Cast) -> None:
    found = problems(add_membership, carol, cast.people[ALICE], "Chess club", Term(DAY))
    assert found == [("organization", "Choose an organization from the list")]
    [first, _] = carol.session.exec(select(Membership)).all()
    change_days(carol, Membership, first.id, Term(date(2025, 2, 1), first.ends_on))
    assert first.starts_on == date(2025, 2, 1)
    first.organization = "CT-AIMH"
    carol.session.flush()
    with pytest.raises(NotFound):
        change_days(carol, Membership, first.id, Term(DAY))


def test_own_organizations_are_listed_first(carol: ServiceContext) -> None:
    both = replace(carol, actor=replace(carol.actor, coordinates=("CT-AIMH", "NCIMHA")))
    first, second, *others = list_recordable_organizations(both)
    assert (first, second) == ("CT-AIMH", "NCIMHA")
    assert "ATTESTING" in others
    assert others == sorted(others)
    assert list_recordable_organizations(carol) == ["NCIMHA"]


def test_a_membership_of_an_agency_is_recorded(carol: ServiceContext, cast: Cast) -> None:
    added = add_membership(carol, cast.people[BOB], "NCIMHA", Term(DAY), kind="agency")
    assert carol.session.get_one(Membership, added).kind == "agency"
    with pytest.raises(Refused, match="organization-not-accepted"):
        add_membership(carol, cast.people[ALICE], "NCIMHA", Term(NEXT), kind="club")


def test_an_unknown_category_is_refused(carol: ServiceContext, cast: Cast) -> None:
    found = problems(add_endorsement, carol, cast.people[ALICE], "NCIMHA", "XYZ", Term(DAY))
    assert found == [("category", "Choose an endorsement from the list")]


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
