"""Uploads become tables of text, and hostile ones are refused."""

import io
import zipfile
from datetime import date, datetime

import pytest
from openpyxl import Workbook

from tracker.importer.file_text import UnreadableFile
from tracker.importer.workbooks import read_upload


def save(workbook: Workbook) -> bytes:
    file = io.BytesIO()
    workbook.save(file)
    return file.getvalue()


def make_workbook(**sheets: list[list[object]]) -> bytes:
    workbook = Workbook()
    workbook.remove(workbook.worksheets[0])
    for name, rows in sheets.items():
        sheet = workbook.create_sheet(name)
        for row in rows:
            sheet.append(row)
    return save(workbook)


def test_a_csv_file_is_one_sheet() -> None:
    [sheet] = read_upload("roster.csv", b"Name;Email\nAlice;a@example.org\n\nBob;b@example.org\n")
    assert (sheet.label, sheet.heading) == ("roster.csv", ["Name", "Email"])
    assert sheet.rows == [(2, ["Alice", "a@example.org"]), (4, ["Bob", "b@example.org"])]


def test_each_visible_sheet_with_rows_is_read() -> None:
    data = make_workbook(
        People=[["Name", "Since"], ["Alice", date(2024, 3, 1)]],
        Empty=[],
        Hours=[["Hours", "Ok"], [1.5, True], [None, None], [2.0, False]],
    )
    people, hours = read_upload("a.xlsx", data)
    assert people.label == "a.xlsx, People"
    assert people.rows == [(2, ["Alice", "2024-03-01"])]
    assert hours.rows == [(2, ["1.5", "yes"]), (4, ["2", "no"])]


def test_a_title_above_the_heading_is_skipped() -> None:
    data = make_workbook(A=[["Members of 2026"], [], ["Name", "Email"], ["Alice", "a@example.org"]])
    [sheet] = read_upload("a.xlsx", data)
    assert sheet.heading == ["Name", "Email"]
    assert sheet.rows == [(4, ["Alice", "a@example.org"])]


def test_a_list_without_a_heading_is_refused() -> None:
    rows = b"Zoe Hart,zoe@example.org,IFS\nYan Li,yan@example.org,IFA\n"
    with pytest.raises(UnreadableFile, match="has an email address in its first row"):
        read_upload("roster.csv", rows)


def test_a_formula_without_a_stored_result_is_refused() -> None:
    data = make_workbook(A=[["Name", "Hours"], ["Alice", "=1+1"]])
    with pytest.raises(UnreadableFile, match=r"row 2: the result of the formula =1\+1 is not"):
        read_upload("a.xlsx", data)


def test_a_stored_result_counts_and_nothing_is_calculated() -> None:
    data = make_workbook(A=[["Name", "Hours"], ["Alice", "=1+1"]])
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(changed, "w") as new:
        for part in old.infolist():
            text = old.read(part)
            if part.filename == "xl/worksheets/sheet1.xml":
                text = text.replace(b"<v></v>", b"<v>7</v>").replace(b"<v />", b"<v>7</v>")
            new.writestr(part, text)
    [sheet] = read_upload("a.xlsx", changed.getvalue())
    assert sheet.rows == [(2, ["Alice", "7"])]


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 50_000_000)
    with pytest.raises(UnreadableFile, match="too large once it is unpacked"):
        read_upload("a.xlsx", file.getvalue())


def test_entities_are_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", '<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>')
    with pytest.raises(UnreadableFile, match="no spreadsheet program writes"):
        read_upload("a.xlsx", file.getvalue())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04 and nothing else", "is damaged"),
        (b"\xd0\xcf\x11\xe0 an old file", "save it as .xlsx"),
        (b"Name,Email\n", "has no rows below"),
        (b"a,b\n" + b"x,y\n" * 50_001, "upload it in parts"),
        (b"a,b\n" + b"x" * 6_000 + b",y\n", "a cell of more than 5000 characters"),
    ],
)
def test_what_cannot_be_read_says_why(data: bytes, message: str) -> None:
    with pytest.raises(UnreadableFile, match=message):
        read_upload("a.xlsx", data)


def test_another_zip_file_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("people.csv", "email,name")
    with pytest.raises(UnreadableFile, match="not an Excel workbook"):
        read_upload("a.zip", file.getvalue())


def test_an_instant_keeps_its_time() -> None:
    data = make_workbook(A=[["Name", "At"], ["Alice", datetime(2026, 1, 2, 3, 4)]])  # noqa: DTZ001
    [sheet] = read_upload("a.xlsx", data)
    assert sheet.rows == [(2, ["Alice", "2026-01-02 03:04:00"])]
