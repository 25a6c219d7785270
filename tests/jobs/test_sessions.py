"""Who is named for a session hears of it once a day at most, and is reminded of all that waits."""

from dataclasses import replace
from datetime import date, timedelta

from sqlalchemy import insert, select

from tests.jobs.desk import Desk, at
from tracker.jobs.session_mail import tell_members
from tracker.records.entries.entry_writes import Author
from tracker.records.groups.group_members import Invited
from tracker.records.groups.group_sessions import Held, correct_session, log_session, session_of
from tracker.records.schema.tables import METADATA
from tracker.records.store.engine import writing

LOGGED = at("2024-06-03 12:00")


def log(desk: Desk, *days: int) -> None:
    """Bob logs a session of each of these days of June for Alice and somebody unknown."""
    with writing(desk.engine) as connection:
        for day in days:
            author = Author(desk.ids["Bob"], "bob", LOGGED + timedelta(minutes=day))
            invited = [Invited("alice@example.org", None), Invited("nobody@example.org", None)]
            held = Held(date(2024, 6, day), 90, "Group RSC")
            logged = log_session(connection, author, held, invited, f"key-{day}")
            tell_members(desk.office, connection, logged.asked, author.at)


def test_one_mail_a_day_then_one_reminder_of_all_that_waits(desk: Desk) -> None:
    desk.tell_of_alice(LOGGED)
    log(desk, 1, 2)
    (first,) = desk.mails("session")
    assert (first.recipient, first.subject) == (
        "alice@example.org",
        "Bob: confirm 1.5 hours of RSC, 1 Jun",
    )
    assert "/sessions/asked/" in first.text
    assert first.message["List-Unsubscribe-Post"]
    desk.run(at("2024-06-04"), at("2024-06-09"))
    # The second one came after that day's mail.
    _, second = desk.mails("session")
    assert second.subject == "Bob: confirm 1.5 hours of RSC, 2 Jun"
    desk.run(at("2024-06-10"), at("2024-06-11"), at("2024-06-30"))
    *_, reminder = desk.mails("session")
    assert len(desk.mails("session")) == 3
    assert reminder.subject == "2 RSC sessions wait for your answer"
    assert "https://hours.example.org/my-year" in reminder.text
    assert "1 June 2024, 1.5 hours, with Bob: Group RSC" in reminder.text


def test_however_often_it_is_corrected_one_mail_a_day_says_how_it_stands(desk: Desk) -> None:
    desk.tell_of_alice(LOGGED)
    log(desk, 1)
    author = Author(desk.ids["Bob"], "bob", LOGGED)
    for minutes in range(31, 61):
        author = replace(author, at=author.at + timedelta(seconds=20))
        with writing(desk.engine) as connection:
            (number,) = connection.scalars(select(METADATA.tables["group_session"].c.id))
            session = session_of(connection, author.person_id, number, for_writing=True)
            assert session is not None
            held = session.held._replace(minutes=minutes, title="Seen at last")
            asked = correct_session(connection, author, session, held, [])
            tell_members(desk.office, connection, asked, author.at)
    assert len(desk.mails("session")) == 1
    desk.run(at("2024-06-04"), at("2024-06-05"))
    _, news = desk.mails("session")
    assert news.subject == "Bob: confirm 1 hour of RSC, 1 Jun"
    assert "Seen at last" in news.text
    assert "/sessions/asked/" in news.text


def test_whoever_turned_the_mail_off_gets_none(sqlite_desk: Desk) -> None:
    desk = sqlite_desk
    desk.tell_of_alice(LOGGED)
    with writing(desk.engine) as connection:
        values = {"person_id": desk.ids["Alice"], "kind": "session", "at": LOGGED}
        connection.execute(insert(METADATA.tables["mail_off"]).values(values))
    log(desk, 1)
    desk.run(at("2024-06-10"))
    assert desk.mails("session") == []


def test_no_reminder_on_a_day_with_another_mail_nor_of_what_was_withdrawn(
    sqlite_desk: Desk,
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
