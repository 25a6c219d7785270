"""references.csv: whom applicants name, and what referees answered."""

import json
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import update

from tests.importer.importer import PEOPLE, Importer
from tracker.db.engine import writing
from tracker.db.tables import METADATA

APPLIED = """email,association,category,opened_on
alice@example.org,NCIMHA,IFS,2024-01-10
"""
ASKED = {
    "email": "alice@example.org",
    "association": "NCIMHA",
    "category": "IFS",
    "referee_email": "rita@example.net",
    "referee_name": "Rita Roe",
    "role": "supervisor",
}
ANSWER = {
    "received_on": "2024-05-01",
    "relationship": "Supervised her for two years",
    "signed_as": "Rita M. Roe",
    "role_confirmed": "yes",
    "endorsed_by": "MI-AIMH",
    "endorsed_as": "IMHM-C",
    "vetted": "no",
}
NO_ANSWER = dict.fromkeys(ANSWER, "")
ANSWER_COLUMNS = (
    "relationship",
    "signed_as",
    "role_confirmed",
    "endorsed_by",
    "endorsed_as",
    "vetted",
    "received_at",
)
# Noon of May 1 in New York.
RECEIVED_AT = datetime(2024, 5, 1, 16, tzinfo=UTC)
ANSWERED = (
    "Supervised her for two years",
    "Rita M. Roe",
    True,
    "MI-AIMH",
    "IMHM-C",
    False,
    RECEIVED_AT,
)


def csv_of(row: dict[str, str]) -> str:
    return f"{','.join(row)}\n{','.join(row.values())}\n"


def problems_of_row(importer: Importer, row: dict[str, str], people: str = PEOPLE) -> list[str]:
    files = {"people": people, "applications": APPLIED, "references": csv_of(row)}
    return [each.removeprefix("references.csv:2: ") for each in importer.problem_texts(**files)]


def set_stored(importer: Importer, **values: object) -> None:
    """Change the one stored reference, as the pages do."""
    with writing(importer.engine) as session:
        session.connection().execute(update(METADATA.tables["reference"]).values(values))


def test_a_referee_is_named_and_the_answer_follows(importer: Importer) -> None:
    importer.run(people=PEOPLE, applications=APPLIED, references=csv_of(ASKED))
    columns = ("application_id", "email", "name", "role", "received_at", "reminders", "vetted")
    assert importer.rows("reference", *columns) == [
        (1, "rita@example.net", "Rita Roe", "supervisor", None, 0, False)
    ]
    importer.run(references=csv_of(ASKED | ANSWER))
    assert importer.rows("reference", *ANSWER_COLUMNS) == [ANSWERED]


def test_the_first_file_keeps_a_later_answer(importer: Importer) -> None:
    asked = csv_of(ASKED | NO_ANSWER)
    importer.run(people=PEOPLE, applications=APPLIED, references=asked)
    importer.run(references=csv_of(ASKED | ANSWER))
    before = importer.all_rows()
    report = importer.run(references=asked)
    assert importer.all_rows() == before
    assert report.counts["references"].unchanged == 1


def test_the_time_of_an_imported_answer_stays(importer: Importer) -> None:
    importer.run(people=PEOPLE, applications=APPLIED, references=csv_of(ASKED | ANSWER))
    evening = datetime(2024, 5, 2, 3, 30, tzinfo=UTC)
    set_stored(importer, received_at=evening, reminders=2, token_hash="x")
    report = importer.run(references=csv_of(ASKED | ANSWER))
    assert report.counts["references"].unchanged == 1
    importer.run(references=csv_of(ASKED | ANSWER | {"signed_as": "R. Roe"}))
    assert importer.rows("reference", "received_at", "reminders", "token_hash", "signed_as") == [
        (evening, 2, "x", "R. Roe")
    ]


def test_a_received_reference_is_not_declined(importer: Importer) -> None:
    importer.run(people=PEOPLE, applications=APPLIED, references=csv_of(ASKED))
    set_stored(importer, declined_at=RECEIVED_AT)
    importer.run(references=csv_of(ASKED))
    assert importer.rows("reference", "declined_at") == [(RECEIVED_AT,)]
    importer.run(references=csv_of(ASKED | ANSWER))
    assert importer.rows("reference", "declined_at") == [(None,)]


def test_reference_events_contain_no_secret(importer: Importer) -> None:
    importer.run(people=PEOPLE, applications=APPLIED, references=csv_of(ASKED))
    set_stored(importer, token_hash="secret")
    importer.run(references=csv_of(ASKED | ANSWER))
    *_, (table, before, after) = importer.rows("audit_event", "table_name", "before", "after")
    assert table == "reference"
    assert '"received_at": null' in before
    assert '"received_at": "2024-05-01T16:00:00+00:00"' in after
    assert "secret" not in before + after


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        (
            {"referee_email": "Alice@Example.org"},
            (
                'referee_email "Alice@Example.org": must be another person, not the '
                "one in column email"
            ),
        ),
        (
            {"role": "boss"},
            (
                'role "boss": NCIMHA IFS has no such role for referees; '
                "valid values: parent, supervisor, and teacher"
            ),
        ),
        (
            {"category": "IFA", "role": "parent"},
            (
                'role "parent": NCIMHA IFA has no such role for referees; valid '
                "values: supervisor and teacher"
            ),
        ),
        (
            {"category": "IMHM-C"},
            (
                'role "supervisor": NCIMHA IMHM-C has no such role for referees; '
                "there are no valid values"
            ),
        ),
        (
            {"category": "XYZ"},
            'category "XYZ": NCIMHA has no such category; valid values: IFA, IFS, and IMHM-C',
        ),
        (
            {"category": "IFA"},
            (
                'category "IFA": alice@example.org has no application for NCIMHA IFA: '
                "add it to applications.csv"
            ),
        ),
        (
            ANSWER | {"received_on": "2024-07-01"},
            'received_on "2024-07-01": must be 2024-06-30 or earlier',
        ),
        (
            ANSWER | {"relationship": ""},
            "relationship: must not be empty if received_on is given",
        ),
        (ANSWER | {"signed_as": ""}, "signed_as: must not be empty if received_on is given"),
        (
            {"signed_as": "Rita", "received_on": ""},
            "received_on: must not be empty if signed_as is given",
        ),
        ({"role_confirmed": "no"}, "received_on: must not be empty if role_confirmed is given"),
        ({"endorsed_by": "MI-AIMH"}, "endorsed_as: must not be empty if endorsed_by is given"),
        ({"endorsed_as": "IFS"}, "endorsed_by: must not be empty if endorsed_as is given"),
        (
            {"endorsed_by": "CT-AIMH", "endorsed_as": "IFA"},
            'endorsed_as "IFA": CT-AIMH has no such category; did you mean IFS?',
        ),
        (
            {"endorsed_by": "MI-AIMH", "endorsed_as": "XYZ"},
            'endorsed_as "XYZ": MI-AIMH has no such category; valid values: IFA, IFS, and IMHM-C',
        ),
        (
            ANSWER | {"ratings": "work"},
            'ratings "work": write ratings as question:rating, separated by semicolons',
        ),
        (
            ANSWER | {"ratings": "work:Superb"},
            (
                "ratings \"work:Superb\": 'Superb' is not on the scale of work; "
                "valid values: Fair and Good"
            ),
        ),
        (
            ANSWER | {"ratings": "works:Good"},
            (
                "ratings \"works:Good\": 'works' is not a question of the rulebook; "
                "did you mean work?"
            ),
        ),
        (
            ANSWER | {"ratings": "work:Good; work:Fair"},
            'ratings "work:Good; work:Fair": work appears twice: give one rating',
        ),
        ({"ratings": "work:Good"}, "received_on: must not be empty if ratings is given"),
        (
            {"endorsed_by": "WHO", "endorsed_as": "IFS"},
            (
                'endorsed_by "WHO": is unknown: write the whole name of any other association; '
                "valid values: CT-AIMH, MI-AIMH, and NCIMHA"
            ),
        ),
    ],
)
def test_a_wrong_reference_is_refused_with_a_fix(
    sqlite_importer: Importer, cells: dict[str, str], problem: str
) -> None:
    assert problems_of_row(sqlite_importer, ASKED | cells) == [problem]
    assert sqlite_importer.rows("person") == []


@pytest.mark.parametrize("stored", [True, False])
def test_a_second_address_is_not_a_referee(sqlite_importer: Importer, *, stored: bool) -> None:
    people = "email,name,second_email\nalice@example.org,Alice,rita@example.net\n"
    if stored:
        sqlite_importer.run(people=people)
    problems = problems_of_row(sqlite_importer, ASKED, PEOPLE if stored else people)
    assert problems == [
        (
            'referee_email "rita@example.net": is the applicant\'s own second address: '
            "name someone else"
        )
    ]


def test_a_referee_is_asked_once_for_an_application(sqlite_importer: Importer) -> None:
    twice = csv_of(ASKED) + ",".join((ASKED | {"role": "teacher"}).values()) + "\n"
    files = {"people": PEOPLE, "applications": APPLIED, "references": twice}
    [problem] = sqlite_importer.problem_texts(**files)
    assert problem.startswith('references.csv:3: email "alice@example.org": contradicts')


def test_the_same_references_twice_change_nothing(importer: Importer) -> None:
    files = {"people": PEOPLE, "applications": APPLIED, "references": csv_of(ASKED | ANSWER)}
    importer.run(**files)
    before = importer.all_rows()
    assert importer.run(**files).person_ids == set()
    assert importer.all_rows() == before
    assert importer.rows("application", "opened_on") == [(date(2024, 1, 10),)]


def test_ratings_are_imported_as_the_form_stores_them(importer: Importer) -> None:
    row = ASKED | ANSWER | {"ratings": " work : Good "}
    for _ in range(2):
        importer.run(people=PEOPLE, applications=APPLIED, references=csv_of(row))
    [(stored,)] = importer.rows("reference", "ratings")
    assert json.loads(stored) == [{"id": "work", "asks": "How do you rate it?", "rating": "Good"}]


def test_another_association_can_be_written_in_words(importer: Importer) -> None:
    row = ASKED | ANSWER | {"endorsed_by": "AIMH in Tennessee"}
    importer.run(people=PEOPLE, applications=APPLIED, references=csv_of(row))
    assert importer.rows("reference", "endorsed_by") == [("AIMH in Tennessee",)]
