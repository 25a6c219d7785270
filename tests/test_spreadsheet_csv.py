"""CSV that spreadsheets show and do not calculate with, and that an import reads back."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.spreadsheet_csv import csv_lines, escape_formula, unescape_formula


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\uff1d1", "'=1", "''=cmd|' /C'!A0"]
)
def test_a_formula_gets_an_apostrophe(text: str) -> None:
    assert escape_formula(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "Group RSC", "1=1", "'til noon", "O'Hara", "8.5"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert escape_formula(text) == unescape_formula(text) == text


@given(st.text())
def test_an_escaped_text_is_restored(text: str) -> None:
    assert unescape_formula(escape_formula(text)) == text


def test_files_have_a_byte_order_mark_and_crlf() -> None:
    data = b"".join(csv_lines(("title", "hours"), [("Play, and\n“more”", "1.5"), ('"=1"', "2")]))
    assert data.startswith(b"\xef\xbb\xbftitle,hours\r\n")
    assert data.endswith(b"\r\n")
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert rows[1:] == [["Play, and\n“more”", "1.5"], ['"=1"', "2"]]
