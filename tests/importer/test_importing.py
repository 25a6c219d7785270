"""What an import stores, updates, leaves alone, and undoes when it fails."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from sqlmodel import Session

from tests.importer.importer import NOW, PEOPLE, Importer
from tracker.db.engine import open_engine, writing
from tracker.importer.cells import LOG_EACH_DAY
from tracker.importer.store import ImportReport

HELD = """email,association,category,starts_on,ends_on
alice@example.org,NCIMHA,IFS,2022-01-01,2023-12-31
alice@example.org,NCIMHA,IFS,2024-01-01,
bob@example.org,NCIMHA,IMHM-C,2020-05-05,
"""
VETTING = "email,association,starts_on\nbob@example.org,NCIMHA,2021-01-01\n"
MEMBERSHIPS = """email,organization,starts_on,ends_on
alice@example.org,MI-AIMH,2024-01-01,2024-12-31
"""
LEAVE = """email,association,category,starts_on,ends_on,reason
alice@example.org,NCIMHA,IFS,2024-03-01,2024-05-31,A child
"""
ENTRIES = """email,activity,date,hours,title,topics,provider_email,format,reference
alice@example.org,training,2024-02-01,6,Attachment,DEIA:1; RSC:0.5,,,A-1
alice@example.org,rsc,2024-02-02,1.5,Supervision,,bob@example.org,individual,
"""
WHOLE = {
    "people": PEOPLE,
    "endorsements": HELD,
    "vetting": VETTING,
    "memberships": MEMBERSHIPS,
    "leave": LEAVE,
    "entries": ENTRIES,
}


def test_all_six_files_are_stored(importer: Importer) -> None:
    importer.run(**WHOLE)
    assert importer.rows("person", "email", "name", "second_email", "provides_rsc") == [
        ("alice@example.org", "Alice", None, False),
        ("bob@example.org", "Bob", None, True),
    ]
    assert importer.rows("endorsement", "person_id", "category", "starts_on", "ends_on") == [
        (1, "IFS", date(2022, 1, 1), date(2023, 12, 31)),
        (1, "IFS", date(2024, 1, 1), None),
        (2, "IMHM-C", date(2020, 5, 5), None),
    ]
    assert importer.rows("vetting") == [(1, 2, "NCIMHA", date(2021, 1, 1), None)]
    assert importer.rows("membership", "organization", "starts_on", "ends_on") == [
        ("MI-AIMH", date(2024, 1, 1), date(2024, 12, 31)),
    ]
    assert importer.rows("leave", "kind", "starts_on", "ends_on", "reason") == [
        ("leave", date(2024, 3, 1), date(2024, 5, 31), "A child")
    ]
    assert importer.rows("entry", "activity", "held_on", "minutes", "title", "provider_id") == [
        ("training", date(2024, 2, 1), 360, "Attachment", None),
        ("rsc", date(2024, 2, 2), 90, "Supervision", 2),
    ]
    assert importer.rows("entry_topic") == [
        (1, "DEIA", 1, date(2024, 2, 1), 60),
        (1, "RSC", 1, date(2024, 2, 1), 30),
    ]


def test_the_report_counts_added_changed_unchanged(importer: Importer) -> None:
    importer.run(**WHOLE)
    people = PEOPLE.replace("Alice", "Alice Adams") + "carol@example.org,Carol,no\n"
    report = importer.run(people=people, vetting="email,association,starts_on\n")
    counts = {kind: vars(each) for kind, each in report.counts.items()}
    assert counts == {
        "people": {"added": 1, "changed": 1, "unchanged": 1},
        "vetting": {"added": 0, "changed": 0, "unchanged": 0},
    }


def test_the_same_files_twice_change_nothing_at_all(importer: Importer) -> None:
    importer.run(**WHOLE)
    before = importer.all_rows()
    report = importer.run(**WHOLE)
    assert importer.all_rows() == before
    assert report.person_ids == set()
    assert all(each.added == each.changed == 0 for each in report.counts.values())


def test_equal_rows_are_separate_sessions(
    importer: Importer,
) -> None:
    twice = (
        "email,activity,date,hours,title\n" + "alice@example.org,training,2024-02-01,1,Talk\n" * 2
    )
    importer.run(people=PEOPLE, entries=twice)
    importer.run(entries=twice)
    assert importer.rows("entry", "minutes") == [(60,), (60,)]
    importer.run(entries=twice + "alice@example.org,training,2/1/2024,1:00,Talk\n")
    assert len(importer.rows("entry")) == 3


def test_every_added_entry_leaves_an_audit_event(importer: Importer) -> None:
    importer.run(**WHOLE)
    events = importer.rows("audit_event", "who", "at", "table_name", "row_id", "before")
    assert events == [("tests", NOW, "entry", 1, None), ("tests", NOW, "entry", 2, None)]
    [(after,), _] = importer.rows("audit_event", "after")
    assert json.loads(after) == {
        "activity": "training",
        "format": None,
        "held_on": "2024-02-01",
        "minutes": 360,
        "person_id": 1,
        "provider_id": None,
        "provider_name": None,
        "reference": "A-1",
        "title": "Attachment",
        "topics": {"DEIA": 60, "RSC": 30},
    }


def test_a_known_reference_updates_its_entry(
    importer: Importer,
) -> None:
    importer.run(**WHOLE)
    changed = ENTRIES.replace("2024-02-01,6,Attachment,DEIA:1;", "2024-02-05,5,Bonds,DEIA:2;")
    report = importer.run(entries=changed)
    assert vars(report.counts["entries"]) == {"added": 0, "changed": 1, "unchanged": 1}
    assert importer.rows("entry", "held_on", "minutes", "title")[0] == (
        date(2024, 2, 5),
        300,
        "Bonds",
    )
    assert importer.rows("entry_topic")[0] == (1, "DEIA", 1, date(2024, 2, 5), 120)
    [(before, after)] = importer.rows("audit_event", "before", "after")[2:]
    assert '"minutes": 360' in before
    assert '"minutes": 300' in after


def test_a_missing_column_keeps_what_is_stored(importer: Importer) -> None:
    importer.run(**WHOLE)
    entries = "email,activity,date,hours,title,reference\n"
    importer.run(entries=f"{entries}alice@example.org,training,2024-02-01,7,Attachment,A-1\n")
    assert importer.rows("entry", "minutes")[0] == (420,)
    assert importer.rows("entry_topic", "topic", "minutes") == [("DEIA", 60), ("RSC", 30)]
    assert importer.problem_texts(
        entries=f"{entries}alice@example.org,training,2024-02-01,1,Attachment,A-1\n"
    ) == [
        (
            'entries.csv:2: topics "DEIA:1; RSC:0.5": The topic hours together can\'t be more than '
            "the session's 1 hour (as stored: the file has no such column)"
        )
    ]


def test_the_same_file_keeps_edited_entries(
    importer: Importer,
) -> None:
    importer.run(**WHOLE)
    with importer.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE entry SET title = 'Mine' WHERE id = 1")
        connection.exec_driver_sql("DELETE FROM entry WHERE id = 2")
    importer.run(**WHOLE)
    assert importer.rows("entry", "id", "title") == [(1, "Mine")]


def test_a_changed_row_of_a_deleted_entry_is_new(importer: Importer) -> None:
    importer.run(**WHOLE)
    with importer.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM entry WHERE id = 1")
    changed = ENTRIES.replace("Attachment", "Bonds")
    for _ in range(2):
        importer.run(entries=changed)
    assert sorted(importer.rows("entry", "title")) == [("Bonds",), ("Supervision",)]


def test_an_empty_cell_means_the_default(
    importer: Importer,
) -> None:
    importer.run(
        people="email,name,second_email,highest_degree,provides_rsc\n"
        "alice@example.org,Alice,al@example.net,master,yes\n"
    )
    columns = ("name", "second_email", "highest_degree", "provides_rsc")
    importer.run(people="email,name\nalice@example.org,Ally\n")
    assert importer.rows("person", *columns) == [("Ally", "al@example.net", "master", True)]
    importer.run(people="email,name,second_email,highest_degree\nalice@example.org,Ally,,\n")
    assert importer.rows("person", *columns) == [("Ally", None, "none", True)]


def test_a_confirmed_second_address_stays(importer: Importer) -> None:
    people = "email,name,second_email\nalice@example.org,{},{}\n"
    importer.run(people=people.format("Alice", "al@example.net"))
    with writing(importer.engine) as session:
        session.connection().exec_driver_sql(
            "UPDATE person SET second_email = 'own@example.net', "
            "second_email_confirmed_at = '2024-06-01 00:00:00'"
        )
    for second_email in ("", "al@example.net"):
        importer.run(people=people.format("Ally", second_email))
        assert importer.rows("person", "name", "second_email") == [("Ally", "own@example.net")]


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("endorsements", "2020-05-05,", "2020-05-05,2027-12-31"),
        ("memberships", "2024-12-31", "2025-12-31"),
        ("leave", "2024-05-31", "2024-06-15"),
    ],
)
def test_an_end_may_be_changed(importer: Importer, kind: str, old: str, new: str) -> None:
    importer.run(**WHOLE)
    report = importer.run(**{kind: WHOLE[kind].replace(old, new)})
    assert (report.counts[kind].added, report.counts[kind].changed) == (0, 1)
    assert report.person_ids == ({2} if kind == "endorsements" else {1})


def test_a_day_has_at_most_24_hours(importer: Importer) -> None:
    entries = "email,activity,date,hours,title\nalice@example.org,training,2024-02-01,"
    assert importer.problem_texts(
        people=PEOPLE, entries=f"{entries}20,A\nalice@example.org,training,2024-02-01,5,B\n"
    ) == [f'entries.csv:3: hours "5": makes 25 hours on 2024-02-01; a day has 24; {LOG_EACH_DAY}']
    importer.run(people=PEOPLE, entries=f"{entries}20,A\n")
    assert importer.problem_texts(entries=f"{entries}5,B\n") == [
        (
            'entries.csv:2: hours "5": makes 25 hours on 2024-02-01 '
            f"(20 of them already stored); a day has 24; {LOG_EACH_DAY}"
        )
    ]
    assert importer.problem_texts(entries=f"{entries}4,B\n") == []


def test_a_changed_entry_counts_in_its_day_once(importer: Importer) -> None:
    entries = "email,activity,date,hours,title,reference\nalice@example.org,training,2024-02-01,"
    importer.run(people=PEOPLE, entries=f"{entries}20,A,1\n")
    assert importer.problem_texts(entries=f"{entries}24,A,1\n") == []


@pytest.mark.parametrize(
    ("end", "expected"), [("2024-01-01", "ends on 2024-01-01"), ("", "has no end")]
)
def test_a_category_is_held_once_on_any_day(importer: Importer, end: str, expected: str) -> None:
    rows = [
        f"alice@example.org,NCIMHA,IFS,{days}\n" for days in (f"2022-01-01,{end}", "2024-01-01,")
    ]
    expected = (
        'endorsements.csv:3: starts_on "2024-01-01": overlaps the endorsement since '
        f"2022-01-01, which {expected}: end that one first"
    )
    heading = "email,association,category,starts_on,ends_on\n"
    assert importer.problem_texts(people=PEOPLE, endorsements=heading + "".join(rows)) == [expected]
    importer.run(people=PEOPLE, endorsements=heading + rows[0])
    assert importer.problem_texts(endorsements=heading + rows[1]) == [
        expected.replace("csv:3", "csv:2")
    ]


def test_an_earlier_endorsement_must_end(
    importer: Importer,
) -> None:
    importer.run(people=PEOPLE, endorsements=HELD)
    heading = "email,association,category,starts_on,ends_on\n"
    early = f"{heading}bob@example.org,NCIMHA,IMHM-C,2019-01-01,"
    assert importer.problem_texts(endorsements=f"{early}\n") == [
        (
            "endorsements.csv:2: ends_on: overlaps the endorsement since 2020-05-05: "
            "end this one before that day"
        )
    ]
    assert importer.problem_texts(endorsements=f"{early}2020-05-04\n") == []


def test_leave_needs_an_endorsement_on_its_first_day(importer: Importer) -> None:
    importer.run(people=PEOPLE, endorsements=HELD)
    importer.run(leave=LEAVE.replace("2024-03-01", "2023-12-31"))
    assert importer.rows("leave", "endorsement_id", "starts_on") == [(1, date(2023, 12, 31))]
    assert importer.problem_texts(leave=LEAVE.replace("2024-03-01", "2021-12-31")) == [
        (
            'leave.csv:2: starts_on "2021-12-31": no NCIMHA endorsement as IFS '
            "is valid on that day "
            "(known: since 2022-01-01, 2024-01-01)"
        )
    ]


def test_leave_is_not_blamed_for_wrong_endorsements(importer: Importer) -> None:
    held = HELD.replace("NCIMHA,IFS,2024-01-01", "NCIMHA,IFS,soon")
    problems = importer.problem_texts(**{**WHOLE, "endorsements": held})
    assert [each.split(":")[0] for each in problems] == ["endorsements.csv"]


@pytest.mark.parametrize(
    ("kind", "row", "expected"),
    [
        (
            "people",
            "alice@example.org,Alison,no",
            (
                'people.csv:4: email "alice@example.org": is the address in people.csv:2 too: '
                "keep one row if they are one person; two people need an address each, because "
                "they sign in with it"
            ),
        ),
        (
            "memberships",
            "alice@example.org,MI-AIMH,1/1/2024,2025-12-31",
            (
                'memberships.csv:3: email "alice@example.org": contradicts memberships.csv:2, '
                "which is about the same MI-AIMH, 2024-01-01: keep one"
            ),
        ),
        (
            "entries",
            "alice@example.org,rsc,2024-02-02,1.5,Other,,,,A-1",
            (
                'entries.csv:4: reference "A-1": contradicts entries.csv:2, '
                "which has the same reference: keep one, "
                "or write it in a column shared_reference if both are sessions"
            ),
        ),
    ],
)
def test_two_rows_that_contradict_each_other_are_refused(
    importer: Importer, kind: str, row: str, expected: str
) -> None:
    found = importer.problem_texts(**{**WHOLE, kind: f"{WHOLE[kind]}{row}\n"})
    assert [each.replace(f"{importer.folder}/", "") for each in found] == [expected]


def test_the_same_row_twice_is_no_contradiction(importer: Importer) -> None:
    report = importer.run(people=f"{PEOPLE}Alice@example.org,Alice,NO\n")
    assert report.counts["people"].added == 2


def test_a_refused_import_changes_nothing(importer: Importer) -> None:
    importer.run(**WHOLE)
    before = importer.all_rows()
    changed = PEOPLE.replace("Alice", "Ally") + "carol@example.org,Carol,no\n"
    assert importer.problem_texts(people=changed, vetting=VETTING.replace("bob@", "dora@"))
    assert importer.all_rows() == before


class StoppedError(Exception):
    """Something went wrong at the very end."""


def test_an_import_that_is_interrupted_stores_nothing(importer: Importer) -> None:
    def stop(session: Session, report: ImportReport) -> None:
        assert session.connection().exec_driver_sql("SELECT count(*) FROM entry").scalar() == 2
        assert report.person_ids == {1, 2}
        raise StoppedError

    before = importer.all_rows()
    importer.write(**WHOLE)
    with pytest.raises(StoppedError):
        importer.run_on(importer.folder, after=stop)
    assert importer.all_rows() == before


def test_nothing_follows_an_import_without_changes(importer: Importer) -> None:
    importer.run(**WHOLE)
    called = list[set[int]]()
    importer.run_on(importer.folder, after=lambda _, report: called.append(report.person_ids))
    assert called == []


def test_only_changed_people_are_passed_on(importer: Importer) -> None:
    importer.run(**WHOLE)
    called = list[set[int]]()
    importer.write(entries=ENTRIES.replace("A-1,", "A-2,").replace(",6,", ",5,"), people=PEOPLE)
    importer.run_on(importer.folder, after=lambda _, report: called.append(report.person_ids))
    assert called == [{1}]


def test_a_membership_can_be_for_life(importer: Importer) -> None:
    life = MEMBERSHIPS.replace("2024-12-31", "Life")
    for added in (1, 0):
        report = importer.run(people=PEOPLE, memberships=life)
        assert report.counts["memberships"].added == added
    assert importer.rows("membership", "starts_on", "ends_on") == [(date(2024, 1, 1), None)]


def test_a_membership_keeps_its_kind_unless_a_file_has_one(importer: Importer) -> None:
    importer.run(people=PEOPLE, memberships=MEMBERSHIPS)
    assert importer.rows("membership", "kind") == [("individual",)]
    agency = MEMBERSHIPS.replace("ends_on", "ends_on,kind").replace("12-31", "12-31,Agency")
    for memberships in (agency, MEMBERSHIPS):
        importer.run(people=PEOPLE, memberships=memberships)
        assert importer.rows("membership", "kind") == [("agency",)]


@pytest.mark.parametrize(
    ("last_day", "problem"),
    [
        ("", "must not be empty"),
        (
            "forever",
            "write the date as YYYY-MM-DD or M/D/YYYY, or life if the membership has no last day",
        ),
    ],
)
def test_a_missing_last_day_is_not_taken_for_life(
    sqlite_importer: Importer, last_day: str, problem: str
) -> None:
    memberships = MEMBERSHIPS.replace("2024-12-31", last_day)
    [found] = sqlite_importer.problem_texts(people=PEOPLE, memberships=memberships)
    assert found.endswith(problem)


def test_two_imports_at_once_do_not_double(importer: Importer, database_url: str) -> None:
    importer.write(**WHOLE)

    def take(_: int) -> int:
        engine = open_engine(database_url)
        report = Importer(engine, importer.folder).run_on(importer.folder)
        engine.dispose()
        return report.counts["entries"].added

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(take, range(4))) == [0, 0, 0, 2]
    assert len(importer.rows("entry")) == 2


def test_progress_grows_to_its_total(sqlite_importer: Importer) -> None:
    rows = [
        f"alice@example.org,training,2024-01-{day:02},0:0{n},T\n"
        for day in range(1, 32)
        for n in range(1, 10)
    ]
    sqlite_importer.write(
        people=PEOPLE, entries="email,activity,date,hours,title\n" + "".join(rows * 3)
    )
    reported = list[tuple[int, int]]()
    sqlite_importer.run_on(
        sqlite_importer.folder, progress=lambda done, total: reported.append((done, total))
    )
    assert len(reported) > 2
    assert reported == sorted(reported)
    assert reported[-1][0] == reported[-1][1]


def test_hundreds_of_problems_are_all_listed(sqlite_importer: Importer) -> None:
    rows = "".join(f"nobody{n},\n" for n in range(1_000))
    assert len(sqlite_importer.problems(people=f"email,name\n{rows}")) == 2_000


def test_five_thousand_people_fit_every_batch(
    importer: Importer,
) -> None:
    emails = [f"p{n}@example.org" for n in range(5_001)]
    people = "".join(f"{each},P\n" for each in emails)
    entries = "".join(f"{each},training,2024-02-01,1,Talk\n" for each in emails)
    files = {
        "people": f"email,name\n{people}",
        "entries": f"email,activity,date,hours,title\n{entries}",
    }
    assert importer.run(**files).counts["entries"].added == 5_001
    assert importer.run(**files).counts["entries"].unchanged == 5_001


def test_digests_of_rows_never_change(importer: Importer) -> None:
    # Otherwise a file imported before an update would undo what people changed since.
    importer.run(**WHOLE)
    short = "email,activity,date,hours,title,reference\n"
    importer.run(entries=f"{short}alice@example.org,training,2024-02-03,2,Book club,A-2\n")
    digests = [digest[:16] for (digest,) in importer.rows("imported_row", "digest")]
    assert digests == ["c48dac07e8d51b0f", "8a8910c8d4ae6077", "65ec6ae62ea574db"]
