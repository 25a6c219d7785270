"""Columns and values of lists are recognized, and what is not is a question."""

from datetime import date

import pytest

from tests.support.cast import BOOKS
from tracker.importer.loose_dates import find_order, read_loose_date
from tracker.importer.mapping import ImportMapping, list_questions, map_sheets
from tracker.importer.proposals import Memory, guess_value, propose_mapping
from tracker.importer.schemas import SCHEMAS
from tracker.importer.targets import KIND_NAMES, choices_of
from tracker.importer.workbooks import Sheet, read_upload

TODAY = date(2026, 11, 29)
CHOICES = choices_of(BOOKS, "NCIMHA")
NOTHING = Memory({}, {}, {})


def sheet(text: str, name: str = "list.csv") -> Sheet:
    [found] = read_upload(name, text.encode())
    return found


def propose(text: str, name: str = "list.csv") -> tuple[Sheet, ImportMapping]:
    found = sheet(text, name)
    return found, propose_mapping([found], CHOICES, NOTHING)


def test_a_roster_is_people_and_endorsements() -> None:
    roster, mapping = propose(
        "Name,E-mail,Endorsement,Date endorsed\n"
        "Zoe Hart,zoe@example.org,Infant Family Specialist,2024-03-01\n"
    )
    [mapped] = mapping.sheets
    assert mapped.targets == ["people.name", "email", "category", "endorsements.starts_on"]
    assert mapped.fixed == {"association": "NCIMHA"}
    assert mapped.kinds == ["people", "endorsements"]
    assert list_questions([roster], mapping, CHOICES) == []
    people, endorsements = map_sheets([roster], mapping, CHOICES, TODAY).tables
    assert people.lines == [(0, ["email", "name"]), (2, ["zoe@example.org", "Zoe Hart"])]
    assert endorsements.lines[1] == (2, ["zoe@example.org", "NCIMHA", "IFS", "2024-03-01"])


def test_a_name_is_recognized_with_other_endings() -> None:
    _, mapping = propose(
        "Name,Email,Category,Since,Endorsement ended on\nZ,z@example.org,IFS,2024-03-01,\n"
    )
    assert mapping.sheets[0].targets[-1] == "endorsements.ends_on"


def test_a_membership_list_does_not_rename_people() -> None:
    members, mapping = propose(
        "Member name,Email address,Member since,Expiration date\n"
        "Zoe,zoe@example.org,1/1/2026,12/31/2026\n",
        "members 2026.csv",
    )
    [mapped] = mapping.sheets
    assert mapped.kinds == ["memberships"]
    assert mapped.fixed == {"memberships.organization": "NCIMHA"}
    [table] = map_sheets([members], mapping, CHOICES, TODAY).tables
    assert table.lines[1] == (2, ["zoe@example.org", "NCIMHA", "2026-01-01", "2026-12-31"])


def test_a_day_beside_a_name_vets_nobody() -> None:
    text = "Name,Email,Start date\nZoe,zoe@example.org,2026-01-01\n"
    _, contacts = propose(text)
    assert contacts.sheets[0].targets == ["people.name", "email", ""]
    _, vetted = propose(text, "vetted providers.csv")
    assert vetted.sheets[0].targets == ["people.name", "email", "vetting.starts_on"]


def test_a_list_of_trainings_is_hours() -> None:
    trainings, mapping = propose(
        "Email,Date,Hours,Training title\nzoe@example.org,3/14/2026,6,Reflective practice\n",
        "trainings.csv",
    )
    [mapped] = mapping.sheets
    assert mapped.kinds == ["entries"]
    assert mapped.fixed == {"entries.activity": "training"}
    assert list_questions([trainings], mapping, CHOICES) == []


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_the_documented_files_map_to_themselves(kind: str) -> None:
    columns = SCHEMAS[kind].columns()
    text = "\n".join([",".join(columns), ",".join("x" for _ in columns), ""])
    _, mapping = propose(text, f"{kind}.csv")
    [mapped] = mapping.sheets
    own = [
        column if column in {"email", "association", "category"} else f"{kind}.{column}"
        for column in columns
    ]
    assert mapped.targets == own


def test_names_in_two_columns_become_one() -> None:
    roster, mapping = propose(
        "First Name,Last Name,Email,Category,Since\nZoe,Hart,zoe@example.org,IFS,2024-03-01\n"
    )
    people, _ = map_sheets([roster], mapping, CHOICES, TODAY).tables
    assert people.lines[1] == (2, ["zoe@example.org", "Zoe Hart"])


def test_an_unknown_value_is_a_question() -> None:
    roster, mapping = propose("Name,Email,Category,Since\nZoe,zoe@example.org,Level 2,2024-03-01\n")
    [question] = list_questions([roster], mapping, CHOICES)
    assert (question.what, question.target, question.text) == ("value", "category", "Level 2")
    mapping.values["category"] = {"level 2": "IFS"}
    assert list_questions([roster], mapping, CHOICES) == []


def test_a_value_can_leave_its_rows_out() -> None:
    roster, mapping = propose(
        "Name,Email,Category,Since,Active\n"
        "Zoe,zoe@example.org,IFS,2024-03-01,Active\n"
        "Yan,yan@example.org,IFS,2024-03-01,Retired\n"
    )
    mapped = map_sheets([roster], mapping, CHOICES, TODAY)
    assert [line for line, _ in mapped.tables[0].lines] == [0, 2]
    assert mapped.left_out == [(0, 3)]


def test_an_ambiguous_date_is_asked_once_a_column() -> None:
    roster, mapping = propose(
        "Name,Email,Category,Since\nZoe,zoe@example.org,IFS,3/4/2024\nYan,yan@example.org,IFS,5/6/2024\n"
    )
    [question] = list_questions([roster], mapping, CHOICES)
    assert (question.what, question.column, question.text) == ("order", 3, "3/4/2024")
    mapping.sheets[0].orders[3] = "day"
    assert list_questions([roster], mapping, CHOICES) == []
    _, endorsements = map_sheets([roster], mapping, CHOICES, TODAY).tables
    assert [row[-1] for _, row in endorsements.lines[1:]] == ["2024-04-03", "2024-06-05"]


def test_what_a_kind_needs_is_a_question() -> None:
    roster, mapping = propose("Name,Email,Category,Since\nZoe,zoe@example.org,IFS,2024-03-01\n")
    mapping.sheets[0].targets[3] = "endorsements.ends_on"
    [question] = list_questions([roster], mapping, CHOICES)
    assert (question.what, question.target) == ("missing", "endorsements.starts_on")


def test_a_target_of_two_columns_is_a_question() -> None:
    roster, mapping = propose("Name,Email,Category,Since\nZoe,zoe@example.org,IFS,2024-03-01\n")
    mapping.sheets[0].targets[2] = "email"
    assert list_questions([roster], mapping, CHOICES)[0].what == "twice"


def test_a_sheet_that_means_nothing_is_a_question() -> None:
    unknown, mapping = propose("Color,Size\nred,L\n")
    assert [each.what for each in list_questions([unknown], mapping, CHOICES)] == ["nothing"]


def test_a_row_without_a_kinds_values_has_none_of_it() -> None:
    roster, mapping = propose(
        "Name,Email,Category,Endorsed on,Membership expires,Member since\n"
        "Zoe,zoe@example.org,IFS,2024-03-01,2026-12-31,2026-01-01\n"
        "Yan,yan@example.org,IFS,2024-03-01,,\n"
    )
    tables = {table.kind: table for table in map_sheets([roster], mapping, CHOICES, TODAY).tables}
    assert len(tables["endorsements"].lines) == 3
    assert [line for line, _ in tables["memberships"].lines] == [0, 2]


def test_a_mapping_survives_being_stored() -> None:
    _, mapping = propose("Name,Email,Category,Since\nZoe,zoe@example.org,IFS,3/4/2024\n")
    mapping.sheets[0].orders[3] = "day"
    assert ImportMapping.from_json(mapping.to_json()) == mapping


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("IFS", "IFS"),
        ("infant family specialist", "IFS"),
        ("Infant Family Specialist (IFS)", "IFS"),
        ("Infant Family Specialst", "IFS"),
        ("Level 2", None),
    ],
)
def test_categories_are_recognized_by_name(text: str, value: str | None) -> None:
    assert guess_value(text, CHOICES["category"]) == value


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-03-04", "2026-03-04"),
        ("2026-03-04 00:00:00", "2026-03-04"),
        ("3/4/2026", "2026-03-04"),
        ("3-4-26", "2026-03-04"),
        ("3/4/99", "1999-03-04"),
        ("March 4, 2026", "2026-03-04"),
        ("Sept. 4 2026", "2026-09-04"),
        ("4-Mar-26", "2026-03-04"),
        ("46085", "2026-03-04"),
        ("2/30/2026", "2/30/2026"),
        ("soon", "soon"),
    ],
)
def test_dates_are_read_as_people_write_them(text: str, iso: str) -> None:
    assert read_loose_date(text, "month", TODAY) == iso


@pytest.mark.parametrize(
    ("texts", "order"),
    [
        (["3/4/2026", "3/14/2026"], "month"),
        (["3/4/2026", "14/3/2026"], "day"),
        (["3/3/2026", "2026-01-02"], "month"),
        (["3/4/2026"], None),
    ],
)
def test_other_dates_of_the_column_tell_the_order(texts: list[str], order: str | None) -> None:
    assert find_order(texts)[0] == order
