"""Who is named for a session hears of it once a day at most, and is reminded of all that waits."""

from dataclasses import replace
from datetime import date, timedelta

from sqlalchemy import insert, select

from tests.jobs.harness import JobHarness, at
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.notifications.group_session_mail import notify_members
from tracker.services.context import Author
from tracker.services.group_sessions import Held, Invited, correct_session, log_session, session_of

LOGGED = at("2024-06-03 12:00")


def log(jobs: JobHarness, *days: int) -> None:
    """Bob logs a session of each of these days of June for Alice and somebody unknown."""
    with writing(jobs.engine) as session:
        for day in days:
            author = Author(jobs.ids["Bob"], "bob", LOGGED + timedelta(minutes=day))
            invited = [Invited("alice@example.org", None), Invited("nobody@example.org", None)]
            held = Held(date(2024, 6, day), 90, "Group RSC")
            logged = log_session(session, author, held, invited, f"key-{day}")
            notify_members(jobs.context, session, logged.asked, author.at)


def test_one_mail_a_day_then_one_reminder_of_all_that_waits(jobs: JobHarness) -> None:
    jobs.add_alice(LOGGED)
    log(jobs, 1, 2)
    (first,) = jobs.mails("session")
    assert (first.recipient, first.subject) == (
        "alice@example.org",
        "Bob: confirm 1.5 hours of RSC, Jun 1",
    )
    assert "/sessions/asked/" in first.text
    assert first.message["List-Unsubscribe-Post"]
    jobs.run(at("2024-06-04"), at("2024-06-09"))
    # The second one came after that day's mail.
    _, second = jobs.mails("session")
    assert second.subject == "Bob: confirm 1.5 hours of RSC, Jun 2"
    jobs.run(at("2024-06-10"), at("2024-06-11"), at("2024-06-30"))
    *_, reminder = jobs.mails("session")
    assert len(jobs.mails("session")) == 3
    assert reminder.subject == "2 RSC sessions wait for your answer"
    assert "https://hours.example.org/my-year" in reminder.text
    assert "June 1, 2024, 1.5 hours, with Bob: Group RSC" in reminder.text


def test_however_often_it_is_corrected_one_mail_a_day_says_how_it_stands(jobs: JobHarness) -> None:
    jobs.add_alice(LOGGED)
    log(jobs, 1)
    author = Author(jobs.ids["Bob"], "bob", LOGGED)
    for minutes in range(31, 61):
        author = replace(author, at=author.at + timedelta(seconds=20))
        with writing(jobs.engine) as session:
            (number,) = session.scalars(select(METADATA.tables["group_session"].c.id))
            logged_session = session_of(session, author.person_id, number, for_writing=True)
            assert logged_session is not None
            held = logged_session.held._replace(minutes=minutes, title="Seen at last")
            asked = correct_session(session, author, logged_session, held, [])
            notify_members(jobs.context, session, asked, author.at)
    assert len(jobs.mails("session")) == 1
    jobs.run(at("2024-06-04"), at("2024-06-05"))
    _, news = jobs.mails("session")
    assert news.subject == "Bob: confirm 1 hour of RSC, Jun 1"
    assert "Seen at last" in news.text
    assert "/sessions/asked/" in news.text


def test_whoever_turned_the_mail_off_gets_none(sqlite_jobs: JobHarness) -> None:
    jobs = sqlite_jobs
    jobs.add_alice(LOGGED)
    with writing(jobs.engine) as session:
        values = {"person_id": jobs.ids["Alice"], "kind": "session", "at": LOGGED}
        session.connection().execute(insert(METADATA.tables["mail_off"]).values(values))
    log(jobs, 1)
    jobs.run(at("2024-06-10"))
    assert jobs.mails("session") == []


def test_no_reminder_on_a_day_with_another_mail_nor_of_what_was_withdrawn(
    sqlite_jobs: JobHarness,
) -> None:
    jobs = sqlite_jobs
    jobs.add_alice(LOGGED)
    log(jobs, 1)
    jobs.execute(
        "INSERT INTO outbox (dedupe_key, message_id, kind, person_id, recipient, subject, body,"
        " state, attempts, created_at, next_attempt_at, fence) VALUES ('n', '<n>', 'notices',"
        " :person, 'a@b', 's', x'00', 'sent', 1, '2024-06-10 12:30:00', '2024-06-10', 0)",
        person=jobs.ids["Alice"],
    )
    jobs.run(at("2024-06-10"))
    assert len(jobs.mails("session")) == 1
    jobs.change("group_session", withdrawn_at=LOGGED)
    jobs.run(at("2024-06-11"))
    assert len(jobs.mails("session")) == 1
