"""Hours as people type them."""

import pytest

from tracker.web.forms.fields import HoursError, parse_session_hours


@pytest.mark.parametrize(
    ("typed", "minutes"), [("1.5", 90), ("1:30", 90), ("90 min", 90), ("24", 1440), ("1 min", 1)]
)
def test_hours_are_read_as_minutes(typed: str, minutes: int) -> None:
    assert parse_session_hours(typed, "the hours") == minutes


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "Enter the hours, like 1.5, 1:30, or 90 min"),
        ("some", "Write the hours like 1.5, 1:30, or 90 min"),
        ("0", "The hours must be more than 0"),
        ("24:01", "The hours must be at most 24"),
        ("90", "The hours must be at most 24. For minutes, write 90 min"),
    ],
)
def test_what_are_no_hours_of_a_day_is_said(typed: str, words: str) -> None:
    with pytest.raises(HoursError) as caught:
        parse_session_hours(typed, "the hours")
    assert str(caught.value) == words
