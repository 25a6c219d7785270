"""A person's timeline: what happened, why no reminder was sent, and the standing as of a day."""

from datetime import date, timedelta
from email import message_from_bytes, policy

from sqlalchemy import insert

from tests.support.cast import ALICE, BOB, CAROL, CONFIG, DAN, ERIN, NOW
from tests.web.client import TRAINING, WebClient, text_of
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.jobs.runner import run_due
from tracker.notifications.context import open_context


def timeline(web: WebClient, email: str, whose: str = ALICE, query: str = "") -> str:
    path = f"/coordinator/person/{web.cast.people[whose]}/timeline{query}"
    return text_of(web.visit(email).get(path))


def run_jobs(web: WebClient) -> None:
    settings = web.cast.settings.model_copy(update={"config_dir": CONFIG})
    context = open_context(settings, web.rulebooks, web.cast.engine)
    for _ in run_due(context, web.now, lambda: web.now):
        pass


def test_a_logged_session_is_on_the_timeline(web: WebClient) -> None:
    assert web.visit(ALICE).post("/log", TRAINING).status_code == 303
    page = timeline(web, CAROL)
    assert "Session added: Book club, 2 hours, November 20, 2026 by Alice Moreno" in page


def test_foreign_people_have_no_timeline(web: WebClient) -> None:
    path = f"/coordinator/person/{web.cast.people[ERIN]}/timeline"
    assert web.visit(CAROL).get(path).status_code == 404
    assert web.visit(DAN).get(path).status_code == 200


def test_a_skipped_reminder_says_why_at_the_top(web: WebClient) -> None:
    with writing(web.cast.engine) as session:
        values = {
            "endorsement_id": web.cast.endorsements[ALICE],
            "kind": "renewal",
            "step": -30,
            "due_on": date(2026, 12, 31),
            "cycle_starts_on": date(2026, 1, 1),
            "decided_on": date(2026, 11, 21),
            "subject_key": "",
            "outcome": "skipped",
            "reason": "had another email today",
        }
        session.connection().execute(insert(METADATA.tables["notice"]).values(values))
    page = timeline(web, CAROL)
    assert "Last decision: not sent, because had another email today" in page
    skipped = timeline(web, CAROL, query="?kind=skipped")
    assert "Had another email today." in skipped
    assert "Session added" not in skipped


def test_an_email_is_shown_as_it_was_sent(web: WebClient) -> None:
    run_jobs(web)
    web.settle()
    carol, person = web.visit(CAROL), web.cast.people[ALICE]
    [row] = [r for r in web.cast.rows("outbox", person_id=person) if r["kind"] == "notices"]
    message = message_from_bytes(row["body"], policy=policy.default)
    assert row["subject"] in timeline(web, CAROL, query="?kind=emails")
    path = f"/coordinator/person/{person}/timeline/emails/{row['id']}"
    plain = message.get_body(("plain",))
    assert plain is not None
    first = next(line for line in str(plain.get_content()).splitlines()[2:] if line)
    page = text_of(carol.get(path))
    assert " ".join(first.split()) in page
    assert web.visit(DAN).get(path).status_code == 404
    other = f"/coordinator/person/{web.cast.people[BOB]}/timeline/emails/{row['id']}"
    assert carol.get(other).status_code == 404


def test_sign_ins_are_shown_without_addresses(web: WebClient) -> None:
    with writing(web.cast.engine) as session:
        values = {"at": NOW, "kind": "sign-in", "outcome": "done", "ip": "192.0.2.77"}
        table = METADATA.tables["security_event"]
        known = {name: value for name, value in values.items() if name in table.c}
        own = {"person_id": web.cast.people[ALICE], **known}
        session.connection().execute(insert(table).values(own))
    page = timeline(web, CAROL, query="?kind=sign-ins")
    assert "Signed in" in page
    assert "192.0.2.77" not in page


def test_a_past_day_shows_the_standing_as_it_was_stored(web: WebClient) -> None:
    today = NOW.date()
    web.pass_time(days=1)
    assert web.visit(ALICE).post("/log", TRAINING).status_code == 303
    page = timeline(web, CAROL, query=f"?day={today.day}&month={today.month}&year={today.year}")
    stored = web.cast.rows("standing_history", endorsement_id=web.cast.endorsements[ALICE])
    assert {row["since"] for row in stored} == {today, today + timedelta(days=1)}
    assert "This is how it stood here that day, unchanged since November 22, 2026" in page
    assert "DEIA training 0 of 1 hour Missing" in page
    assert "By today's records 3.5 RSC hours to go" in page
    assert "1 record was entered, changed, or removed later" in page


def test_a_day_before_any_standing_is_judged_by_todays_records(web: WebClient) -> None:
    page = timeline(web, CAROL, query="?day=1&month=6&year=2026")
    assert "Nothing was stored that day." in page


def test_a_day_that_is_none_says_what_would_be(web: WebClient) -> None:
    person = web.cast.people[ALICE]
    path = f"/coordinator/person/{person}/timeline?day=31&month=2&year=2026"
    answer = web.visit(CAROL).get(path)
    assert "There is a problem" in text_of(answer)
