"""Rows that look like a stored session want a decision."""

from dataclasses import replace
from typing import Literal

import pytest

from tests.importer.importer import CONTEXT, PEOPLE, Importer
from tracker.importer.apply import import_paths

HEAD = "email,activity,date,hours,title,reference"
RSC_HEAD = "email,activity,date,hours,title"
STORED = f"{HEAD}\nalice@example.org,training,2024-02-01,2,Infant mental health,0071\n"
NAMED = f"{RSC_HEAD},provider_name\nalice@example.org,rsc,2024-02-01,2,RSC,Bob\n"
ADDRESSED = (
    f"{RSC_HEAD},provider_email\nalice@example.org,rsc,2024-02-01,2,Monthly,bob@example.org\n"
)


def row(title: str = "Infant mental health", reference: str = "", decision: str = "") -> str:
    cells = f"alice@example.org,training,2024-02-01,2,{title},{reference},{decision}"
    return f"{HEAD},similar\n{cells}\n"


def test_the_problem_shows_the_stored_session(sqlite_importer: Importer) -> None:
    sqlite_importer.run(people=PEOPLE, entries=STORED)
    assert sqlite_importer.problem_texts(entries=row("Babies")) == [
        (
            'entries.csv:2: title "Babies": looks like a stored session (2024-02-01, training, '
            '2 h, reference 0071, "Infant mental health"): write same in a column similar if it '
            "is that session, or new if it is another one, or decide for all rows with --similar"
        )
    ]


def test_another_day_or_length_is_another_session(sqlite_importer: Importer) -> None:
    sqlite_importer.run(people=PEOPLE, entries=STORED)
    other = row("Babies").replace(",2,Babies", ",1,Babies")
    assert sqlite_importer.run(entries=other).counts["entries"].added == 1


@pytest.mark.parametrize(("decision", "sessions"), [("same", 1), ("new", 2)])
def test_a_decision_holds_for_later_imports(
    importer: Importer, decision: str, sessions: int
) -> None:
    importer.run(people=PEOPLE, entries=STORED)
    importer.run(entries=row("Babies", decision=decision))
    assert len(importer.rows("entry")) == sessions
    assert importer.run(entries=row("Babies")).counts["entries"].unchanged == 1


@pytest.mark.parametrize(("similar", "sessions"), [("same", 1), ("new", 2)])
def test_one_decision_holds_for_all_rows(
    importer: Importer, similar: Literal["same", "new"], sessions: int
) -> None:
    importer.run(people=PEOPLE, entries=STORED)
    importer.write(entries=row("Babies"))
    import_paths(importer.engine, [importer.folder], replace(CONTEXT, similar=similar))
    assert len(importer.rows("entry")) == sessions


def test_a_session_of_the_same_file_is_not_asked_about(importer: Importer) -> None:
    importer.run(people=PEOPLE, entries=STORED)
    both = STORED + "alice@example.org,training,2024-02-01,2,Babies,\n"
    assert importer.run(entries=both).counts["entries"].added == 1


def test_same_needs_a_stored_session(sqlite_importer: Importer) -> None:
    assert sqlite_importer.problem_texts(people=PEOPLE, entries=row(decision="same")) == [
        (
            'entries.csv:2: similar "same": no stored session of the person has this day, '
            "activity, and length: write new, or leave it empty"
        )
    ]


def test_lost_leading_zeros_do_not_add_a_session(importer: Importer) -> None:
    importer.run(people=PEOPLE, entries=STORED)
    for _ in range(2):
        assert importer.run(entries=STORED.replace("0071", "71")).counts["entries"].unchanged == 1
    assert importer.rows("entry", "reference") == [("0071",)]


def test_a_changed_row_without_its_zeros_is_asked_about(sqlite_importer: Importer) -> None:
    sqlite_importer.run(people=PEOPLE, entries=STORED)
    changed = "alice@example.org,training,2024-03-05,3,Play,71"
    assert len(sqlite_importer.problem_texts(entries=f"{HEAD}\n{changed}\n")) == 1


def test_a_provider_address_completes_a_named_session(importer: Importer) -> None:
    importer.run(people=PEOPLE, entries=NAMED)
    report = importer.run(entries=ADDRESSED)
    assert (report.counts["entries"].changed, report.person_ids) == (1, {1})
    assert importer.rows("entry", "provider_id", "provider_name", "title") == [(2, None, "RSC")]
    assert importer.run(entries=ADDRESSED).counts["entries"].unchanged == 1
    assert importer.rows("audit_event", "table_name")[-1] == ("entry",)


def test_another_name_completes_a_session_if_decided(importer: Importer) -> None:
    importer.run(people=PEOPLE, entries=NAMED.replace(",Bob", ",Bobby B."))
    assert len(importer.problems(entries=ADDRESSED)) == 1
    decided = ADDRESSED.replace("provider_email", "provider_email,similar")
    importer.run(entries=decided.replace("bob@example.org", "bob@example.org,same"))
    assert importer.rows("entry", "provider_id", "provider_name") == [(2, None)]
