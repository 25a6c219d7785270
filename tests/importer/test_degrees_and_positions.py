"""Degrees, positions, attestations, and exams from files."""

from datetime import date

import pytest

from tests.importer.importer import PEOPLE, Importer
from tests.rules.case_data import REAL
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.importer.vocabulary import vocabulary_of

APPLIED = """email,association,category,opened_on
alice@example.org,NCIMHA,IFS,2024-01-10
"""
OF_ALICES = "alice@example.org,NCIMHA,IFS"
DEGREE = {
    "email": "alice@example.org",
    "level": "bachelor",
    "title": "Social Work",
    "awarded_on": "2010-06-01",
    "transcript": "",
}
POSITION = {
    "email": "alice@example.org",
    "title": "Home visitor",
    "pay": "paid",
    "services": "rsc; prevention",
    "starts_on": "2015-01-01",
    "ends_on": "",
    "ages": "Birth to 36 months",
    "families": "12",
    "supervised": "yes",
    "trained": "",
    "gives_rsc": "yes",
    "statements": "whole-family;attachment;",
    "supervisor_email": "bob@example.org",
}


def csv_of(row: dict[str, str]) -> str:
    return f"{','.join(row)}\n{','.join(row.values())}\n"


def problems_of_row(importer: Importer, kind: str, row: dict[str, str]) -> list[str]:
    files = {"people": PEOPLE, "applications": APPLIED, kind: csv_of(row)}
    return [each.removeprefix(f"{kind}.csv:2: ") for each in importer.problem_texts(**files)]


def test_a_later_file_adds_a_degree_transcript(importer: Importer) -> None:
    importer.run(people=PEOPLE, degrees=csv_of(DEGREE))
    assert importer.rows("degree") == [
        (1, 1, "bachelor", "Social Work", date(2010, 6, 1), "none", None),
    ]
    importer.run(degrees=csv_of(DEGREE | {"transcript": "official"}))
    assert importer.rows("degree", "transcript") == [("official",)]
    report = importer.run(degrees=csv_of({k: v for k, v in DEGREE.items() if k != "transcript"}))
    assert report.counts["degrees"].unchanged == 1


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        (
            {"level": "Bachelors"},
            (
                'level "Bachelors": must be cda, associate, bachelor, master, doctorate, '
                "specialization, certificate, or other"
            ),
        ),
        (
            {"awarded_on": "2024-07-01"},
            'awarded_on "2024-07-01": must be 2024-06-30 or earlier',
        ),
        ({"title": ""}, 'title "": must not be empty'),
        (
            {"title": "x" * 201},
            f'title "{"x" * 80}…": must have at most 200 characters, and has 201',
        ),
        ({"transcript": "copy"}, 'transcript "copy": must be none, unofficial, or official'),
    ],
)
def test_a_wrong_degree_is_refused(
    sqlite_importer: Importer, cells: dict[str, str], problem: str
) -> None:
    assert problems_of_row(sqlite_importer, "degrees", DEGREE | cells) == [problem]


def test_a_position_is_stored_with_sorted_keys(importer: Importer) -> None:
    importer.run(people=PEOPLE, positions=csv_of(POSITION))
    columns = ("pay", "services", "ages", "families", "supervised", "trained", "gives_rsc")
    assert importer.rows("position", *columns, "statements", "supervisor_id") == [
        (
            "paid",
            "prevention; rsc",
            "birth to 36 months",
            12,
            True,
            False,
            True,
            "attachment; whole-family",
            2,
        )
    ]


@pytest.mark.parametrize(
    ("services", "cell", "gives"),
    [
        ("rsc", "", True),
        ("prevention;rsc", None, True),
        ("rsc", "yes", True),
        ("prevention", "", False),
        ("prevention", None, False),
        ("prevention", "no", False),
        ("prevention", "yes", True),
    ],
)
def test_services_decide_who_provides_rsc(
    importer: Importer, services: str, cell: str | None, *, gives: bool
) -> None:
    row = POSITION | {"services": services, "gives_rsc": cell or ""}
    if cell is None:
        del row["gives_rsc"]
    importer.run(people=PEOPLE, positions=csv_of(row))
    assert importer.rows("position", "gives_rsc") == [(gives,)]
    assert importer.run(positions=csv_of(row)).counts["positions"].unchanged == 1


@pytest.mark.parametrize(
    "ages", ["birth to 36 months; 3 up to 6 years", "3 up to 6 Years ;birth to 36 months;"]
)
def test_a_position_can_serve_both_ages(importer: Importer, ages: str) -> None:
    row = POSITION | {"ages": ages}
    importer.run(people=PEOPLE, positions=csv_of(row))
    assert importer.rows("position", "ages") == [("birth to 36 months; 3 up to 6 years",)]
    assert importer.run(positions=csv_of(row)).counts["positions"].unchanged == 1


def test_a_position_can_end_later(importer: Importer) -> None:
    short = {name: POSITION[name] for name in ("email", "title", "pay", "services", "starts_on")}
    importer.run(people=PEOPLE, positions=csv_of(short))
    importer.run(positions=csv_of(short | {"ends_on": "2020-12-31"}))
    columns = ("starts_on", "ends_on", "families", "statements", "supervisor_id")
    assert importer.rows("position", *columns) == [
        (date(2015, 1, 1), date(2020, 12, 31), 0, "", None)
    ]


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ({"pay": "some"}, 'pay "some": must be paid, volunteer, or internship'),
        (
            {"services": "rsc; preventon"},
            (
                "services \"rsc; preventon\": 'preventon' is not a known service; "
                "did you mean prevention or intervention?"
            ),
        ),
        (
            {"services": ";"},
            'services ";": names no service: separate them with semicolons',
        ),
        (
            {"statements": "kindness"},
            (
                "statements \"kindness\": 'kindness' is not a known statement; "
                "valid values: attachment and whole-family"
            ),
        ),
        (
            {"ages": "adults"},
            (
                'ages "adults": must be birth to 36 months or 3 up to 6 years, '
                "or both separated by a semicolon"
            ),
        ),
        ({"families": "-1"}, 'families "-1": must be a whole number from 0 to 100000'),
        ({"families": "1.5"}, 'families "1.5": must be a whole number from 0 to 100000'),
        ({"families": "100001"}, 'families "100001": must be a whole number from 0 to 100000'),
        (
            {"gives_rsc": "no"},
            (
                'gives_rsc "no": must be yes, because services include rsc; '
                "otherwise remove rsc from services"
            ),
        ),
        ({"trained": "maybe"}, 'trained "maybe": must be yes or no'),
        (
            {"ends_on": "2014-12-31"},
            'ends_on "2014-12-31": must be 2015-01-01 (the start) or later',
        ),
        (
            {"supervisor_email": "alice@example.org"},
            (
                'supervisor_email "alice@example.org": must be another person, not '
                "the one in column email"
            ),
        ),
        (
            {"supervisor_email": "zoe@example.org"},
            (
                'supervisor_email "zoe@example.org": is neither in people.csv nor in the database: '
                "add the person to people.csv"
            ),
        ),
    ],
)
def test_a_wrong_position_is_refused(
    sqlite_importer: Importer, cells: dict[str, str], problem: str
) -> None:
    assert problems_of_row(sqlite_importer, "positions", POSITION | cells) == [problem]


def test_an_unknown_supervisor_is_reported_with_other_problems(
    sqlite_importer: Importer,
) -> None:
    cells = {"pay": "some", "supervisor_email": "zoe@example.org"}
    problems = problems_of_row(sqlite_importer, "positions", POSITION | cells)
    assert [each.split()[0] for each in problems] == ["pay", "supervisor_email"]


ATTESTATIONS = f"email,association,category,what,signed_on\n{OF_ALICES},ethics,2024-02-01\n"
EXAMS = f"email,association,category,taken_on,passed\n{OF_ALICES},2024-05-01,no\n"


def test_attestations_and_exams_join_the_application(importer: Importer) -> None:
    importer.run(people=PEOPLE, applications=APPLIED, attestations=ATTESTATIONS, exams=EXAMS)
    assert importer.rows("attestation") == [(1, 1, "ethics", date(2024, 2, 1), None)]
    assert importer.rows("exam_result") == [(1, 1, date(2024, 5, 1), False, None)]
    again = EXAMS.replace("no", "yes").replace("2024-05-01", "2024-06-01")
    importer.run(exams=EXAMS + again.splitlines()[1] + "\n")
    importer.run(attestations=ATTESTATIONS.replace("2024-02-01", "2024-02-02"))
    assert importer.rows("exam_result", "passed") == [(False,), (True,)]
    assert importer.rows("attestation", "signed_on") == [(date(2024, 2, 2),)]


def test_rows_join_the_newest_application(
    importer: Importer,
) -> None:
    old = "email,association,category,opened_on,decided_on,state\n"
    old += f"{OF_ALICES},2022-01-10,2022-02-10,declined\n"
    importer.run(people=PEOPLE, applications=old, attestations=ATTESTATIONS)
    importer.run(applications=APPLIED, attestations=ATTESTATIONS)
    assert importer.rows("attestation", "application_id", "what") == [(1, "ethics"), (2, "ethics")]


@pytest.mark.parametrize(
    ("attestations", "problem"),
    [
        (
            ATTESTATIONS.replace("IFS", "IFA"),
            (
                'category "IFA": alice@example.org has no application for NCIMHA IFA: '
                "add it to applications.csv"
            ),
        ),
        (
            ATTESTATIONS.replace("ethics", "oath"),
            'what "oath": NCIMHA has no such attestation; valid values: agreement and ethics',
        ),
        (
            ATTESTATIONS.replace("2024-02-01", "2024-07-01"),
            'signed_on "2024-07-01": must be 2024-06-30 or earlier',
        ),
    ],
)
def test_a_wrong_attestation_is_refused(
    sqlite_importer: Importer, attestations: str, problem: str
) -> None:
    files = {"people": PEOPLE, "applications": APPLIED, "attestations": attestations}
    assert sqlite_importer.problem_texts(**files) == [f"attestations.csv:2: {problem}"]


def test_attestations_are_not_blamed_for_wrong_applications(
    sqlite_importer: Importer,
) -> None:
    wrong = APPLIED.replace("2024-01-10", "soon")
    [problem] = sqlite_importer.problem_texts(
        people=PEOPLE, applications=wrong, attestations=ATTESTATIONS
    )
    assert problem.startswith("applications.csv:2: opened_on")


def test_an_exam_needs_a_result_and_past_day(sqlite_importer: Importer) -> None:
    exams = EXAMS.replace("no", "").replace("2024-05-01", "2024-07-01")
    assert sqlite_importer.problem_texts(people=PEOPLE, applications=APPLIED, exams=exams) == [
        'exams.csv:2: taken_on "2024-07-01": must be 2024-06-30 or earlier',
        'exams.csv:2: passed "": must not be empty',
    ]


@pytest.mark.parametrize("topics", ["RSC-GIVEN:1", "RSC-GIVEN:1.5"])
def test_an_rsc_entry_can_have_rsc_topics(importer: Importer, topics: str) -> None:
    entries = (
        f"email,activity,date,hours,title,topics\nalice@example.org,rsc,2024-05-01,1.5,A,{topics}\n"
    )
    importer.run(people=PEOPLE, entries=entries)
    assert len(importer.rows("entry_topic")) == 1


@pytest.mark.parametrize(
    ("activity", "topics", "problems"),
    [
        (
            "training",
            "RSC-GIVEN:1",
            ['"RSC-GIVEN:1": No requirement counts hours about RSC-GIVEN. Use DEIA or RSC.'],
        ),
        (
            "rsc",
            "RSC:0.5; DEIA:0.5",
            [
                '"DEIA:0.5; RSC:0.5": No requirement counts hours about DEIA. Use RSC-GIVEN.',
                '"DEIA:0.5; RSC:0.5": No requirement counts hours about RSC. Use RSC-GIVEN.',
            ],
        ),
        (
            "rsc",
            "RSC-GIVEN:2",
            ["\"RSC-GIVEN:2\": RSC-GIVEN hours can't be more than the session's 1.5 hours"],
        ),
    ],
)
def test_a_topic_of_the_other_activity_is_refused(
    sqlite_importer: Importer, activity: str, topics: str, problems: list[str]
) -> None:
    entries = "email,activity,date,hours,title,topics\n"
    entries += f"alice@example.org,{activity},2024-05-01,1.5,A,{topics}\n"
    expected = [f"entries.csv:2: topics {problem}" for problem in problems]
    assert sqlite_importer.problem_texts(people=PEOPLE, entries=entries) == expected


def test_the_vocabulary_comes_from_the_rulebooks() -> None:
    vocabulary = vocabulary_of(REAL)
    asked = [
        (rulebook.id, requirement)
        for rulebook in REAL.associations.values()
        for requirement in rulebook.requirements
        if requirement.of == "application"
    ]
    assert asked
    for association, requirement in asked:
        assert {*requirement.signed} <= {*vocabulary.attestations[association]}
        if requirement.work:
            assert {*requirement.work.services} <= {*vocabulary.services}
            assert {*requirement.work.statements} <= {*vocabulary.statements}
        if requirement.references:
            terms = requirement.references
            roles = {role for slots in (terms.slots, *terms.instead) for s in slots for role in s}
            for category in requirement.categories:
                assert {*vocabulary.roles[association, category]} == roles


def test_two_jobs_alike_are_told_how_to_be_recorded(sqlite_importer: Importer) -> None:
    (problem,) = sqlite_importer.problem_texts(
        people=PEOPLE,
        positions=csv_of(POSITION) + csv_of(POSITION | {"ages": "3 up to 6 years"}).split("\n")[1],
    )
    assert "keep one, with all of its ages and services separated by semicolons" in problem
    assert "which is about the same Home visitor, 2015-01-01: keep one" in problem
    assert problem.endswith(
        "if these are two jobs, say for whom each one is in the column employer"
    )


def test_a_file_confirms_what_an_applicant_entered(importer: Importer) -> None:
    importer.run(people=PEOPLE, degrees=csv_of(DEGREE))
    table = METADATA.tables["degree"]
    with writing(importer.engine) as session:
        session.connection().execute(table.update().values(recorded_by="alice@example.org"))
    importer.run(degrees=csv_of(DEGREE | {"awarded_on": "2010-06-02"}))
    assert importer.rows("degree", "recorded_by") == [(None,)]
    report = importer.run(degrees=csv_of(DEGREE | {"awarded_on": "2010-06-02"}))
    assert report.counts["degrees"].unchanged == 1


def employed(*employers: str) -> str:
    rows = [POSITION | {"employer": employer, "ages": ""} for employer in employers]
    return csv_of(rows[0]) + "".join(f"{','.join(row.values())}\n" for row in rows[1:])


def test_two_jobs_with_one_title_and_day_have_employers(importer: Importer) -> None:
    importer.run(people=PEOPLE, positions=employed("Clinic A", "Clinic B"))
    assert importer.rows("position", "title", "employer") == [
        ("Home visitor", "Clinic A"),
        ("Home visitor", "Clinic B"),
    ]
    report = importer.run(positions=employed("Clinic A", "Clinic B"))
    assert report.counts["positions"].unchanged == 2


def test_a_later_file_names_the_employer_of_a_known_job(importer: Importer) -> None:
    importer.run(people=PEOPLE, positions=csv_of(POSITION | {"ages": ""}))
    report = importer.run(positions=employed("Clinic A"))
    assert (report.counts["positions"].added, report.counts["positions"].changed) == (0, 1)
    assert importer.rows("position", "employer") == [("Clinic A",)]
    assert importer.run(positions=employed("Clinic A")).counts["positions"].unchanged == 1


def test_a_file_without_employers_is_about_the_known_job(importer: Importer) -> None:
    importer.run(people=PEOPLE, positions=employed("Clinic A"))
    report = importer.run(positions=csv_of(POSITION | {"ages": "", "families": "13"}))
    assert report.counts["positions"].changed == 1
    assert importer.rows("position", "employer", "families") == [("Clinic A", 13)]


def test_a_row_without_employer_may_not_mean_two_jobs(sqlite_importer: Importer) -> None:
    sqlite_importer.run(people=PEOPLE, positions=employed("Clinic A", "Clinic B"))
    (problem,) = sqlite_importer.problem_texts(positions=csv_of(POSITION))
    assert problem.endswith(
        "employer: must say which of the stored positions is meant: those at Clinic A and Clinic B"
    )


def test_another_employer_is_another_job(sqlite_importer: Importer) -> None:
    sqlite_importer.run(people=PEOPLE, positions=employed("Clinic A"))
    sqlite_importer.run(positions=employed("Clinic B"))
    assert sqlite_importer.rows("position", "employer") == [("Clinic A",), ("Clinic B",)]
