"""Which amounts a requirement of a rulebook can have, for whom, and which caps."""

from datetime import date

import pytest

from tests.rules.tables import (
    LATER,
    MEMBERSHIP,
    NO_HOURS,
    RSC,
    WORK,
    Table,
    list_reasons,
    require,
    value,
)
from tracker.rules.requirement import Cap, Requirement, Value

TOPIC_CAP: Table = {"topic": "SELF-STUDY", "values": [value(hours=6)]}


def test_caps_limit_something_and_list_it_once() -> None:
    alike = 'a cap limits hours that are alike: write formats = ["peer"], or a topic'
    six = [value(hours=6)]
    assert list_reasons(Cap, {"values": six}) == [alike]
    assert list_reasons(Cap, {"formats": ["peer"], "topic": "DEIA", "values": six}) == [alike]
    twice = "formats lists something more than once"
    assert list_reasons(Cap, {"formats": ["peer", "peer"], "values": six}) == [twice]
    assert list_reasons(Requirement, require(**RSC, formats=["peer", "peer"])) == [twice]


@pytest.mark.parametrize("terms", [{"categories": ["IFS"]}, {"held_years": 3}])
def test_a_cap_is_the_same_for_everyone(terms: Table) -> None:
    [reason] = list_reasons(Cap, {"topic": "DEIA", "values": [value(**terms)]})
    assert reason == (
        "the value from 2020-01-01: a cap is the same for everyone: remove categories and "
        "held_years"
    )


NOT_ALL = "it must limit some, not all, of the formats that count: "
OVERLAP = "another cap of this requirement limits some of the same"
TOPIC_LIMIT = "a topic limits the training hours of a requirement without one"
RSC_LIMIT = "formats are those of RSC sessions: counts must be rsc"


def cap(*formats: str, topic: str | None = None) -> Table:
    limited = {"formats": formats} if formats else {"topic": topic}
    return {**limited, "values": [value(hours=6)]}


@pytest.mark.parametrize(
    ("terms", "caps", "fault"),
    [
        (RSC, [cap(topic="DEIA")], f"caps[1]: {TOPIC_LIMIT}"),
        ({"topic": "DEIA"}, [cap(topic="OTHER")], f"caps[1]: {TOPIC_LIMIT}"),
        ({}, [cap(topic="DEIA"), cap("peer")], f"caps[2]: {RSC_LIMIT}"),
        ({}, [cap(topic="DEIA"), cap(topic="DEIA")], f"caps[2]: {OVERLAP}"),
        (RSC, [cap("individual", "group", "peer")], f"caps[1]: {NOT_ALL}individual, group, peer"),
        (
            {**RSC, "formats": ["group", "peer"]},
            [cap("peer"), cap("peer", "group")],
            f"caps[2]: {NOT_ALL}group, peer",
        ),
        ({**RSC, "formats": ["group", "peer"]}, [cap("individual")], f"caps[1]: {NOT_ALL}group, "),
        (RSC, [cap("peer"), cap("peer")], f"caps[2]: {OVERLAP}"),
        (RSC, [cap("peer", "group"), cap("individual"), cap("peer", "individual")], OVERLAP),
        (RSC, [cap("peer"), cap("group"), cap("group", "peer")], None),
        (RSC, [cap("group", "peer"), cap("peer")], None),
        (RSC, [cap("peer"), cap("individual")], None),
        ({}, [cap(topic="DEIA"), cap(topic="OTHER")], None),
    ],
)
def test_caps_limit_a_part_of_what_counts(
    terms: Table, caps: list[Table], fault: str | None
) -> None:
    reasons = list_reasons(Requirement, require(**terms, caps=caps))
    assert len(reasons) == (0 if fault is None else 1)
    assert (fault or "") in "".join(reasons)


HOURS = "the value from 2020-01-01: hours go with training and rsc that are required"
YEARS = "the value from 2020-01-01: years or many go with work that is required"
UNIT = "the value from 2020-01-01: years are measured without many and unit: remove those, or years"
APPLY: Table = {**WORK, "of": "application"}


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (require(value(**NO_HOURS)), HOURS),
        (require(value(asked=False)), HOURS),
        (require(value(months=3, asked=False, **NO_HOURS)), HOURS),
        (require(value(), **MEMBERSHIP), HOURS),
        (require(value(months=3, **NO_HOURS), **MEMBERSHIP), HOURS),
        (require(value(years=2)), YEARS),
        (require(value(many=2)), YEARS),
        (require(value(**NO_HOURS), **APPLY), YEARS),
        (require(value(years=2, asked=False, **NO_HOURS), **APPLY), YEARS),
        (require(value(years=2, many=2, **NO_HOURS), **APPLY), UNIT),
        (require(value(years=2, **NO_HOURS), **APPLY, unit="families"), UNIT),
    ],
)
def test_amounts_fit_what_is_counted(table: Table, reason: str) -> None:
    assert list_reasons(Requirement, table) == [reason]


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"of": "application"}, "months go with renewals: others have a window"),
        ({"caps": [TOPIC_CAP]}, "caps limit hours: remove them from a requirement of months"),
    ],
)
def test_months_have_no_terms_of_hours(terms: Table, reason: str) -> None:
    months = value(months=9, **NO_HOURS)
    assert list_reasons(Requirement, require(months, **terms)) == [reason]
    assert list_reasons(Requirement, require(value(), months)) == [
        "values must be in order of their from dates: 2020-01-01 follows 2020-01-01",
        "months and hours are two requirements: write another one with its own id",
    ]
    assert list_reasons(Requirement, require(months)) == []


IFS: Table = {"categories": ["IFS"]}
IMHS: Table = {"categories": ["IMHS"]}
BOTH: Table = {"categories": ["IMHS", "IFS"]}
END: Table = {"asked": False, **NO_HOURS}
GOES_ON = (
    "the value from 2026-01-01 ends the requirement, but that from 2020-01-01 for fewer people "
    "goes on: end it too. What is required of those alone is a requirement of its own"
)
LACKING = (
    "the value from 2026-01-01 is for IFR, IMHM, which the requirement's categories lack: add it "
    "there, or remove it from the value"
)
DIFFERENT = (
    "two values are for IFS, IMHS beside different categories: write the same categories in both, "
    "or name each in one of them only"
)
NONE = (
    "no value is for IFS, IMHS: add a value without categories, or remove it from the "
    "requirement's categories"
)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (
            [value(), value(LATER, categories=["IMHM", "IFS", "IFR"])],
            LACKING,
        ),
        (
            [value(), value(LATER, **END), value(hours=9, **IFS)],
            GOES_ON,
        ),
        (
            [value(), value(held_years=3, hours=9), value(LATER, **END)],
            GOES_ON,
        ),
        (
            [value(**IFS), value(held_years=3, **IFS), value(LATER, **IFS, **END), value(**IMHS)],
            GOES_ON,
        ),
        (
            [value(**IFS), value(LATER, **IMHS), value(**IMHS)],
            "values must be in order of their from dates: 2020-01-01 follows 2026-01-01",
        ),
    ],
)
def test_values_are_for_all_and_end_together(values: list[Table], reason: str) -> None:
    assert list_reasons(Requirement, require(*values)) == [reason]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([value(), value(**BOTH), value(categories=["IFS", "IMHS", "IFR"])], DIFFERENT),
        ([value(categories=["IFR"])], NONE),
    ],
)
def test_values_leave_out_no_category(values: list[Table], reason: str) -> None:
    table = require(*values, categories=["IMHS", "IFS", "IFR"])
    assert list_reasons(Requirement, table) == [reason]


@pytest.mark.parametrize(
    "values",
    [
        [value(**IFS), value(**IMHS)],
        [value(**BOTH)],
        [value(), value(LATER, **IFS, **END)],
        [value(), value(hours=9, **IFS), value(LATER, **END), value(LATER, **IFS, **END)],
        [value(), value(held_years=3, hours=9), value(LATER, held_years=3, **END)],
        [value(**IFS), value(LATER, **IFS, **END), value(held_years=3, **IMHS), value(**IMHS)],
    ],
)
def test_values_for_fewer_people_are_accepted(values: list[Table]) -> None:
    assert list_reasons(Requirement, require(*values)) == []


def test_own_values_of_a_category_end_general_ones() -> None:
    rule = Requirement.model_validate(
        require(
            value(hours=10),
            value(date(2024, 1, 1), hours=16),
            value(LATER, hours=11),
            value(date(2022, 1, 1), hours=12, held_years=3),
            value(date(2024, 1, 1), hours=13, **IFS),
            value(date(2027, 1, 1), hours=14, held_years=3),
        )
    )
    hours = {name: [each.hours for each in rule.values_for(name)] for name in ("IFS", "IMHS")}
    assert hours == {"IFS": [10, 12, 13], "IMHS": [10, 16, 11, 12, 14]}
    groups = [[each.hours for each in values] for values in rule.grouped_values.values()]
    assert groups == [[10, 16, 11], [12, 14], [13]]


def test_a_value_is_for_its_categories_and_years() -> None:
    for_some = Value.model_validate(value(held_years=3, **IFS))
    for_all = Value.model_validate(value())
    found = [for_some.is_for(*each) for each in (("IFS", 3), ("IFS", 2), ("IMHS", 3))]
    assert found == [True, False, False]
    assert for_all.is_for("IMHS", 0)


def test_years_of_a_requirement_have_ids() -> None:
    assert Requirement.model_validate(require()).year_id(2) == "training.2"


def test_amounts_are_read_in_the_smallest_unit() -> None:
    amounts = [Value.model_validate(value(**each)) for each in ({"hours": 45.5}, NO_HOURS)]
    assert [amount.minutes for amount in amounts] == [2730, 0]
    years = [Value.model_validate(value(years=each, **NO_HOURS)) for each in (1.5, None)]
    assert [amount.months_of_work for amount in years] == [18, 0]
