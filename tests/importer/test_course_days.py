"""A course of several days: one line of entries.csv, or one for each day."""

from datetime import date

import pytest
from sqlalchemy import delete

from tests.importer.importer import PEOPLE, Importer
from tracker.db.engine import writing
from tracker.db.tables import METADATA

HEAD = "email,activity,date,hours,title,topics,reference,shared_reference,days"
DAYS = "2024-03-04 6; 3/5/2024 5:30 (DEIA:1); 2024-03-06 90 min"
START = "alice@example.org,training"
STORED = [(date(2024, 3, 4), 360), (date(2024, 3, 5), 330), (date(2024, 3, 6), 90)]


def line(
    days: str = DAYS, *, day: str = "", hours: str = "", topics: str = "", reference: str = ""
) -> str:
    return f'{HEAD}\n{START},{day},{hours},Winter school,{topics},{reference},,"{days}"\n'


def counts_of(importer: Importer, entries: str) -> tuple[int, int, int]:
    counts = importer.run(people=PEOPLE, entries=entries).counts["entries"]
    return counts.added, counts.changed, counts.unchanged


def stored(importer: Importer) -> list[tuple[date, int]]:
    return importer.rows("entry", "held_on", "minutes")


@pytest.mark.parametrize("reference", ["", "C-1"])
def test_each_day_becomes_an_entry_once(importer: Importer, reference: str) -> None:
    text = line(reference=reference)
    assert counts_of(importer, text) == (3, 0, 0)
    before = importer.all_rows()
    assert counts_of(importer, text) == (0, 0, 3)
    assert importer.all_rows() == before
    assert stored(importer) == STORED
    assert importer.rows("entry_topic", "topic", "minutes") == [("DEIA", 60)]
    assert {row[0] for row in importer.rows("entry", "reference")} == {reference or None}


def test_days_on_lines_of_a_cell_are_read_too(sqlite_importer: Importer) -> None:
    assert counts_of(sqlite_importer, line(DAYS.replace("; ", "\n"))) == (3, 0, 0)
    assert stored(sqlite_importer) == STORED


def test_a_line_for_each_day_is_the_same_course(sqlite_importer: Importer) -> None:
    counts_of(sqlite_importer, line())
    single = [
        f"{START},2024-03-04,6,Winter school,,,,",
        f"{START},2024-03-05,5.5,Winter school,DEIA:1,,,",
        f"{START},2024-03-06,1.5,Winter school,,,,",
    ]
    assert counts_of(sqlite_importer, "\n".join([HEAD, *single])) == (0, 0, 3)


def test_a_changed_day_of_a_reference_changes_its_entry(sqlite_importer: Importer) -> None:
    counts_of(sqlite_importer, line(reference="7"))
    changed = line(DAYS.replace("90 min", "2"), reference="7")
    assert counts_of(sqlite_importer, changed) == (0, 1, 2)
    assert stored(sqlite_importer)[2] == (date(2024, 3, 6), 120)


def test_one_deleted_day_stays_deleted(sqlite_importer: Importer) -> None:
    counts_of(sqlite_importer, line())
    entry = METADATA.tables["entry"]
    with writing(sqlite_importer.engine) as session:
        session.connection().execute(delete(entry).where(entry.c.minutes == 360))
    assert counts_of(sqlite_importer, line()) == (0, 0, 3)
    assert stored(sqlite_importer) == STORED[1:]


def test_first_day_and_sum_may_be_given_too(sqlite_importer: Importer) -> None:
    assert counts_of(sqlite_importer, line(day="3/4/2024", hours="13")) == (3, 0, 0)


DAY_FORM = (
    "write each day with its hours, separated by semicolons, and the hours about a topic in "
    "parentheses: YYYY-MM-DD 6; YYYY-MM-DD 5.5 (DEIA:1)"
)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            line(day="2024-03-05"),
            ('date "2024-03-05": must be empty, or 2024-03-04 as the first one of the days'),
        ),
        (line(hours="12"), 'hours "12": must be empty, or the sum of the hours of all days'),
        (line(topics="DEIA:1"), f'topics "DEIA:1": must be empty if days are given: {DAY_FORM}'),
        (
            line("2024-03-04"),
            (f'days "2024-03-04": "2024-03-04" is not a day with its hours: {DAY_FORM}'),
        ),
        (
            line("2024-03-04 6; 3/4/2024 1"),
            (
                'days "2024-03-04 6; 3/4/2024 1": has 2024-03-04 twice: '
                "add its hours up, or give the second session a row of its own"
            ),
        ),
        (line("2024-03-04 6; 2024-07-01 1"), 'days "2024-07-01 1": must be 2024-06-30 or earlier'),
        (
            line("2024-03-04 \x1b6"),
            ('days "2024-03-04 \\x1b6": contains the invisible character U+001B: remove it'),
        ),
        (line("2024-03-04 6; soon 1"), 'days "soon 1": write the date as YYYY-MM-DD or M/D/YYYY'),
        (
            line("2024-03-04 6; 2024-03-05 much"),
            ('days "2024-03-05 much": hours are written like 1.5, 1:30 or 90 min'),
        ),
        (
            line("2024-03-04 1 (DEIA:2)"),
            ("days \"2024-03-04 1 (DEIA:2)\": DEIA hours can't be more than the session's 1 hour"),
        ),
        (
            line().replace("training", "rsc"),
            (f'days "{DAYS}": only a training has days: give each RSC session a row'),
        ),
    ],
)
def test_a_wrong_day_is_named(sqlite_importer: Importer, text: str, problem: str) -> None:
    found = sqlite_importer.problem_texts(people=PEOPLE, entries=text)
    assert found == [f"entries.csv:2: {problem}"]
    assert stored(sqlite_importer) == []


def test_more_hours_than_a_day_has_point_to_days(sqlite_importer: Importer) -> None:
    how = (
        "for a course over several days, log each day: give each day a row, or list all of them in "
        "a column days, like YYYY-MM-DD 6; YYYY-MM-DD 5.5"
    )
    text = line("", day="2024-03-04", hours="26")
    assert sqlite_importer.problem_texts(people=PEOPLE, entries=text) == [
        f'entries.csv:2: hours "26": must be more than 0 and at most 24 hours; {how}'
    ]
    full = f"{line('2024-03-04 20; 2024-03-05 6')}{START},2024-03-04,5,Talk,,,,\n"
    assert sqlite_importer.problem_texts(people=PEOPLE, entries=full) == [
        f'entries.csv:3: hours "5": makes 25 hours on 2024-03-04; a day has 24; {how}'
    ]
