"""Old files beside newer applications: each row stays with its own application."""

from datetime import date

import pytest

from tests.importer.importer import PEOPLE, Importer

OF_ALICES = "alice@example.org,NCIMHA,IFS"
OLD = f"{OF_ALICES},2022-01-10,2022-03-10,declined"
NEW = f"{OF_ALICES},2024-01-10,,"
HEADINGS = {
    "applications": "opened_on,decided_on,state",
    "attestations": "what,signed_on",
    "exams": "taken_on,passed",
    "references": "referee_email,referee_name,role,received_on,relationship,signed_as",
}


def csv_of(kind: str, *rows: str) -> str:
    return "\n".join([f"email,association,category,{HEADINGS[kind]}", *rows, ""])


def evidence_of(day: str) -> dict[str, str]:
    """A signature, an exam and a reference of one day."""
    return {
        "attestations": csv_of("attestations", f"{OF_ALICES},ethics,{day}"),
        "exams": csv_of("exams", f"{OF_ALICES},{day},no"),
        "references": csv_of(
            "references",
            f"{OF_ALICES},rita@example.net,Rita,teacher,{day},Taught her,Rita Roe",
        ),
    }


def apply_twice(importer: Importer, *old: str) -> None:
    """Import an application that was decided, and a newer one."""
    importer.run(people=PEOPLE, applications=csv_of("applications", *(old or (OLD,)), NEW))


def whose(importer: Importer) -> list[list[int]]:
    """The opening years of the applications that hold attestations, exams and references."""
    years = {number: day.year for number, day in importer.rows("application", "id", "opened_on")}
    tables = ("attestation", "exam_result", "reference")
    return [[years[each] for (each,) in importer.rows(t, "application_id")] for t in tables]


def test_an_old_file_fills_no_newer_application(importer: Importer) -> None:
    old = evidence_of("2022-02-01")
    importer.run(people=PEOPLE, applications=csv_of("applications", OLD), **old)
    importer.run(applications=csv_of("applications", NEW))
    before = importer.all_rows()
    report = importer.run(**old)
    assert [counts.unchanged for counts in report.counts.values()] == [1, 1, 1]
    assert importer.all_rows() == before
    assert whose(importer) == [[2022], [2022], [2022]]


@pytest.mark.parametrize(
    ("day", "year"),
    [
        ("2022-01-10", 2022),
        ("2022-03-10", 2022),
        ("2024-01-10", 2024),
        ("2024-01-11", 2024),
    ],
)
def test_a_row_joins_the_application_open_that_day(importer: Importer, day: str, year: int) -> None:
    apply_twice(importer)
    importer.run(**evidence_of(day))
    assert whose(importer) == [[year]] * 3
    assert importer.run(**evidence_of(day)).person_ids == set()


@pytest.mark.parametrize("day", ["2022-01-09", "2022-03-11", "2024-01-09"])
def test_a_day_without_open_application_is_refused(sqlite_importer: Importer, day: str) -> None:
    apply_twice(sqlite_importer)
    what = (
        f'"{day}": alice@example.org has no application for NCIMHA IFS that was open on that day: '
        "must be from 2022-01-10 to 2022-03-10 or 2024-01-10 or later"
    )
    assert sqlite_importer.problem_texts(**evidence_of(day)) == [
        f"attestations.csv:2: signed_on {what}",
        f"exams.csv:2: taken_on {what}",
        f"references.csv:2: received_on {what}",
    ]


def test_a_day_before_the_application_is_refused(sqlite_importer: Importer) -> None:
    applications = csv_of("applications", NEW)
    exams = evidence_of("2024-01-09")["exams"]
    [problem] = sqlite_importer.problem_texts(people=PEOPLE, applications=applications, exams=exams)
    assert problem.endswith("was open on that day: must be 2024-01-10 or later")


def test_a_day_put_right_stays_with_its_application(importer: Importer) -> None:
    apply_twice(importer)
    importer.run(**evidence_of("2022-02-01"))
    importer.run(attestations=evidence_of("2022-02-02")["attestations"])
    assert importer.rows("attestation", "signed_on") == [(date(2022, 2, 2),)]
    importer.run(attestations=evidence_of("2024-02-02")["attestations"])
    assert whose(importer)[0] == [2022, 2024]


def test_stored_rows_stay_with_their_application(
    importer: Importer,
) -> None:
    old = OLD.replace("2022-03-10", "2024-01-10")
    day = evidence_of("2024-01-10")
    importer.run(people=PEOPLE, applications=csv_of("applications", old), **day)
    importer.run(applications=csv_of("applications", NEW))
    importer.run(**day)
    assert whose(importer) == [[2022], [2022], [2022]]
    importer.run(exams=day["exams"].replace("no", "yes"))
    assert importer.rows("exam_result", "passed") == [(True,)]


@pytest.mark.parametrize(("received_on", "years"), [("2022-02-01", [2022]), ("", [2022, 2024])])
def test_an_old_file_skips_referees_who_answered(
    importer: Importer, received_on: str, years: list[int]
) -> None:
    waiting = csv_of("references", f"{OF_ALICES},rita@example.net,Rita,teacher,,,")
    answered = evidence_of("2022-02-01")["references"] if received_on else waiting
    importer.run(people=PEOPLE, applications=csv_of("applications", OLD), references=answered)
    importer.run(applications=csv_of("applications", NEW))
    importer.run(references=waiting)
    assert whose(importer)[2] == years
