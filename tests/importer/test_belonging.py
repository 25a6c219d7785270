"""Old files beside newer applications: each row stays with the application it was signed for."""

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
    importer.take(people=PEOPLE, applications=csv_of("applications", *(old or (OLD,)), NEW))


def whose(importer: Importer) -> list[list[int]]:
    """The opening years of the applications that hold attestations, exams and references."""
    years = {number: day.year for number, day in importer.rows("application", "id", "opened_on")}
    tables = ("attestation", "exam_result", "reference")
    return [[years[each] for (each,) in importer.rows(t, "application_id")] for t in tables]


def test_an_old_file_once_more_fills_no_newer_application(importer: Importer) -> None:
    old = evidence_of("2022-02-01")
    importer.take(people=PEOPLE, applications=csv_of("applications", OLD), **old)
    importer.take(applications=csv_of("applications", NEW))
    before = importer.everything()
    report = importer.take(**old)
    assert [counts.unchanged for counts in report.counts.values()] == [1, 1, 1]
    assert importer.everything() == before
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
def test_a_row_belongs_to_the_application_that_was_open_on_its_day(
    importer: Importer, day: str, year: int
) -> None:
    apply_twice(importer)
    importer.take(**evidence_of(day))
    assert whose(importer) == [[year]] * 3
    assert importer.take(**evidence_of(day)).person_ids == set()


@pytest.mark.parametrize("day", ["2022-01-09", "2022-03-11", "2024-01-09"])
def test_a_row_of_a_day_on_which_no_application_was_open_is_refused(
    sqlite_importer: Importer, day: str
) -> None:
    apply_twice(sqlite_importer)
    what = (
        f'"{day}": alice@example.org has no application for NCIMHA IFS that was open on that day: '
        "must be from 2022-01-10 to 2022-03-10 or 2024-01-10 or later"
    )
    assert sqlite_importer.told(**evidence_of(day)) == [
        f"attestations.csv:2: signed_on {what}",
        f"exams.csv:2: taken_on {what}",
        f"references.csv:2: received_on {what}",
    ]


def test_what_precedes_the_only_application_is_refused(sqlite_importer: Importer) -> None:
    applications = csv_of("applications", NEW)
    exams = evidence_of("2024-01-09")["exams"]
    [problem] = sqlite_importer.told(people=PEOPLE, applications=applications, exams=exams)
    assert problem.endswith("was open on that day: must be 2024-01-10 or later")


def test_a_day_put_right_stays_with_its_application(importer: Importer) -> None:
    apply_twice(importer)
    importer.take(**evidence_of("2022-02-01"))
    importer.take(attestations=evidence_of("2022-02-02")["attestations"])
    assert importer.rows("attestation", "signed_on") == [(date(2022, 2, 2),)]
    importer.take(attestations=evidence_of("2024-02-02")["attestations"])
    assert whose(importer)[0] == [2022, 2024]


def test_what_is_stored_with_an_application_stays_where_both_were_open_on_its_day(
    importer: Importer,
) -> None:
    old = OLD.replace("2022-03-10", "2024-01-10")
    day = evidence_of("2024-01-10")
    importer.take(people=PEOPLE, applications=csv_of("applications", old), **day)
    importer.take(applications=csv_of("applications", NEW))
    importer.take(**day)
    assert whose(importer) == [[2022], [2022], [2022]]
    importer.take(exams=day["exams"].replace("no", "yes"))
    assert importer.rows("exam_result", "passed") == [(True,)]


@pytest.mark.parametrize(("received_on", "years"), [("2022-02-01", [2022]), ("", [2022, 2024])])
def test_the_old_file_asks_only_who_has_not_answered_for_the_newer_application(
    importer: Importer, received_on: str, years: list[int]
) -> None:
    waiting = csv_of("references", f"{OF_ALICES},rita@example.net,Rita,teacher,,,")
    answered = evidence_of("2022-02-01")["references"] if received_on else waiting
    importer.take(people=PEOPLE, applications=csv_of("applications", OLD), references=answered)
    importer.take(applications=csv_of("applications", NEW))
    importer.take(references=waiting)
    assert whose(importer)[2] == years
