"""Rows of one list with the same address stand side by side, until it is said what they are."""

from collections.abc import Iterator

import pytest

from tests.importer.uploads import Desk, as_csv, as_workbook
from tests.support.cast import ALICE, EVE, fill
from tracker.importer.plans import decide_addresses, decide_people
from tracker.importer.same_address import SameAddress
from tracker.services.context import Refused

HEADING = ["Name", "E-mail", "Endorsement", "Date endorsed", "Highest degree", "Phone"]
OFFICE = "office@example.org"
ZOE = ["Zoe Hart", OFFICE, "IFS", "2024-03-14", "Master", "555-0100"]
YAN = ["Yan Li", OFFICE, "IFA", "2025-05-06", "", "555-0101"]


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    cast = fill(database_url)
    yield Desk(cast)
    cast.engine.dispose()


def pairs(desk: Desk, plan_id: int) -> list[SameAddress]:
    return [SameAddress.from_stored(each) for each in desk.summary(plan_id).same_addresses]


def choose(desk: Desk, plan_id: int, choice: str, **own: str) -> None:
    """Choose for the only address; ``own`` are addresses by the number of the row's version."""
    [same] = pairs(desk, plan_id)
    fields = {same.field_of(int(number.strip("_"))): email for number, email in own.items()}
    desk.do(decide_addresses, plan_id, {same.key: choice}, fields)
    desk.run(plan_id)
    assert desk.state(plan_id) == ("planned", "")


def people(desk: Desk) -> dict[str, str]:
    return {row["email"]: row["name"] for row in desk.cast.rows("person")}


def held(desk: Desk, email: str) -> list[str]:
    [person_id] = [row["id"] for row in desk.cast.rows("person") if row["email"] == email]
    endorsements = desk.cast.rows("endorsement")
    return sorted(row["category"] for row in endorsements if row["person_id"] == person_id)


def reasons(desk: Desk, plan_id: int) -> dict[tuple[str, int], tuple[str, str]]:
    return {(row.kind, row.line): (row.outcome, row.reason) for row in desk.rows(plan_id)}


def test_two_names_stand_side_by_side(desk: Desk) -> None:
    plan_id = desk.upload(("roster.csv", as_csv([HEADING, ZOE, YAN])))
    [same] = pairs(desk, plan_id)
    assert (same.email, same.is_person, same.on_record) == (OFFICE, True, "")
    assert [version.label for version in same.versions] == ["row 2", "row 3"]
    columns = {name: (texts, differs) for name, texts, differs in same.columns}
    assert columns["Name"] == (["Zoe Hart", "Yan Li"], True)
    assert columns["E-mail"] == ([OFFICE, OFFICE], False)
    # Also what is not imported, because it helps to decide.
    assert columns["Phone"] == (["555-0100", "555-0101"], True)
    # As before, what is not decided is refused.
    assert desk.outcomes(plan_id) == [
        ("people", 2, "added"),
        ("endorsements", 2, "added"),
        ("people", 3, "refused"),
        ("endorsements", 3, "refused"),
    ]


@pytest.mark.parametrize(
    ("choice", "name", "degree"), [("one:0", "Zoe Hart", "master"), ("one:1", "Yan Li", "master")]
)
def test_one_person_has_the_facts_of_both_rows(
    desk: Desk, choice: str, name: str, degree: str
) -> None:
    plan_id = desk.upload(("roster.csv", as_csv([HEADING, ZOE, YAN])))
    choose(desk, plan_id, choice)
    before = desk.restored()
    planned = desk.outcomes(plan_id)
    assert sorted(outcome for *_, outcome in planned) == ["added", "added", "added", "unchanged"]
    desk.apply(plan_id)
    assert desk.state(plan_id) == ("applied", "")
    assert desk.outcomes(plan_id) == planned
    [person] = [row for row in desk.cast.rows("person") if row["email"] == OFFICE]
    # What the kept row leaves empty comes from the other one.
    assert (person["name"], person["highest_degree"]) == (name, degree)
    assert held(desk, OFFICE) == ["IFA", "IFS"]
    # The cells of columns that were not imported are forgotten.
    assert pairs(desk, plan_id) == []
    desk.undo(plan_id)
    assert desk.restored() == before


def test_of_two_people_one_has_the_address(desk: Desk) -> None:
    plan_id = desk.upload(("roster.csv", as_csv([HEADING, ZOE, YAN])))
    choose(desk, plan_id, "shared:1")
    outcome, reason = reasons(desk, plan_id)["people", 2]
    assert outcome == "refused"
    assert reason == (
        "Yan Li (row 3) has this address and signs in with it, and two people need an address "
        "each: write this person's own address into the row, and upload it again. The shared "
        "address can be the second email address."
    )
    desk.apply(plan_id)
    assert people(desk)[OFFICE] == "Yan Li"
    assert held(desk, OFFICE) == ["IFA"]


def test_the_other_one_gets_an_own_address(desk: Desk) -> None:
    plan_id = desk.upload(("roster.csv", as_csv([HEADING, ZOE, YAN])))
    choose(desk, plan_id, "shared:0", _1="yan@example.org")
    assert {outcome for *_, outcome in desk.outcomes(plan_id)} == {"added"}
    desk.apply(plan_id)
    assert (people(desk)[OFFICE], people(desk)["yan@example.org"]) == ("Zoe Hart", "Yan Li")
    assert (held(desk, OFFICE), held(desk, "yan@example.org")) == (["IFS"], ["IFA"])


@pytest.mark.parametrize(
    ("own", "code"), [("yan", "email-invalid"), (OFFICE.upper(), "email-is-first-here")]
)
def test_what_is_no_own_address_is_refused(desk: Desk, own: str, code: str) -> None:
    plan_id = desk.upload(("roster.csv", as_csv([HEADING, ZOE, YAN])))
    with pytest.raises(Refused) as refused:
        choose(desk, plan_id, "shared:0", _1=own)
    assert [each.code for each in refused.value.refusals] == [code]
    assert desk.state(plan_id) == ("planned", "")


def test_an_own_address_of_another_person_is_asked_about(desk: Desk) -> None:
    plan_id = desk.upload(("roster.csv", as_csv([HEADING, ZOE, YAN])))
    choose(desk, plan_id, "shared:0", _1=ALICE)
    assert [outcome for *_, outcome in desk.outcomes(plan_id)][2:] == ["refused", "refused"]
    [alike] = desk.summary(plan_id).look_alikes
    assert (alike["why"], alike["other_name"]) == ("another name", "Alice Moreno")


def test_a_row_is_left_out(desk: Desk) -> None:
    plan_id = desk.upload(("roster.csv", as_csv([HEADING, ZOE, YAN])))
    choose(desk, plan_id, "only:1")
    assert reasons(desk, plan_id)["endorsements", 2] == (
        "unchanged",
        "left out, as you chose: row 3 counts",
    )
    desk.apply(plan_id)
    assert people(desk)[OFFICE] == "Yan Li"
    assert held(desk, OFFICE) == ["IFA"]


def test_the_kept_row_decides_between_contradictions(desk: Desk) -> None:
    heading = ["Name", "Email", "Endorsement", "Endorsed on", "Endorsement ends"]
    rows = [
        ["Zoe Hart", OFFICE, "IFS", "2024-03-14", "2025-03-13"],
        ["Zoe M. Hart", OFFICE, "IFS", "2024-03-14", "2026-03-13"],
        ["Zoe Hart", OFFICE, "IFA", "2024-03-14", ""],
    ]
    plan_id = desk.upload(("roster.csv", as_csv([heading, *rows])))
    [same] = pairs(desk, plan_id)
    assert [version.places for version in same.versions] == [[(0, 2), (0, 4)], [(0, 3)]]
    choose(desk, plan_id, "one:1")
    assert reasons(desk, plan_id)["endorsements", 2] == (
        "unchanged",
        "contradicts row 3, which counts, as you chose",
    )
    desk.apply(plan_id)
    assert people(desk)[OFFICE] == "Zoe M. Hart"
    [ended] = [
        row["ends_on"].isoformat() for row in desk.cast.rows("endorsement") if row["ends_on"]
    ]
    assert ended == "2026-03-13"
    assert held(desk, OFFICE) == ["IFA", "IFS"]


def test_rows_without_names_can_differ_in_facts(desk: Desk) -> None:
    members = [
        ["Email", "Member since", "Membership expires"],
        ["alice@example.org", "2020-01-01", "2020-12-31"],
        ["alice@example.org", "2020-01-01", "2021-12-31"],
    ]
    plan_id = desk.upload(("members.csv", as_csv(members)))
    [same] = pairs(desk, plan_id)
    assert (same.is_person, same.on_record) == (False, "Alice Moreno")
    assert [outcome for *_, outcome in desk.outcomes(plan_id)] == ["added", "refused"]
    choose(desk, plan_id, "one:1")
    desk.apply(plan_id)
    terms = [row for row in desk.cast.rows("membership") if str(row["starts_on"]) == "2020-01-01"]
    assert [str(row["ends_on"]) for row in terms] == ["2021-12-31"]


def test_columns_of_two_sheets_are_joined(desk: Desk) -> None:
    data = as_workbook(
        Endorsees=[HEADING[:4], ZOE[:4]],
        People=[["Name", "Email", "Highest degree"], ["Zoe Hart", OFFICE, "Master"]],
    )
    plan_id = desk.upload(("lists.xlsx", data))
    [same] = pairs(desk, plan_id)
    assert [version.label for version in same.versions] == [
        "row 2 of lists.xlsx, Endorsees",
        "row 2 of lists.xlsx, People",
    ]
    choose(desk, plan_id, "one:0")
    desk.apply(plan_id)
    [person] = [row for row in desk.cast.rows("person") if row["email"] == OFFICE]
    assert (person["name"], person["highest_degree"]) == ("Zoe Hart", "master")


def test_a_choice_is_for_the_rows_that_were_shown(desk: Desk) -> None:
    first = desk.upload(("roster.csv", as_csv([HEADING, ZOE, YAN])))
    [same] = pairs(desk, first)
    second = desk.upload(("roster.csv", as_csv([HEADING, ZOE, YAN, ["Ann", *YAN[1:]]])))
    desk.do(decide_addresses, second, {same.key: "one:0", "": "one:0"}, {})
    desk.run(second)
    refused = [line for _, line, outcome in desk.outcomes(second) if outcome == "refused"]
    assert refused == [3, 3, 4, 4]


@pytest.mark.parametrize("choice", ["one:2", "one:-1", "two:0", "one", ""])
def test_an_unknown_choice_is_none(desk: Desk, choice: str) -> None:
    plan_id = desk.upload(("roster.csv", as_csv([HEADING, ZOE, YAN])))
    before = desk.outcomes(plan_id)
    choose(desk, plan_id, choice)
    assert desk.outcomes(plan_id) == before


def test_people_joined_as_look_alikes_are_side_by_side(desk: Desk) -> None:
    rows = [
        ["Alicia Hartwell", "a@example.net", "IFS", "2024-03-14"],
        ["Alice Hartwell", "b@example.net", "IFA", "2025-05-06"],
    ]
    plan_id = desk.upload(("roster.csv", as_csv([HEADING[:4], *rows])))
    [alike] = desk.summary(plan_id).look_alikes
    decision = {alike["email"]: f"keep:{alike['other_email']}"}
    desk.do(decide_people, plan_id, decision)
    desk.run(plan_id)
    choose(desk, plan_id, "one:1")
    desk.apply(plan_id)
    assert people(desk)["a@example.net"] == "Alice Hartwell"
    assert held(desk, "a@example.net") == ["IFA", "IFS"]


def test_nobody_of_another_association_is_named(desk: Desk) -> None:
    rows = [["Eve Chen", EVE, "IFS", "2024-03-14"], ["Eve Other", EVE, "IFA", "2024-03-14"]]
    [same] = pairs(desk, desk.upload(("roster.csv", as_csv([HEADING[:4], *rows]))))
    assert same.on_record == ""
