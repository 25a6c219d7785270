"""What a requirement of a rulebook can't say, in words; and what it can."""

from datetime import date

import pytest

from tests.rules.tables import (
    FIRST,
    LATER,
    MEMBERSHIP,
    NO_HOURS,
    RSC,
    SIGNED,
    WORK,
    Table,
    list_reasons,
    require,
    value,
)
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

TOPIC = "a topic is a part of hours: counts must be training or rsc"
ONLY_APPLICATIONS = 'only an application can require this: write of = "application"'
ONLY_RENEWALS = "only a renewal can require this: "
RENEWAL_KEYS = "each_year, attested_by, asked_of, and held_years go with renewals: remove them"
REVIEWED = "reviewed goes with applications: endorsees sign a renewal themselves"
ATTESTED = "attested_by goes with training, rsc, and membership: remove it"
FORMATS = "formats and caps go with renewals: remove them from an application"
CAP: Table = {"formats": ["peer"], "values": [value(hours=6)]}


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
