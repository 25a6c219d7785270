"""The rulebook as a page, and "What if": another reading or rulebook, tried beforehand."""

import csv
import io

import pytest
from httpx2 import Response

from tests.support.cast import BASE_URL, BOOKS, CAROL, CONFIG, DAN
from tests.web.client import Visitor, WebClient, problems, text_of

RULES = "/coordinator/rules"
WHAT_IF = f"{RULES}/what-if"
RESULT = f"{WHAT_IF}/result"
NCIMHA = (CONFIG / "rulebooks" / "ncimha.toml").read_bytes()
DAY = {"association": "NCIMHA", "as_of_month": "11", "as_of_day": "22", "as_of_year": "2026"}
MORE_HOURS = NCIMHA.replace(b"hours = 15", b"hours = 20")
SUBMISSION = b"""
[[requirements]]
id = "submission"
label = "Submission"
about = "On My year"
categories = ["IFS"]
counts = "submitted"

  [[requirements.values]]
  from = 2000-01-01
  source = { document = "ifs", section = "Continuing endorsement: Education & Training" }
"""
ALL_HOURS = f"{RESULT}?reading=first-year%3D2&as_of=2026-11-22"


def upload(visitor: Visitor, content: bytes, **fields: str) -> Response:
    """Post the form with a file, as a browser does; without one, with an empty file field."""
    file = ("new.toml", content) if content else ("", b"")
    return visitor.client.post(
        WHAT_IF, data=DAY | fields, files=[("files", file)], headers={"Origin": BASE_URL}
    )


def rows_of(answer: Response) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.text.lstrip("\ufeff"))))


def test_page_cites_each_source_and_names_who_is_touched(sqlite_web: WebClient) -> None:
    said = text_of(sqlite_web.visit(CAROL).get(RULES))
    assert "Source December 1, 2026 RSC while working: required" in said
    assert "vetted by the association no longer counts IFS, renewals and applications" in said
    assert "2 endorsees" in said
    assert "Dana Ruiz: 1 supervisee" in said
    assert "15 hours from January 1, 2000" in said
    assert "“Continuing endorsement: Education & Training”" in said
    assert "December 31, 2026 The last day on which hours count. Renewals are due" in said


def test_every_interpretation_has_its_readings(sqlite_web: WebClient) -> None:
    page = sqlite_web.visit(CAROL).get(f"{RULES}?part=interpretations").text
    for interpretation in BOOKS.associations["NCIMHA"].interpretations:
        assert f'id="reading-{interpretation.id}"' in page
        for alternative in interpretation.alternatives:
            assert f"reading={interpretation.id}%3D{alternative.reading}" in page


def test_other_associations_rules_stay_closed(sqlite_web: WebClient) -> None:
    dan = sqlite_web.visit(DAN)
    for path in (RULES, WHAT_IF):
        assert dan.get(f"{path}?association=NCIMHA").status_code == 404
    assert upload(dan, MORE_HOURS).status_code == 404
    assert dan.get(f"{ALL_HOURS}&association=NCIMHA").status_code == 404


def test_reading_is_tried_in_three_clicks(web: WebClient) -> None:
    carol = web.visit(CAROL)
    sent = carol.post(WHAT_IF, DAY | {"reading": "calendar-year=3"})
    assert sent.status_code == 303
    said = text_of(carol.get(sent.headers["location"]))
    assert "A year ending on June 30." in said
    assert "2 endorsements judged as of November 22, 2026" in said
    assert "Nothing was changed or sent." in said


def test_uploaded_rulebook_says_who_would_differ(web: WebClient) -> None:
    carol = web.visit(CAROL)
    sent = upload(carol, MORE_HOURS)
    assert sent.status_code == 303
    said = text_of(carol.get(sent.headers["location"] + "&show=amounts"))
    assert "With the uploaded file new.toml" in said
    assert "Training: 15 hours required becomes 20 hours" in said
    rows = rows_of(carol.get(sent.headers["location"].replace("result?", "result.csv?")))
    assert {row["name"] for row in rows} == {"Alice Moreno", "Bob Osei"}
    assert web.cast.rows("audit_event") == []


def test_mail_about_submission_windows_is_named(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    opening = b'ends_on = 2000-12-31\nsubmission_opens = "11-22"\n'
    text = NCIMHA.replace(b"ends_on = 2000-12-31\n", opening, 1) + SUBMISSION
    sent = upload(carol, text)
    assert "Submission windows that open" in text_of(carol.get(sent.headers["location"]))
    mail = text_of(carol.get(sent.headers["location"] + "&show=mail"))
    assert "on the first day to submit, November 22, 2026" in mail


def test_upload_belongs_to_one_association(web: WebClient) -> None:
    upload(web.visit(CAROL), MORE_HOURS)
    [draft] = web.cast.rows("rulebook_draft")
    path = f"{RESULT}?association=CT-AIMH&draft={draft['id']}&as_of=2026-11-22"
    assert web.visit(DAN).get(path).status_code == 410


def test_every_error_of_a_rulebook_is_named_with_its_line(sqlite_web: WebClient) -> None:
    wrong = MORE_HOURS.replace(b"hours = 20", b"hours = -1").replace(b'"EX"', b"")
    wrong = wrong.replace(b'kind = "fixed"', b'kind = "sometimes"')
    answer = upload(sqlite_web.visit(CAROL), wrong)
    assert answer.status_code == 422
    assert "Error: What if: NCIMHA" in answer.text
    assert "Line " in text_of(answer)
    assert sqlite_web.cast.rows("rulebook_draft") == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Choose a rulebook file, or a reading above"),
        (b"\xff\xfe", "Byte 0 of the file is not UTF-8 text. Save the rulebook as UTF-8."),
        (b"#" * 600_000, "The file is larger than 0.5 MB. A rulebook is much smaller."),
    ],
)
def test_what_is_no_rulebook_is_refused(
    sqlite_web: WebClient, content: bytes, message: str
) -> None:
    answer = upload(sqlite_web.visit(CAROL), content)
    assert answer.status_code == 422
    assert problems(answer) == [("files", message)]


def test_rulebook_of_another_association_is_refused(sqlite_web: WebClient) -> None:
    other = (CONFIG / "rulebooks" / "ct-aimh.toml").read_bytes()
    said = text_of(upload(sqlite_web.visit(CAROL), other))
    assert "is 'CT-AIMH', but you compare with the rulebook of 'NCIMHA'" in said


def test_day_far_away_is_refused(sqlite_web: WebClient) -> None:
    answer = upload(sqlite_web.visit(CAROL), MORE_HOURS, as_of_year="2099")
    assert problems(answer) == [("as_of_year", "The year must be from 2024 to 2036")]
    assert sqlite_web.cast.rows("rulebook_draft") == []


@pytest.mark.parametrize(
    "query", ["reading=nothing%3D1", "reading=first-year%3D1", "reading=x", "as_of=x", "draft=x"]
)
def test_made_up_addresses_are_absent(sqlite_web: WebClient, query: str) -> None:
    path = f"{RESULT}?as_of=2026-11-22&{query}"
    assert sqlite_web.visit(CAROL).get(path).status_code in {404, 410}


def test_compare_again_sees_new_records(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    carol.get(ALL_HOURS)
    assert carol.post(ALL_HOURS).status_code == 303
    assert carol.get(ALL_HOURS).status_code == 200
