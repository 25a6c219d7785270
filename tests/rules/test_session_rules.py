"""Formats, caps, a spread over months, hours in each year: what is refused, the pace, the words."""

from datetime import date
from pathlib import Path

import pytest

from tests.rules.case_data import IMAGINED
from tracker.rules.caps import count_whole_minutes, limit_by_caps, list_cap_sentences
from tracker.rules.description import describe_rulebook
from tracker.rules.explain import LoggedEntry, Verdict
from tracker.rules.parse import parse_rulebook
from tracker.rules.plan import RenewalPlan
from tracker.rules.reasons import because
from tracker.rules.renewal import Pace, falls_behind_on, forecast, judge_renewal
from tracker.rules.rule_changes import list_changes_ahead
from tracker.rules.standing import DaySum, Facts, Result, Standing

RULEBOOK = (Path(__file__).parents[1] / "rulebooks/rulebooks/formats.toml").read_text("utf-8")
MONTHS = (Path(__file__).parents[1] / "rulebooks/rulebooks/months.toml").read_text("utf-8")
TOPIC_CAP = '[[requirements.caps]]\n  topic = "SELF-STUDY"'
PEER_CAP = '[[requirements.caps]]\n  formats = ["peer"]'


def problems(text: str, *changes: tuple[str, str]) -> list[str]:
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return [str(problem) for problem in parse_rulebook(text, "ex.toml")[1]]


def plan_of(association: str = "FORMATS", category: str = "IFS", day: str = "") -> RenewalPlan:
    on = date.fromisoformat(day or "2025-06-01")
    plan = IMAGINED.plan(association, category, date(2020, 5, 1), on)
    assert plan
    return plan


def stand(plan: RenewalPlan, as_of: date, *days: DaySum) -> Standing:
    facts = Facts(1, 1, "", "", date(2020, 5, 1), None, provides_rsc=False, minutes={}, days=days)
    standing = judge_renewal(plan, facts, as_of)
    assert standing
    return standing


def result_of(standing: Standing, requirement_id: str) -> Result:
    (result,) = [r for r in standing.results if r.requirement.id == requirement_id]
    return result


def rsc(day: str, hours: int, session_format: str | None = "individual") -> DaySum:
    return DaySum(date.fromisoformat(day), "rsc", session_format, None, hours * 60)


def session(number: int, day: str, hours: int, session_format: str | None) -> LoggedEntry:
    held_on = date.fromisoformat(day)
    return LoggedEntry(number, 1, "rsc", held_on, hours * 60, "", 2, None, session_format, None, {})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(
            (TOPIC_CAP, '[[requirements.caps]]\n  formats = ["peer"]'),
            "requirements[1]: caps[1]: formats are those of RSC sessions: counts must be rsc",
            id="formats of training",
        ),
        pytest.param(
            (TOPIC_CAP, "[[requirements.caps]]"),
            "requirements[1].caps[1]: a cap limits hours that are alike: write formats = "
            '["peer"], or a topic',
            id="a cap on nothing",
        ),
        pytest.param(
            (PEER_CAP, '[[requirements.caps]]\n  formats = ["individual", "peer"]'),
            "requirements[2]: caps[2]: another cap of this requirement limits some of the same",
            id="caps that overlap",
        ),
        pytest.param(
            (PEER_CAP, '[[requirements.caps]]\n  formats = ["peer", "group", "individual"]'),
            "requirements[2]: caps[2]: it must limit some, not all, of the formats that count: "
            "individual, group, peer",
            id="a cap on all formats",
        ),
        pytest.param(
            (PEER_CAP, '[[requirements.caps]]\n  formats = ["peer", "peer"]'),
            "requirements[2].caps[2]: formats lists something more than once",
            id="a format twice",
        ),
        pytest.param(
            (PEER_CAP, '[[requirements.caps]]\n  formats = ["pair"]'),
            "requirements[2].caps[2].formats[1]: write 'individual', 'group' or 'peer'",
            id="an unknown format",
        ),
        pytest.param(
            ("hours = 15", "hours = 45"),
            "requirements[1].caps[1]: on 2022-01-01 it lets 45 hours count of 45 that are "
            "required, so it limits nothing: write fewer hours, or end it on that day",
            id="a cap that limits nothing",
        ),
        pytest.param(
            ("hours = 15", "hours = 15\n    held_years = 3"),
            "requirements[1].caps[1]: the value from 2022-01-01: a cap is the same for everyone: "
            "remove categories and held_years",
            id="a cap for some",
        ),
        pytest.param(
            ("  from = 2028-01-01\n    hours = 10", "  from = 2028-01-02\n    hours = 10"),
            "requirements[1].caps[1].values[2].from: 2028-01-02 is the second day of the cycle",
            id="a cap from the second day of a cycle",
        ),
        pytest.param(
            ("months = 18", "months = 37"),
            "requirements[4].values[1].months: 37 months do not fit into 36",
            id="more months than the cycle has",
        ),
        pytest.param(
            ("months = 18", "months = 18\n  hours = 9"),
            "requirements[4]: months and hours are two requirements: write another one with its "
            "own id",
            id="months and hours",
        ),
        pytest.param(
            ('id = "rsc.months"', 'id = "rsc.yearly.2"'),
            "renewal requirements of IFS: 'rsc.yearly.2' is given more than once",
            id="the id of a year",
        ),
    ],
)
def test_rules_that_would_be_silently_wrong_are_refused(
    change: tuple[str, str], expected: str
) -> None:
    (found,) = problems(RULEBOOK, change)
    assert found.removeprefix("ex.toml: ").startswith(expected)


def test_twelve_months_fit_into_a_year_and_thirteen_do_not() -> None:
    assert problems(MONTHS, ("months = 9", "months = 12")) == []
    (found,) = problems(MONTHS, ("months = 9", "months = 13"))
    assert "13 months do not fit into 12" in found


def test_an_empty_year_is_behind_after_two_months_of_it() -> None:
    hours = [rsc("2025-02-01", 36)]
    plan = plan_of()
    standing = stand(plan, date(2025, 12, 31), *hours)
    second = result_of(standing, "rsc.yearly.2")
    assert forecast(standing, second, date(2025, 12, 31)) is None
    for day, is_behind in ((date(2026, 3, 1), False), (date(2026, 3, 2), True)):
        later = stand(plan, day, *hours)
        found = forecast(later, result_of(later, "rsc.yearly.2"), day)
        assert (found is not None and found.pace is Pace.BEHIND) == is_behind


def test_a_year_that_ended_short_is_behind_from_the_next_day() -> None:
    days = [rsc("2025-02-01", 8), rsc("2025-12-31", 0), rsc("2026-01-01", 28)]
    for day, is_behind in ((date(2025, 12, 31), False), (date(2026, 1, 1), True)):
        standing = stand(plan_of(), day, *days)
        found = forecast(standing, result_of(standing, "rsc.yearly.1"), day)
        assert (found is not None and found.pace is Pace.BEHIND) == is_behind


def test_too_few_months_left_are_behind() -> None:
    plan = plan_of("MONTHS", "IFS", "2025-06-01")
    assert plan.cycle
    assert plan.cycle.ends_on == date(2026, 4, 30)
    # May to September: five months with a session, four are missing from January on.
    standing = stand(plan, date(2025, 10, 1), *(rsc(f"2025-0{n}-01", 1) for n in range(5, 10)))
    assert falls_behind_on(standing) == date(2026, 1, 18)
    # Seven of nine months: March and April are enough, April alone is not.
    months = [f"2025-{n:02}-01" for n in range(5, 12)]
    standing = stand(plan, date(2026, 1, 1), *(rsc(day, 1) for day in months))
    assert falls_behind_on(standing) == date(2026, 4, 1)
    # Eight of nine months: one in April is enough.
    months = [f"2025-{n:02}-01" for n in range(5, 13)]
    standing = stand(plan, date(2026, 1, 1), *(rsc(day, 1) for day in months))
    assert falls_behind_on(standing) is None


def test_hours_of_a_session_beyond_a_cap_are_explained() -> None:
    plan = plan_of()
    entries = [session(1, "2025-02-01", 4, "peer"), session(2, "2025-03-01", 4, "peer")]
    ids = ("rsc", "rsc.yearly.1", "rsc.months")
    given = [(entry, Verdict(ids, None)) for entry in reversed(entries)]
    (first, whole), (second, part) = limit_by_caps(plan, given)
    assert (first.id, whole.capped) == (1, ())
    assert part.requirement_ids == ids
    assert list_cap_sentences(plan, second, part) == [
        "only 2 of 4 hours toward RSC: at most 6 hours of peer sessions count"
    ]
    assert [count_whole_minutes(plan, *pair) for pair in ((first, whole), (second, part))] == [
        240,
        120,
    ]


def test_a_session_wholly_beyond_a_cap_still_counts_for_its_month() -> None:
    plan = plan_of()
    entries = [session(1, "2025-02-01", 6, "peer"), session(2, "2025-03-01", 4, "peer")]
    given = [(entry, Verdict(("rsc", "rsc.months"), None)) for entry in entries]
    *_, (second, verdict) = limit_by_caps(plan, given)
    assert verdict.requirement_ids == ("rsc.months",)
    assert list_cap_sentences(plan, second, verdict) == [
        "not toward RSC: at most 6 hours of peer sessions count"
    ]
    assert count_whole_minutes(plan, second, verdict) == 0


def test_earlier_sessions_count_first_then_those_logged_first() -> None:
    plan = plan_of()
    march = [session(number, "2025-03-01", 2, "peer") for number in (2, 1)]
    given = [
        (each, Verdict(("rsc",), None)) for each in (*march, session(3, "2025-02-01", 4, "peer"))
    ]
    limited = list(limit_by_caps(plan, given))
    assert [entry.id for entry, _ in limited] == [3, 1, 2]
    assert [verdict.counts for _, verdict in limited] == [True, True, False]
    reason = because("format_cap", hours="6 hours", formats=("peer",))
    assert limited[2][1] == Verdict((), reason)


def test_tightest_of_two_caps_is_the_reason() -> None:
    plan = plan_of()
    entries = [session(1, "2025-02-01", 22, "group"), session(2, "2025-03-01", 5, "peer")]
    given = [(entry, Verdict(("rsc",), None)) for entry in entries]
    _, (second, verdict) = limit_by_caps(plan, given)
    assert list_cap_sentences(plan, second, verdict) == [
        "only 2 of 5 hours toward RSC: at most 24 hours of group and peer sessions count"
    ]


def test_training_beyond_a_topic_counts_in_part() -> None:
    plan = plan_of()
    topics = {"SELF-STUDY": 18 * 60}
    entry = session(1, "2025-02-01", 20, None)._replace(activity="training", topics=topics)
    ((_, verdict),) = limit_by_caps(plan, [(entry, Verdict(("training",), None))])
    assert list_cap_sentences(plan, entry, verdict) == [
        "only 17 of 20 hours toward training: at most 15 hours about SELF-STUDY count"
    ]
    assert count_whole_minutes(plan, entry, verdict) == 17 * 60


def test_sessions_under_no_cap_keep_their_verdicts() -> None:
    whole, apart = session(1, "2025-02-01", 9, "peer"), session(2, "2025-02-02", 9, "peer")
    given = [(whole, Verdict(("rsc",), None)), (apart, Verdict(("rsc.yearly.1",), None))]
    (_, first), (_, second) = limit_by_caps(plan_of(), given)
    assert (len(first.capped), second) == (1, given[1][1])
    associates = plan_of(category="IFA")
    assert list(limit_by_caps(associates, given)) == given


def test_hours_count_whole_where_only_months_are_required() -> None:
    plan = plan_of("MONTHS")
    entry = session(1, "2025-06-01", 2, None)
    assert count_whole_minutes(plan, entry, Verdict(("rsc.months",), None)) == 120
    refused = Verdict((), because("no_provider"))
    assert count_whole_minutes(plan, entry, refused) == 0


def test_requirements_have_names_that_can_be_read_alone() -> None:
    names = {r.id: (r.label, r.hours_name) for r in plan_of().requirements}
    assert names["rsc.yearly.2"] == (
        "Yearly reflective supervision, second year",
        "RSC in the second year",
    )
    assert names["rsc.months"][1] == "RSC in different months"
    associates = {r.id: r.hours_name for r in plan_of(category="IFA").requirements}
    assert associates == {
        "rsc": "individual and group RSC",
        "rsc.individual": "individual RSC",
    }


def test_the_rulebook_in_words_has_limits_and_years() -> None:
    words = "\n".join(describe_rulebook(IMAGINED.associations["FORMATS"], {}))
    assert "at most 15 hours about SELF-STUDY, from January 1, 2022" in words
    assert "limit of rsc from January 1, 2022: at most 6 hours of peer sessions" in words
    assert "only individual and group sessions count" in words
    assert "in each year of the cycle, counted from its first day" in words
    assert "from January 1, 2022: 18 calendar months" in words


def test_a_limit_that_changes_is_a_change_ahead() -> None:
    ahead = list_changes_ahead(IMAGINED.associations["FORMATS"], date(2027, 12, 31))
    assert [(change.day, change.says) for change in ahead] == [
        (date(2028, 1, 1), "Training: at most 10 hours about SELF-STUDY")
    ]
