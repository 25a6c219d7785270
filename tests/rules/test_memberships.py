"""Which memberships a rulebook accepts, and how long one counts after its last day."""

from datetime import date, timedelta

import pytest

from tests.rules.tables import Table, list_reasons
from tracker.rules.membership import MembershipGrace, MembershipRule

ANY: Table = {"says": "any", "any_infant_mental_health_association": True}


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ({}, None),
        ({"grace_days": 30}, MembershipGrace(30, None)),
        ({"grace_until": "01-31"}, MembershipGrace(0, "01-31")),
    ],
)
def test_grace_is_that_of_the_file(terms: Table, expected: MembershipGrace | None) -> None:
    assert MembershipRule.model_validate({**ANY, **terms}).grace == expected


@pytest.mark.parametrize(
    ("grace", "last_day", "expected"),
    [
        (MembershipGrace(30, None), date(2026, 12, 31), date(2027, 1, 30)),
        (MembershipGrace(0, "01-31"), date(2026, 12, 31), date(2027, 1, 31)),
        (MembershipGrace(0, "01-31"), date(2027, 1, 31), date(2028, 1, 31)),
    ],
)
def test_a_membership_counts_through_its_grace(
    grace: MembershipGrace, last_day: date, expected: date
) -> None:
    assert grace.ends_on(last_day) == expected


@pytest.mark.parametrize("grace", [MembershipGrace(366, None), MembershipGrace(0, "12-31")])
def test_a_membership_for_life_needs_no_grace(grace: MembershipGrace) -> None:
    assert grace.ends_on(date.max) == date.max
    as_good_as = date.max - timedelta(days=366)
    assert grace.ends_on(as_good_as) == as_good_as
    assert grace.ends_on(as_good_as - timedelta(days=1)) > as_good_as


@pytest.mark.parametrize(
    ("table", "reasons"),
    [
        ({"says": "none"}, ["accept at least one organization"]),
        ({"says": "own", "organizations": ["EX"]}, []),
        (ANY, []),
        (
            {**ANY, "grace_days": 30, "grace_until": "01-31"},
            ["give only one of grace_days and grace_until"],
        ),
    ],
)
def test_a_membership_rule_accepts_something(table: Table, reasons: list[str]) -> None:
    assert list_reasons(MembershipRule, table) == reasons
