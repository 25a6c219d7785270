"""Instants as they are typed on the command line."""

import re
from datetime import UTC, datetime

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tracker.cli.main import app
from tracker.cli.options import parse_day, parse_instant


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("2024-12-01T08:00-05:00", datetime(2024, 12, 1, 13, tzinfo=UTC)),
        ("2024-12-01T08:00Z", datetime(2024, 12, 1, 8, tzinfo=UTC)),
        ("2024-12-01T08:00", datetime(2024, 12, 1, 8, tzinfo=UTC)),
        ("2024-12-01 08:00:30", datetime(2024, 12, 1, 8, 0, 30, tzinfo=UTC)),
        ("2024-12-01", datetime(2024, 12, 1, 23, 59, tzinfo=UTC)),
        ("2024-02-29", datetime(2024, 2, 29, 23, 59, tzinfo=UTC)),
    ],
)
def test_an_instant_is_read_as_utc(typed: str, meant: datetime) -> None:
    assert parse_instant(typed) == meant
    assert parse_instant(typed).tzinfo is UTC


@pytest.mark.parametrize(
    "typed",
    [
        *("", "tomorrow", "2024-13-01", "2023-02-29", "2024-12-01T25:00", "December 1, 2024"),
        *("9999-12-31T23:59-05:00", "0001-01-01T00:00+05:00"),
    ],
)
def test_a_wrong_instant_is_explained(typed: str) -> None:
    with pytest.raises(typer.BadParameter, match="Write it as YYYY-MM-DDTHH:MM-05:00"):
        parse_instant(typed)


@pytest.mark.parametrize("day", ["0001-01-01", "0900-06-01", "9500-01-01", "9999-12-31"])
def test_a_day_far_away_is_refused(day: str) -> None:
    for parse in (parse_day, parse_instant):
        with pytest.raises(typer.BadParameter, match=f"{day} is too far away"):
            parse(day)


@given(st.text())
def test_any_text_is_an_instant_or_a_refusal(typed: str) -> None:
    try:
        assert parse_instant(typed).tzinfo is UTC
    except typer.BadParameter as error:
        assert "is not an instant" in str(error) or "too far" in str(error)  # noqa: PT017 - most texts are none


@pytest.mark.parametrize("command", ["token revoke", "remove undo", "import --undo"])
@pytest.mark.parametrize("number", ["0", "2147483648", "9" * 30])
def test_a_number_that_no_row_has_is_refused(command: str, number: str) -> None:
    refused = CliRunner().invoke(app, [*command.split(), number])
    assert refused.exit_code == 2
    assert re.search("should be (greater|less) than or equal to (1|2147483647)", refused.stderr)
