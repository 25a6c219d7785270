"""CSV that spreadsheets show and do not calculate with, and that an import reads back."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.spreadsheet_csv import csv_lines, harmless, plain


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\uff1d1", "'=1", "''=cmd|' /C'!A0"]
)
def test_what_a_spreadsheet_would_calculate_gets_an_apostrophe(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "Group RSC", "1=1", "'til noon", "O'Hara", "8.5"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert harmless(text) == plain(text) == text


@given(st.text())
def test_what_was_made_harmless_is_found_again(text: str) -> None:
    assert plain(harmless(text)) == text


def test_a_file_has_the_mark_and_the_line_ends_that_spreadsheets_expect() -> None:
    data = b"".join(csv_lines(("title", "hours"), [("Play, and\n“more”", "1.5"), ('"=1"', "2")]))
    assert data.startswith(b"\xef\xbb\xbftitle,hours\r\n")
    assert data.endswith(b"\r\n")
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert rows[1:] == [["Play, and\n“more”", "1.5"], ['"=1"', "2"]]
