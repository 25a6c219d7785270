"""The rule cases of tests/cases/*.toml, each judged by the database and the rules together."""

from collections import defaultdict
from datetime import date
from typing import Any

import pytest
from sqlmodel import Session

from tests.rules.case_data import (
    ENDORSEE,
    IMAGINED,
    REAL,
    cases,
    format_outcomes,
    judge_person,
    populate,
    verdicts,
)
from tracker.rulebooks import Rulebooks
from tracker.rules.explain import LoggedEntry, Verdict
from tracker.rules.reasons import format_reason
from tracker.rules.standing import Standing
from tracker.services.evaluation import DayOf, days_at

NO_RENEWAL = "no renewal"
STANDING_KEYS = {"of", "status", "due_on", "cycle", "next_change_on", "absent", "not_counted"}
CASE_KEYS = {
    *("name", "rulebooks", "as_of", "at", "cycle", "expect", "who", "providers", "provides_rsc"),
    *("endorsed", "members", "entries", "leave", "inactive", "waived", "extended", "submitted"),
    *("applied", "payments", "emeritus"),
}


CASES = list(cases("cases"))


def test_each_case_has_its_own_name() -> None:
    names = [case.id for case in CASES]
    assert sorted(names) == sorted(set(names))


def test_no_case_has_a_key_that_nothing_reads() -> None:
    unknown = {(case.id, key) for case in CASES for key in case.values[0] if key not in CASE_KEYS}
    assert unknown == set()


@pytest.mark.parametrize("case", CASES)
def test_case(session: Session, case: dict[str, Any]) -> None:
    rulebooks = IMAGINED if case.get("rulebooks") == "imagined" else REAL
    day_of = as_of_days(case, rulebooks)
    people = populate(session, rulebooks, case)
    person_id = people.ids[case.get("who", ENDORSEE)]
    found = judge_person(session, rulebooks, day_of, person_id, case.get("cycle"))
    for expected in expectations(case, found):
        standing = found.get(expected["of"])
        if standing is None:
            assert expected["status"] == NO_RENEWAL
            continue
        assert {**describe(standing), **read_expectation(expected)} == describe(standing)
        as_of = day_of(standing.plan.association)
        explained = verdicts(session, standing, as_of)
        assert sums(explained, standing) == {
            r.requirement.id: r.counted for r in standing.results if r.requirement.is_of_sessions
        }
        if "not_counted" in expected:
            reasons = [
                f"{e.held_on}: {format_reason(v.reason)}"
                for e, v in explained
                if v.reason and not v.counts
            ]
            assert reasons == expected["not_counted"]


def as_of_days(case: dict[str, Any], rulebooks: Rulebooks) -> DayOf:
    if "at" in case:
        return days_at(rulebooks, case["at"])
    as_of: date = case["as_of"]
    return lambda _: as_of


def expectations(case: dict[str, Any], found: dict[str, Standing]) -> list[dict[str, Any]]:
    """What is expected of each standing; of the only one where the case names none."""
    expect = case["expect"]
    if isinstance(expect, list):
        return expect
    assert len(found) <= 1, f"format_outcomes which of {sorted(found)} is meant"
    return [{**expect, "of": next(iter(found), "")}]


def describe(standing: Standing) -> dict[str, Any]:
    """The standing in the words of an expectation."""
    cycle = standing.plan.cycle
    requirements = format_outcomes(standing)
    absent = {
        *("training", "training.deia", "training.rsc", "training.return", "rsc", "membership"),
        *("rsc.yearly.1", "rsc.yearly.2", "rsc.yearly.3"),
    } - {*requirements}
    return {
        **requirements,
        "status": standing.status.value,
        "due_on": standing.due_on,
        "cycle": f"{cycle.starts_on}..{cycle.ends_on}" if cycle else None,
        "next_change_on": standing.next_change_on,
        **describe_dates(standing),
        **dict.fromkeys(absent, "not asked"),
    }


def describe_dates(standing: Standing) -> dict[str, Any]:
    """The end of the grace period, and the days on which the renewal can be submitted."""
    cycle, due_on = standing.plan.cycle, standing.due_on
    if cycle is None or due_on is None:
        return {}
    window = f"{cycle.opens_on}..{cycle.closes_on or ''}" if cycle.opens_on else "none"
    return {"grace_ends_on": cycle.grace_ends_on(due_on), "window": window}


def read_expectation(expected: dict[str, Any]) -> dict[str, Any]:
    kept = {k: v for k, v in expected.items() if k not in {"of", "not_counted", "absent"}}
    if kept.get("next_change_on") == "never":
        kept["next_change_on"] = None
    return {**kept, **dict.fromkeys(expected.get("absent", ()), "not asked")}


def sums(explained: list[tuple[LoggedEntry, Verdict]], standing: Standing) -> dict[str, int]:
    """What the explanations add up to, a requirement."""
    found: defaultdict[str, int] = defaultdict(int)
    months: defaultdict[str, set[str]] = defaultdict(set)
    topics = {r.requirement.id: r.requirement.topic for r in standing.results}
    for entry, verdict in explained:
        for requirement in verdict.requirement_ids if verdict.counts else ():
            topic = topics.get(requirement)
            minutes = entry.topics[topic] if topic else entry.minutes
            found[requirement] += capped_minutes(verdict, requirement, minutes)
            months[requirement].add(str(entry.held_on)[:7])
    for result in standing.results:
        if result.requirement.is_spread:
            found[result.requirement.id] = len(months[result.requirement.id])
    hours = [r.requirement.id for r in standing.results if r.requirement.is_of_sessions]
    return {requirement: found[requirement] for requirement in hours}


def capped_minutes(verdict: Verdict, requirement_id: str, minutes: int) -> int:
    """The minutes of an entry that count toward a requirement."""
    for hours in verdict.capped:
        if hours.requirement_id == requirement_id:
            return hours.minutes
    return minutes
