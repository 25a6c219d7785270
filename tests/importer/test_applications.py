"""applications.csv: what is stored, what follows from a decision, and what is refused."""

import json
from datetime import date

import pytest
from sqlmodel import Session

from tests.importer.importer import AS_OF, PEOPLE, Importer
from tracker.importer.store import ImportReport

HEADING = "email,association,category,opened_on,submitted_on,decided_on,state\n"
ALICES = "alice@example.org,NCIMHA,IFS,2024-01-10"
COLUMNS = ("opened_on", "submitted_on", "decided_on", "state")
OPENED, SUBMITTED, DECIDED = date(2024, 1, 10), date(2024, 2, 10), date(2024, 3, 10)


def applied(*rows: str) -> str:
    return HEADING + "".join(f"{row}\n" for row in rows)


def problems_of_row(importer: Importer, *rows: str, **files: str) -> list[str]:
    """The problems with rows of applications.csv, without the file's name."""
    files = {"people": PEOPLE, "applications": applied(*rows)} | files
    return [each.removeprefix("applications.csv:") for each in importer.problem_texts(**files)]


@pytest.mark.parametrize(
    ("row", "stored"),
    [
        (f"{ALICES},,,", (OPENED, None, None, "open")),
        (f"{ALICES},2024-02-10,,", (OPENED, SUBMITTED, None, "submitted")),
        (f"{ALICES},2024-02-10,,Submitted", (OPENED, SUBMITTED, None, "submitted")),
        (f"{ALICES},2024-02-10,2024-03-10,declined", (OPENED, SUBMITTED, DECIDED, "declined")),
        (f"{ALICES},,2024-03-10,withdrawn", (OPENED, None, DECIDED, "withdrawn")),
        (f"{ALICES},,2024-01-10,withdrawn", (OPENED, None, OPENED, "withdrawn")),
        (f"{ALICES},1/10/2024,1/10/2024,endorsed", (OPENED, OPENED, OPENED, "endorsed")),
    ],
)
def test_dates_decide_the_state_of_an_application(
    importer: Importer, row: str, stored: tuple[object, ...]
) -> None:
    importer.run(people=PEOPLE, applications=applied(row))
    assert importer.rows("application", *COLUMNS) == [stored]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (
            f"{ALICES},,,perhaps",
            '2: state "perhaps": must be open, submitted, endorsed, declined, or withdrawn',
        ),
        (
            "alice@example.org,NCIMHA,IFZ,2024-01-10,,,",
            '2: category "IFZ": NCIMHA has no such category; did you mean IFS or IFA?',
        ),
        (
            "alice@example.org,NCIMHA,IFS,2024-07-01,,,",
            '2: opened_on "2024-07-01": must be 2024-06-30 or earlier',
        ),
        (
            f"{ALICES},2024-07-01,,",
            '2: submitted_on "2024-07-01": must be 2024-06-30 or earlier',
        ),
        (
            f"{ALICES},,2024-07-01,endorsed",
            '2: decided_on "2024-07-01": must be 2024-06-30 or earlier',
        ),
        (f"{ALICES},,,endorsed", "2: decided_on: must not be empty if the state is endorsed"),
        (
            f"{ALICES},,2024-03-10,",
            (
                '2: decided_on "2024-03-10": a date needs a decision: '
                "give the state endorsed, declined, or withdrawn"
            ),
        ),
        (
            f"{ALICES},,,submitted",
            "2: submitted_on: must not be empty if the state is submitted",
        ),
        (
            f"{ALICES},2024-02-10,,open",
            '2: state "open": the application was submitted on 2024-02-10, so it cannot be open',
        ),
        (
            f"{ALICES},2024-01-09,,",
            '2: submitted_on "2024-01-09": must be 2024-01-10 (the day of opening) or later',
        ),
        (
            f"{ALICES},,2024-01-09,declined",
            '2: decided_on "2024-01-09": must be 2024-01-10 (the day of opening) or later',
        ),
        (
            f"{ALICES},2024-02-10,2024-02-09,declined",
            '2: decided_on "2024-02-09": must be 2024-02-10 (the day of submission) or later',
        ),
        (
            "zoe@example.org,NCIMHA,IFS,2024-01-10,,,",
            (
                '2: email "zoe@example.org": is neither in people.csv nor in the database: '
                "add the person to people.csv"
            ),
        ),
    ],
)
def test_a_wrong_application_is_refused_with_a_fix(
    sqlite_importer: Importer, row: str, problem: str
) -> None:
    assert problems_of_row(sqlite_importer, row) == [problem]
    assert sqlite_importer.rows("person") == []


def test_the_as_of_day_itself_is_allowed(sqlite_importer: Importer) -> None:
    row = f"alice@example.org,NCIMHA,IFS,{AS_OF},{AS_OF},{AS_OF},endorsed"
    assert problems_of_row(sqlite_importer, row) == []


def test_an_endorsed_application_starts_the_endorsement(
    importer: Importer,
) -> None:
    evaluated = set[int]()

    def after(_: Session, report: ImportReport) -> None:
        evaluated.update(report.person_ids)

    importer.run(people=PEOPLE)
    importer.write(applications=applied(f"{ALICES},2024-02-10,2024-03-10,endorsed"))
    report = importer.run_on(importer.folder, after=after)
    assert importer.rows("endorsement") == [(1, 1, "NCIMHA", "IFS", DECIDED, None, None)]
    assert evaluated == {1}
    counts = {kind: vars(each)["added"] for kind, each in report.counts.items()}
    assert counts == {"endorsements": 1, "applications": 1}
    events = importer.rows("audit_event", "who", "table_name", "before")
    assert events == [("tests", "application", None), ("tests", "endorsement", None)]


def test_a_later_file_decides_an_application(importer: Importer) -> None:
    importer.run(people=PEOPLE, applications=applied(f"{ALICES},,,"))
    report = importer.run(applications=applied(f"{ALICES},2024-02-10,,"))
    assert vars(report.counts["applications"]) == {"added": 0, "changed": 1, "unchanged": 0}
    importer.run(applications=applied(f"{ALICES},,2024-03-10,endorsed"))
    assert importer.rows("application", *COLUMNS) == [(OPENED, SUBMITTED, DECIDED, "endorsed")]
    assert len(importer.rows("endorsement")) == 1
    *_, (before, after) = importer.rows("audit_event", "before", "after")[:3]
    assert (json.loads(before)["state"], json.loads(after)["state"]) == ("submitted", "endorsed")


def test_the_opening_file_keeps_later_decisions(
    importer: Importer,
) -> None:
    opened = applied(f"{ALICES},,,")
    importer.run(people=PEOPLE, applications=opened)
    importer.run(applications=applied(f"{ALICES},2024-02-10,2024-03-10,endorsed"))
    before = importer.all_rows()
    for again in (opened, f"email,association,category,opened_on\n{ALICES}\n"):
        importer.run(applications=again)
        assert importer.all_rows() == before


def test_the_same_decision_twice_changes_nothing(importer: Importer) -> None:
    files = {"people": PEOPLE, "applications": applied(f"{ALICES},,2024-03-10,endorsed")}
    importer.run(**files)
    before = importer.all_rows()
    report = importer.run(**files)
    assert importer.all_rows() == before
    assert report.person_ids == set()
    assert "endorsements" not in report.counts


@pytest.mark.parametrize(
    ("row", "column"),
    [
        (f"{ALICES},,2024-03-10,declined", 'state "declined"'),
        (f"{ALICES},,,open", 'state "open"'),
        (f"{ALICES},,2024-03-11,endorsed", 'decided_on "2024-03-11"'),
        (f"{ALICES},,2024-03-11,", 'decided_on "2024-03-11"'),
    ],
)
def test_an_endorsed_application_stays_endorsed(importer: Importer, row: str, column: str) -> None:
    importer.run(people=PEOPLE, applications=applied(f"{ALICES},,2024-03-10,endorsed"))
    what = "the application was endorsed on 2024-03-10, which can't be changed"
    assert problems_of_row(importer, row) == [f"2: {column}: {what}"]


def test_a_decision_date_can_be_corrected(
    importer: Importer,
) -> None:
    importer.run(people=PEOPLE, applications=applied(f"{ALICES},,2024-03-10,declined"))
    importer.run(applications=applied(f"{ALICES},,2024-03-11,declined"))
    assert importer.rows("application", "decided_on") == [(date(2024, 3, 11),)]
    [problem] = problems_of_row(importer, f"{ALICES},,2024-03-11,endorsed")
    assert "the application was declined on 2024-03-11, which can't be changed" in problem


@pytest.mark.parametrize(
    ("ends_on", "held"),
    [
        ("", [date(2023, 1, 1)]),
        ("2024-03-10", [date(2023, 1, 1)]),
        ("2024-03-09", [date(2023, 1, 1), DECIDED]),
    ],
)
@pytest.mark.parametrize("together", [True, False])
def test_an_endorsement_that_covers_the_day_is_kept(
    importer: Importer, ends_on: str, held: list[date], *, together: bool
) -> None:
    own = "email,association,category,starts_on,ends_on\n"
    files = {"people": PEOPLE, "endorsements": f"{own}alice@example.org,NCIMHA,IFS,2023-01-01,"}
    files["endorsements"] += f"{ends_on}\n"
    if not together:
        importer.run(**files)
        files = {}
    importer.run(**files, applications=applied(f"{ALICES},,2024-03-10,endorsed"))
    assert [day for (day,) in importer.rows("endorsement", "starts_on")] == held


@pytest.mark.parametrize("together", [True, False])
def test_a_later_endorsement_blocks_an_earlier_one(importer: Importer, *, together: bool) -> None:
    own = "email,association,category,starts_on\nalice@example.org,NCIMHA,IFS,2024-03-11\n"
    if not together:
        importer.run(people=PEOPLE, endorsements=own)
    files = {"endorsements": own} if together else {}
    assert problems_of_row(importer, f"{ALICES},,2024-03-10,endorsed", **files) == [
        (
            '2: decided_on "2024-03-10": The same endorsement is on file starting March 11, 2024, '
            "and one starting March 10, 2024 would overlap it. First enter the earlier period as "
            "an endorsement with an end date."
        )
    ]


def test_leave_may_follow_in_the_same_import(importer: Importer) -> None:
    leave = "email,association,category,starts_on\nalice@example.org,NCIMHA,IFS,2024-03-10\n"
    applications = applied(f"{ALICES},,2024-03-10,endorsed")
    importer.run(people=PEOPLE, applications=applications, leave=leave)
    assert importer.rows("leave", "endorsement_id", "starts_on") == [(1, DECIDED)]


def test_leave_is_not_blamed_for_wrong_applications(sqlite_importer: Importer) -> None:
    leave = "email,association,category,starts_on\nalice@example.org,NCIMHA,IFS,2024-03-10\n"
    [problem] = problems_of_row(sqlite_importer, f"{ALICES},,2024-03-10,endorse", leave=leave)
    assert problem.startswith('2: state "endorse": must be')


def test_one_application_is_undecided_at_a_time(importer: Importer) -> None:
    rows = [f"{ALICES},,,", "alice@example.org,NCIMHA,IFS,2024-02-01,,,"]
    problem = (
        'opened_on "2024-02-01": the application opened on 2024-01-10 is undecided too: '
        "decide one of them"
    )
    assert problems_of_row(importer, *rows) == [f"3: {problem}"]
    importer.run(people=PEOPLE, applications=applied(rows[0]))
    assert problems_of_row(importer, rows[1]) == [f"2: {problem}"]
    importer.run(applications=applied(f"{ALICES},,2024-01-31,withdrawn", rows[1]))
    assert [state for (state,) in importer.rows("application", "state")] == ["withdrawn", "open"]


def test_a_wrong_opening_day_makes_no_second_application(importer: Importer) -> None:
    decided = f"{ALICES},2024-02-10,2024-03-10,endorsed"
    importer.run(people=PEOPLE, applications=applied(decided))
    before = importer.all_rows()
    assert problems_of_row(importer, decided.replace("2024-01-10", "2024-01-01")) == [
        (
            '2: opened_on "2024-01-01": the application opened on 2024-01-10 was also endorsed on '
            "2024-03-10: write 2024-01-10 if it is the same application"
        )
    ]
    assert problems_of_row(importer, decided) == []
    assert importer.all_rows() == before


@pytest.mark.parametrize("outcome", ["2024-03-11,declined", "2024-03-10,withdrawn"])
def test_another_decision_is_of_another_application(importer: Importer, outcome: str) -> None:
    importer.run(people=PEOPLE, applications=applied(f"{ALICES},,2024-03-10,declined"))
    assert problems_of_row(importer, f"alice@example.org,NCIMHA,IFS,2024-02-01,,{outcome}") == []


def test_decisions_start_endorsements_in_date_order(importer: Importer) -> None:
    rows = [
        "alice@example.org,NCIMHA,IFS,2024-02-01,,2024-04-01,endorsed",
        "alice@example.org,NCIMHA,IFS,2020-02-01,,2020-04-01,endorsed",
    ]
    importer.run(people=PEOPLE, applications=applied(*rows))
    assert importer.rows("endorsement", "starts_on") == [(date(2020, 4, 1),)]


def test_contradicting_application_rows_are_refused(
    sqlite_importer: Importer,
) -> None:
    [problem] = problems_of_row(sqlite_importer, f"{ALICES},,,", f"{ALICES},2024-02-10,,")
    assert problem.endswith(
        "applications.csv:2, which is about the same NCIMHA, IFS, 2024-01-10: keep one"
    )
