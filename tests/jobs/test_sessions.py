"""Who is named for a session hears of it once a day at most, and is reminded of all that waits."""

from dataclasses import replace
from datetime import date, timedelta

from sqlalchemy import insert, select

from tests.jobs.desk import JobHarness, at
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.notifications.group_session_mail import notify_members
from tracker.services.context import Author
from tracker.services.group_sessions import Held, Invited, correct_session, log_session, session_of

LOGGED = at("2024-06-03 12:00")


def log(desk: JobHarness, *days: int) -> None:
    """Bob logs a session of each of these days of June for Alice and somebody unknown."""
    with writing(desk.engine) as session:
        for day in days:
            author = Author(desk.ids["Bob"], "bob", LOGGED + timedelta(minutes=day))
            invited = [Invited("alice@example.org", None), Invited("nobody@example.org", None)]
            held = Held(date(2024, 6, day), 90, "Group RSC")
            logged = log_session(session, author, held, invited, f"key-{day}")
            notify_members(desk.office, session, logged.asked, author.at)


def test_one_mail_a_day_then_one_reminder_of_all_that_waits(desk: JobHarness) -> None:
    desk.tell_of_alice(LOGGED)
    log(desk, 1, 2)
    (first,) = desk.mails("session")
    assert (first.recipient, first.subject) == (
        "alice@example.org",
        "Bob: confirm 1.5 hours of RSC, Jun 1",
    )
    assert "/sessions/asked/" in first.text
    assert first.message["List-Unsubscribe-Post"]
    desk.run(at("2024-06-04"), at("2024-06-09"))
    # The second one came after that day's mail.
    _, second = desk.mails("session")
    assert second.subject == "Bob: confirm 1.5 hours of RSC, Jun 2"
    desk.run(at("2024-06-10"), at("2024-06-11"), at("2024-06-30"))
    *_, reminder = desk.mails("session")
    assert len(desk.mails("session")) == 3
    assert reminder.subject == "2 RSC sessions wait for your answer"
    assert "https://hours.example.org/my-year" in reminder.text
    assert "June 1, 2024, 1.5 hours, with Bob: Group RSC" in reminder.text


def test_however_often_it_is_corrected_one_mail_a_day_says_how_it_stands(desk: JobHarness) -> None:
    desk.tell_of_alice(LOGGED)
    log(desk, 1)
    author = Author(desk.ids["Bob"], "bob", LOGGED)
    for minutes in range(31, 61):
        author = replace(author, at=author.at + timedelta(seconds=20))
        with writing(desk.engine) as session:
            (number,) = session.scalars(select(METADATA.tables["group_session"].c.id))
            logged_session = session_of(session, author.person_id, number, for_writing=True)
            assert logged_session is not None
            held = logged_session.held._replace(minutes=minutes, title="Seen at last")
            asked = correct_session(session, author, logged_session, held, [])
            notify_members(desk.office, session, asked, author.at)
    assert len(desk.mails("session")) == 1
    desk.run(at("2024-06-04"), at("2024-06-05"))
    _, news = desk.mails("session")
    assert news.subject == "Bob: confirm 1 hour of RSC, Jun 1"
    assert "Seen at last" in news.text
    assert "/sessions/asked/" in news.text


def test_whoever_turned_the_mail_off_gets_none(sqlite_desk: JobHarness) -> None:
    desk = sqlite_desk
    desk.tell_of_alice(LOGGED)
    with writing(desk.engine) as session:
        values = {"person_id": desk.ids["Alice"], "kind": "session", "at": LOGGED}
        session.connection().execute(insert(METADATA.tables["mail_off"]).values(values))
    log(desk, 1)
    desk.run(at("2024-06-10"))
    assert desk.mails("session") == []


def test_no_reminder_on_a_day_with_another_mail_nor_of_what_was_withdrawn(
    sqlite_desk: JobHarness,
) -> None:
    desk = sqlite_desk
    desk.tell_of_alice(LOGGED)
    log(desk, 1)
    desk.execute(
        "INSERT INTO outbox (dedupe_key, message_id, kind, person_id, recipient, subject, body,"
        " state, attempts, created_at, next_attempt_at, fence) VALUES ('n', '<n>', 'notices',"
        " :person, 'a@b', 's', x'00', 'sent', 1, '2024-06-10 12:30:00', '2024-06-10', 0)",
        person=desk.ids["Alice"],
    )
    desk.run(at("2024-06-10"))
    assert len(desk.mails("session")) == 1
    desk.change("group_session", withdrawn_at=LOGGED)
    desk.run(at("2024-06-11"))
    assert len(desk.mails("session")) == 1
