"""Transcripts: what they list, in which order, as page, CSV and PDF; and whose they are."""

import csv
import io
import os
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pypdf
import pytest
from sqlalchemy import insert, update

from tests.support.cast import ALICE, BOB, ERIN, EVE
from tests.web.client import WebClient, text_of
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.exports import pdf_files

HOSTILE = '=HYPERLINK("x") #eval("1+1") *b* $x$ \\ `raw` <b>bold</b> @ref // [a] {b} \u202e\u200bé'


def address(web: WebClient, email: str = ALICE, year: int = 2026) -> str:
    return f"/transcript/{web.cast.endorsements[email]}/{year}-01-01"


def rows_of(web: WebClient, email: str = ALICE, year: int = 2026) -> list[dict[str, str]]:
    answer = web.visit(email).get(f"{address(web, email, year)}.csv")
    assert answer.status_code == 200
    text = answer.content.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def pdf_of(web: WebClient) -> pypdf.PdfReader:
    answer = web.visit(ALICE).get(f"{address(web)}.pdf")
    assert answer.headers["content-type"] == "application/pdf"
    return pypdf.PdfReader(io.BytesIO(answer.content))


def words_of(reader: pypdf.PdfReader) -> str:
    text = " ".join(page.extract_text() for page in reader.pages)
    return " ".join(text.replace("\u200b", "").split())


def log_more(web: WebClient, many: int, title: str) -> None:
    """So many trainings, the number of each at the end of its title."""
    rows = [
        {
            "person_id": web.cast.people[ALICE],
            "activity": "training",
            "held_on": date(2026, 2, 1 + number % 28),
            "minutes": 15,
            "title": f"{title} {number}",
        }
        for number in range(many)
    ]
    with writing(web.cast.engine) as session:
        session.connection().execute(insert(METADATA.tables["entry"]), rows)


def test_the_page_shows_the_person_and_the_standing(web: WebClient) -> None:
    page = text_of(web.visit(ALICE).get(address(web)))
    assert "Name Alice Moreno" in page
    assert "Infant Family Specialist (IFS)" in page
    assert "January 1, 2026 to December 31, 2026" in page
    assert "Not yet complete on November 22, 2026. Due on December 31, 2026." in page
    assert "16.5 of 15 hours" in page
    assert "Jo Hart is not yet confirmed as qualified" in page
    assert "8.5 hours counted, 1 hour not counted." in page


def test_parts_follow_the_order_of_the_document(
    sqlite_web: WebClient,
) -> None:
    page = text_of(sqlite_web.visit(ALICE).get(address(sqlite_web)))
    headings = ["Education and training", "Professional membership", "Reflective supervision"]
    assert [h for _, h in sorted((page.index(h), h) for h in headings)] == headings
    parts = list(dict.fromkeys(row["Part"] for row in rows_of(sqlite_web)))
    assert [part[:12] for part in parts] == [heading[:12] for heading in headings]


def test_the_csv_lists_rows_and_then_requirements(sqlite_web: WebClient) -> None:
    rows = rows_of(sqlite_web)
    training = next(r for r in rows if r["Title"] == "Infant mental health week")
    assert (training["Date"], training["Hours"], training["Counts"]) == (
        "2026-05-02",
        "16.5",
        "yes",
    )
    assert {r["Name"] for r in rows} == {"Alice Moreno"}
    sessions = [(r["Provider"], r["Date"]) for r in rows if r["Provider"]]
    assert sessions == sorted(sessions)
    assert sessions[0] == ("Dana Ruiz", "2026-01-12")
    unknown = next(r for r in rows if r["Provider"] == "Jo Hart")
    assert (unknown["Counted hours"], unknown["Counts"]) == ("0", "no")
    asked = [r for r in rows if r["Title"].startswith("Required")]
    assert [(r["Hours required"], r["Hours reached"], r["Counts"]) for r in asked] == [
        ("15", "16.5", "Done"), ("1", "0", "Short"), ("", "", "Done"), ("12", "8.5", "Short"),
    ]  # fmt: skip


def test_the_csv_hours_can_be_summed(sqlite_web: WebClient) -> None:
    rows = rows_of(sqlite_web)
    asked = [r for r in rows if r["Title"].startswith("Required")]
    assert {r["Hours"] + r["Counted hours"] for r in asked} == {""}
    of_rsc = [r for r in rows if r["Part"].startswith("Reflective") and r["Date"]]
    assert sum(float(r["Counted hours"]) for r in of_rsc) == 8.5


def test_an_earlier_cycle_has_its_own_transcript(sqlite_web: WebClient) -> None:
    rows = rows_of(sqlite_web, year=2025)
    old = next(r for r in rows if r["Title"] == "Last year's conference")
    assert (old["Hours"], old["Hours about DEIA"]) == ("15.5", "1")
    page = text_of(sqlite_web.visit(ALICE).get(address(sqlite_web, year=2025)))
    assert "Complete on November 22, 2026" in page


@pytest.mark.parametrize("ending", ["", ".csv", ".pdf"])
def test_a_transcript_is_only_for_whose_it_is(sqlite_web: WebClient, ending: str) -> None:
    for who in (BOB, ERIN, EVE):
        visitor = sqlite_web.visit(who)
        absent = visitor.get(f"/transcript/999999/2026-01-01{ending}")
        foreign = visitor.get(f"{address(sqlite_web)}{ending}")
        assert (foreign.status_code, foreign.content) == (404, absent.content)


@pytest.mark.parametrize(
    "day", ["2026-01-02", "20260101", "2026-W01-4", "2023-01-01", "2027-01-01", "x", "2026-13-01"]
)
def test_a_day_without_a_cycle_start_is_missing(sqlite_web: WebClient, day: str) -> None:
    number = sqlite_web.cast.endorsements[ALICE]
    for ending in ("", ".csv", ".pdf"):
        answer = sqlite_web.visit(ALICE).get(f"/transcript/{number}/{day}{ending}")
        assert answer.status_code == 404


def test_an_endorsement_that_ended_keeps_its_transcripts(sqlite_web: WebClient) -> None:
    table = METADATA.tables["endorsement"]
    with writing(sqlite_web.cast.engine) as session:
        session.connection().execute(
            update(table)
            .where(table.c.id == sqlite_web.cast.endorsements[ALICE])
            .values(ends_on=date(2026, 9, 30))
        )
    page = text_of(sqlite_web.visit(ALICE).get(address(sqlite_web)))
    assert "The endorsement ended before this renewal was due." in page
    assert "Infant mental health week" in page


def test_the_pdf_is_tagged_with_language_and_title(sqlite_web: WebClient) -> None:
    reader = pdf_of(sqlite_web)
    root: Any = reader.trailer["/Root"]
    assert "/StructTreeRoot" in root
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en-US"
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert reader.metadata is not None
    assert reader.metadata.title == (
        "Transcript: Alice Moreno, NCIMHA, January 1, 2026 to December 31, 2026"
    )
    assert b"pdfuaid:part" in root["/Metadata"].get_data()


def test_a_long_pdf_repeats_its_table_headings(sqlite_web: WebClient) -> None:
    log_more(sqlite_web, 60, "Training number")
    reader = pdf_of(sqlite_web)
    words = words_of(reader)
    assert len(reader.pages) >= 3
    assert [n for n in range(60) if f"Training number {n} " not in words] == []
    assert f"Page 2 of {len(reader.pages)}" in words
    assert "Date Title Hours Topics Counts" in " ".join(reader.pages[1].extract_text().split())
    assert "Jo Hart is not yet confirmed as qualified" in words


def test_typed_text_is_never_markup(sqlite_web: WebClient) -> None:
    log_more(sqlite_web, 1, HOSTILE)
    words = words_of(pdf_of(sqlite_web))
    for piece in ('#eval("1+1")', "*b*", "$x$", "`raw`", "<b>bold</b>", "@ref", "// [a] {b}"):
        assert piece in words
    assert "&lt;b&gt;bold" in sqlite_web.visit(ALICE).get(address(sqlite_web)).text
    titles = [row["Title"] for row in rows_of(sqlite_web)]
    assert f"'{HOSTILE} 0" in titles


@pytest.mark.parametrize("name", ["Zoë Nguyễn", "王小明", "אבגד", "🙂", "Ł" * 200, "\u0301"])
def test_a_name_in_any_letters_makes_a_pdf(sqlite_web: WebClient, name: str) -> None:
    table = METADATA.tables["person"]
    with writing(sqlite_web.cast.engine) as session:
        mine = table.c.id == sqlite_web.cast.people[ALICE]
        session.connection().execute(update(table).where(mine).values(name=name))
    root: Any = pdf_of(sqlite_web).trailer["/Root"]
    assert "/StructTreeRoot" in root


def test_without_typst_the_page_explains_printing(
    sqlite_web: WebClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf_files, "AVAILABLE", False)
    alice = sqlite_web.visit(ALICE)
    page = alice.get(address(sqlite_web)).text
    assert "choose “Save as PDF”" in page
    assert ".pdf" not in page
    assert ".pdf" not in alice.get("/takeaways").text
    assert alice.get(f"{address(sqlite_web)}.pdf").status_code == 404


def rss_in_mb() -> float:
    """The memory of this process that is in use."""
    pages = int(Path("/proc/self/statm").read_text("utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_pdfs_leave_no_memory_behind(sqlite_web: WebClient) -> None:
    log_more(sqlite_web, 300, "Training")
    pdf_of(sqlite_web)
    before = rss_in_mb()
    for _ in range(5):
        pdf_of(sqlite_web)
    assert rss_in_mb() - before < 20


def test_one_pdf_is_made_for_a_person_at_a_time(sqlite_web: WebClient) -> None:
    alice = sqlite_web.cast.people[ALICE]
    with pdf_files.wait_for_turn(alice):
        answer = sqlite_web.visit(ALICE).get(f"{address(sqlite_web)}.pdf")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert pdf_of(sqlite_web).pages


@pytest.mark.parametrize(
    "limits", ["MOST_BYTES = 60_000_000", "MOST_CPU_SECONDS = 0", "raise SystemExit(3)"]
)
def test_a_pdf_beyond_its_limits_leads_to_the_page(
    sqlite_web: WebClient, monkeypatch: pytest.MonkeyPatch, limits: str
) -> None:
    code = f"from tracker.exports import typesetting as t; t.{limits}; t.main()"
    if "raise" in limits:
        code = limits
    monkeypatch.setattr(pdf_files, "_CHILD", [sys.executable, "-c", code])
    alice = sqlite_web.visit(ALICE)
    answer = alice.get(f"{address(sqlite_web)}.pdf")
    assert answer.headers["location"] == address(sqlite_web)
    assert "We could not make the PDF. Print this page instead" in text_of(alice.follow(answer))
