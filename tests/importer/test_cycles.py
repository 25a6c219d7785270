"""Waivers and extensions: what is special about one cycle of an endorsement."""

import json
from datetime import date

import pytest

from tests.importer.importer import PEOPLE, Importer
from tests.importer.test_importing import HELD

CYCLE = "email,association,category,endorsed_on,cycle_starts_on"
ALICES = "alice@example.org,NCIMHA,IFS"
WAIVERS = f"""{CYCLE},requirement,reason
{ALICES},2024-01-01,2024-01-01,rsc,A hurricane
"""
EXTENSIONS = f"""{CYCLE},extended_due_on,reason
{ALICES},2022-01-01,2023-01-01,2024-03-01,A long illness
{ALICES},2024-01-01,2024-01-01,2025-03-01,A long illness
"""
WHOLE = {"people": PEOPLE, "endorsements": HELD, "waivers": WAIVERS, "extensions": EXTENSIONS}


def test_each_row_is_stored_once_per_cycle(importer: Importer) -> None:
    for added, unchanged in ((1, 0), (0, 1)):
        report = importer.run(**WHOLE)
        counts = report.counts["waivers"]
        assert (counts.added, counts.changed, counts.unchanged) == (added, 0, unchanged)
        assert report.person_ids == ({1, 2} if added else set())
        assert importer.rows("waiver") == [(1, 2, date(2024, 1, 1), "rsc", "A hurricane")]
        assert importer.rows("renewal") == [
            (1, 1, date(2023, 1, 1), date(2024, 3, 1), "A long illness"),
            (2, 2, date(2024, 1, 1), date(2025, 3, 1), "A long illness"),
        ]


def test_a_later_due_date_may_become_another_one(importer: Importer) -> None:
    importer.run(**WHOLE)
    report = importer.run(extensions=EXTENSIONS.replace("2025-03-01", "2025-04-01"))
    assert (report.counts["extensions"].changed, report.person_ids) == (1, {1})
    assert importer.rows("renewal", "extended_due_on") == [(date(2024, 3, 1),), (date(2025, 4, 1),)]


def test_no_file_shortens_an_extension(importer: Importer) -> None:
    importer.run(**WHOLE)
    before = importer.all_rows()
    problems = importer.problem_texts(extensions=EXTENSIONS.replace("2025-03-01", "2025-02-28"))
    right = "must be 2025-03-01 or later: the renewal is already extended to that day"
    assert problems == [f'extensions.csv:3: extended_due_on "2025-02-28": {right}']
    assert importer.all_rows() == before


def test_both_leave_events_without_the_reason(importer: Importer) -> None:
    importer.run(**WHOLE)
    events = {row[0]: row[1] for row in importer.rows("audit_event", "table_name", "after")}
    assert json.loads(events["waiver"]) == {
        "endorsement_id": 2,
        "cycle_starts_on": "2024-01-01",
        "requirement": "rsc",
    }
    assert json.loads(events["renewal"])["extended_due_on"] == "2025-03-01"


@pytest.mark.parametrize(
    ("kind", "old", "new", "expected"),
    [
        (
            "waivers",
            ",rsc,",
            ",rcs,",
            'requirement "rcs": a renewal of IFS has no such requirement; did you mean rsc?',
        ),
        (
            "waivers",
            "2024-01-01,2024-01-01",
            "2024-01-01,2024-05-01",
            'cycle_starts_on "2024-05-01": the cycle of that day begins on 2024-01-01',
        ),
        (
            "waivers",
            "2024-01-01,2024-01-01",
            "2024-01-01,2021-01-01",
            (
                'cycle_starts_on "2021-01-01": an endorsement that began on 2024-01-01 has no '
                "renewal cycle on that day"
            ),
        ),
        (
            "waivers",
            "2024-01-01,2024-01-01",
            "2024-02-01,2024-01-01",
            (
                'endorsed_on "2024-02-01": no NCIMHA endorsement as IFS begins on that day '
                "(known: since 2022-01-01, 2024-01-01)"
            ),
        ),
        (
            "extensions",
            "2024-03-01",
            "2023-12-31",
            (
                'extended_due_on "2023-12-31": must be later than 2023-12-31, the due date '
                "without an extension"
            ),
        ),
        (
            "extensions",
            "2024-03-01",
            "2034-07-01",
            (
                'extended_due_on "2034-07-01": must be 2034-06-30 or earlier: no extension is '
                "that long"
            ),
        ),
    ],
)
def test_a_row_outside_every_cycle_is_refused(
    sqlite_importer: Importer, kind: str, old: str, new: str, expected: str
) -> None:
    files = {**WHOLE, kind: WHOLE[kind].replace(old, new, 1)}
    assert sqlite_importer.problem_texts(**files) == [f"{kind}.csv:2: {expected}"]


def test_problems_show_invisible_characters_escaped(
    sqlite_importer: Importer,
) -> None:
    # A character that means nothing.
    rows = "".join(f"alice@example.org,other,Art\U000fffff,{year}-01-01\n" for year in (2020, 2021))
    degrees = f"email,level,title,awarded_on\n{rows}"
    [problem] = sqlite_importer.problem_texts(people=PEOPLE, degrees=degrees)
    assert "about the same other, Art\\U000fffff" in problem
    assert problem.isprintable()
