"""Leave and inactive status in leave.csv, within the limits of the rulebook."""

from dataclasses import replace

import pytest

from tests.importer import importer as importer_module
from tests.importer.importer import Importer
from tests.support.absences import with_absences

PEOPLE = "email,name\nalice@example.org,Alice Moreno\n"
HELD = "email,association,category,starts_on\nalice@example.org,NCIMHA,IFS,2022-01-01\n"
HEAD = "email,association,category,starts_on,ends_on,kind\n"


def rows(*days: str) -> str:
    return HEAD + "".join(f"alice@example.org,NCIMHA,IFS,{each}\n" for each in days)


@pytest.fixture(autouse=True)
def _limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave of at most six months, once in three years; inactive status without limits."""
    leave = {"kind": "leave", "longest_months": 6, "most": 1, "within_years": 3}
    books = with_absences(leave, {"kind": "inactive"})
    vocabulary = replace(importer_module.VOCABULARY, rulebooks=books.associations)
    context = replace(importer_module.CONTEXT, vocabulary=vocabulary)
    monkeypatch.setattr(importer_module, "CONTEXT", context)


def test_the_kind_is_leave_unless_it_is_given(sqlite_importer: Importer) -> None:
    leave = rows("2023-01-01,2023-03-31,", "2024-01-01,,INACTIVE")
    sqlite_importer.run(people=PEOPLE, endorsements=HELD, leave=leave)
    assert sqlite_importer.rows("leave", "kind", "ends_on")[1][0] == "inactive"
    assert sqlite_importer.rows("leave", "kind")[0] == ("leave",)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ("2023-01-01,2023-06-30,leave", ""),
        ("2023-01-01,2023-07-01,leave", "Leave lasts at most 6 months"),
        ("2023-01-01,,leave", "Leave lasts at most 6 months: enter a last day"),
        ("2023-01-01,2023-06-30,sabbatical", "must be leave, inactive, or emeritus"),
    ],
)
def test_leave_within_the_limits_is_taken(
    sqlite_importer: Importer, days: str, expected: str
) -> None:
    found = sqlite_importer.problem_texts(people=PEOPLE, endorsements=HELD, leave=rows(days))
    assert [expected in each for each in found] == [True] * bool(expected)


def test_leave_on_record_counts_and_may_stay_in_the_file(sqlite_importer: Importer) -> None:
    first, second = "2023-01-01,2023-03-31,leave", "2025-12-31,2026-01-31,leave"
    sqlite_importer.run(people=PEOPLE, endorsements=HELD, leave=rows(first))
    assert sqlite_importer.problem_texts(people=PEOPLE, leave=rows(first)) == []
    (found,) = sqlite_importer.problem_texts(people=PEOPLE, leave=rows(first, second))
    assert "Leave is possible at most once in 3 years" in found
