"""The queue of providers' names: confirm, record, or decline them, and undo it."""

import re
from datetime import date
from typing import Any
from urllib.parse import urlencode

import pytest
from httpx2 import Response
from sqlalchemy import insert, update

from tests.support.cast import ALICE, BOB, CAROL, DAN, DANA, ERIN, EVE, NOW, Cast
from tests.web.client import Visitor, WebClient, problems, text_of
from tests.web.crawl import read_page
from tracker.db.engine import writing
from tracker.db.tables import METADATA

OWN = (
    "Add endorsements by NCIMHA on the page of that person. Enter another association here, or "
    "record vetting."
)
TAKEN = f"{DANA} is the address of someone with another name. Check the address and the name."
NAMES = "/coordinator/providers/names"
TARGET = {"association": "NCIMHA", "name": "Jo Hart"}
VETTED = {"record": "vetting", "starts_day": "1", "starts_month": "jan", "starts_year": "2020"}
NEW = {"who": "new", "provider_name": "Jo Hart", "email": "jo@example.org", "degree": "master"}


def name_provider(cast: Cast, email: str, name: str, held_on: date = date(2026, 3, 1)) -> int:
    """Log two hours of RSC with somebody known by name; return the entry's id."""
    entry = METADATA.tables["entry"]
    values = {"activity": "rsc", "held_on": held_on, "minutes": 120, "title": "RSC"}
    values |= {"person_id": cast.people[email], "provider_name": name, "logged_at": NOW}
    with writing(cast.engine) as session:
        statement = insert(entry).values(values).returning(entry.c.id)
        return int(session.connection().execute(statement).scalar_one())


def entry(web: WebClient, number: int) -> dict[str, Any]:
    [row] = web.cast.rows("entry", id=number)
    return row


def short_of(web: WebClient, email: str) -> int:
    number = web.cast.endorsements[email]
    [row] = web.cast.rows("standing", endorsement_id=number, cycle_starts_on=date(2026, 1, 1))
    return int(row["short_minutes"])


def press(visitor: Visitor, page: Response, name: str, value: str) -> Response:
    """Send the form of a button as a browser does, with everything that it holds."""
    [form] = [each for each in read_page("", page).forms if (name, value) in each.buttons]
    return visitor.post(form.action, {**dict(form.sent), name: value})


def confirm(visitor: Visitor, form: dict[str, str], path: str = "confirm") -> Response:
    """Send a form, and save what its preview shows."""
    preview = visitor.post(f"{NAMES}/{path}", form)
    assert preview.status_code == 200, problems(preview)
    return visitor.post(f"{NAMES}/{path}", {**form, "confirmed": "yes", "state": state_of(preview)})


def state_of(preview: Response) -> str:
    found = re.search(r'name="state" value="(\w+)"', preview.text)
    assert found is not None
    return found[1]


def test_a_clear_match_takes_two_clicks(web: WebClient) -> None:
    number = name_provider(web.cast, BOB, "D. Ruiz")
    before = short_of(web, BOB)
    carol = web.visit(CAROL)
    queue = carol.get(NAMES)
    assert "2 names to confirm" in text_of(queue)
    assert "Confirm D. Ruiz as Dana Ruiz" in text_of(queue)
    preview = press(carol, queue, "who", str(web.cast.people[DANA]))
    words = text_of(preview)
    assert "Confirm “D. Ruiz” as Dana Ruiz in 1 session" in words
    assert "Bob Osei" in words
    assert "We know your RSC provider Dana Ruiz now" in words
    assert entry(web, number)["provider_id"] is None
    assert web.cast.rows("outbox") == []
    saved = press(carol, preview, "confirmed", "yes")
    assert saved.headers["location"] == f"{NAMES}?association=NCIMHA"
    words = text_of(carol.follow(saved))
    assert "Saved. Undo" in words
    assert "1 name to confirm" in words
    assert entry(web, number)["provider_id"] == web.cast.people[DANA]
    assert short_of(web, BOB) == before - 120
    [mail] = web.mails()
    assert "We know your RSC provider Dana Ruiz now." in mail


def test_the_queue_leads_to_the_preview_of_a_clear_match(web: WebClient) -> None:
    number = name_provider(web.cast, BOB, "D. Ruiz")
    carol = web.visit(CAROL)
    link = f"{NAMES}/confirm?association=NCIMHA&name=D.+Ruiz"
    assert link.replace("&", "&amp;") in carol.get("/coordinator").text
    preview = carol.get(link)
    words = text_of(preview)
    assert "Confirm “D. Ruiz” as Dana Ruiz in 1 session" in words
    assert "Name as written D. Ruiz by Bob Osei On file Dana Ruiz vetted by NCIMHA" in words
    assert "1 of 1 session would count" in words
    assert f'href="{NAMES}/review?association=NCIMHA&amp;name=D.%20Ruiz"' in preview.text
    assert entry(web, number)["provider_id"] is None
    assert web.cast.rows("outbox") == []
    press(carol, preview, "confirmed", "yes")
    assert entry(web, number)["provider_id"] == web.cast.people[DANA]


@pytest.mark.parametrize("name", ["Jo Hart", "Ruiz", "D. R"])
def test_an_unclear_name_leads_to_the_form(sqlite_web: WebClient, name: str) -> None:
    if name != "Jo Hart":
        name_provider(sqlite_web.cast, BOB, name)
    carol = sqlite_web.visit(CAROL)
    query = urlencode({"association": "NCIMHA", "name": name})
    answer = carol.get(f"{NAMES}/confirm?{query}")
    assert answer.headers["location"] == f"{NAMES}/review?{query}"
    assert f"Who is {name}?" in text_of(carol.follow(answer))


def test_two_alike_lead_to_the_form(sqlite_web: WebClient) -> None:
    name_provider(sqlite_web.cast, ALICE, "Dana Ruiz")
    table = METADATA.tables["person"]
    with writing(sqlite_web.cast.engine) as session:
        renamed = update(table).where(table.c.id == sqlite_web.cast.people[BOB])
        session.connection().execute(renamed.values(name="Dana Ruiz"))
    query = urlencode({"association": "NCIMHA", "name": "Dana Ruiz"})
    answer = sqlite_web.visit(CAROL).get(f"{NAMES}/confirm?{query}")
    assert answer.headers["location"] == f"{NAMES}/review?{query}"


def test_undo_takes_everything_back(web: WebClient) -> None:
    number = name_provider(web.cast, ALICE, "Jo Hart")
    tables = ("person", "vetting", "entry", "provider_span", "standing")
    before = {table: web.cast.rows(table) for table in tables}
    carol = web.visit(CAROL)
    saved = confirm(carol, {**TARGET, **NEW, **VETTED})
    assert saved.status_code == 303, problems(saved)
    assert entry(web, number)["provider_id"] == web.cast.rows("person")[-1]["id"]
    # 3.5 RSC hours and one of DEIA were missing.
    assert short_of(web, ALICE) == 270 - 180
    [change] = web.cast.rows("desk_change")
    undone = carol.post(f"/coordinator/changes/{change['id']}/undo")
    assert undone.status_code == 303
    assert {table: web.cast.rows(table) for table in tables} == before
    [letter] = web.cast.rows("outbox")
    assert (letter["state"], letter["last_error"]) == ("dropped", "the change was undone")


def test_a_letter_that_has_left_is_corrected(web: WebClient) -> None:
    name_provider(web.cast, BOB, "D. Ruiz")
    carol = web.visit(CAROL)
    form = {"association": "NCIMHA", "name": "D. Ruiz", "record": "nothing"}
    confirm(carol, {**form, "who": str(web.cast.people[DANA])})
    with writing(web.cast.engine) as session:
        session.connection().execute(update(METADATA.tables["outbox"]).values(state="sent"))
    carol.post(f"/coordinator/changes/{web.cast.rows('desk_change')[0]['id']}/undo")
    _, correction = web.mails()
    assert "We know your RSC provider Dana Ruiz now" in correction
    assert "Please disregard our last email about this." in correction


def test_names_of_other_associations_stay(web: WebClient) -> None:
    foreign = name_provider(web.cast, ERIN, "Jo Hart")
    carol = web.visit(CAROL)
    assert "Erin Vance" not in carol.get(NAMES).text
    confirm(carol, {**TARGET, "who": str(web.cast.people[DANA]), "record": "nothing"})
    assert entry(web, foreign)["provider_name"] == "Jo Hart"
    assert entry(web, web.cast.entries["unknown"])["provider_id"] == web.cast.people[DANA]
    dan = web.visit(DAN)
    assert "Jo Hart" in text_of(dan.get(NAMES))
    for form in ({**TARGET}, {"association": "NOWHERE", "name": "Jo Hart"}):
        answer = dan.post(f"{NAMES}/confirm", {**form, **NEW, "record": "nothing"})
        assert answer.status_code == 404


def test_two_spellings_are_answered_together(web: WebClient) -> None:
    number = name_provider(web.cast, BOB, "Joe Hart")
    carol = web.visit(CAROL)
    review = carol.get(f"{NAMES}/review?{urlencode(TARGET)}")
    assert "The same person as" in text_of(review)
    form = {**NEW, **VETTED, "association": "NCIMHA", "name": ["jo hart", "joe hart"]}
    preview = carol.post(f"{NAMES}/confirm", form)
    words = text_of(preview)
    assert "Confirm “Jo Hart” and “Joe Hart” as Jo Hart in 2 sessions" in words
    carol.post(f"{NAMES}/confirm", {**form, "confirmed": "yes", "state": state_of(preview)})
    created = web.cast.rows("person")[-1]["id"]
    assert entry(web, number)["provider_id"] == created
    assert entry(web, web.cast.entries["unknown"])["provider_id"] == created


def test_declining_tells_the_endorsee_and_can_be_taken_back(web: WebClient) -> None:
    name_provider(web.cast, ALICE, "jo hart")
    carol = web.visit(CAROL)
    declined = confirm(carol, {**TARGET, "reason": "Jo left the field"}, "decline")
    words = text_of(carol.follow(declined))
    assert "No names to confirm" in words
    assert "Jo left the field" in words
    [mail] = web.mails()
    assert "NCIMHA did not confirm" in mail
    back = confirm(carol, {**TARGET}, "take-back")
    assert "1 name to confirm" in text_of(carol.follow(back))
    assert web.cast.rows("declined_provider") == []
    assert [row["state"] for row in web.cast.rows("outbox")] == ["dropped"]


def test_a_decline_that_was_mailed_is_corrected(web: WebClient) -> None:
    name_provider(web.cast, ALICE, "jo hart")
    carol = web.visit(CAROL)
    confirm(carol, {**TARGET, "reason": "Jo left the field"}, "decline")
    with writing(web.cast.engine) as session:
        session.connection().execute(update(METADATA.tables["outbox"]).values(state="sent"))
    confirm(carol, {**TARGET}, "take-back")
    _, correction = web.mails()
    assert "NCIMHA will check again whether Jo Hart" in " ".join(correction.split())


def test_a_decline_is_undone_as_a_unit(web: WebClient) -> None:
    name_provider(web.cast, ALICE, "jo hart")
    carol = web.visit(CAROL)
    confirm(carol, {**TARGET, "reason": "Jo left the field"}, "decline")
    carol.post(f"/coordinator/changes/{web.cast.rows('desk_change')[0]['id']}/undo")
    assert web.cast.rows("declined_provider") == []
    assert [row["state"] for row in web.cast.rows("outbox")] == ["dropped"]


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ({"record": "nothing"}, ("who", "Choose who this is")),
        (
            {"who": "new", "provider_name": "Jo Hart", "email": "jo", "record": "nothing"},
            ("email", "Enter an email address, like name@example.org"),
        ),
        (
            {**NEW, "email": DANA, "record": "nothing"},
            ("email", TAKEN),
        ),
        ({**NEW, "record": "vetting"}, ("starts_day", "Enter the first day")),
        (
            {**NEW, **VETTED, "record": "elsewhere", "category": "IMHM-C"},
            ("elsewhere", "Enter the association that endorsed the provider"),
        ),
        (
            {**NEW, **VETTED, "record": "elsewhere", "elsewhere": "Ohio"},
            ("category", "Choose a category from the list"),
        ),
        (
            {**NEW, **VETTED, "record": "elsewhere", "elsewhere": "ncimha", "category": "IMHM-C"},
            ("elsewhere", OWN),
        ),
    ],
)
def test_wrong_answers_are_shown_at_their_fields(
    sqlite_web: WebClient, form: dict[str, str], problem: tuple[str, str]
) -> None:
    answer = sqlite_web.visit(CAROL).post(f"{NAMES}/confirm", {**TARGET, **form})
    assert answer.status_code == 422
    assert problems(answer) == [problem]
    assert answer.text.count("<title>Error: ") == 1
    for name in ("email", "elsewhere"):
        assert form.get(name, "") in answer.text
    assert len(sqlite_web.cast.rows("person")) == len(sqlite_web.cast.people)


def test_declining_needs_a_reason(sqlite_web: WebClient) -> None:
    answer = sqlite_web.visit(CAROL).post(f"{NAMES}/decline", {**TARGET, "reason": " "})
    assert problems(answer) == [
        ("reason", "Enter a short reason. The endorsees see it beside their hours.")
    ]


def test_people_beyond_reach_cannot_be_chosen(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    for number in (sqlite_web.cast.people[EVE], 999_999):
        form = {**TARGET, "who": str(number), "record": "nothing"}
        answer = carol.post(f"{NAMES}/confirm", form)
        assert problems(answer) == [
            ("who", "Choose a person from the list, or enter a name and an email address")
        ]


def test_someone_on_file_is_found_by_name(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    review = f"{NAMES}/review?{urlencode(TARGET)}"
    assert "Dana Ruiz" not in text_of(carol.get(review))
    found = carol.get(f"{NAMES}/find?{urlencode({**TARGET, 'search': 'dana'})}")
    assert "Dana Ruiz vetted by NCIMHA 1 of 1 session would count" in text_of(found)
    number = sqlite_web.cast.people[DANA]
    assert f'name=Jo%20Hart&amp;who={number}"' in found.text
    chosen = carol.get(f"{review}&who={number}")
    assert "Dana Ruiz: vetted by NCIMHA; 1 of 1 session would count" in text_of(chosen)
    assert f'value="{number}" id="who" checked' in chosen.text
    assert "Eve Chen" not in text_of(carol.get(f"{review}&who={sqlite_web.cast.people[EVE]}"))


def test_an_endorsement_elsewhere_is_recorded(sqlite_web: WebClient) -> None:
    form = {**NEW, **VETTED, "record": "elsewhere", "category": "IMHM-C"}
    form["elsewhere"] = "michigan association for infant mental health"
    saved = confirm(sqlite_web.visit(CAROL), {**TARGET, **form})
    assert saved.status_code == 303
    [row] = sqlite_web.cast.rows("outside_endorsement")
    assert (row["association"], row["category"], row["known_to"], row["starts_on"]) == (
        "MI-AIMH",
        "IMHM-C",
        "NCIMHA",
        date(2020, 1, 1),
    )
    assert sqlite_web.cast.rows("endorsement", person_id=row["person_id"]) == []


def test_a_second_coordinator_comes_too_late(web: WebClient) -> None:
    form = {**TARGET, "who": str(web.cast.people[DANA]), "record": "nothing"}
    first, second = web.visit(CAROL), web.visit(CAROL)
    preview = second.post(f"{NAMES}/confirm", form)
    confirm(first, form)
    late = second.post(f"{NAMES}/confirm", {**form, "confirmed": "yes", "state": state_of(preview)})
    assert "No hours wait for this name anymore" in text_of(second.follow(late))
    assert len(web.cast.rows("desk_change")) == 1


def test_a_name_that_is_gone_has_no_page(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    assert carol.get(f"{NAMES}/review?name=Nobody").status_code == 404
    assert carol.get(f"{NAMES}/review").status_code == 404
    assert carol.get(f"{NAMES}?association=CT-AIMH").status_code == 404
    gone = {"association": "NCIMHA", "name": "Nobody"}
    answer = carol.get(f"{NAMES}/confirm?{urlencode(gone)}")
    assert "No hours wait for this name anymore" in text_of(carol.follow(answer))
    assert carol.get(f"{NAMES}/confirm?association=CT-AIMH&name=Jo+Hart").status_code == 404
    for path in ("confirm", "decline", "take-back"):
        answer = carol.post(f"{NAMES}/{path}", {**gone, "reason": "x"})
        assert "No hours wait for this name anymore" in text_of(carol.follow(answer))
