"""Requesting leave or a later due date, and what coordinators decide."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from httpx2 import Response

from tests.jobs.harness import CONFIG
from tests.support.cast import ALICE, BOB, CAROL, EVE
from tests.web.client import Visitor, WebClient, problems, text_of
from tracker.db.engine import writing
from tracker.jobs.recheck import recheck
from tracker.mail import outbox
from tracker.notifications.context import open_context
from tracker.services.context import Actor, Refused, ServiceContext
from tracker.services.time_requests import RequestedDays, decline_request, grant_request
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
LATER = {"ends_day": "31", "ends_month": "mar", "ends_year": "2027", "reason": "Moved web"}
GRANT, DECLINE = {"decision": "grant"}, {"decision": "decline"}


def submit(visitor: Visitor, kind: str, form: dict[str, str]) -> Response:
    """Fill in the form for a request and send it."""
    page = visitor.get(f"/requests/{kind}").text
    key = re.search(r'name="form_key" value="([0-9a-f]{32})"', page)
    subject = re.search(r'name="subject" value="([^"]+)"', page)
    assert key is not None
    assert subject is not None
    return visitor.post(f"/requests/{kind}", {"form_key": key[1], "subject": subject[1], **form})


def only_request(web: WebClient) -> str:
    [row] = web.cast.rows("time_request")
    return f"/coordinator/requests/{row['id']}"


def test_the_coordinator_reads_what_a_leave_excuses(sqlite_web: WebClient) -> None:
    submit(sqlite_web.visit(ALICE), "leave", LEAVE)
    page = text_of(sqlite_web.visit(CAROL).get(only_request(sqlite_web)))
    assert "everything that is missing for it is excused, however short the leave is" in page


def test_granted_leave_excuses_a_renewal_due_then(web: WebClient) -> None:
    alice, carol = web.visit(ALICE), web.visit(CAROL)
    words = text_of(alice.follow(submit(alice, "leave", LEAVE)))
    assert "Leave Waiting December 1, 2026 to February 28, 2027 For NCIMHA IFS" in words
    needs = text_of(carol.get("/coordinator")).replace("\xa0", " ")
    assert "IFS Requests leave starting December 1, 2026" in needs
    assert "Alice Moreno Waiting Leave: December 1, 2026" in text_of(
        carol.get("/coordinator/requests")
    )
    page = only_request(web)
    assert 'name="starts_month" value="12"' in carol.get(page).text
    decided = carol.post(page, {**LEAVE, **GRANT, "answer": "All the best"})
    assert "Granted November 22, 2026 at 12:00 PM by Carol Reyes" in text_of(carol.follow(decided))
    [leave] = web.cast.rows("leave")
    assert (leave["starts_on"], leave["ends_on"]) == (date(2026, 12, 1), date(2027, 2, 28))
    number = web.cast.endorsements[ALICE]
    states = [row["status"] for row in web.cast.rows("standing", endorsement_id=number)]
    assert "excused" in states
    assert "Leave Granted" in text_of(alice.get("/requests"))
    [mail] = web.mails("request")
    assert "Your leave is granted." in mail
    assert "First day: December 1, 2026" in mail
    assert "Carol Reyes writes: All the best" in mail
    tables = [row["table_name"] for row in web.cast.rows("audit_event")]
    assert tables == ["time_request", "time_request", "leave"]


def test_an_extension_is_granted_with_another_date(web: WebClient) -> None:
    alice, carol = web.visit(ALICE), web.visit(CAROL)
    assert "due December 31, 2026" in text_of(alice.get("/requests/extension"))
    submit(alice, "extension", LATER)
    page = only_request(web)
    assert "Current due date December 31, 2026" in text_of(carol.get(page)).replace("\xa0", " ")
    carol.post(page, {**LATER, **GRANT, "ends_month": "2", "ends_day": "15"})
    [renewal] = web.cast.rows("renewal")
    assert renewal["extended_due_on"] == date(2027, 2, 15)
    number = web.cast.endorsements[ALICE]
    due = [row["due_on"] for row in web.cast.rows("standing", endorsement_id=number)]
    assert date(2027, 2, 15) in due
    [mail] = web.mails("request")
    assert "Your renewal is now due on February 15, 2027." in mail
    assert "for sessions on or before December 31, 2026." in " ".join(mail.split())
    assert "changed the days that you requested" in " ".join(mail.split())
    [row] = web.cast.rows("outbox", kind="request")
    assert row["subject"] == "Your new due date: February 15, 2027"
    assert (row["recipient"], row["kind"]) == (ALICE, "request")


def test_declining_requires_a_reason(sqlite_web: WebClient) -> None:
    alice, carol = sqlite_web.visit(ALICE), sqlite_web.visit(CAROL)
    submit(alice, "extension", LATER)
    page = only_request(sqlite_web)
    refused = carol.post(page, {**LATER, **DECLINE})
    assert problems(refused) == [("answer", "Enter a reason. It is sent by email.")]
    carol.post(page, {**LATER, **DECLINE, "answer": "Please call me first"})
    assert sqlite_web.cast.rows("renewal") == []
    assert "Answer Please call me first" in text_of(alice.get("/requests"))
    [mail] = sqlite_web.mails("request")
    assert "declined" in mail
    assert "Carol Reyes writes: Please call me first" in mail


def test_a_second_decision_shows_the_first(sqlite_web: WebClient) -> None:
    alice, carol = sqlite_web.visit(ALICE), sqlite_web.visit(CAROL)
    submit(alice, "leave", LEAVE)
    page = only_request(sqlite_web)
    carol.post(page, {**LEAVE, **GRANT})
    second = carol.post(page, {**DECLINE, "answer": "No"})
    words = text_of(carol.follow(second))
    assert "Someone already decided or withdrew this request" in words
    assert "by Carol Reyes" in words
    assert len(sqlite_web.mails("request")) == 1


def test_only_one_of_simultaneous_decisions_is_saved(web: WebClient) -> None:
    submit(web.visit(ALICE), "leave", LEAVE)
    [row] = web.cast.rows("time_request")
    days = RequestedDays(row["starts_on"], row["ends_on"])

    def decide(number: int) -> bool:
        actor = Actor(f"c{number}@example.org", coordinates=("NCIMHA",))
        try:
            with writing(web.cast.engine) as session:
                context = ServiceContext(session, web.rulebooks, actor, web.now)
                if number % 2:
                    decline_request(context, row["id"], "No")
                else:
                    grant_request(context, row["id"], days, "")
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        taken = list(pool.map(decide, range(6)))
    assert sorted(taken) == [False] * 5 + [True]
    [stored] = web.cast.rows("time_request")
    assert stored["decided_by"] == f"c{taken.index(True)}@example.org"
    assert len(web.cast.rows("leave")) == (stored["state"] == "granted")


def test_a_pending_request_can_be_withdrawn(sqlite_web: WebClient) -> None:
    alice, carol = sqlite_web.visit(ALICE), sqlite_web.visit(CAROL)
    submit(alice, "leave", LEAVE)
    page = only_request(sqlite_web)
    path = f"/requests/{page.rpartition('/')[2]}/withdraw"
    assert sqlite_web.visit(BOB).post(path).status_code == 404
    assert "The request is withdrawn." in text_of(alice.follow(alice.post(path)))
    assert alice.post(path).status_code == 404
    late = carol.post(page, {**LEAVE, **GRANT})
    assert "Withdrawn" in text_of(carol.follow(late))
    assert sqlite_web.cast.rows("leave") == []
    assert "No requests need your decision." in text_of(carol.get("/coordinator/requests"))


def test_one_request_of_a_kind_is_open_at_a_time(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    number = sqlite_web.cast.endorsements[ALICE]
    form = {**LEAVE, "form_key": "ab" * 16, "subject": str(number)}
    for _ in range(2):
        assert alice.post("/requests/leave", form).status_code == 303
    assert len(sqlite_web.cast.rows("time_request")) == 1
    again = submit(alice, "leave", LEAVE)
    words = "You already have an open request of this kind. Withdraw it before you send another."
    assert problems(again) == [("subject", words)]
    assert submit(alice, "extension", LATER).status_code == 303


def test_a_decided_request_can_be_sent_again_changed(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    number = sqlite_web.cast.endorsements[ALICE]
    form = {**LEAVE, "form_key": "ab" * 16, "subject": str(number)}
    alice.post("/requests/leave", form)
    sqlite_web.visit(CAROL).post(only_request(sqlite_web), {**DECLINE, "answer": "Later, please"})
    assert alice.post("/requests/leave", form | {"reason": "Later then"}).status_code == 303
    states = [(row["state"], row["reason"]) for row in sqlite_web.cast.rows("time_request")]
    assert states == [("declined", LEAVE["reason"]), ("asked", "Later then")]


@pytest.mark.parametrize(
    ("kind", "form", "wrong"),
    [
        ("leave", {**LEAVE, "reason": ""}, [("reason", "Enter a short reason")]),
        ("leave", {**LEAVE, "starts_day": ""}, [("starts_day", "The first day must have a day")]),
        ("leave", {**LEAVE, "ends_year": "2025"},
         [("ends_day", "The last day must be December 1, 2026 or later")]),
        ("leave", {**LEAVE, "subject": "1:2026-01-01"},
         [("subject", "Choose an endorsement")]),
        ("extension", {**LATER, "ends_year": "2026"}, [("ends_day",
         "The new due date must be after the current one, December 31, 2026")]),
        ("extension", {"reason": "x"}, [("ends_day", "Enter the new due date")]),
    ],
)  # fmt: skip
def test_each_problem_is_shown_at_its_field(
    sqlite_web: WebClient, kind: str, form: dict[str, str], wrong: list[tuple[str, str]]
) -> None:
    answer = submit(sqlite_web.visit(ALICE), kind, form)
    assert answer.status_code == 422
    assert problems(answer) == wrong
    if form.get("reason"):
        assert form["reason"] in answer.text


def test_leave_can_have_no_last_day(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    blank = {"ends_day": "", "ends_month": "", "ends_year": ""}
    assert submit(alice, "leave", {**LEAVE, **blank}).status_code == 303
    sqlite_web.visit(CAROL).post(only_request(sqlite_web), {**LEAVE, **blank, **GRANT})
    [leave] = sqlite_web.cast.rows("leave")
    assert leave["ends_on"] is None
    assert "Last day: not known yet" in sqlite_web.mails("request")[0]


def test_people_request_for_their_own_endorsements_only(sqlite_web: WebClient) -> None:
    number = sqlite_web.cast.endorsements[ALICE]
    form = {**LEAVE, "form_key": "ab" * 16, "subject": str(number)}
    assert sqlite_web.visit(BOB).post("/requests/leave", form).status_code == 422
    assert sqlite_web.cast.rows("time_request") == []


def test_the_pages_say_what_to_do(
    sqlite_web: WebClient,
) -> None:
    alice = sqlite_web.visit(ALICE)
    assert "Please don't include health details." in text_of(alice.get("/requests/leave"))
    assert "You have no requests yet." in text_of(alice.get("/requests"))
    assert "you have no endorsement here" in text_of(sqlite_web.visit(EVE).get("/requests"))


def test_coordinators_list_decided_requests(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    assert "No pending requests." in text_of(carol.get("/coordinator/requests"))
    submit(sqlite_web.visit(ALICE), "leave", LEAVE)
    carol.post(only_request(sqlite_web), {**LEAVE, **GRANT})
    assert "Alice Moreno Granted" in text_of(carol.get("/coordinator/requests?state=decided"))
    assert carol.get("/coordinator/requests?page=9").status_code == 200
    assert carol.get("/coordinator/requests?association=CT-AIMH").status_code == 404


def test_a_former_coordinator_is_named_by_email(sqlite_web: WebClient) -> None:
    submit(sqlite_web.visit(ALICE), "leave", LEAVE)
    page = only_request(sqlite_web)
    sqlite_web.visit(CAROL).post(page, {**LEAVE, **GRANT})
    newcomer = Coordinator(email="cleo@example.org", name="Cleo", association="NCIMHA")
    settings = sqlite_web.cast.settings.model_copy(update={"coordinators": (newcomer,)})
    later = WebClient(sqlite_web.cast, settings=settings)
    assert "by carol@example.org" in text_of(later.visit("cleo@example.org").get(page))


def test_leave_that_comes_too_late_is_refused(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    long_ago = {"starts_day": "1", "starts_month": "1", "starts_year": "2020"}
    before = LEAVE | long_ago | {"ends_year": "2020"}
    [(field, words)] = problems(submit(alice, "leave", before))
    assert field == "ends_day"
    assert words == "This leave ends before your endorsement began on March 1, 2024"
    closed = LEAVE | {"starts_year": "2023", "ends_year": "2025"}
    [(field, words)] = problems(submit(alice, "leave", closed))
    assert words.startswith("2025 closed on January 31, 2026, so leave that ends in it")
    assert sqlite_web.cast.rows("time_request") == []


def test_leave_without_an_end_says_what_to_do(sqlite_web: WebClient) -> None:
    alice, carol = sqlite_web.visit(ALICE), sqlite_web.visit(CAROL)
    open_ended = LEAVE | {"ends_day": "", "ends_month": "", "ends_year": ""}
    submit(alice, "leave", open_ended)
    carol.post(only_request(sqlite_web), {**open_ended, **GRANT, "answer": ""})
    year = text_of(alice.get("/my-year"))
    assert "You will be on leave on the due date, so you don't need to submit anything." in year
    assert "The leave has no end date yet. Tell your coordinator when it ends." in year
    assert "They will enter the last day" in text_of(alice.get("/requests"))
    assert "Once you are back, reply to this email" in " ".join(
        sqlite_web.mails("request")[-1].split()
    )
    sqlite_web.pass_time(days=14)
    year = text_of(sqlite_web.visit(ALICE).get("/my-year"))
    assert "You don't need to submit anything while you are on leave." in year


def test_a_new_request_mails_the_coordinators_at_once(web: WebClient) -> None:
    submit(web.visit(ALICE), "leave", LEAVE)
    rows = web.cast.rows("outbox", kind="new-request")
    assert CAROL in {row["recipient"] for row in rows}
    assert len(rows) == len({row["recipient"] for row in rows})
    mail = web.mails("new-request")[0]
    assert "Alice Moreno requests leave." in mail
    assert "First day: December 1, 2026" in mail
    assert "Alice Moreno writes: Parental leave" in mail
    assert f"/coordinator/requests/{only_request(web).rpartition('/')[2]}" in mail
    assert rows[0]["subject"] == "Alice Moreno requests leave (NCIMHA IFS)"


def test_a_request_that_is_sent_twice_is_mailed_once(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    page = alice.get("/requests/extension").text
    key = re.search(r'name="form_key" value="([0-9a-f]{32})"', page)
    subject = re.search(r'name="subject" value="([^"]+)"', page)
    assert key
    assert subject
    form = {"form_key": key[1], "subject": subject[1], **LATER}
    alice.post("/requests/extension", form)
    mailed = len(sqlite_web.mails("new-request"))
    alice.post("/requests/extension", form)
    assert len(sqlite_web.mails("new-request")) == mailed > 0
    assert "New due date: March 31, 2027" in sqlite_web.mails("new-request")[0]


def test_a_refused_request_mails_nobody(sqlite_web: WebClient) -> None:
    submit(sqlite_web.visit(ALICE), "leave", {**LEAVE, "reason": ""})
    assert sqlite_web.mails("new-request") == []


def test_a_request_that_was_withdrawn_is_not_mailed(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    submit(alice, "leave", LEAVE)
    site = sqlite_web.app.state.site
    settings = site.settings.model_copy(update={"config_dir": CONFIG})
    context = open_context(settings, site.rulebooks, site.engine)
    claimed = outbox.claim(site.engine, sqlite_web.now, 10, timedelta(minutes=5))
    assert recheck(context, claimed, sqlite_web.now) == claimed
    [row] = sqlite_web.cast.rows("time_request")
    alice.post(f"/requests/{row['id']}/withdraw")
    assert recheck(context, claimed, sqlite_web.now) == []
    assert {row["state"] for row in sqlite_web.cast.rows("outbox")} == {"dropped"}
