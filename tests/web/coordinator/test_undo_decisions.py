"""For a day, a coordinator can undo that an applicant was endorsed or declined."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest
from httpx2 import Response
from sqlalchemy import insert

from tests.support.cast import ALICE, CAROL, DAN
from tests.web.applicants import IDA, NORA, OLIVE, VERA, fill_with_applicants
from tests.web.client import WebClient, problems, text_of
from tests.web.coordinator.test_applicants import LATER, path_of, state_of
from tracker.db.engine import writing
from tracker.db.tables import METADATA

TABLES = ("application", "endorsement", "standing", "provider_span", "reference")


def snapshot(web: WebClient) -> dict[str, list[dict[str, Any]]]:
    return {name: web.cast.rows(name) for name in TABLES}


def decide(web: WebClient, email: str = IDA, decision: str = "endorse") -> str:
    """Decide as the coordinator; the id that the Undo button sends."""
    coordinator = web.visit(CAROL if email == OLIVE else VERA)
    answer = coordinator.post(f"{path_of(web, email)}/{decision}", LATER)
    assert answer.status_code == 303, answer.text
    page = coordinator.follow(answer).text
    button = re.search(r'action="([^"]+/undo)".*?name="decision" value="(\d+)"', page)
    assert button is not None
    assert button[1] == f"{path_of(web, email)}/undo"
    return button[2]


def undo(web: WebClient, number: str, email: str = IDA, *, by: str = "") -> Response:
    coordinator = web.visit(by or (CAROL if email == OLIVE else VERA))
    return coordinator.post(f"{path_of(web, email)}/undo", {"decision": number})


def put(web: WebClient, table: str, **values: object) -> None:
    with writing(web.cast.engine) as session:
        session.connection().execute(insert(METADATA.tables[table]).values(values))


def send_letters(web: WebClient) -> None:
    with writing(web.cast.engine) as session:
        outbox = METADATA.tables["outbox"]
        session.connection().execute(outbox.update().values(state="sent"))


@pytest.mark.parametrize(
    ("email", "decision"), [(OLIVE, "endorse"), (IDA, "endorse"), (NORA, "decline")]
)
def test_undoing_restores_every_row(applicant_web: WebClient, email: str, decision: str) -> None:
    before = snapshot(applicant_web)
    answer = undo(applicant_web, decide(applicant_web, email, decision), email)
    assert answer.headers["location"] == path_of(applicant_web, email)
    assert snapshot(applicant_web) == before
    page = text_of(applicant_web.visit(CAROL if email == OLIVE else VERA).follow(answer))
    assert "You can undo this" not in page


def test_the_page_says_that_nothing_was_sent(sqlite_applicant_web: WebClient) -> None:
    number = decide(sqlite_applicant_web)
    vera = sqlite_applicant_web.visit(VERA)
    answer = vera.post(f"{path_of(sqlite_applicant_web, IDA)}/undo", {"decision": number})
    assert "The decision is undone. Nothing was sent" in text_of(vera.follow(answer))
    [letter] = sqlite_applicant_web.cast.rows("outbox")
    assert (letter["state"], letter["last_error"]) == ("dropped", "the decision was undone")


@pytest.mark.parametrize(
    ("email", "decision", "told"),
    [
        (IDA, "endorse", "It said that you are endorsed (VAIMH IMHS)."),
        (NORA, "decline", "It said that your application (VAIMH IMHS) was declined."),
    ],
)
def test_a_letter_that_has_left_is_corrected(
    applicant_web: WebClient, email: str, decision: str, told: str
) -> None:
    number = decide(applicant_web, email, decision)
    send_letters(applicant_web)
    vera = applicant_web.visit(VERA)
    answer = vera.post(f"{path_of(applicant_web, email)}/undo", {"decision": number})
    assert "so we are sending a correction" in text_of(vera.follow(answer))
    correction = applicant_web.mails("request")[-1]
    assert "Please disregard our last email about this." in correction
    assert told in " ".join(correction.split())
    assert "That was a mistake. Your application is not decided yet." in " ".join(
        correction.split()
    )


def test_the_same_decision_after_an_undo_is_mailed_again(sqlite_applicant_web: WebClient) -> None:
    number = decide(sqlite_applicant_web)
    send_letters(sqlite_applicant_web)
    undo(sqlite_applicant_web, number)
    decide(sqlite_applicant_web)
    states = [row["state"] for row in sqlite_applicant_web.cast.rows("outbox")]
    assert states == ["sent", "waiting", "waiting"]


def test_undoing_twice_is_like_once(applicant_web: WebClient) -> None:
    number = decide(applicant_web)
    send_letters(applicant_web)
    answers = [undo(applicant_web, number) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    last = text_of(applicant_web.visit(VERA).follow(answers[1]))
    assert "You can undo this" not in last
    assert len(applicant_web.cast.rows("outbox")) == 2
    events = applicant_web.cast.rows("audit_event")
    assert [event["table_name"] for event in events if event["after"] is None] == ["endorsement"]


def test_an_old_button_leaves_a_newer_decision_alone(sqlite_applicant_web: WebClient) -> None:
    number = decide(sqlite_applicant_web)
    undo(sqlite_applicant_web, number)
    decide(sqlite_applicant_web, IDA, "decline")
    undo(sqlite_applicant_web, number)
    assert state_of(sqlite_applicant_web, IDA) == "declined"


def test_each_row_has_one_audit_event(applicant_web: WebClient) -> None:
    number = decide(applicant_web)
    before = len(applicant_web.cast.rows("audit_event"))
    undo(applicant_web, number)
    events = applicant_web.cast.rows("audit_event")[before:]
    assert sorted((event["table_name"], event["who"]) for event in events) == [
        ("application", VERA),
        ("endorsement", VERA),
    ]


@pytest.mark.parametrize("days", [0, 1])
def test_a_session_logged_since_keeps_the_endorsement(applicant_web: WebClient, days: int) -> None:
    number = decide(applicant_web)
    ida = applicant_web.cast.people[IDA]
    put(
        applicant_web,
        "entry",
        person_id=ida,
        activity="training",
        held_on=date(2026, 11, 20) + timedelta(days=days),
        minutes=60,
        title="Course",
        logged_at=applicant_web.now + timedelta(minutes=5),
    )
    answer = undo(applicant_web, number)
    assert answer.status_code == 422
    [(field, why)] = problems(answer)
    assert field == "undo"
    assert "a session on November 2" in why
    assert "was logged after the decision" in why
    assert state_of(applicant_web, IDA) == "endorsed"


def test_leave_granted_since_keeps_the_endorsement(sqlite_applicant_web: WebClient) -> None:
    number = decide(sqlite_applicant_web)
    [endorsement] = sqlite_applicant_web.cast.rows(
        "endorsement", person_id=sqlite_applicant_web.cast.people[IDA]
    )
    put(
        sqlite_applicant_web,
        "leave",
        endorsement_id=endorsement["id"],
        starts_on=date(2027, 1, 1),
    )
    [(_, why)] = problems(undo(sqlite_applicant_web, number))
    assert "a change of the leave came after the decision" in why


def test_a_new_application_keeps_the_declined_one(sqlite_applicant_web: WebClient) -> None:
    number = decide(sqlite_applicant_web, NORA, "decline")
    put(
        sqlite_applicant_web,
        "application",
        person_id=sqlite_applicant_web.cast.people[NORA],
        association="VAIMH",
        category="IMHS",
        opened_on=date(2026, 11, 22),
        state="open",
    )
    [(_, why)] = problems(undo(sqlite_applicant_web, number, NORA))
    assert "a new one, came after the decision" in why


def test_a_decision_can_be_undone_for_a_day(sqlite_applicant_web: WebClient) -> None:
    number = decide(sqlite_applicant_web)
    sqlite_applicant_web.pass_time(hours=24)
    [(_, why)] = problems(undo(sqlite_applicant_web, number))
    assert why == "A decision can be undone for a day. This one is older."
    page = sqlite_applicant_web.visit(VERA).get(path_of(sqlite_applicant_web, IDA))
    assert "/undo" not in page.text


@pytest.mark.parametrize("email", [CAROL, DAN, ALICE, IDA])
def test_only_that_associations_coordinator_undoes(applicant_web: WebClient, email: str) -> None:
    number = decide(applicant_web)
    answer = undo(applicant_web, number, by=email)
    assert answer.status_code == 404
    assert state_of(applicant_web, IDA) == "endorsed"


def test_another_associations_decision_is_not_reached_by_number(
    applicant_web: WebClient,
) -> None:
    number = decide(applicant_web, OLIVE)
    decide(applicant_web, IDA)
    assert undo(applicant_web, number, IDA).status_code == 422
    assert state_of(applicant_web, OLIVE) == "endorsed"


@pytest.mark.parametrize("number", ["", "0", "x", "9" * 30])
def test_a_button_with_an_unknown_number_undoes_nothing(
    sqlite_applicant_web: WebClient, number: str
) -> None:
    decide(sqlite_applicant_web)
    assert undo(sqlite_applicant_web, number).status_code == 422
    assert state_of(sqlite_applicant_web, IDA) == "endorsed"


def test_simultaneous_undoing_undoes_once(applicant_web: WebClient) -> None:
    number = decide(applicant_web)
    send_letters(applicant_web)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: undo(applicant_web, number), range(4)))
    assert [answer.status_code for answer in answers] == [303] * 4
    assert len(applicant_web.cast.rows("outbox")) == 2


def test_a_withdrawn_request_does_not_keep_the_endorsement(web: WebClient) -> None:
    applicants = WebClient(fill_with_applicants(web.cast))
    before = snapshot(applicants)
    number = decide(applicants)
    [endorsement] = applicants.cast.rows(
        "endorsement", person_id=applicants.cast.people[IDA], association="VAIMH"
    )
    put(
        applicants,
        "time_request",
        endorsement_id=endorsement["id"],
        kind="leave",
        starts_on=date(2027, 1, 1),
        reason="Leave",
        form_key="a",
        asked_at=applicants.now,
        decided_at=applicants.now,
        state="withdrawn",
    )
    assert undo(applicants, number).status_code == 303
    assert snapshot(applicants) == before


def test_a_withdrawn_application_does_not_keep_the_declined_one(
    applicant_web: WebClient,
) -> None:
    number = decide(applicant_web, NORA, "decline")
    put(
        applicant_web,
        "application",
        person_id=applicant_web.cast.people[NORA],
        association="VAIMH",
        category="IMHS",
        opened_on=date(2026, 11, 22),
        decided_on=date(2026, 11, 22),
        state="withdrawn",
    )
    assert undo(applicant_web, number, NORA).status_code == 303
    assert state_of(applicant_web, NORA) == "open"


def test_no_undo_is_offered_while_it_can_not_work(sqlite_applicant_web: WebClient) -> None:
    web = sqlite_applicant_web
    number = decide(web, NORA, "decline")
    put(
        web,
        "application",
        person_id=web.cast.people[NORA],
        association="VAIMH",
        category="IMHS",
        opened_on=date(2026, 11, 22),
        state="open",
    )
    page = web.visit(VERA).get(path_of(web, NORA))
    assert "/undo" not in page.text
    [(_, why)] = problems(undo(web, number, NORA))
    assert "can be undone once the applicant has withdrawn that application." in why
