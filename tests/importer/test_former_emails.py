"""A changed address does not make a second person."""

import pytest
from sqlmodel import col, update

from tests.importer.importer import NOW, PEOPLE, Importer
from tests.importer.test_importing import WHOLE
from tracker.db.access import BrowserSession
from tracker.db.engine import writing
from tracker.db.people import Person

NEW = "ali@example.net"
MOVED = f"email,name,previous_email\n{NEW},Alice Adams,alice@example.org\n"


def test_everything_follows_a_changed_address(importer: Importer) -> None:
    importer.run(**WHOLE)
    before = importer.all_rows()
    report = importer.run(people=MOVED)
    assert report.changed_emails == {"alice@example.org": NEW}
    after = importer.all_rows()
    for table in ("entry", "endorsement", "membership", "imported_row"):
        assert after[table] == before[table]
    assert importer.rows("person", "id", "email", "name") == [
        (1, NEW, "Alice Adams"),
        (2, "bob@example.org", "Bob"),
    ]
    assert importer.rows("former_email", "email", "person_id") == [("alice@example.org", 1)]
    [event] = [e for e in importer.rows("audit_event", "table_name", "who") if e[0] == "person"]
    assert event == ("person", "tests")


def test_the_same_file_again_changes_nothing(importer: Importer) -> None:
    importer.run(**WHOLE)
    importer.run(people=MOVED)
    before = importer.all_rows()
    report = importer.run(people=MOVED)
    assert (report.changed_emails, report.counts["people"].unchanged) == ({}, 1)
    assert importer.all_rows() == before


def test_files_with_the_former_address_mean_the_same_person(importer: Importer) -> None:
    importer.run(**WHOLE)
    importer.run(people=MOVED)
    others = {kind: text for kind, text in WHOLE.items() if kind != "people"}
    report = importer.run(**others)
    assert all(counts.added == 0 for counts in report.counts.values())
    both = WHOLE["memberships"] + WHOLE["memberships"].splitlines()[1].replace(
        "alice@example.org", NEW
    )
    assert importer.run(memberships=both).counts["memberships"].unchanged == 1


def test_a_new_person_file_names_the_present_address(sqlite_importer: Importer) -> None:
    sqlite_importer.run(**WHOLE)
    sqlite_importer.run(people=MOVED)
    assert sqlite_importer.problem_texts(people=PEOPLE) == [
        (
            'people.csv:2: email "alice@example.org": is the former address of ali@example.net: '
            "write that one, or, if it is another person's now, run `tracker person "
            "release-email alice@example.org` first"
        )
    ]


@pytest.mark.parametrize(
    ("people", "problem"),
    [
        (
            f"{MOVED}alice@example.org,Alice,\n",
            (
                'people.csv:2: previous_email "alice@example.org": is the person in people.csv:3 '
                "too: remove that row if it is the same person"
            ),
        ),
        (
            MOVED.replace(NEW, "bob@example.org"),
            (
                'people.csv:2: email "bob@example.org": bob@example.org is the address of Bob, '
                "who is another person here. If both are one person, use `tracker person merge`."
            ),
        ),
    ],
)
def test_two_people_stay_two_people(sqlite_importer: Importer, people: str, problem: str) -> None:
    sqlite_importer.run(people=PEOPLE)
    before = sqlite_importer.rows("person")
    found = [each.replace(f"{sqlite_importer.folder}/", "") for each in
             sqlite_importer.problem_texts(people=people)]  # fmt: skip
    assert found == [problem]
    assert sqlite_importer.rows("person") == before


def test_a_second_address_can_become_the_first(importer: Importer) -> None:
    importer.run(people=PEOPLE)
    with writing(importer.engine) as session:
        session.exec(update(Person).where(col(Person.id) == 1).values(second_email=NEW))
        browser = BrowserSession(
            token_hash="t",
            email="alice@example.org",
            created_at=NOW,
            expires_at=NOW,
            person_id=1,
        )
        session.add(browser)
    importer.run(people=MOVED)
    assert importer.rows("person", "email", "second_email")[0] == (NEW, None)
    assert importer.rows("web_session") == []


def test_rows_mean_the_present_owner_of_an_address(sqlite_importer: Importer) -> None:
    sqlite_importer.run(**WHOLE)
    sqlite_importer.run(people=MOVED)
    with writing(sqlite_importer.engine) as session:
        session.add(Person(email="alice@example.org", name="Alice Other"))
    sqlite_importer.run(memberships=WHOLE["memberships"])
    [other] = [i for i, name in sqlite_importer.rows("person", "id", "name") if "Other" in name]
    assert other in [person_id for (person_id,) in sqlite_importer.rows("membership", "person_id")]
