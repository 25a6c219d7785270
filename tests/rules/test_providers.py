"""On which days a provider qualifies, against a day-by-day oracle, and the words for why."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rules.case_data import IMAGINED, REAL, span
from tests.rules.oracle import qualifies
from tests.rules.planned import change_rulebook
from tests.rules.strategies import HOLDINGS, any_day, holdings
from tracker.rulebooks import Rulebooks
from tracker.rules.description import describe_accepted
from tracker.rules.providers import (
    Credential,
    Ending,
    Provider,
    explain_unqualified,
    find_ending,
    find_qualification,
    format_ending,
    held_on,
    qualified_spans,
)
from tracker.rules.reasons import format_reason
from tracker.rules.standing import Span

DAY = timedelta(days=1)
RULES = [
    pytest.param(rulebooks, name, id=name)
    for rulebooks in (REAL, IMAGINED)
    for name in rulebooks.provider_rules
]
FIRST, LAST = date(2023, 5, 1), date(2028, 6, 30)


def provider(held: list[str], name: str = "Bob") -> Provider:
    degree, credentials = "none", []
    for holding in held:
        if holding.startswith("degree "):
            degree = holding.split()[1]
            continue
        first, second, days = holding.split()
        association, category = (second, None) if first == "vetted" else (first, second)
        credentials.append(Credential(association, category, *span(days)))
    return Provider(name, degree, tuple(credentials))


def spans(rule: str, *held: str) -> list[Span]:
    association, found = REAL.provider_rules[rule]
    return qualified_spans(association, found, provider(list(held)))


def reason_for(rule: str, day: str, *held: str) -> str:
    association, found = REAL.provider_rules[rule]
    return format_reason(
        explain_unqualified(association, found, provider(list(held)), date.fromisoformat(day))
    )


def days_of(first: str, last: str) -> Span:
    return Span(date.fromisoformat(first), date.fromisoformat(last))


@pytest.mark.parametrize(("rulebooks", "name"), RULES)
@settings(max_examples=20)
@given(data=st.data())
def test_spans_match_the_days_of_the_oracle(
    rulebooks: Rulebooks, name: str, data: st.DataObject
) -> None:
    association, rule = rulebooks.provider_rules[name]
    held = data.draw(holdings(rulebooks))
    found = qualified_spans(association, rule, provider(held))
    day = FIRST
    while day <= LAST:
        inside = sum(s.starts_on <= day <= s.ends_on for s in found)
        assert inside == qualifies(rulebooks, name, held, day), day
        day += DAY


@pytest.mark.parametrize(("rulebooks", "name"), RULES)
@given(data=st.data())
def test_spans_and_days_have_reasons(rulebooks: Rulebooks, name: str, data: st.DataObject) -> None:
    association, rule = rulebooks.provider_rules[name]
    held, day = provider(data.draw(holdings(rulebooks))), data.draw(any_day)
    spans_found = qualified_spans(association, rule, held)
    for earlier, later in pairwise(spans_found):
        assert earlier.ends_on + DAY < later.starts_on
    counts = any(s.starts_on <= day <= s.ends_on for s in spans_found)
    assert (find_qualification(association, rule, held, day) is not None) == counts
    if not counts:
        assert held.name in format_reason(explain_unqualified(association, rule, held, day))
    for found in spans_found:
        if found.ends_on < date.max:
            ending = find_ending(association, rule, held, found.ends_on)
            assert ending.last_day == found.ends_on
            assert ending.credential is not None


def test_open_end_is_the_maximum_date() -> None:
    assert spans("CT-AIMH/ifs-rsc", "CT-AIMH IFRS 2010-01-01") == [
        days_of("2010-01-01", "9999-12-31")
    ]


def test_spans_that_touch_are_one() -> None:
    found = spans(
        "CT-AIMH/ifs-rsc",
        "CT-AIMH IFRS 2020-01-01..2020-06-30",
        "MI-AIMH IFRS 2020-07-01..2020-12-31",
    )
    assert found == [days_of("2020-01-01", "2020-12-31")]


def test_spans_a_day_apart_are_two() -> None:
    found = spans(
        "CT-AIMH/ifs-rsc",
        "CT-AIMH IFRS 2020-01-01..2020-06-30",
        "MI-AIMH IFRS 2020-07-02..2020-12-31",
    )
    assert found == [days_of("2020-01-01", "2020-06-30"), days_of("2020-07-02", "2020-12-31")]


def test_a_span_within_another_adds_nothing() -> None:
    found = spans(
        "CT-AIMH/ifs-rsc", "CT-AIMH IFRS 2020-01-01", "CT-AIMH IMHM-C 2021-01-01..2021-12-31"
    )
    assert found == [days_of("2020-01-01", "9999-12-31")]


def test_late_imhs_never_qualified_for_ifs() -> None:
    assert spans("CT-AIMH/ifs-rsc", "CT-AIMH IMHS 2024-05-01") == []


def test_qualification_names_the_credential() -> None:
    association, rule = REAL.provider_rules["NCIMHA/ifs-rsc"]
    vera, day = provider(["vetted NCIMHA 2020-01-01"]), date(2024, 1, 1)
    vetted = find_qualification(association, rule, vera, day)
    assert vetted
    assert vetted.credential.status == "vetted by NCIMHA"
    maya = provider(["CT-AIMH IMHM-C 2020-01-01"])
    endorsed = find_qualification(association, rule, maya, day)
    assert endorsed
    assert endorsed.credential.status == "IMHM-C"


def test_last_of_several_endings_is_the_reason() -> None:
    reason = reason_for(
        "CT-AIMH/ifs-rsc",
        "2026-01-01",
        "CT-AIMH IMHS 2010-01-01",
        "CT-AIMH IFRS 2020-01-01..2025-06-30",
    )
    assert reason == "Bob's endorsement as IFRS ended on June 30, 2025"


def test_first_of_several_beginnings_is_the_reason() -> None:
    reason = reason_for(
        "CT-AIMH/ifs-rsc",
        "2025-01-01",
        "CT-AIMH IMHM-C 2026-07-01",
        "CT-AIMH IFRS 2026-01-01",
    )
    assert reason == "Bob's endorsement as IFRS counts only from January 1, 2026"


def test_reason_says_what_the_rule_accepts() -> None:
    reason = reason_for("CT-AIMH/ifs-rsc", "2025-01-01", "CT-AIMH IMHS 2024-05-01")
    assert reason == "Bob was IMHS on January 1, 2025: the rule accepts IFRS or IMHM-C"


@pytest.mark.parametrize(
    ("rule", "held", "last", "reason"),
    [
        (
            "CT-AIMH/ifs-rsc",
            ["CT-AIMH IMHS 2010-01-01"],
            "2024-04-30",
            "Bob's endorsement as IMHS counts only through April 30, 2024",
        ),
        (
            "CT-AIMH/ifs-rsc",
            ["CT-AIMH IFS 2010-01-01", "degree master"],
            "2024-04-30",
            "Bob's endorsement as IFS (with a master's degree) counts only through April 30, 2024",
        ),
        (
            "NCIMHA/ifs-rsc",
            ["vetted NCIMHA 2010-01-01"],
            "2027-12-21",
            "Bob's vetting by NCIMHA counts only through December 21, 2027",
        ),
        (
            "NCIMHA/ifs-rsc",
            ["vetted NCIMHA 2010-01-01..2026-06-30"],
            "2026-06-30",
            "Bob's vetting by NCIMHA ends on June 30, 2026",
        ),
        (
            "NCIMHA/ifs-rsc",
            ["NCIMHA ERS 2010-01-01..2026-06-30"],
            "2026-06-30",
            "Bob's endorsement as ERS ends on June 30, 2026",
        ),
    ],
)
def test_format_ending_names_the_credential(
    rule: str, held: list[str], last: str, reason: str
) -> None:
    association, found = REAL.provider_rules[rule]
    last_day = date.fromisoformat(last)
    ending = find_ending(association, found, provider(held), last_day)
    assert (ending.last_day, format_ending(ending, last_day)) == (last_day, reason)


def test_ending_without_a_known_cause_has_a_reason() -> None:
    association, found = REAL.provider_rules["NCIMHA/ifs-rsc"]
    held = provider(["NCIMHA ERS 2010-01-01..2026-06-30"])
    ending = find_ending(association, found, held, date(2025, 1, 1))
    assert format_ending(ending, date(2025, 1, 1)) == "Bob does not qualify after January 1, 2025"
    assert format_ending(ending, date(2025, 1, 2)) == "Bob did not qualify after January 1, 2025"


def test_missing_degree_is_named_with_its_last_day_if_any() -> None:
    until = "  until = 2026-02-28\n"
    for changes, words in (
        ((), " until February 28, 2026: the rule accepts"),
        (((until, ""),), ": the rule accepts"),
    ):
        rule = change_rulebook("providing", *changes).providers["rsc"]
        held = provider(["PROVIDING IMHM-P 2020-01-01"])
        reason = format_reason(explain_unqualified("PROVIDING", rule, held, date(2025, 6, 1)))
        assert f"Bob is IMHM-P, which counted only with a master's degree{words}" in reason


def test_credential_is_held_on_its_first_and_last_day() -> None:
    held = provider(["CT-AIMH IFS 2025-01-01..2025-01-02"])
    days = [date(2024, 12, 31) + n * DAY for n in range(4)]
    assert [len(held_on("CT-AIMH", held, day)) for day in days] == [0, 1, 1, 0]


def test_degree_is_named_only_if_the_rule_ends() -> None:
    association, found = REAL.provider_rules["CT-AIMH/ifs-rsc"]
    for last, degree in (("2024-04-29", None), ("2024-04-30", "master")):
        held = provider([f"CT-AIMH IFS 2010-01-01..{last}", "degree master"])
        assert find_ending(association, found, held, date.fromisoformat(last)).degree == degree


def test_ending_is_in_past_tense_after_its_day() -> None:
    vetting = Credential("NCIMHA", None, FIRST, date(2026, 6, 30))
    ending = Ending("Bob", date(2026, 6, 30), vetting)
    assert "ends on June 30, 2026" in format_ending(ending, date(2026, 6, 30))
    assert "ended on June 30, 2026" in format_ending(ending, date(2026, 7, 1))


def test_credential_known_to_one_association_counts_there_alone() -> None:
    association, rule = REAL.provider_rules["NCIMHA/ifs-rsc"]
    for known_to, expected in (("NCIMHA", [Span(FIRST, date.max)]), ("CT-AIMH", [])):
        held = Credential("CT-AIMH", "IMHM-C", FIRST, None, known_to)
        bob = Provider("Bob", "none", (held,))
        assert qualified_spans(association, rule, bob) == expected
        reason = format_reason(explain_unqualified(association, rule, bob, FIRST))
        assert ("not known as endorsed or vetted" in reason) == (not expected)


def test_what_a_rule_accepts_is_described_with_its_terms() -> None:
    _, rule = IMAGINED.provider_rules["PROVIDING/rsc"]
    mentors, advisors, vetted = map(describe_accepted, rule.accepts)
    assert mentors == "IFRS, IMHM-C, held for at least 3 years without a break, on any day"
    assert advisors == (
        "IMHM-P with at least a master's degree endorsed by PROVIDING or JUNE, held for at least "
        "1 year without a break, from March 1, 2024 through February 28, 2026"
    )
    assert vetted == "vetted by TRIENNIAL or JUNE, from January 1, 2025 through December 31, 2025"


def test_the_random_holdings_hold_something_for_each_rule() -> None:
    held = {h.split()[1] for h in (*HOLDINGS[REAL], *HOLDINGS[IMAGINED]) if "vetted" not in h}
    for rulebooks in (REAL, IMAGINED):
        for _, rule in rulebooks.provider_rules.values():
            assert held & {c for accepted in rule.accepts for c in accepted.categories}
