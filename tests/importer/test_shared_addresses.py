"""What it means that two people have one address is said when it is imported."""

import pytest
from sqlmodel import col, update

from tests.importer.importer import NOW, Importer
from tracker.db.engine import writing
from tracker.db.people import Person

HEAD = "email,name,second_email\n"
ALICE = "alice@example.org,Alice Moreno,office@example.net\n"
BOB = "bob@example.org,Bob Osei,office@example.net\n"


def notes(importer: Importer, *rows: str) -> list[str]:
    report = importer.run(people="".join([HEAD, *rows]))
    return [note.replace(f"{importer.folder}/", "") for note in report.notes]


def test_a_shared_second_address_is_explained_once(importer: Importer) -> None:
    assert notes(importer, ALICE) == []
    expected = (
        "people.csv:2: office@example.net, the second address of Bob Osei, is also that of Alice "
        "Moreno. Nobody can sign in with it, and mail for each of them goes there while their "
        "first address fails."
    )
    assert notes(importer, BOB) == [expected]
    assert notes(importer, ALICE, BOB) == []


def test_both_rows_of_one_file_are_explained(sqlite_importer: Importer) -> None:
    assert len(notes(sqlite_importer, ALICE, BOB)) == 2


def test_a_second_address_of_another_person_is_explained(sqlite_importer: Importer) -> None:
    row = BOB.replace("office@example.net", "alice@example.org")
    assert notes(sqlite_importer, ALICE, row) == [
        (
            "people.csv:3: alice@example.org, the second address of Bob Osei, is the address of "
            "Alice Moreno. It signs in Alice Moreno only, who also gets mail for Bob Osei while "
            "the first address fails."
        )
    ]


def test_a_first_address_that_is_a_second_is_explained(sqlite_importer: Importer) -> None:
    notes(sqlite_importer, ALICE)
    assert notes(sqlite_importer, "office@example.net,Olga Office,\n") == [
        (
            "people.csv:2: office@example.net is also the second address of Alice Moreno. It "
            "signs in Olga Office only, and mail for Alice Moreno can go there too."
        )
    ]


def test_the_first_address_as_second_adds_nothing(sqlite_importer: Importer) -> None:
    row = ALICE.replace("office@example.net", "alice@example.org")
    [note] = notes(sqlite_importer, row)
    assert note.endswith("is the first address too, so it adds nothing.")


def test_an_address_that_changes_hands_is_explained(sqlite_importer: Importer) -> None:
    notes(sqlite_importer, ALICE)
    [note] = notes(sqlite_importer, ALICE.replace("Alice Moreno", "Bob Osei"))
    assert note == (
        "people.csv:2: alice@example.org was Alice Moreno and is Bob Osei now, with the same "
        "hours. If they are two people, import Alice Moreno under this address again, and give "
        "Bob Osei another one: an address is one person."
    )


@pytest.mark.parametrize("name", ["Alice Osei", "MORENO, Alicia"])
def test_a_changed_part_of_a_name_is_no_news(sqlite_importer: Importer, name: str) -> None:
    notes(sqlite_importer, ALICE)
    changed = ALICE.replace("Alice Moreno", f'"{name}"')
    assert notes(sqlite_importer, changed) == []


def test_a_second_address_chosen_in_the_browser_stays(sqlite_importer: Importer) -> None:
    notes(sqlite_importer, BOB, "alice@example.org,Alice Moreno,\n")
    with writing(sqlite_importer.engine) as session:
        own = {"second_email": "al@example.net", "second_email_confirmed_at": NOW}
        session.exec(update(Person).where(col(Person.name) == "Alice Moreno").values(own))
    assert notes(sqlite_importer, ALICE) == []


def test_two_people_in_one_file_need_an_address_each(sqlite_importer: Importer) -> None:
    people = f"{HEAD}{ALICE}alice@example.org,Bob Osei,\n"
    assert sqlite_importer.problem_texts(people=people) == [
        (
            'people.csv:3: email "alice@example.org": is the address in people.csv:2 too: keep '
            "one row if they are one person; two people need an address each, because they sign "
            "in with it"
        )
    ]
