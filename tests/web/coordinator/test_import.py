"""A coordinator uploads lists, sees what would change, applies it, and undoes it."""

import io
import re
import threading

import pytest
from httpx2 import Response
from openpyxl import Workbook

from tests.support.cast import ALICE, BOB, CAROL, DAN, ERIN, fill
from tests.web.client import WebClient, problems, text_of
from tests.web.coordinator.desk_steps import change, undo
from tests.web.lists import ROSTER, act, form_of, plan, upload
from tracker.db.engine import writing
from tracker.importer.plan_run import PlannedRun
from tracker.importer.plans import ImportRunner
from tracker.services.context import Actor, ServiceContext
from tracker.services.erasure import erase_person


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


def test_a_plan_that_fails_says_so(web: WebClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_run: PlannedRun) -> None:
        raise RuntimeError

    monkeypatch.setattr(PlannedRun, "carry_out", fail)
    carol = web.visit(CAROL)
    page = carol.get(plan(web, carol, ("roster.csv", ROSTER)))
    assert "What do the columns mean?" in page.text
    assert "Nothing was changed. Please try again." in page.text


def test_a_code_for_signing_in_does_not_wait_for_an_import(
    postgres_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast, may_end, ended = fill(postgres_database_url), threading.Event(), list[bool]()
    web = WebClient(cast)
    carol = web.visit(CAROL)
    path = plan(web, carol, ("roster.csv", ROSTER))
    monkeypatch.setattr(ImportRunner, "run", lambda *_: ended.append(may_end.wait(10)))
    carol.post(path, {"action": "apply"})
    web.visit().post("/sign-in", {"email": ALICE})
    web.app.state.site.background.settle()
    codes, has_ended = web.mails("sign-in"), bool(ended)
    may_end.set()
    web.settle()
    cast.engine.dispose()
    assert (len(codes), has_ended) == (1, False)
    assert ended == [True]


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


def test_an_import_of_which_nothing_was_undone_stays_applied(web: WebClient) -> None:
    carol = web.visit(CAROL)
    path = plan(web, carol, ("roster.csv", ROSTER.rpartition("Yan")[0]))
    act(web, carol, path, "apply")
    [zoe] = web.cast.rows("person", email="zoe@example.org")
    renamed = change(carol, f"/coordinator/person/{zoe['id']}/change/name", {"name": "Zoe Hall"})
    page = act(web, carol, path, "undo")
    assert "Nothing was undone, because every record has changed since." in text_of(page)
    undo(carol, renamed)
    assert "the import was undone" in text_of(act(web, carol, path, "undo"))
    assert "zoe@example.org" not in people(web)


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


def test_every_look_alike_can_be_decided(web: WebClient) -> None:
    carol = web.visit(CAROL)
    rows = [f"Alice Moreno,alice{number}@new.example,IFS,3/14/2024\n" for number in range(52)]
    path = plan(web, carol, ("r.csv", "Name,Email,Endorsement,Date endorsed\n" + "".join(rows)))
    page = carol.get(path)
    assert "52 to decide" in text_of(page)
    emails = re.findall(r'name="(email-\d+)" value="(\S+)"', page.text)
    answers = dict(emails) | {name.replace("email", "who"): "other" for name, _ in emails}
    page = act(web, carol, path, "people", **answers)
    assert "2 to decide" in text_of(page)
    shown = re.findall(r'name="email-\d+" value="(\S+)"', page.text)
    assert not {*shown[:2]} & {email for _, email in emails}


SHARED = (
    "Name,Email,Endorsement,Date endorsed\n"
    "Zoe Hart,office@example.org,IFS,3/14/2024\n"
    "Yan Li,office@example.org,IFA,5/6/2025\n"
)


def key_of(page: Response) -> str:
    return str(re.findall(r'name="key-0" value="(\w+)"', page.text)[0])


def test_rows_with_one_address_are_side_by_side(web: WebClient) -> None:
    carol = web.visit(CAROL)
    path = plan(web, carol, ("roster.csv", SHARED))
    page = carol.get(path)
    assert "The same address in different rows: 1 to decide" in text_of(page)
    assert "Name differs Zoe Hart Yan Li" in text_of(page)
    assert "checked" not in page.text
    page = act(web, carol, path, "addresses", **{"key-0": key_of(page), "rows-0": "one:1"})
    assert "3 rows of 4 would change something" in text_of(page)
    assert "to decide" not in text_of(page)
    assert page.text.count("checked") == 1
    again = act(web, carol, path, "addresses", **{"key-0": key_of(page), "rows-0": "only:0"})
    assert "2 rows of 4 would change something" in text_of(again)
    assert "left out, as you chose: row 2 counts" in text_of(again)


def test_a_row_without_an_own_address_says_what_to_do(web: WebClient) -> None:
    carol = web.visit(CAROL)
    path = plan(web, carol, ("roster.csv", SHARED))
    key = key_of(carol.get(path))
    choice = {"key-0": key, "rows-0": "shared:0"}
    page = act(web, carol, path, "addresses", **choice)
    assert "two people need an address each: write this person's own address" in text_of(page)
    download = carol.get(f"{path}/refused.csv").text
    assert download.count("Yan Li,office@example.org,IFA") == 2
    page = act(web, carol, path, "addresses", **choice, **{f"own-{key}-1": " Yan@Example.org "})
    assert "4 rows of 4 would change something" in text_of(page)
    act(web, carol, path, "apply")
    assert people(web) >= {"office@example.org", "yan@example.org"}


def test_what_is_no_address_is_a_problem(web: WebClient) -> None:
    carol = web.visit(CAROL)
    path = plan(web, carol, ("roster.csv", SHARED))
    key = key_of(carol.get(path))
    form = {"action": "addresses", "key-0": key, "rows-0": "shared:0", f"own-{key}-1": "yan"}
    answer = carol.post(path, form)
    assert problems(answer) == [
        (f"own-{key}-1", "Enter an email address, like name@example.org"),
    ]
    # What was chosen and typed is kept.
    assert re.findall(r'value="([^"]+)" checked', answer.text) == ["shared:0"]
    assert 'value="yan"' in answer.text
    assert "1 to decide" in text_of(carol.get(path))


def test_a_viewer_sees_the_rows_and_chooses_nothing(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    path = plan(sqlite_web, carol, ("roster.csv", SHARED))
    key = key_of(carol.get(path))
    viewer = {"name": "Ruth Adler", "email": "ruth@example.org", "role": "viewer"}
    carol.post("/coordinator/team/new", viewer)
    ruth = sqlite_web.visit("ruth@example.org")
    page = ruth.get(path)
    assert "Name differs Zoe Hart Yan Li" in text_of(page)
    assert "Save these choices" not in page.text
    assert 'type="radio"' not in page.text
    form = {"action": "addresses", "key-0": key, "rows-0": "one:1"}
    assert ruth.post(path, form).status_code in {403, 404}
    assert "1 to decide" in text_of(carol.get(path))


def test_choices_for_other_rows_change_nothing(web: WebClient) -> None:
    carol = web.visit(CAROL)
    path = plan(web, carol, ("roster.csv", SHARED))
    other = plan(web, carol, ("other.csv", SHARED + "Ann,office@example.org,IFA,5/6/2025\n"))
    choice = {"key-0": key_of(carol.get(path)), "rows-0": "one:1"}
    assert "1 to decide" in text_of(act(web, carol, other, "addresses", **choice))


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


def test_an_import_with_an_erased_person_is_not_undone(web: WebClient) -> None:
    carol = web.visit(CAROL)
    act(web, carol, plan(web, carol, ("roster.csv", ROSTER)), "apply")
    with writing(web.cast.engine) as session:
        operator = ServiceContext(session, web.rulebooks, Actor("tracker person"), web.now)
        erase_person(operator, "zoe@example.org", "Asked for it", ())
    left = web.cast.rows("endorsement")
    [change] = web.cast.rows("desk_change")
    undo = f"/coordinator/changes/{change['id']}/undo"
    assert undo not in carol.get("/coordinator/changes").text
    answer = carol.post(undo)
    assert answer.status_code == 422
    assert "A person in this list was erased since, so it can't be undone anymore" in text_of(
        answer
    )
    assert web.cast.rows("endorsement") == left
    assert "yan@example.org" in people(web)


def test_pressing_twice_applies_once(web: WebClient) -> None:
    carol = web.visit(CAROL)
    path = plan(web, carol, ("roster.csv", ROSTER))
    carol.post(path, {"action": "apply"})
    act(web, carol, path, "apply")
    assert len(web.cast.rows("desk_change")) == 1
