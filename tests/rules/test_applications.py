"""The cases of tests/applications/*.toml: applicants judged by the database and the rules."""

from datetime import date
from typing import Any

import pytest
from sqlmodel import Session

from tests.rules.applicants import format_results, populate
from tests.rules.case_data import IMAGINED, REAL, cases
from tracker.rules.application.wording import format_notes
from tracker.rules.reasons import format_reason
from tracker.rules.standing import ApplicationStanding
from tracker.services.application_facts import judge_applications

CASE_KEYS = {
    *("name", "as_of", "rulebooks", "expect", "providers", "provides_rsc", "endorsed", "members"),
    *("entries", "applies", "submitted", "degrees", "work", "references", "signed", "exams"),
}


CASES = list(cases("applications"))


def test_each_case_has_its_own_name() -> None:
    names = [case.id for case in CASES]
    assert sorted(names) == sorted(set(names))


def test_no_case_has_a_key_that_nothing_reads() -> None:
    unknown = {(case.id, key) for case in CASES for key in case.values[0] if key not in CASE_KEYS}
    assert unknown == set()


@pytest.mark.parametrize("case", CASES)
def test_application(session: Session, case: dict[str, Any]) -> None:
    as_of: date = case["as_of"]
    rulebooks = IMAGINED if case.get("rulebooks") == "imagined" else REAL
    populate(session, rulebooks, case)
    standings = list(judge_applications(session, rulebooks, lambda _: as_of))
    descriptions = [describe(standing) for standing in standings]
    expected = dict(case["expect"])
    if expected == {"judged": False}:
        assert descriptions == []
        return
    absent = expected.pop("absent", ())
    assert [{**each, **expected} for each in descriptions] == descriptions
    assert not set(absent) & set(descriptions[0])


def describe(standing: ApplicationStanding) -> dict[str, Any]:
    """All that a case may expect of a standing, by name."""
    found: dict[str, Any] = {
        "status": standing.status.value,
        "next_change_on": standing.next_change_on or "never",
        "remarks": [
            f"{r.requirement.id}: {format_reason(m.reason)}"
            for r in standing.results
            for m in r.remarks
        ],
        **format_results(standing),
    }
    for result in standing.results:
        found[f"{result.requirement.id} note"] = format_notes(result)
        found[f"{result.requirement.id} closes_on"] = result.closes_on or "never"
        found[f"{result.requirement.id} remarks"] = [
            format_reason(remark.reason) for remark in result.remarks
        ]
    return found
