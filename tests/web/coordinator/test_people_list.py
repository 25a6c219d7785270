"""The list of people: filters in the address, export, saved filters, and acting on many at once."""

import csv
import io
import re
from datetime import date, datetime
from urllib.parse import parse_qs, urlencode, urlsplit

import openpyxl
import pytest
from httpx2 import Response
from sqlalchemy import insert

from tests.support.cast import ALICE, BOB, BOOKS, CAROL, DAN, DANA, LEE, NOW, PAYING
from tests.web.client import Visitor, WebClient, problems, text_of
from tests.web.crawl import read_page
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.services.evaluation import evaluate_people

LIST = "/coordinator/people"
WAIVER = {"requirement": "training.deia", "reason": "Course was canceled"}
ENDS = {"ends_month": "3", "ends_day": "31", "ends_year": "2027", "reason": "Moved"}


def keys(page: Response) -> list[str]:
    return re.findall(r'name="row" value="([\w-]+)"', page.text)


def choose(carol: Visitor, action: str, query: str = "", **form: object) -> Response:
    """Press a button of the list, and follow to the form."""
    pressed = carol.post(f"{LIST}?{query}", {"action": action, **form})
    assert pressed.status_code == 303, text_of(pressed)
    return pressed


def preview(carol: Visitor, pressed: Response, form: dict[str, str]) -> Response:
    return carol.post(pressed.headers["location"], form)


def confirm(carol: Visitor, pressed: Response, shown: Response) -> Response:
    """Save what a preview shows."""
    hidden = dict(re.findall(r'type="hidden" name="([\w-]+)" value="([^"]*)"', shown.text))
    return carol.post(pressed.headers["location"], {**hidden, "confirmed": "yes"})


def test_the_list_has_everyone_with_counts(web: WebClient) -> None:
    page = web.visit(CAROL).get(LIST)
    text = text_of(page)
    assert "4 of 4 (3 people)" in text
    assert "Lapsed 1 Open, behind 2 Vetted 1" in text
    assert "DEIA training 3" in text
    assert len(keys(page)) == 4
    assert "Erin" not in page.text


def test_the_filter_is_the_address(web: WebClient) -> None:
    carol = web.visit(CAROL)
    page = carol.get(f"{LIST}?missing=training&status=behind")
    assert "1 of 1" in text_of(page)
    toggled = re.search(r'<a href="([^"]+)" aria-current="true"><span>Training', page.text)
    assert toggled is not None
    query = parse_qs(urlsplit(toggled[1].replace("&amp;", "&")).query)
    assert query == {"association": ["NCIMHA"], "status": ["behind"]}
    assert "No one matches" in text_of(carol.get(f"{LIST}?status=met"))
    assert "Jo Hart 1" in text_of(carol.get(f"{LIST}?providers=1"))
    assert carol.get(f"{LIST}?page=99").status_code == 200


@pytest.mark.parametrize("text", ["bob", "Osei", BOB, "BOB@EXAMPLE.ORG "])
def test_searching_for_one_person_opens_their_page(sqlite_web: WebClient, text: str) -> None:
    carol = sqlite_web.visit(CAROL)
    for start in ("/coordinator", LIST):
        [form] = [form for form in read_page("", carol.get(start)).forms if "q" in form.typed]
        found = carol.get(f"{form.action}?{urlencode({**dict(form.sent), 'q': text})}")
        assert found.status_code == 303
        assert found.headers["location"] == f"/coordinator/person/{sqlite_web.cast.people[BOB]}"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("only=yes&q=example.org", "4 of 4 (3 people)"),
        ("only=yes&q=jo+hart", "1 of 1"),
        ("only=yes&q=nobody", "No one matches"),
        ("only=yes&q=", "4 of 4 (3 people)"),
        ("only=yes&status=lapsed", "1 of 1"),
        ("q=bob", "2 of 2 (1 person)"),
    ],
)
def test_any_other_search_shows_the_list(sqlite_web: WebClient, query: str, words: str) -> None:
    assert words in text_of(sqlite_web.visit(CAROL).get(f"{LIST}?{query}"))


def test_a_search_never_opens_foreign_people(sqlite_web: WebClient) -> None:
    page = sqlite_web.visit(CAROL).get(f"{LIST}?only=yes&q=Erin")
    assert "No one matches" in text_of(page)


def test_other_associations_stay_unseen(web: WebClient) -> None:
    for email, path in ((CAROL, f"{LIST}?association=CT-AIMH"), (ALICE, LIST)):
        for ending in ("", ".csv", ".xlsx"):
            assert web.visit(email).get(path.replace(LIST, LIST + ending)).status_code == 404
    assert "Erin Vance" in text_of(web.visit(DAN).get(LIST))


def test_the_files_hold_what_is_shown(sqlite_web: WebClient) -> None:
    web = sqlite_web
    person = METADATA.tables["person"]
    with writing(web.cast.engine) as session:
        renamed = person.update().where(person.c.id == web.cast.people[BOB])
        session.connection().execute(renamed.values(name='=HYPERLINK("http://example.org")'))
    carol = web.visit(CAROL)
    sent = carol.get(f"{LIST}.csv?status=behind&sort=name")
    assert "people-ncimha-2026-11-22.csv" in sent.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(sent.text.lstrip("\ufeff"))))
    assert [row["Name"] for row in rows] == ["Alice Moreno", '\'=HYPERLINK("http://example.org")']
    assert rows[0]["RSC providers"] == "Dana Ruiz; Jo Hart"
    assert (rows[0]["Hours missing"], rows[0]["Due on"]) == ("4.5", "2026-12-31")
    book = carol.get(f"{LIST}.xlsx?status=behind&sort=name").content
    sheet = openpyxl.load_workbook(io.BytesIO(book)).active
    assert sheet is not None
    heading, alice, bob = sheet.iter_rows()
    cells = {cell.value: place for place, cell in enumerate(heading)}
    assert alice[cells["Due on"]].value == datetime(2026, 12, 31)  # noqa: DTZ001 - a day
    assert alice[cells["Hours missing"]].value == 4.5
    assert bob[0].value == '=HYPERLINK("http://example.org")'
    assert bob[0].data_type == "s"
    assert [event["kind"] for event in web.cast.rows("security_event")] == ["download"] * 2


def test_a_filter_is_saved_renamed_and_deleted(web: WebClient) -> None:
    carol = web.visit(CAROL)
    query = "association=NCIMHA&missing=training.deia&sort=name"
    saved = carol.post(f"/coordinator/filters?{query}", {"name": "Needs DEIA"})
    assert saved.headers["location"] == f"{LIST}?{query}"
    page = carol.follow(saved)
    assert "Filter saved." in text_of(page)
    link = f'<a href="{LIST}?{query}" aria-current="true"><span>Needs DEIA</span></a>'
    assert link.replace("&", "&amp;") in page.text
    [stored] = web.cast.rows("saved_filter")
    assert (stored["owner"], stored["query"]) == (CAROL, "missing=training.deia&sort=name")
    for name, words in (("", "Enter a name"), ("needs deia", "already have a filter")):
        again = carol.post(f"/coordinator/filters?{query}", {"name": name})
        assert again.status_code == 422
        assert words in problems(again)[0][1]
    path = f"/coordinator/filters/{stored['id']}"
    assert web.visit(DAN).post(path, {"name": "Mine"}).status_code == 404
    assert carol.post(path, {"name": ""}).status_code == 422
    carol.post(path, {"name": "DEIA"})
    assert 'value="DEIA"' in carol.get("/coordinator/filters").text
    carol.post(path, {"action": "delete"})
    assert web.cast.rows("saved_filter") == []


def test_everyone_is_no_filter_to_save(web: WebClient) -> None:
    answer = web.visit(CAROL).post("/coordinator/filters", {"name": "All"})
    assert problems(answer) == [
        ("query", "Choose what to show first: this list shows everyone"),
    ]


def test_the_buttons_say_whom_they_are_for(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    text = text_of(carol.get(LIST))
    assert "Email all 3 Email checked Waive for all 3 Waive for checked" in text
    assert "Email this person" in text_of(carol.get(f"{LIST}?status=lapsed"))


def test_without_a_checked_row_all_that_match_are_kept(web: WebClient) -> None:
    carol = web.visit(CAROL)
    form = text_of(carol.follow(choose(carol, "waive", "status=behind")))
    assert "Waive a requirement for 2 people All who match the filter." in form
    assert "Waive a requirement for 3 people Everyone in the list." in text_of(
        carol.follow(choose(carol, "waive"))
    )
    [row] = keys(carol.get(f"{LIST}?status=lapsed"))
    form = text_of(carol.follow(choose(carol, "waive", row=row)))
    assert "Waive a requirement for 1 person Checked in the list." in form


def test_who_matches_later_is_not_mailed(web: WebClient) -> None:
    carol = web.visit(CAROL)
    pressed = choose(carol, "mail", "status=lapsed")
    with writing(web.cast.engine) as session:
        standing = METADATA.tables["standing"]
        session.connection().execute(standing.update().values(status="lapsed"))
    assert "Bob Osei" in text_of(carol.follow(pressed))
    assert "Alice Moreno" not in text_of(carol.follow(pressed))
    assert "Alice Moreno" in text_of(carol.follow(choose(carol, "mail", "status=lapsed")))


def test_checked_rows_that_are_gone_do_not_mean_everyone(web: WebClient) -> None:
    carol = web.visit(CAROL)
    [row] = keys(carol.get(f"{LIST}?status=lapsed"))
    for query, gone in (("status=behind", row), ("", "renewal-999-2026-01-01"), ("", "x")):
        answer = carol.post(f"{LIST}?{query}", {"action": "mail", "row": gone})
        assert problems(answer) == [
            ("rows", "None of the people you chose is in this list anymore. Choose again.")
        ]
    assert web.cast.rows("people_selection") == []


def test_a_requirement_is_waived_for_many_and_undone(web: WebClient) -> None:
    carol = web.visit(CAROL)
    pressed = choose(carol, "waive")
    form = carol.follow(pressed)
    assert "Waive a requirement for 3 people" in text_of(form)
    shown = preview(carol, pressed, WAIVER)
    text = text_of(shown)
    assert "3 of 4 can be changed" in text
    assert "1 There is no renewal that is due" in text
    assert "DEIA training is waived" in text
    assert web.cast.rows("waiver") == []
    done = confirm(carol, pressed, shown)
    assert done.headers["location"] == f"{LIST}?association=NCIMHA"
    page = carol.follow(done)
    assert "Saved." in text_of(page)
    assert len(web.cast.rows("waiver")) == 3
    assert len(web.mails()) == 3
    undo = re.search(r'action="(/coordinator/changes/\d+/undo)"', page.text)
    assert undo is not None
    undone = carol.follow(carol.post(undo[1]))
    assert "Alice Moreno Undone Bob Osei Undone" in text_of(undone)
    assert web.cast.rows("waiver") == []


def test_who_changed_since_the_preview_is_shown(web: WebClient) -> None:
    carol = web.visit(CAROL)
    pressed = choose(carol, "waive", "status=behind")
    shown = preview(carol, pressed, WAIVER)
    assert "2 of 2 can be changed" in text_of(shown)
    alice = web.cast.people[ALICE]
    with writing(web.cast.engine) as session:
        logged = insert(METADATA.tables["entry"]).values(
            person_id=alice, activity="training", held_on=date(2026, 11, 20), minutes=60, title="T"
        )
        entry = session.connection().execute(logged.returning(METADATA.tables["entry"].c.id))
        about = insert(METADATA.tables["entry_topic"]).values(
            entry_id=entry.scalar_one(),
            person_id=alice,
            held_on=date(2026, 11, 20),
            topic="DEIA",
            minutes=60,
        )
        session.connection().execute(about)
        evaluate_people(session, web.rulebooks, {alice}, NOW)
    again = confirm(carol, pressed, shown)
    assert again.status_code == 422
    assert "1 of 2 can be changed" in text_of(again)
    assert "It is already met" in text_of(again)
    assert web.cast.rows("waiver") == []
    assert confirm(carol, pressed, again).status_code == 303
    [waiver] = web.cast.rows("waiver")
    assert waiver["endorsement_id"] == web.cast.endorsements[BOB]


def test_two_coordinators_at_once_waive_only_once(web: WebClient) -> None:
    carol = web.visit(CAROL)
    first, second = (choose(carol, "waive", "status=behind") for _ in range(2))
    shown = [preview(carol, pressed, WAIVER) for pressed in (first, second)]
    assert confirm(carol, first, shown[0]).status_code == 303
    late = confirm(carol, second, shown[1])
    assert late.status_code == 422
    assert "0 of 2 can be changed" in text_of(late)
    assert 'name="confirmed"' not in late.text
    assert len(web.cast.rows("waiver")) == 2


def test_checked_rows_only_are_extended(web: WebClient) -> None:
    carol = web.visit(CAROL)
    [row] = keys(carol.get(f"{LIST}?q=alice&status=behind"))
    pressed = choose(carol, "extend", row=row)
    confirm(carol, pressed, preview(carol, pressed, ENDS))
    [renewal] = web.cast.rows("renewal")
    assert renewal["endorsement_id"] == web.cast.endorsements[ALICE]
    assert renewal["extended_due_on"] == date(2027, 3, 31)


def test_membership_and_marks_are_added(web: WebClient) -> None:
    carol = web.visit(CAROL)
    term = {
        "organization": "NCIMHA",
        "starts_month": "7",
        "starts_day": "1",
        "starts_year": "2026",
        "length": "year",
    }
    pressed = choose(carol, "membership", "q=bob")
    confirm(carol, pressed, preview(carol, pressed, term))
    [membership] = web.cast.rows("membership", person_id=web.cast.people[BOB])
    assert membership["ends_on"] == date(2027, 6, 30)
    pressed = choose(carol, "mark", "status=vetted")
    confirm(carol, pressed, preview(carol, pressed, {"label": "called"}))
    [mark] = web.cast.rows("person_mark")
    assert (mark["person_id"], mark["label"]) == (web.cast.people[DANA], "called")
    assert "called 1" in text_of(carol.get(LIST))


@pytest.mark.parametrize(
    ("action", "form", "expected"),
    [
        ("waive", {}, ["requirement", "reason"]),
        ("waive", {"requirement": "something", "reason": "x"}, ["requirement"]),
        ("extend", {**ENDS, "ends_month": "13", "reason": ""}, ["ends_month", "reason"]),
        ("membership", {}, ["length", "starts_day"]),
        ("mark", {"label": "x" * 41}, ["label"]),
    ],
)
def test_wrong_input_is_named(
    sqlite_web: WebClient, action: str, form: dict[str, str], expected: list[str]
) -> None:
    carol = sqlite_web.visit(CAROL)
    answer = preview(carol, choose(carol, action), form)
    assert answer.status_code == 422
    assert {field for field, _ in problems(answer)} >= set(expected)


def test_an_email_goes_to_the_frozen_selection(sqlite_web: WebClient) -> None:
    pressed = choose(sqlite_web.visit(CAROL), "mail", "missing=rsc")
    form = text_of(sqlite_web.visit(CAROL).follow(pressed))
    assert "Write an email to 2 people" in form
    assert "All who match the filter 2 recipients" in form
    [selection] = sqlite_web.cast.rows("people_selection")
    assert pressed.headers["location"] == f"/coordinator/mail/new?selection={selection['id']}"


def test_memberships_are_added_where_one_is_accepted(sqlite_web: WebClient) -> None:
    cast = sqlite_web.cast
    held = METADATA.tables["endorsement"].update().values(association=PAYING)
    with writing(cast.engine) as session:
        session.connection().execute(held.where(held.table.c.id == cast.endorsements[BOB]))
        evaluate_people(session, BOOKS, [cast.people[BOB]], NOW)
    lee, form = sqlite_web.visit(LEE), "/coordinator/selections/1/"
    assert 'value="membership"' not in lee.get(LIST).text
    pressed = choose(lee, "membership")
    assert pressed.headers["location"] == f"{form}mark"
    assert lee.get(f"{form}membership").status_code == 404


def test_a_selection_is_nobody_elses(sqlite_web: WebClient) -> None:
    path = choose(sqlite_web.visit(CAROL), "waive").headers["location"]
    for email in (DAN, ALICE):
        assert sqlite_web.visit(email).get(path).status_code == 404
        assert sqlite_web.visit(email).post(path, WAIVER).status_code == 404
    assert sqlite_web.visit(CAROL).get(path.replace("waive", "other")).status_code == 404
