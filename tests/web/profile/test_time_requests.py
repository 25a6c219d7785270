"""Asking for leave or a later due date, and what a coordinator makes of it."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from httpx2 import Response

from tests.support.cast import ALICE, BOB, CAROL, EVE
from tests.web.visiting import Visitor, WebClient, problems, text_of
from tracker.db.audit import Stamp
from tracker.db.engine import writing
from tracker.services.time_requests import Grant, decline, grant, request_within
from tracker.settings import Coordinator

LEAVE = {
    "starts_day": "1",
    "starts_month": "dec",
    "starts_year": "2026",
    "ends_day": "28",
    "ends_month": "2",
    "ends_year": "2027",
    "reason": "Parental leave",
}
LATER = {"ends_day": "31", "ends_month": "mar", "ends_year": "2027", "reason": "Moved house"}
GRANT, DECLINE = {"decision": "grant"}, {"decision": "decline"}


def ask(visitor: Visitor, kind: str, form: dict[str, str]) -> Response:
    """Fill in the form for a request and send it."""
    page = visitor.get(f"/requests/{kind}").text
    key = re.search(r'name="form_key" value="([0-9a-f]{32})"', page)
    subject = re.search(r'name="subject" value="([^"]+)"', page)
    assert key is not None
    assert subject is not None
    return visitor.post(f"/requests/{kind}", {"form_key": key[1], "subject": subject[1], **form})


def only_request(house: WebClient) -> str:
    [row] = house.cast.rows("time_request")
    return f"/coordinator/requests/{row['id']}"


def test_granted_leave_excuses_the_renewal_that_falls_due_then(house: WebClient) -> None:
    alice, carol = house.visit(ALICE), house.visit(CAROL)
    words = text_of(alice.follow(ask(alice, "leave", LEAVE)))
    assert "Leave Waiting December 1, 2026 to February 28, 2027 For NCIMHA IFS" in words
    assert "1 request waits for your decision" in text_of(carol.get("/coordinator"))
    assert "Alice Moreno Waiting Leave: December 1, 2026" in text_of(
        carol.get("/coordinator/requests")
    )
    page = only_request(house)
    assert 'name="starts_month" value="12"' in carol.get(page).text
    decided = carol.post(page, {**LEAVE, **GRANT, "answer": "All the best"})
    assert "Granted November 22, 2026 at 12:00 by Carol Reyes" in text_of(carol.follow(decided))
    [leave] = house.cast.rows("leave")
    assert (leave["starts_on"], leave["ends_on"]) == (date(2026, 12, 1), date(2027, 2, 28))
    number = house.cast.endorsements[ALICE]
    states = [row["status"] for row in house.cast.rows("standing", endorsement_id=number)]
    assert "excused" in states
    assert "Leave Granted" in text_of(alice.get("/requests"))
    [mail] = house.mails()
    assert "Your leave is granted." in mail
    assert "First day: December 1, 2026" in mail
    assert "Carol Reyes writes: All the best" in mail
    tables = [row["table_name"] for row in house.cast.rows("audit_event")]
    assert tables == ["time_request", "time_request", "leave"]


def test_an_extension_is_granted_with_another_day(house: WebClient) -> None:
    alice, carol = house.visit(ALICE), house.visit(CAROL)
    assert "due December 31, 2026" in text_of(alice.get("/requests/extension"))
    ask(alice, "extension", LATER)
    page = only_request(house)
    assert "Due date in force December 31, 2026" in text_of(carol.get(page)).replace("\xa0", " ")
    carol.post(page, {**LATER, **GRANT, "ends_month": "2", "ends_day": "15"})
    [renewal] = house.cast.rows("renewal")
    assert renewal["extended_due_on"] == date(2027, 2, 15)
    number = house.cast.endorsements[ALICE]
    due = [row["due_on"] for row in house.cast.rows("standing", endorsement_id=number)]
    assert date(2027, 2, 15) in due
    [mail] = house.mails()
    assert "Your renewal is now due on February 15, 2027." in mail
    assert "if they were held by December 31, 2026." in " ".join(mail.split())
    assert "changed the days that you asked for" in " ".join(mail.split())
    [row] = house.cast.rows("outbox")
    assert row["subject"] == "Your new due date: February 15, 2027"
    assert (row["recipient"], row["kind"]) == (ALICE, "request")


def test_whoever_declines_says_why(page_house: WebClient) -> None:
    alice, carol = page_house.visit(ALICE), page_house.visit(CAROL)
    ask(alice, "extension", LATER)
    page = only_request(page_house)
    refused = carol.post(page, {**LATER, **DECLINE})
    assert problems(refused) == [("answer", "Say in a few words why not: they get it by mail")]
    carol.post(page, {**LATER, **DECLINE, "answer": "Please call me first"})
    assert page_house.cast.rows("renewal") == []
    assert "Answer Please call me first" in text_of(alice.get("/requests"))
    [mail] = page_house.mails()
    assert "declined" in mail
    assert "Carol Reyes writes: Please call me first" in mail


def test_a_second_decision_is_told_who_was_first(page_house: WebClient) -> None:
    alice, carol = page_house.visit(ALICE), page_house.visit(CAROL)
    ask(alice, "leave", LEAVE)
    page = only_request(page_house)
    carol.post(page, {**LEAVE, **GRANT})
    second = carol.post(page, {**DECLINE, "answer": "No"})
    words = text_of(carol.follow(second))
    assert "settled before you pressed the button" in words
    assert "by Carol Reyes" in words
    assert len(page_house.mails()) == 1


def test_of_two_decisions_at_once_only_one_is_taken(house: WebClient) -> None:
    ask(house.visit(ALICE), "leave", LEAVE)
    [row] = house.cast.rows("time_request")
    given = Grant(row["starts_on"], row["ends_on"])

    def decide(number: int) -> bool:
        by = Stamp(f"c{number}@example.org", house.now)
        with writing(house.cast.engine) as session:
            request = request_within(session, row["id"], ["NCIMHA"])
            assert request is not None
            if number % 2:
                return decline(session, request, answer="No", by=by)
            return grant(session, house.rulebooks, request, given, answer="", by=by)

    with ThreadPoolExecutor(6) as pool:
        taken = list(pool.map(decide, range(6)))
    assert sorted(taken) == [False] * 5 + [True]
    [stored] = house.cast.rows("time_request")
    assert stored["decided_by"] == f"c{taken.index(True)}@example.org"
    assert len(house.cast.rows("leave")) == (stored["state"] == "granted")


def test_a_request_is_withdrawn_while_nobody_has_decided(page_house: WebClient) -> None:
    alice, carol = page_house.visit(ALICE), page_house.visit(CAROL)
    ask(alice, "leave", LEAVE)
    page = only_request(page_house)
    path = f"/requests/{page.rpartition('/')[2]}/withdraw"
    assert page_house.visit(BOB).post(path).status_code == 404
    assert "The request is withdrawn." in text_of(alice.follow(alice.post(path)))
    assert alice.post(path).status_code == 404
    late = carol.post(page, {**LEAVE, **GRANT})
    assert "Withdrawn" in text_of(carol.follow(late))
    assert page_house.cast.rows("leave") == []
    assert "No request waits for you." in text_of(carol.get("/coordinator/requests"))


def test_a_double_tap_asks_once_and_one_kind_is_open_at_a_time(page_house: WebClient) -> None:
    alice = page_house.visit(ALICE)
    number = page_house.cast.endorsements[ALICE]
    form = {**LEAVE, "form_key": "ab" * 16, "subject": str(number)}
    for _ in range(2):
        assert alice.post("/requests/leave", form).status_code == 303
    assert len(page_house.cast.rows("time_request")) == 1
    again = ask(alice, "leave", LEAVE)
    words = "A request of this kind is open already. Withdraw it first to ask anew"
    assert problems(again) == [("subject", words)]
    assert ask(alice, "extension", LATER).status_code == 303


@pytest.mark.parametrize(
    ("kind", "form", "wrong"),
    [
        ("leave", {**LEAVE, "reason": ""}, [("reason", "Say in a few words why")]),
        ("leave", {**LEAVE, "starts_day": ""}, [("starts_day", "The first day must have a day")]),
        ("leave", {**LEAVE, "ends_year": "2025"},
         [("ends_day", "The last day must be December 1, 2026 or later")]),
        ("leave", {**LEAVE, "subject": "1:2026-01-01"},
         [("subject", "Choose for which endorsement")]),
        ("extension", {**LATER, "ends_year": "2026"}, [("ends_day",
         "The new due date must be later than December 31, 2026, the one in force")]),
        ("extension", {"reason": "x"}, [("ends_day", "Enter the new due date")]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_at_its_field(
    page_house: WebClient, kind: str, form: dict[str, str], wrong: list[tuple[str, str]]
) -> None:
    answer = ask(page_house.visit(ALICE), kind, form)
    assert answer.status_code == 422
    assert problems(answer) == wrong
    if form.get("reason"):
        assert form["reason"] in answer.text


def test_leave_may_have_an_open_end(page_house: WebClient) -> None:
    alice = page_house.visit(ALICE)
    blank = {"ends_day": "", "ends_month": "", "ends_year": ""}
    assert ask(alice, "leave", {**LEAVE, **blank}).status_code == 303
    page_house.visit(CAROL).post(only_request(page_house), {**LEAVE, **blank, **GRANT})
    [leave] = page_house.cast.rows("leave")
    assert leave["ends_on"] is None
    assert "Last day: not known yet" in page_house.mails()[0]


def test_nobody_asks_for_somebody_elses_endorsement(page_house: WebClient) -> None:
    number = page_house.cast.endorsements[ALICE]
    form = {**LEAVE, "form_key": "ab" * 16, "subject": str(number)}
    assert page_house.visit(BOB).post("/requests/leave", form).status_code == 422
    assert page_house.cast.rows("time_request") == []


def test_the_form_asks_for_no_health_details_and_pages_offer_what_to_do(
    page_house: WebClient,
) -> None:
    alice = page_house.visit(ALICE)
    assert "Please no details of anybody" in text_of(alice.get("/requests/leave"))
    assert "You have asked for nothing yet." in text_of(alice.get("/requests"))
    assert "you hold no endorsement here" in text_of(page_house.visit(EVE).get("/requests"))


def test_the_coordinators_list_pages_and_shows_what_was_decided(page_house: WebClient) -> None:
    carol = page_house.visit(CAROL)
    assert "Nothing waits." in text_of(carol.get("/coordinator/requests"))
    ask(page_house.visit(ALICE), "leave", LEAVE)
    carol.post(only_request(page_house), {**LEAVE, **GRANT})
    assert "Alice Moreno Granted" in text_of(carol.get("/coordinator/requests?state=decided"))
    assert carol.get("/coordinator/requests?page=9").status_code == 200
    assert carol.get("/coordinator/requests?association=CT-AIMH").status_code == 404


def test_a_coordinator_who_left_is_named_by_address(page_house: WebClient) -> None:
    ask(page_house.visit(ALICE), "leave", LEAVE)
    page = only_request(page_house)
    page_house.visit(CAROL).post(page, {**LEAVE, **GRANT})
    newcomer = Coordinator(email="cleo@example.org", name="Cleo", association="NCIMHA")
    site = page_house.app.state.site
    settings = site.settings.model_copy(update={"coordinators": (newcomer,)})
    object.__setattr__(site, "settings", settings)
    assert "by carol@example.org" in text_of(page_house.visit("cleo@example.org").get(page))


def test_leave_that_can_change_nothing_any_more_is_refused(page_house: WebClient) -> None:
    alice = page_house.visit(ALICE)
    long_ago = {"starts_day": "1", "starts_month": "1", "starts_year": "2020"}
    before = LEAVE | long_ago | {"ends_year": "2020"}
    [(field, words)] = problems(ask(alice, "leave", before))
    assert field == "ends_day"
    assert words.startswith("The endorsement began on March 1, 2024, after")
    closed = LEAVE | {"starts_year": "2023", "ends_year": "2025"}
    [(field, words)] = problems(ask(alice, "leave", closed))
    assert words.startswith("2025 is closed since January 31, 2026: leave that ends in it")
    assert page_house.cast.rows("time_request") == []


def test_leave_without_an_end_says_who_ends_it(page_house: WebClient) -> None:
    alice, carol = page_house.visit(ALICE), page_house.visit(CAROL)
    open_ended = LEAVE | {"ends_day": "", "ends_month": "", "ends_year": ""}
    ask(alice, "leave", open_ended)
    carol.post(only_request(page_house), {**open_ended, **GRANT, "answer": ""})
    year = text_of(alice.get("/my-year"))
    assert "You will be on leave on the due date, so nothing is asked." in year
    assert "The leave has no last day yet. Your coordinator enters it once you say so." in year
    assert "enters the last day once you say that you are back" in text_of(alice.get("/requests"))
    assert "once you are back, reply to this mail" in " ".join(page_house.mails()[-1].split())
    page_house.pass_time(days=14)
    year = text_of(page_house.visit(ALICE).get("/my-year"))
    assert "Nothing is asked while you are on leave." in year
