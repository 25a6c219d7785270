"""When notices go out: days as they are written, and those of an association over others."""

from datetime import date

from tracker.rules.notice_config import (
    CutoffSteps,
    MembershipSteps,
    NoticeConfigs,
    NoticesFile,
    RenewalSteps,
)
from tracker.rules.parse import parse

TEXT = """
too_late_after_days = 10
renewal = { before = [90, 30], optional_before = 45 }

[associations.NCIMHA]
too_late_after_days = 20
renewal = { before = [14] }
"""


def read(text: str) -> NoticeConfigs:
    file, problems = parse(NoticesFile, text, "notices.toml")
    assert file is not None, problems
    return NoticeConfigs.merge(file)


def test_days_before_a_date_are_negative_steps() -> None:
    assert RenewalSteps(before=(90, 0), after=(1, 7)).steps == [-90, 0, 1, 7]
    assert MembershipSteps(before=(30,)).steps == [-30, 1]
    assert MembershipSteps(before=(30,), on_lapse=False).steps == [-30]


def test_a_recent_provider_had_a_session_within_whole_months() -> None:
    assert CutoffSteps(used_within_months=6).recent_from(date(2026, 8, 31)) == date(2026, 2, 28)


def test_a_number_of_days_is_given_once() -> None:
    for key in ("before", "after"):
        _, problems = parse(NoticesFile, f"renewal = {{ {key} = [30, 7, 30] }}", "notices.toml")
        assert [str(problem) for problem in problems] == [
            f"notices.toml: renewal.{key}: a number of days is given twice: 30, 7, 30 (line 1)"
        ]


def test_an_association_has_its_own_days_over_those_of_all() -> None:
    configs = read(TEXT)
    shared, own = configs.of("CT-AIMH"), configs.of("NCIMHA")
    assert shared == configs.installation
    assert (shared.too_late_after_days, shared.renewal.before) == (10, (90, 30))
    assert (own.too_late_after_days, own.renewal.before) == (20, (14,))
    assert own.renewal.optional_before == 45
    assert own.membership == shared.membership
