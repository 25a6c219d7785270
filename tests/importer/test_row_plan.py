"""Rows with problems are left out, and each row says what became of it."""

from sqlmodel import Session

from tests.importer.importer import CONTEXT, PEOPLE, Importer
from tracker.db.engine import writing
from tracker.db.statements import lock_for_import
from tracker.importer.reader import read_files
from tracker.importer.row_plan import CarriedOut, carry_out, count_outcomes
from tracker.importer.scope import ImportScope

HELD = "email,association,category,starts_on\nalice@example.org,NCIMHA,IFS,2022-01-01\n"
SCOPE = ImportScope("NCIMHA", ["NCIMHA", "MI-AIMH"], None)


def carry(importer: Importer, scope: ImportScope | None = None, **files: str) -> CarriedOut:
    importer.write(**files)
    with writing(importer.engine) as session:
        return carry_in(session, importer, scope)


def carry_in(session: Session, importer: Importer, scope: ImportScope | None) -> CarriedOut:
    lock_for_import(session)
    files = read_files([importer.folder], CONTEXT)
    return carry_out(session, files, CONTEXT, scope.check if scope else None)


def outcomes(result: CarriedOut) -> list[tuple[str, int, str]]:
    return sorted((row.kind, row.line, row.outcome) for row in result.rows)


def test_a_row_with_a_problem_is_left_out(importer: Importer) -> None:
    result = carry(importer, people=PEOPLE + "nobody,Nobody,no\n", endorsements=HELD)
    assert outcomes(result) == [
        ("endorsements", 2, "added"),
        ("people", 2, "added"),
        ("people", 3, "added"),
        ("people", 4, "refused"),
    ]
    assert [row[1:] for row in importer.rows("person", "id", "email")] == [
        ("alice@example.org",),
        ("bob@example.org",),
    ]


def test_what_lacks_a_refused_row_is_refused_too(importer: Importer) -> None:
    people = "email,name,provides_rsc\nalice@example.org,Alice,perhaps\n"
    leave = "email,association,category,starts_on\nalice@example.org,NCIMHA,IFS,2023-01-01\n"
    result = carry(importer, people=people, endorsements=HELD, leave=leave)
    assert {row.outcome for row in result.rows} == {"refused"}
    by_kind = {row.kind: row for row in result.rows}
    assert by_kind["people"].reason == 'Provides RSC "perhaps": must be yes or no'
    assert by_kind["endorsements"].reason == (
        "nobody has the address alice@example.org, and no row adds a person with it"
    )
    assert importer.rows("person") == []


def test_changes_are_shown_before_and_after(importer: Importer) -> None:
    carry(importer, people=PEOPLE, endorsements=HELD)
    ended = "email,association,category,starts_on,ends_on\nalice@example.org,NCIMHA,IFS,2022-01-01,"
    result = carry(importer, people=PEOPLE, endorsements=f"{ended}2024-05-31\n")
    changed = next(row for row in result.rows if row.outcome == "changed")
    assert changed.changes == {"ends_on": ("", "2024-05-31")}
    assert count_outcomes(result.rows) == {
        "people": {"added": 0, "changed": 0, "unchanged": 2, "refused": 0},
        "endorsements": {"added": 0, "changed": 1, "unchanged": 0, "refused": 0},
    }


def test_a_repeated_row_is_left_alone(importer: Importer) -> None:
    result = carry(importer, people=PEOPLE + "alice@example.org,Alice,no\n")
    assert [(row.line, row.outcome) for row in result.rows][-1] == (4, "unchanged")
    assert "people.csv:2" in result.rows[-1].reason


def test_the_days_of_a_course_are_one_row(importer: Importer) -> None:
    entries = (
        "email,activity,date,hours,title,days\n"
        "alice@example.org,training,,,Course,2024-03-04 6; 2024-03-05 5.5\n"
    )
    result = carry(importer, people=PEOPLE, entries=entries)
    assert ("entries", 2, "added") in outcomes(result)
    assert len(importer.rows("entry")) == 2


def test_rows_of_another_association_are_refused(importer: Importer) -> None:
    held = HELD + "bob@example.org,CT-AIMH,IFS,2022-01-01\n"
    result = carry(importer, SCOPE, people=PEOPLE, endorsements=held)
    refused = {(row.kind, row.line): row.reason for row in result.rows if row.outcome == "refused"}
    assert refused["endorsements", 3] == 'Association "CT-AIMH": this import is for NCIMHA'
    assert "nobody would see them" in refused["people", 3]
    assert len(importer.rows("person")) == 1


def test_shared_people_keep_what_is_not_ours(importer: Importer) -> None:
    held = HELD + "alice@example.org,CT-AIMH,IFS,2022-01-01\n"
    carry(importer, people=PEOPLE, endorsements=held)
    before = importer.rows("person")
    result = carry(
        importer,
        SCOPE,
        people="email,name\nalice@example.org,Alice Moreno\n",
        memberships=(
            "email,organization,starts_on,ends_on\n"
            "alice@example.org,NCIMHA,2024-01-01,2024-12-31\n"
            "alice@example.org,CT-AIMH,2024-01-01,2024-12-31\n"
        ),
    )
    assert outcomes(result) == [
        ("memberships", 2, "added"),
        ("memberships", 3, "refused"),
        ("people", 2, "refused"),
    ]
    assert importer.rows("person") == before


def test_unchanged_rows_of_shared_people_are_left_alone(importer: Importer) -> None:
    held = HELD + "alice@example.org,CT-AIMH,IFS,2022-01-01\n"
    carry(importer, people=PEOPLE, endorsements=held)
    result = carry(importer, SCOPE, people="email,name\nalice@example.org,Alice\n")
    assert outcomes(result) == [("people", 2, "unchanged")]


def test_people_of_others_get_nothing(importer: Importer) -> None:
    carry(importer, people=PEOPLE, endorsements=HELD.replace("NCIMHA", "CT-AIMH"))
    memberships = "email,organization,starts_on,ends_on\nalice@example.org,NCIMHA,2024-01-01,life\n"
    result = carry(importer, SCOPE, memberships=memberships)
    [row] = result.rows
    assert row.outcome == "refused"
    assert row.reason == (
        'Email address "alice@example.org": is not the address of anyone at NCIMHA'
    )
    assert importer.rows("membership") == []


def test_nobody_changes_their_own_records(importer: Importer) -> None:
    carry(importer, people=PEOPLE, endorsements=HELD)
    [(own_id,), *_] = importer.rows("person", "id")
    scope = ImportScope("NCIMHA", ["NCIMHA"], own_id)
    ended = HELD.replace("starts_on\n", "starts_on,ends_on\n").replace(
        "01-01\n", "01-01,2024-05-31\n"
    )
    result = carry(importer, scope, endorsements=ended)
    [row] = result.rows
    assert (row.outcome, "is you" in row.reason) == ("refused", True)
    assert [row.outcome for row in carry(importer, scope, endorsements=HELD).rows] == ["unchanged"]
