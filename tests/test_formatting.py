"""Hours as people write them, and whole minutes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.formatting import as_hours, format_hours, format_hours_with_unit, parse_hours


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("1.5", 90),
        ("1.", 60),
        ("1.333", 80),
        ("1.555", 93),
        ("1.5 hrs.", 90),
        ("1 1/2", 90),
        ("3/4 h", 45),
        ("90 min.", 90),
        ("1,5", 90),
        ("1:30", 90),
        ("90 min", 90),
        ("90min", 90),
        ("90 minutes", 90),
        ("90m", 90),
        ("1 h 30 min", 90),
        ("1h30m", 90),
        ("1h30", 90),
        ("1 h 30", 90),
        ("1h5m", 65),
        ("1½", 90),
        ("½ h", 30),
        ("2 ¼", 135),
        ("¾", 45),
        ("1.5 hours", 90),
        ("1.5h", 90),
        ("1 hr", 60),
        ("2 hrs", 120),
        (".5", 30),
        (",25 h", 15),
        ("0:05", 5),
        ("0.33", 20),
        ("0.67", 40),
        ("0.01", 1),
        ("24", 1440),
        ("  3  ", 180),
        ("0", 0),
        ("1.50", 90),
        ("2 H", 120),
    ],
)
def test_hours_are_read(text: str, minutes: int) -> None:
    assert parse_hours(text) == minutes


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "-1",
        "+1",
        "1.55555",
        "1:60",
        "1:5",
        "one",
        "1 30",
        "1e3",
        "1.5.5",
        "h",
        ".",
        "12345",
        "1h3",
        "1½½",
        "1h60",
    ],
)
def test_other_text_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match=r"hours are written like 1\.5, 1:30 or 90 min"):
        parse_hours(text)


@given(st.integers(0, 9999))
def test_minutes_survive_a_round_trip(minutes: int) -> None:
    assert parse_hours(f"{as_hours(minutes)}") == minutes
    assert parse_hours(format_hours(minutes)) == minutes


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        *((0, "0 hours"), (30, "0.5 hours"), (60, "1 hour"), (90, "1.5 hours")),
        *((600, "10 hours"), (720, "12 hours"), (6000, "100 hours"), (20, "0.33 hours")),
    ],
)
def test_hours_are_formatted_with_a_unit(minutes: int, said: str) -> None:
    assert format_hours_with_unit(minutes) == said


def test_hours_for_json_have_two_places() -> None:
    assert (as_hours(900), as_hours(20), as_hours(899)) == (15.0, 0.33, 14.98)
