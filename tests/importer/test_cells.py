"""What cells can contain, and what the problem with any other says."""

from dataclasses import replace

import pytest

from tests.importer.importer import CONTEXT, PEOPLE, Importer
from tracker.importer.cells import LOG_EACH_DAY
from tracker.importer.reader import read_files

ENTRY = {
    "email": "alice@example.org",
    "activity": "training",
    "date": "2024-05-01",
    "hours": "6",
    "title": "Attachment",
    "topics": "DEIA:1; RSC:0.5",
    "provider_email": "",
    "format": "",
    "reference": "",
}
RSC = {"activity": "rsc", "topics": "", "provider_email": "bob@example.org"}
HELD = {
    "email": "alice@example.org",
    "association": "NCIMHA",
    "category": "IFS",
    "starts_on": "2024-01-01",
    "ends_on": "",
}


def csv_of(row: dict[str, str]) -> str:
    return f"{','.join(row)}\n{','.join(row.values())}\n"


def entry_problems(importer: Importer, **cells: str) -> list[str]:
    return [
        each.removeprefix("entries.csv:2: ")
        for each in importer.problem_texts(people=PEOPLE, entries=csv_of(ENTRY | cells))
    ]


@pytest.mark.parametrize(
    "cells",
    [
        {},
        {"date": "5/1/2024"},
        {"date": "2024-06-30"},
        {"date": "2024-02-29"},
        {"hours": "24"},
        {"hours": "1:30", "topics": ""},
        {"topics": "DEIA:6"},
        {"topics": "RSC : 0:30 ; DEIA:90 min;"},
        {"email": " Alice@Example.ORG "},
        {"title": "x" * 300},
        RSC,
        RSC | {"provider_email": ""},
        RSC | {"format": "Group"},
    ],
)
def test_a_good_entry_is_taken(sqlite_importer: Importer, cells: dict[str, str]) -> None:
    assert entry_problems(sqlite_importer, **cells) == []
    assert len(sqlite_importer.rows("entry")) == 1


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (
            {"date": "2024-02-31"},
            'date "2024-02-31": there is no such day; write the date as YYYY-MM-DD or M/D/YYYY',
        ),
        (
            {"date": "02/30/2024"},
            'date "02/30/2024": there is no such day; write the date as YYYY-MM-DD or M/D/YYYY',
        ),
        (
            {"date": "20240501"},
            'date "20240501": write the date as YYYY-MM-DD or M/D/YYYY',
        ),
        ({"date": "5/1/24"}, 'date "5/1/24": write the date as YYYY-MM-DD or M/D/YYYY'),
        (
            {"date": "2024-07-01"},
            'date "2024-07-01": must be 2024-06-30 or earlier',
        ),
        ({"date": "0204-05-01"}, 'date "0204-05-01": the year must be between 1944 and 2124'),
        ({"date": ""}, 'date "": must not be empty'),
        ({"hours": "-1"}, 'hours "-1": hours are written like 1.5, 1:30 or 90 min'),
        ({"hours": "0"}, 'hours "0": must be more than 0 and at most 24 hours'),
        (
            {"hours": "25"},
            f'hours "25": must be more than 0 and at most 24 hours; {LOG_EACH_DAY}',
        ),
        ({"hours": "NaN"}, 'hours "NaN": hours are written like 1.5, 1:30 or 90 min'),
        ({"activity": "lunch"}, 'activity "lunch": must be training or rsc'),
        ({"format": "online"}, 'format "online": must be individual, group, or peer'),
        ({"title": "  "}, 'title "  ": must not be empty'),
        (
            {"title": "x" * 301},
            f'title "{"x" * 80}…": must have at most 300 characters, and has 301',
        ),
        (
            {"title": "bell\a"},
            'title "bell\\x07": contains the invisible character U+0007: remove it',
        ),
        (
            {"topics": "DEIE:1"},
            "topics \"DEIE:1\": 'DEIE' is not a known topic; did you mean DEIA?",
        ),
        (
            {"topics": "Music:1"},
            (
                "topics \"Music:1\": 'Music' is not a known topic; valid values: "
                "DEIA, RSC, and RSC-GIVEN"
            ),
        ),
        (
            {"topics": "DEIA:1;DEIA:2"},
            'topics "DEIA:1;DEIA:2": DEIA appears twice: give its hours once',
        ),
        (
            {"topics": "DEIA 1"},
            'topics "DEIA 1": write topics as name:hours, separated by semicolons',
        ),
        (
            {"topics": "DEIA:0"},
            'topics "DEIA:0": must be more than 0 and at most 24 hours',
        ),
        (
            {"topics": "DEIA:5; RSC:1.5"},
            (
                'topics "DEIA:5; RSC:1.5": The topic hours together can\'t be more '
                "than the session's 6 hours"
            ),
        ),
        (
            RSC | {"topics": "DEIA:1"},
            'topics "DEIA:1": No requirement counts hours about DEIA. Use RSC-GIVEN.',
        ),
        (
            RSC | {"provider_email": "alice@example.org"},
            (
                'provider_email "alice@example.org": must be another person, not the '
                "one in column email"
            ),
        ),
        (
            RSC | {"provider_email": "dora@example.org"},
            (
                'provider_email "dora@example.org": is neither in people.csv nor in the database: '
                "add the person to people.csv"
            ),
        ),
        (
            {"provider_email": "bob@example.org"},
            (
                'provider_email "bob@example.org": A training has no RSC provider. '
                "Leave the provider empty."
            ),
        ),
        (
            {"email": "dora@example.org"},
            (
                'email "dora@example.org": is neither in people.csv nor in the database: '
                "add the person to people.csv"
            ),
        ),
        (
            {"email": "alice"},
            'email "alice": is not an email address: An email address must have an @-sign.',
        ),
        (
            {"reference": "r" * 201},
            f'reference "{"r" * 80}…": must have at most 200 characters, and has 201',
        ),
    ],
)
def test_a_wrong_entry_is_refused_with_a_fix(
    sqlite_importer: Importer, cells: dict[str, str], expected: str
) -> None:
    assert entry_problems(sqlite_importer, **cells) == [expected]
    assert sqlite_importer.rows("person") == []


def test_every_wrong_cell_is_reported(sqlite_importer: Importer) -> None:
    problems = entry_problems(sqlite_importer, date="tomorrow", hours="-1", topics="x", title="")
    assert [each.split()[0] for each in problems] == ["date", "hours", "title", "topics"]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (
            {"association": "ncimha"},
            'association "ncimha": is unknown; did you mean NCIMHA?',
        ),
        (
            {"association": "WHO"},
            'association "WHO": is unknown; valid values: CT-AIMH and NCIMHA',
        ),
        (
            {"category": "IFZ"},
            'category "IFZ": NCIMHA has no such category; did you mean IFS or IFA?',
        ),
        (
            {"association": "CT-AIMH", "category": "IMHM-C"},
            'category "IMHM-C": CT-AIMH has no such category; valid values: IFS',
        ),
        (
            {"ends_on": "2023-12-31"},
            'ends_on "2023-12-31": must be 2024-01-01 (the start) or later',
        ),
        (
            {"email": "dora@example.org"},
            (
                'email "dora@example.org": is neither in people.csv nor in the database: '
                "add the person to people.csv"
            ),
        ),
    ],
)
def test_a_wrong_endorsement_is_refused(
    sqlite_importer: Importer, cells: dict[str, str], expected: str
) -> None:
    found = sqlite_importer.problem_texts(people=PEOPLE, endorsements=csv_of(HELD | cells))
    assert found == [f"endorsements.csv:2: {expected}"]


@pytest.mark.parametrize("ends_on", ["", "2024-01-01", "2030-12-31"])
def test_an_endorsement_can_end_any_later_day(sqlite_importer: Importer, ends_on: str) -> None:
    held = csv_of(HELD | {"ends_on": ends_on})
    assert sqlite_importer.problem_texts(people=PEOPLE, endorsements=held) == []


def test_a_membership_needs_end_and_organization(sqlite_importer: Importer) -> None:
    problems = sqlite_importer.problem_texts(
        people=PEOPLE,
        memberships="email,organization,starts_on,ends_on\nalice@example.org,NC,2024-01-01,\n",
    )
    assert problems == [
        (
            'memberships.csv:2: organization "NC": is unknown; valid values: '
            "CT-AIMH, MI-AIMH, and NCIMHA"
        ),
        'memberships.csv:2: ends_on "": must not be empty',
    ]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ("alice@example.org,,,", 'name "": must not be empty'),
        ("alice@example.org,A,,maybe", 'provides_rsc "maybe": must be yes or no'),
        (
            "alice@example.org,A,phd,",
            'highest_degree "phd": must be none, associate, bachelor, master, or doctorate',
        ),
        (
            "alice@example.org,Visit evil.example now,,",
            'name "Visit evil.example now": looks like a link or an address: enter only the name',
        ),
    ],
)
def test_a_wrong_person_is_refused(sqlite_importer: Importer, cells: str, expected: str) -> None:
    people = f"email,name,highest_degree,provides_rsc\n{cells}\n"
    assert sqlite_importer.problem_texts(people=people) == [f"people.csv:2: {expected}"]


@pytest.mark.parametrize(
    ("name", "stored"),
    [("Dr.Yara Ito", "Dr. Yara Ito"), ("Jo St.John, M.Ed.", "Jo St. John, M.Ed.")],
)
def test_a_title_before_a_name_gets_its_space(
    sqlite_importer: Importer, name: str, stored: str
) -> None:
    people = f'email,name\nyara@example.org,"{name}"\n'
    for _ in range(2):
        sqlite_importer.run(people=people)
    assert ("yara@example.org", stored) in sqlite_importer.rows("person", "email", "name")


def test_a_person_with_a_wrong_row_is_known(
    sqlite_importer: Importer,
) -> None:
    problems = sqlite_importer.problem_texts(
        people="email,name\nalice@example.org,\n", endorsements=csv_of(HELD)
    )
    assert problems == ['people.csv:2: name "": must not be empty']


def test_an_unknown_provider_is_reported_with_other_problems(
    importer: Importer,
) -> None:
    wrong = RSC | {"hours": "25", "provider_email": "nobody@example.org"}
    assert [each.split(":")[0] for each in entry_problems(importer, **wrong)] == [
        'hours "25"',
        'provider_email "nobody@example.org"',
    ]


@pytest.mark.parametrize(
    ("days", "is_asked"),
    [
        (["3/4/2026"], True),
        (["3/4/2026", "5/5/2026"], True),
        (["3/4/2026", "3/13/2026"], False),
        (["5/5/2026"], False),
        (["2026-03-04"], False),
    ],
)
def test_a_date_is_asked_about_unless_the_file_tells(
    sqlite_importer: Importer, days: list[str], *, is_asked: bool
) -> None:
    lines = [f"alice@example.org,training,{day},1,Day {n}" for n, day in enumerate(days)]
    file = sqlite_importer.folder / "entries.csv"
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join(["email,activity,date,hours,title", *lines]), "utf-8")
    files = read_files([file], replace(CONTEXT, month_first=False))
    found = [p.line for p in files.problems if "can be month/day or day/month" in p.message]
    assert found == ([2] if is_asked else [])
