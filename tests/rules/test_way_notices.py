"""Reminders about windows, days away, and limited terms: no database needed."""

from datetime import date, timedelta
from typing import Any

import pytest

from tests.rules.case_data import IMAGINED
from tests.rules.planned import change_rulebook
from tests.rules.test_notices import CONFIG, alice
from tracker.rulebooks import Rulebooks, with_rulebook
from tracker.rules.notices import Kind, decide, decide_term
from tracker.rules.standing import Absence, Standing, Submitted
from tracker.rules.way_notices import list_term_notices, list_way_notices

DAY = timedelta(days=1)
# WHOLE's renewal of 2028 is due on November 30, and can be submitted through March.
SUMMER, OPENS, CLOSES = date(2028, 8, 1), date(2028, 9, 1), date(2029, 3, 31)
Notice = tuple[str, str, date, tuple[int, ...], str | None]


def stand(
    as_of: date = SUMMER,
    *,
    association: str = "WHOLE",
    category: str = "IFS",
    rulebooks: Rulebooks = IMAGINED,
    **facts: Any,  # noqa: ANN401 - fields of Facts
) -> Standing:
    """How Alice stands in 2028, of whom nothing is on record but what ``facts`` has."""
    return alice(
        as_of,
        cycle=date(2028, 6, 1),
        category=category,
        rulebooks=rulebooks,
        association=association,
        **{"memberships": (), **facts},
    )


def list_ways(as_of: date = SUMMER, **about: Any) -> list[Notice]:  # noqa: ANN401
    found = list_way_notices(CONFIG, stand(as_of, **about), as_of)
    return [(str(n.kind), n.subject_key, n.day, n.steps, n.skipped) for n in found]


def waive_all() -> dict[str, Any]:
    return {"waived": tuple(result.requirement.id for result in stand().results)}


def with_window(closes: str) -> Rulebooks:
    """The imagined rulebooks with another last day of WHOLE's windows from 2026 on."""
    second = 'submission_opens = "09-01"\nsubmission_closes = "03-31"\n'
    opens = 'submission_opens = "09-01"\n'
    return with_rulebook(IMAGINED, change_rulebook("whole", (second, opens + closes)))


def test_window_is_announced_as_it_opens_and_before_it_closes() -> None:
    steps = (-90, -60, -30, -14, -7, -1)
    assert list_ways() == [
        ("window opens", "2026-01-01", OPENS, (0,), None),
        ("window closes", "2026-01-01", CLOSES, steps, None),
    ]


@pytest.mark.parametrize(
    ("closes", "steps"),
    [
        ('submission_closes = "10-02"\n', [(-30, -14, -7, -1)]),
        ('submission_closes = "10-01"\n', [(-14, -7, -1)]),
        # The due date has reminders of its own, which end with it.
        ('submission_closes = "11-30"\n', []),
        ('submission_closes = "12-31"\n', [(-30, -14, -7, -1)]),
        ('submission_closes = "12-30"\n', [(-14, -7, -1)]),
        ("", []),
    ],
)
def test_last_day_of_a_window_has_reminders_within_it(
    closes: str, steps: list[tuple[int, ...]]
) -> None:
    _, *found = list_ways(rulebooks=with_window(closes))
    assert [notice[3] for notice in found] == steps


def test_reminder_of_a_window_is_skipped_once_it_is_used() -> None:
    submitted = Submitted(OPENS, frozenset())
    away = (Absence(date(2028, 10, 1), date.max, "emeritus"),)
    for facts, reason in (
        ({"submitted": submitted}, "the renewal is submitted"),
        (waive_all(), "nothing is missing"),
        ({"leaves": away}, "nothing is missing"),
    ):
        assert {notice[4] for notice in list_ways(**facts)} == {reason}


@pytest.mark.parametrize(("starts_on", "count"), [(OPENS - DAY, 2), (OPENS, 0), (OPENS + DAY, 0)])
def test_window_already_open_on_the_first_day_is_not_announced(starts_on: date, count: int) -> None:
    assert len(list_ways(OPENS + DAY, starts_on=starts_on)) == count


@pytest.mark.parametrize(
    ("association", "category"), [("ATTESTING", "IFS"), ("ATTESTING", "IFRS"), ("TRIENNIAL", "IFS")]
)
def test_no_window_no_announcement(association: str, category: str) -> None:
    assert list_ways(association=association, category=category) == []


def test_window_of_a_renewal_that_is_not_submitted_is_not_announced() -> None:
    standing = alice(date(2024, 8, 1), rulebooks=IMAGINED, association="EARLY", memberships=())
    assert standing.plan.cycle is not None
    assert standing.plan.cycle.opens_on is not None
    assert list(list_way_notices(CONFIG, standing, date(2024, 8, 1))) == []


@pytest.mark.parametrize(
    ("last", "steps"),
    [
        (date(2028, 5, 31), (-7,)),
        (date(2028, 6, 1), (-30, -7)),
        (date(2028, 5, 8), ()),
        (date(2028, 5, 9), (-7,)),
    ],
)
def test_end_of_days_away_is_announced_within_them(last: date, steps: tuple[int, ...]) -> None:
    leave = (Absence(date(2028, 5, 1), last, "inactive"),)
    for as_of in (date(2028, 5, 1), date(2028, 12, 31)):
        found = list_ways(as_of, leaves=leave)[2:]
        assert found == [("absence ends", "inactive", last, steps, None)]
    for as_of in (date(2028, 4, 30), date(2029, 1, 1)):
        assert list_ways(as_of, leaves=leave)[2:] == []


def test_days_away_without_an_end_are_not_announced() -> None:
    assert list_ways(leaves=(Absence(date(2028, 5, 1), date.max),))[2:] == []


def test_end_of_days_away_is_skipped_if_it_changes_nothing() -> None:
    spring = Absence(date(2028, 5, 1), date(2028, 8, 15))
    for starts_on, reason in (
        (date(2028, 8, 15), "another one follows"),
        (date(2028, 8, 16), "another one follows"),
        (date(2028, 8, 17), None),
    ):
        following = Absence(starts_on, date(2028, 8, 31), "inactive")
        found = [n[4] for n in list_ways(leaves=(spring, following)) if n[1] == "leave"]
        assert found == [reason]
    assert list_ways(leaves=(spring,), **waive_all())[2][4] == "every requirement is met"


def test_single_day_away_follows_as_well() -> None:
    spring = Absence(date(2028, 5, 1), date(2028, 8, 15))
    single = Absence(date(2028, 8, 16), date(2028, 8, 16), "inactive")
    found = [n[4] for n in list_ways(leaves=(spring, single)) if n[1] == "leave"]
    assert found == ["another one follows"]


def test_following_days_away_must_begin_in_time() -> None:
    first = Absence(date(2028, 5, 1), date(2028, 8, 15))
    over = Absence(date(2028, 6, 1), date(2028, 8, 15), "inactive")
    found = [n[4] for n in list_ways(leaves=(first, over)) if n[0] == "absence ends"]
    assert found == [None, None]


def test_end_of_a_limited_term_is_announced() -> None:
    ends_on = date(2028, 12, 31)
    (notice,) = [n for n in list_ways(category="EIFS", ends_on=ends_on) if n[0] == "term ends"]
    assert notice == ("term ends", "", ends_on, (-30, -7), None)
    for about in ({"category": "EIFS"}, {"ends_on": ends_on}):
        assert [n for n in list_ways(**about) if n[0] == "term ends"] == []
    assert list(list_term_notices(CONFIG, stand(ends_on=ends_on))) == []


def test_reminders_of_windows_are_decided_with_those_of_renewals() -> None:
    standing = stand(OPENS)
    found = [d for d in decide(CONFIG, standing, (), {}, OPENS) if d.skipped is None]
    assert [(d.key.kind, d.key.due_on, d.key.step) for d in found] == [
        (Kind.RENEWAL, date(2028, 11, 30), -90),
        (Kind.WINDOW_OPENS, OPENS, 0),
    ]
    assert all(d.renewal is standing for d in found)
    late = decide(CONFIG, stand(OPENS + DAY), (), {}, OPENS + DAY)
    assert [d.skipped for d in late if d.key.kind is Kind.WINDOW_OPENS] == [
        "the day that it is about has passed"
    ]
    inactive = stand(OPENS, leaves=(Absence(date(2027, 6, 1), date(2028, 11, 1), "inactive"),))
    found = decide(CONFIG, inactive, (), {}, OPENS)
    assert [d.skipped for d in found if d.key.kind is Kind.WINDOW_OPENS] == [
        "the endorsement is inactive"
    ]


def test_term_that_ends_before_the_due_date_is_decided() -> None:
    ends_on = date(2028, 9, 30)
    standing = stand(category="EIFS")
    standing = standing._replace(facts=standing.facts._replace(ends_on=ends_on))
    found = decide_term(CONFIG, standing, {}, ends_on - 7 * DAY)
    assert [(d.key[:3], d.key.step, d.skipped) for d in found] == [
        ((Kind.TERM_ENDS, "", ends_on), -30, "a later step was due as well"),
        ((Kind.TERM_ENDS, "", ends_on), -7, None),
    ]
    assert all(d.renewal is standing for d in found)
