"""What a requirement of a rulebook can't say, in words; and what it can."""

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from tracker.rules.model import CycleScheme
from tracker.rules.requirement import (
    Cap,
    EducationRule,
    ReferenceRule,
    Requirement,
    Value,
    WindowRule,
    WorkRule,
)
from tracker.rules.strict_model import StrictModel

Table = dict[str, Any]
FIRST, LATER = date(2020, 1, 1), date(2026, 1, 1)
SOURCE = {"document": "ifs", "section": "Renewal"}
NO_HOURS: Table = {"hours": None}
WORK: Table = {"counts": "work", "work": {"services": ["prevention"]}}
RSC: Table = {"counts": "rsc", "providers": "rsc"}
MEMBERSHIP: Table = {"counts": "membership", "membership": "own"}
SIGNED: Table = {"counts": "signed", "signed": ["ethics"]}


def value(starts_from: date = FIRST, **terms: Any) -> Table:  # noqa: ANN401 - what TOML has
    terms = {"hours": 15, **terms}
    given = {key: term for key, term in terms.items() if term is not None}
    return {"from": starts_from, "source": SOURCE, **given}


def require(*values: Table, **terms: Any) -> Table:  # noqa: ANN401
    """A requirement of 15 hours of training, with other terms."""
    return {
        "id": "training",
        "label": "Training",
        "about": "Each year",
        "categories": ["IFS", "IMHS"],
        "counts": "training",
        "values": values or (value(),),
        **terms,
    }


def list_reasons(form: type[StrictModel], table: Table) -> list[str]:
    """Why a table is refused."""
    try:
        form.model_validate(table)
    except ValidationError as error:
        return [each["msg"].removeprefix("Value error, ") for each in error.errors()]
    return []


TOPIC = "a topic is a part of hours: counts must be training or rsc"
ONLY_APPLICATIONS = 'only an application can require this: write of = "application"'
ONLY_RENEWALS = "only a renewal can require this: "
RENEWAL_KEYS = "each_year, attested_by, asked_of, and held_years go with renewals: remove them"
REVIEWED = "reviewed goes with applications: endorsees sign a renewal themselves"
ATTESTED = "attested_by goes with training, rsc, and membership: remove it"
FORMATS = "formats and caps go with renewals: remove them from an application"
CAP: Table = {"formats": ["peer"], "values": [value(hours=6)]}
TOPIC_CAP: Table = {"topic": "SELF-STUDY", "values": [value(hours=6)]}


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (require(value(**NO_HOURS), **MEMBERSHIP, topic="DEIA"), TOPIC),
        (
            require(value(years=2, **NO_HOURS), **WORK, of="application", window={"months": 12}),
            "a window is about hours: counts must be rsc",
        ),
        (
            require(of="application", window={"months": 12}),
            "a window is about hours: counts must be rsc",
        ),
        (
            require(value(**NO_HOURS), **MEMBERSHIP, of="reinstatement", window={"months": 12}),
            "a window is about hours: counts must be training or rsc",
        ),
        (require(either="hours"), ONLY_APPLICATIONS),
        (require(besides=["DEIA"]), ONLY_APPLICATIONS),
        (require(**RSC, window={"months": 12}), ONLY_APPLICATIONS),
        (require(**RSC, topic="DEIA"), ONLY_APPLICATIONS),
        (require(value(years=2, **NO_HOURS), **WORK), ONLY_APPLICATIONS),
        (
            require(value(**NO_HOURS), of="application", counts="submitted"),
            f"{ONLY_RENEWALS}an application is submitted anyway",
        ),
        (
            require(value(**NO_HOURS), of="application", counts="paid", fee="fee"),
            f"{ONLY_RENEWALS}fees are those of renewals and reinstatements",
        ),
        (require(of="application", each_year=True), RENEWAL_KEYS),
        (require(of="application", attested_by="ethics"), RENEWAL_KEYS),
        (require(of="application", asked_of="those who provide RSC"), RENEWAL_KEYS),
        (require(value(), value(held_years=3), of="application"), RENEWAL_KEYS),
        (require(value(**NO_HOURS), **SIGNED, reviewed=True), REVIEWED),
        (require(value(**NO_HOURS), **SIGNED, attested_by="ethics"), ATTESTED),
        (require(**RSC, of="application", formats=["peer"]), FORMATS),
        (require(**RSC, of="application", caps=[CAP]), FORMATS),
    ],
)
def test_terms_that_do_not_go_together_are_refused(table: Table, reason: str) -> None:
    assert list_reasons(Requirement, table) == [reason]


@pytest.mark.parametrize(
    "table",
    [
        require(topic="DEIA", each_year=True, attested_by="ethics"),
        require(**RSC, formats=["peer", "group"], caps=[CAP]),
        require(**RSC, of="application", window={"months": 12}, topic="DEIA", either="hours"),
        require(of="application", besides=["DEIA"], topic="OTHER"),
        require(of="reinstatement", window={"months": 12}),
        require(value(**NO_HOURS), **SIGNED),
        require(value(**NO_HOURS), **SIGNED, of="application", reviewed=True),
        require(value(**NO_HOURS), **MEMBERSHIP, attested_by="ethics", each_year=True),
        require(value(**NO_HOURS), counts="submitted", asked_of="those who provide RSC"),
        require(value(**NO_HOURS), counts="paid", fee="fee"),
        require(value(years=2, **NO_HOURS), **WORK, of="application"),
        require(value(many=3, **NO_HOURS), **WORK, of="application", unit="families"),
        require(value(), value(held_years=3, hours=9)),
    ],
)
def test_terms_that_go_together_are_accepted(table: Table) -> None:
    assert list_reasons(Requirement, table) == []


@pytest.mark.parametrize(
    ("form", "table", "reason"),
    [
        pytest.param(
            Value,
            value(hours=0.001),
            "hours are whole minutes: write 45.5 for 45 hours and 30 minutes",
            id="part of a minute",
        ),
        pytest.param(
            Value,
            value(date(9999, 1, 1)),
            "is too far away: leave the key out if there is no such day; the last day of a cycle "
            "is that of any real one",
            id="far day",
        ),
        pytest.param(
            WorkRule,
            {"services": ["prevention"], "or_after": ["other"]},
            "or_after without after changes nothing: add after, or remove or_after",
            id="after another education",
        ),
        pytest.param(
            WindowRule,
            {"months": 12, "or_after": ["other"]},
            "or_after without after changes nothing: add after, or remove or_after",
            id="window after another education",
        ),
        pytest.param(
            WindowRule,
            {},
            "limits nothing: write months, after, or while_giving, or remove it",
            id="window of all days",
        ),
        pytest.param(
            ReferenceRule,
            {"slots": [["colleague"], ["colleague"]], "endorsed": 3, "categories": ["IFS"]},
            "endorsed = 3 is more than the 2 references: write fewer, or another list in slots",
            id="too many endorsed",
        ),
        pytest.param(
            ReferenceRule,
            {"slots": [["a"]], "endorsed": 1, "categories": ["IFS"], "vetted_until": LATER},
            "vetted_until without vetted = true changes nothing: add vetted = true, or remove "
            "vetted_until",
            id="last day of vetting",
        ),
        pytest.param(
            ReferenceRule,
            {"slots": [["a"]], "categories": ["IFS"]},
            "categories or vetted without endorsed or endorsed_roles changes nothing: add endorsed "
            "or endorsed_roles, or remove categories or vetted",
            id="nobody is endorsed",
        ),
        pytest.param(
            ReferenceRule,
            {"slots": [["a"]], "endorsed_roles": ["a"]},
            "endorsed or endorsed_roles without categories or vetted changes nothing: add "
            "categories or vetted, or remove endorsed or endorsed_roles",
            id="endorsed as anything",
        ),
        pytest.param(
            Cap,
            {"topic": "DEIA", "values": [value(months=3)]},
            "the value from 2020-01-01: a cap needs hours",
            id="cap of months",
        ),
        pytest.param(
            Cap,
            {"topic": "DEIA", "values": [value(**NO_HOURS)]},
            "the value from 2020-01-01: a cap needs hours",
            id="cap of nothing",
        ),
        pytest.param(
            Cap,
            {"topic": "DEIA", "values": [value(asked=False)]},
            "the value from 2020-01-01: a cap needs hours",
            id="ended cap with hours",
        ),
        pytest.param(
            Cap,
            {"topic": "DEIA", "values": [value(LATER), value()]},
            "values must be in order of their from dates: 2020-01-01 follows 2026-01-01",
            id="cap out of order",
        ),
    ],
)
def test_terms_are_refused_with_what_to_write(
    form: type[StrictModel], table: Table, reason: str
) -> None:
    assert list_reasons(form, table) == [reason]


@pytest.mark.parametrize(
    ("form", "table"),
    [
        (WorkRule, {"services": ["prevention"], "after": "bachelor", "or_after": ["other"]}),
        (EducationRule, {"levels": ["bachelor"], "reviewed": ["other"]}),
        (WindowRule, {"months": 12}),
        (WindowRule, {"after": "master", "or_after": ["other"]}),
        (WindowRule, {"while_giving": True}),
        (WindowRule, {"since": "removal"}),
        (ReferenceRule, {"slots": [["colleague"]], "endorsed": 1, "categories": ["IFS"]}),
        (
            ReferenceRule,
            {"slots": [["a"], ["b"]], "endorsed": 2, "vetted": True, "vetted_until": LATER},
        ),
        (ReferenceRule, {"slots": [["a"]], "endorsed_roles": ["a"], "vetted": True}),
        (Cap, {"topic": "DEIA", "values": [value(), value(LATER, asked=False, **NO_HOURS)]}),
    ],
)
def test_terms_with_their_company_are_accepted(form: type[StrictModel], table: Table) -> None:
    assert list_reasons(form, table) == []


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


@pytest.mark.parametrize(
    ("key", "terms", "needed_by"),
    [
        ("providers", {"providers": "rsc"}, "rsc"),
        ("membership", {"membership": "own"}, "membership"),
        ("education", {"of": "application", "education": {"levels": ["cda"]}}, "education"),
        ("work", {"of": "application", "work": {"services": ["prevention"]}}, "work"),
        ("references", {"of": "application", "references": {"slots": [["a"]]}}, "references"),
        ("signed", {"signed": ["ethics"]}, "signed"),
        ("fee", {"fee": "fee"}, "paid"),
    ],
)
def test_each_key_goes_with_what_is_counted(key: str, terms: Table, needed_by: str) -> None:
    reason = f"{key} goes with counts = '{needed_by}', and is needed there"
    assert reason in list_reasons(Requirement, require(**terms))
    purpose = {"of": terms.get("of", "renewal")}
    assert reason in list_reasons(Requirement, require(counts=needed_by, **purpose))
    amount = value(hours=12 if needed_by == "rsc" else None)
    if needed_by == "work":
        amount["years"] = 2
    assert list_reasons(Requirement, require(amount, counts=needed_by, **terms)) == []


@pytest.mark.parametrize(
    ("terms", "key", "counts"),
    [
        ({"formats": ["peer"]}, "formats", "rsc"),
        ({**RSC, "of": "application", "besides": ["DEIA"]}, "besides", "training"),
        ({"inside": "rsc"}, "inside", "rsc"),
        ({"of": "application", "reviewed": True}, "reviewed", "signed"),
        ({"unit": "families"}, "unit", "work"),
    ],
)
def test_keys_that_change_nothing_are_refused(terms: Table, key: str, counts: str) -> None:
    given = terms.get("counts", "training")
    reason = f"{key} goes with counts = '{counts}', not '{given}': remove it"
    assert list_reasons(Requirement, require(**terms)) == [reason]


def test_each_year_goes_with_hours_and_membership() -> None:
    reason = "each_year goes with training, rsc, and membership: remove it"
    table = require(value(**NO_HOURS), **SIGNED, each_year=True)
    assert list_reasons(Requirement, table) == [reason]
    assert list_reasons(Requirement, require(**RSC, each_year=True)) == []


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


def test_values_of_a_category_follow_its_own_first() -> None:
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


@pytest.mark.parametrize("hours", ["all hours", "fraction by year", 0.5, 1.5, 10.0])
def test_a_lengthened_cycle_keeps_its_hours(hours: str | float) -> None:
    scheme = {"from": FIRST, "kind": "anniversary", "years": 1, "grace_days": 0}
    read = CycleScheme.model_validate({**scheme, "lengthens_on": FIRST, "long_cycle": hours})
    assert read.long_cycle == hours


@pytest.mark.parametrize("hours", ["some hours", 0, 10.5, True])
def test_hours_of_a_lengthened_cycle_are_refused(hours: object) -> None:
    scheme = {"from": FIRST, "kind": "anniversary", "years": 1, "grace_days": 0}
    [reason] = list_reasons(CycleScheme, {**scheme, "lengthens_on": FIRST, "long_cycle": hours})
    assert reason == (
        "must be one of all hours, no hours, fraction by month, fraction by year, or how many "
        "times a full cycle's hours are required, such as 1.5 (at most 10)"
    )
