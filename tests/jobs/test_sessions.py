"""Group session members get one mail a day at most, and one reminder of all that waits."""

from datetime import date, datetime, timedelta

from sqlalchemy import insert, select
from sqlmodel import Session

from tests.jobs.harness import JobHarness, at
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.notifications.group_session_mail import notify_members
from tracker.services.context import Actor, ServiceContext
from tracker.services.group_sessions import (
    GroupSessionInput,
    Invitation,
    create_group_session,
    update_group_session,
)

LOGGED = at("2024-06-03 12:00")


def provider_context(jobs: JobHarness, session: Session, now: datetime) -> ServiceContext:
    return ServiceContext(session, jobs.context.rulebooks, Actor("bob", jobs.ids["Bob"]), now)


def log(jobs: JobHarness, *days: int) -> None:
    """Bob logs a session of each of these days of June for Alice and somebody unknown."""
    invited = [Invitation("alice@example.org"), Invitation("nobody@example.org")]
    with writing(jobs.engine) as session:
        for day in days:
            now = LOGGED + timedelta(minutes=day)
            entered = GroupSessionInput(date(2024, 6, day), 90, "Group RSC", invited)
            context = provider_context(jobs, session, now)
            _, members = create_group_session(context, entered, f"key-{day}", None)
            notify_members(jobs.context, session, members, now)


def test_one_mail_a_day_then_one_reminder(jobs: JobHarness) -> None:
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


def test_many_corrections_send_one_mail_a_day(jobs: JobHarness) -> None:
    jobs.add_alice(LOGGED)
    log(jobs, 1)
    now = LOGGED
    for minutes in range(31, 61):
        now += timedelta(seconds=20)
        with writing(jobs.engine) as session:
            (number,) = session.scalars(select(METADATA.tables["group_session"].c.id))
            entered = GroupSessionInput(date(2024, 6, 1), minutes, "Seen at last", [])
            context = provider_context(jobs, session, now)
            members = update_group_session(context, number, entered, ["2024-06-01"])
            notify_members(jobs.context, session, members, now)
    assert len(jobs.mails("session")) == 1
    jobs.run(at("2024-06-04"), at("2024-06-05"))
    _, news = jobs.mails("session")
    assert news.subject == "Bob: confirm 1 hour of RSC, Jun 1"
    assert "Seen at last" in news.text
    assert "/sessions/asked/" in news.text


def test_people_who_turned_mail_off_get_none(sqlite_jobs: JobHarness) -> None:
    jobs = sqlite_jobs
    jobs.add_alice(LOGGED)
    with writing(jobs.engine) as session:
        values = {"person_id": jobs.ids["Alice"], "kind": "session", "at": LOGGED}
        session.connection().execute(insert(METADATA.tables["mail_off"]).values(values))
    log(jobs, 1)
    jobs.run(at("2024-06-10"))
    assert jobs.mails("session") == []


def test_no_reminder_beside_another_mail_or_after_withdrawal(
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
