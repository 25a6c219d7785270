"""Why sessions with a provider do not count: what is known, and which reason comes first."""

from collections.abc import Callable
from datetime import date

import pytest

from tests.rules.case_data import IMAGINED
from tests.rules.test_providers import days_of, provider
from tracker.rules.model import ProviderRule
from tracker.rules.providers import (
    Credential,
    Provider,
    explain_unqualified,
    find_ending,
    find_qualification,
    qualified_spans,
    sources_on,
)
from tracker.rules.reasons import format_reason
from tracker.rules.standing import Span

PROVIDING, RULE = IMAGINED.provider_rules["PROVIDING/rsc"]
SAYS = "IFRS or IMHM-C for three years; IMHM-P of ours for one; vetted by TRIENNIAL or JUNE in 2025"


def reason_for(
    held: str, day: str, rule: ProviderRule = RULE, *, known_to: str | None = None
) -> str:
    """Why sessions with Bob don't count; ``held`` are his credentials, divided by commas."""
    bob = provider([each.strip() for each in held.split(",")] if held else [])
    known = [credential._replace(known_to=known_to) for credential in bob.credentials]
    bob = bob._replace(credentials=tuple(known))
    return format_reason(explain_unqualified(PROVIDING, rule, bob, date.fromisoformat(day)))


@pytest.mark.parametrize(
    ("held", "day", "reason"),
    [
        pytest.param(
            "JUNE IFRS 2022-06-15",
            "2022-06-15",
            "Bob's endorsement as IFRS counts only after 3 years without a break: held since June "
            "15, 2022, it counts starting June 15, 2025",
            id="too short on its first day",
        ),
        pytest.param(
            "JUNE IFRS 2022-06-15..2025-06-15",
            "2024-01-01",
            "Bob's endorsement as IFRS counts only after 3 years without a break: held since June "
            "15, 2022, it counts starting June 15, 2025",
            id="reached on its last day",
        ),
        pytest.param(
            "JUNE IFRS 2022-06-15..2023-06-14",
            "2023-06-14",
            "Bob's endorsement as IFRS counts only after 3 years without a break: it has been held "
            "only since June 15, 2022",
            id="too short on its last day",
        ),
        pytest.param(
            "JUNE IFRS 2012-01-01..2012-12-31, TRIENNIAL IFRS 2024-01-01",
            "2024-06-01",
            "Bob's endorsement as IFRS counts only after 3 years without a break: held since "
            "January 1, 2024, it counts starting January 1, 2027",
            id="held again",
        ),
        pytest.param(
            "JUNE IMHM-P 2025-03-01, degree master",
            "2025-06-01",
            "Bob's endorsement as IMHM-P counts only after 1 year without a break: it has been "
            "held only since March 1, 2025",
            id="the rule ends before",
        ),
        pytest.param(
            "JUNE IMHM-P 2020-01-01, degree master",
            "2024-02-29",
            "Bob's endorsement as IMHM-P counts only from March 1, 2024",
            id="the rule has not begun",
        ),
        pytest.param(
            "JUNE IFRS 2022-01-01..2025-12-31, vetted JUNE 2020-01-01",
            "2021-06-01",
            "Bob's endorsement as IFRS counts only from January 1, 2025",
            id="two begin and end together",
        ),
        pytest.param(
            "JUNE IFRS 2010-01-01..2025-06-30, JUNE IMHM-C 2020-01-01..2024-12-31",
            "2026-01-01",
            "Bob's endorsement as IFRS ended on June 30, 2025",
            id="the first to begin ended last",
        ),
        pytest.param(
            "vetted JUNE 2020-01-01",
            "2026-01-01",
            "Bob's vetting by JUNE counted only through December 31, 2025",
            id="the rule has ended",
        ),
        pytest.param(
            "JUNE IMHM-P 2020-01-01, degree master",
            "2026-03-01",
            "Bob's endorsement as IMHM-P (with a master's degree) counted only through February "
            "28, 2026",
            id="the rule about a degree has ended",
        ),
        pytest.param(
            "JUNE IMHM-P 2020-01-01",
            "2025-06-01",
            "Bob is IMHM-P, which counted only with a master's degree until February 28, 2026: the "
            f"rule accepts {SAYS}",
            id="without the degree",
        ),
        pytest.param(
            "TRIENNIAL IMHM-P 2020-01-01, degree master",
            "2025-06-01",
            f"Bob was IMHM-P on June 1, 2025: the rule accepts {SAYS}",
            id="at another association",
        ),
        pytest.param(
            "JUNE IMHM-P 2026-03-01, degree doctorate",
            "2027-06-01",
            f"Bob was IMHM-P on June 1, 2027: the rule accepts {SAYS}",
            id="with the degree, but too late",
        ),
        pytest.param(
            "",
            "2025-06-01",
            "Bob was not known as endorsed or vetted on June 1, 2025: the rule accepts " + SAYS,
            id="nothing known",
        ),
    ],
)
def test_reason_says_why_sessions_do_not_count(held: str, day: str, reason: str) -> None:
    assert reason_for(held, day) == reason


@pytest.mark.parametrize(
    ("held", "day", "reason"),
    [
        ("JUNE IFRS 2024-01-01", "2024-06-01", "it counts starting January 1, 2027"),
        ("JUNE IFRS 2010-01-01..2020-12-31", "2024-06-01", "IFRS ended on December 31, 2020"),
        ("JUNE IMHM-P 2020-01-01", "2025-06-01", "counted only with a master's degree until"),
        ("JUNE IFS 2020-01-01", "2025-06-01", "Bob was IFS on June 1, 2025: the rule accepts"),
    ],
)
def test_what_another_association_knows_is_not_the_reason(held: str, day: str, reason: str) -> None:
    assert reason in reason_for(held, day, known_to=PROVIDING)
    nothing = reason_for("", day)
    assert reason_for(held, day, known_to="JUNE") == nothing


def test_sources_follow_what_the_association_knows() -> None:
    accepts = [
        {"categories": ["IFRS"], "source": {"document": "guide", "section": "Mentors"}},
        {"vetted": True, "source": {"document": "guide", "section": "Vetting"}},
    ]
    rule = ProviderRule.model_validate({"says": "IFRS, or vetted", "accepts": accepts})
    day = date(2025, 6, 1)
    sections = []
    for known_to in (PROVIDING, "JUNE"):
        bob = Provider("Bob", "none", (Credential("JUNE", "IFRS", day, day, known_to),))
        sections.append([source.section for source in sources_on(PROVIDING, rule, bob, day)])
    assert sections == [["Mentors"], ["Mentors", "Vetting"]]
    assert [source.section for source in sources_on(PROVIDING, rule, None, day)] == sections[1]


def test_years_follow_a_part_without_years() -> None:
    mentors, *others = RULE.accepts
    rule = RULE.model_copy(update={"accepts": (others[-1], mentors)})
    reason = reason_for("JUNE IFRS 2024-01-01", "2024-06-01", rule)
    assert "counts only after 3 years without a break" in reason


def test_years_follow_a_part_that_is_closed() -> None:
    mentors, advisors, _ = RULE.accepts
    rule = RULE.model_copy(update={"accepts": (advisors, mentors)})
    reason = reason_for("JUNE IFRS 2023-01-01", "2024-02-01", rule)
    assert "counts only after 3 years without a break" in reason


def qualify(held: str) -> list[Span]:
    return qualified_spans(PROVIDING, RULE, provider([held]))


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ("vetted JUNE 2025-12-31", [days_of("2025-12-31", "2025-12-31")]),
        ("vetted JUNE 2026-01-01", []),
        ("JUNE IFRS 2024-01-01..2024-01-01", []),
        ("JUNE IFRS 2021-12-31..2024-12-31", [days_of("2024-12-31", "2024-12-31")]),
    ],
)
def test_single_days_count_like_others(held: str, expected: list[Span]) -> None:
    assert qualify(held) == expected


@pytest.mark.parametrize("find", [find_qualification, find_ending])
def test_the_last_day_still_qualifies(find: Callable[..., object]) -> None:
    held = provider(["vetted JUNE 2020-01-01"])
    found = find(PROVIDING, RULE, held, date(2025, 12, 31))
    assert getattr(found, "credential", None) == held.credentials[0]
