"""A coordinator uploads lists, sees what would change, applies it, and undoes it."""

import io
import re

import pytest
from openpyxl import Workbook

from tests.support.cast import ALICE, BOB, CAROL, DAN, ERIN
from tests.web.client import WebClient, problems, text_of
from tests.web.lists import ROSTER, act, form_of, plan, upload


def people(web: WebClient) -> set[str]:
    return {row["email"] for row in web.cast.rows("person")}


def test_a_roster_is_planned_applied_and_undone(web: WebClient) -> None:
    carol = web.visit(CAROL)
    before = {table: web.cast.rows(table) for table in ("person", "endorsement", "standing")}
    path = plan(web, carol, ("roster.csv", ROSTER))
    page = text_of(carol.get(path))
    assert "4 rows of 4 would change something" in page
    assert "Endorsements" in page
    assert people(web) == {row["email"] for row in before["person"]}
    page = text_of(act(web, carol, path, "apply"))
    assert "roster.csv was imported" in page
    assert people(web) >= {"zoe@example.org", "yan@example.org"}
    held = {row["starts_on"].isoformat() for row in web.cast.rows("endorsement")}
    assert {"2024-03-14", "2025-05-06"} <= held
    page = text_of(act(web, carol, path, "undo"))
    assert "the import was undone" in page
    assert page.count("removed again") == 4
    assert {table: web.cast.rows(table) for table in before} == before


def test_columns_are_remembered(web: WebClient) -> None:
    carol = web.visit(CAROL)
    path = plan(web, carol, ("roster.csv", ROSTER))
    act(web, carol, path, "apply")
    again = upload(carol, ("roster 2.csv", ROSTER)).headers["location"]
    web.settle()
    assert "No row would change anything" in text_of(carol.get(again))


def test_a_workbook_with_two_sheets(web: WebClient) -> None:
    workbook = Workbook()
    roster = workbook.worksheets[0]
    roster.title = "Endorsees"
    for row in ROSTER.splitlines():
        roster.append(row.split(","))
    members = workbook.create_sheet("Members")
    members.append(["Email", "Member since", "Membership expires"])
    members.append(["zoe@example.org", "1/1/2026", "12/31/2026"])
    file = io.BytesIO()
    workbook.save(file)
    carol = web.visit(CAROL)
    path = plan(web, carol, ("list.xlsx", file.getvalue()))
    assert "5 rows of 5 would change something" in text_of(carol.get(path))
    act(web, carol, path, "apply")
    [term] = [
        row
        for row in web.cast.rows("membership")
        if row["starts_on"].isoformat() == "2026-01-01"
        and row["recorded_by"] is None
        and row["person_id"] > 5
    ]
    assert term["organization"] == "NCIMHA"


def test_questions_are_asked_before_a_plan(web: WebClient) -> None:
    carol = web.visit(CAROL)
    list_ = "Name,Email,Category,Since\nZoe,zoe@example.org,Level 2,3/4/2024\n"
    path = upload(carol, ("list.csv", list_)).headers["location"]
    page = carol.get(path)
    answered = carol.post(f"{path}/columns", form_of(page))
    assert answered.status_code == 422
    asked = [re.sub("[\u201c\u201d]", "'", words) for _, words in problems(answered)]
    assert asked == [
        "Choose what 'Level 2' means for 'Category'",
        "Choose whether the month or the day comes first in 3/4/2024",
    ]
    assert "March 4, 2024" in answered.text
    assert "April 3, 2024" in answered.text
    form = {**form_of(answered), "v-0-2-0": "IFS", "o-0-3": "day"}
    assert carol.post(f"{path}/columns", form).status_code == 303
    web.settle()
    act(web, carol, path, "apply")
    assert "2024-04-03" in {row["starts_on"].isoformat() for row in web.cast.rows("endorsement")}


def test_records_that_changed_since_stop_a_plan(web: WebClient) -> None:
    carol = web.visit(CAROL)
    first = plan(web, carol, ("roster.csv", ROSTER))
    second = plan(web, carol, ("roster.csv", ROSTER))
    act(web, carol, first, "apply")
    page = text_of(act(web, carol, second, "apply"))
    assert "Records changed since this plan was made" in page
    page = text_of(act(web, carol, second, "again"))
    assert "No row would change anything" in page


def test_an_applied_import_is_kept_where_something_came_after(web: WebClient) -> None:
    carol = web.visit(CAROL)
    path = plan(web, carol, ("roster.csv", ROSTER))
    act(web, carol, path, "apply")
    web.visit("zoe@example.org").log(
        {
            "activity": "training",
            "day": "20",
            "month": "11",
            "year": "2026",
            "hours": "2",
            "title": "Talk",
        }
    )
    page = text_of(act(web, carol, path, "undo"))
    assert page.count("removed again") == 2
    assert page.count("kept: a row (entry) was added since") == 2
    assert "zoe@example.org" in people(web)
    assert "yan@example.org" not in people(web)


def test_refused_rows_say_why_and_can_be_downloaded(web: WebClient) -> None:
    carol = web.visit(CAROL)
    path = plan(web, carol, ("roster.csv", ROSTER + "No Mail,,IFS,5/6/2025\n"))
    page = text_of(carol.get(f"{path}?outcome=refused"))
    assert "Email address: must not be empty" in page
    answer = carol.get(f"{path}/refused.csv")
    lines = answer.text.removeprefix("\ufeff").splitlines()
    assert lines[0] == "Sheet,Row,Problem,Name,E-mail,Endorsement,Date endorsed"
    assert lines[1].startswith("roster.csv (people),4,Email address: must not be empty,No Mail,")


def test_people_who_look_alike_are_decided(web: WebClient) -> None:
    carol = web.visit(CAROL)
    list_ = "Name,Email,Endorsement,Date endorsed\nAlice Moreno,alice@new.example,IFS,3/14/2024\n"
    path = plan(web, carol, ("roster.csv", list_))
    page = text_of(carol.get(path))
    assert "1 to decide" in page
    assert "alice@example.org" in page
    page = text_of(
        act(
            web, carol, path, "people", **{"email-0": "alice@new.example", "who-0": f"move:{ALICE}"}
        )
    )
    assert f"Email: {ALICE} \N{RIGHTWARDS ARROW} alice@new.example" in page
    act(web, carol, path, "apply")
    assert ALICE not in people(web)
    act(web, carol, path, "undo")
    assert ALICE in people(web)


def test_another_coordinator_sees_nothing(web: WebClient) -> None:
    carol, dan = web.visit(CAROL), web.visit(DAN)
    path = plan(web, carol, ("roster.csv", ROSTER))
    for address in (path, f"{path}/columns", f"{path}/refused.csv", "/coordinator/import/999"):
        assert dan.get(address).status_code == 404
    assert dan.post(path, {"action": "apply"}).status_code == 404
    assert dan.post(f"{path}/columns", {}).status_code == 404
    assert upload(dan, ("roster.csv", ROSTER)).status_code == 404
    assert web.visit(BOB).get(path).status_code == 404
    assert "roster.csv" not in dan.get("/coordinator/import").text


def test_people_of_others_are_not_changed(web: WebClient) -> None:
    carol = web.visit(CAROL)
    list_ = f"Name,Email,Endorsement,Date endorsed\nErin Other,{ERIN},IFS,3/14/2024\n"
    path = plan(web, carol, ("roster.csv", list_))
    page = text_of(carol.get(path))
    assert "also belongs to another association" in page
    assert "Erin Vance" not in page


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.xlsx", b"PK\x03\x04 broken", "a.xlsx is damaged"),
        ("a.csv", b"", "a.csv is empty"),
        ("a.csv", b"one,two\n", "has no rows below"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(
    web: WebClient, name: str, data: bytes, message: str
) -> None:
    answer = upload(web.visit(CAROL), (name, data))
    assert answer.status_code == 422
    [(field, words)] = problems(answer)
    assert (field, message in words) == ("files", True)
    assert web.cast.rows("import_plan") == []


def test_no_file_is_a_problem(web: WebClient) -> None:
    answer = web.visit(CAROL).post("/coordinator/import", {"association": "NCIMHA"})
    assert problems(answer) == [("files", "Choose a CSV file or an Excel workbook")]


def test_a_discarded_import_is_gone(web: WebClient) -> None:
    carol = web.visit(CAROL)
    path = plan(web, carol, ("roster.csv", ROSTER))
    act(web, carol, path, "discard")
    assert carol.get(path).status_code == 404
    [row] = web.cast.rows("import_plan")
    assert row["sheets"] is None


def test_an_import_is_undone_from_the_list_of_changes(web: WebClient) -> None:
    carol = web.visit(CAROL)
    path = plan(web, carol, ("roster.csv", ROSTER))
    act(web, carol, path, "apply")
    [change] = web.cast.rows("desk_change")
    answer = carol.post(f"/coordinator/changes/{change['id']}/undo")
    assert answer.headers["location"] == path
    web.settle()
    assert "the import was undone" in text_of(carol.get(path))
    assert "zoe@example.org" not in people(web)
    # The same list brings everyone again.
    again = plan(web, carol, ("roster.csv", ROSTER))
    assert "4 rows of 4 would change something" in text_of(carol.get(again))


def test_pressing_twice_applies_once(web: WebClient) -> None:
    carol = web.visit(CAROL)
    path = plan(web, carol, ("roster.csv", ROSTER))
    carol.post(path, {"action": "apply"})
    act(web, carol, path, "apply")
    assert len(web.cast.rows("desk_change")) == 1
