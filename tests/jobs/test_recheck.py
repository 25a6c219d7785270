"""A message that waited is checked again before it leaves."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import partial

import pytest

from tests.jobs.harness import ALICE, TWO, JobHarness, Mail, at
from tests.jobs.test_references import (
    ASKED,
    GIVEN,
    REFERENCE,
    ReferenceHarness,
    ref_jobs,
)
from tests.mail.sink import Sink
from tracker.db.engine import reading, writing
from tracker.jobs.notices import RunContext, write_message
from tracker.jobs.recheck import recheck
from tracker.mail import outbox
from tracker.mail.delivery import DeliveryReport, deliver_once
from tracker.mail.outbox import ListedMessage, Message
from tracker.mail.smtp_connection import parse_server
from tracker.rulebooks import Rulebooks
from tracker.rules.notices import Decision
from tracker.services.context import Actor, ServiceContext
from tracker.services.email_changes import change_email
from tracker.services.merging import find_record, merge_people
from tracker.services.reference_submission import submit_reference

__all__ = ["ref_jobs"]
AUTUMN = at("2024-09-15")
WRITTEN = at("2024-12-01")
DUE = date(2024, 12, 31)
DAY = timedelta(days=1)


@pytest.fixture
def rulebooks() -> Rulebooks:
    """One association more than in most tests."""
    return TWO


def deliver(jobs: JobHarness, now: datetime, sink: Sink) -> DeliveryReport:
    """Deliver with the check, as `tracker deliver` does."""
    mail = jobs.settings.mail.model_copy(update={"connections": 1})
    return asyncio.run(
        deliver_once(
            jobs.engine,
            parse_server(sink.url),
            mail,
            lambda: now,
            recheck=partial(recheck, jobs.context),
        )
    )


def write_reminder(jobs: JobHarness) -> Mail:
    """Alice's reminder of December 1, which waits."""
    jobs.add_alice(AUTUMN)
    jobs.run(AUTUMN)
    jobs.execute("DELETE FROM outbox")
    jobs.run(WRITTEN)
    jobs.execute("DELETE FROM outbox WHERE kind <> 'notices'")
    [mail] = jobs.mails()
    return mail


def listed(jobs: JobHarness) -> list[ListedMessage]:
    with reading(jobs.engine) as session:
        return list(outbox.list_messages(session))


def row_of(jobs: JobHarness, step: int) -> tuple[str, str | None, str | None]:
    """Outcome, reason, and Message-ID of a renewal's step."""
    [row] = jobs.decisions(kind="renewal", step=step, category="IFS", due_on=DUE)
    return row["outcome"], row["reason"], row["message_id"]


def test_a_reminder_that_is_still_true_leaves_unchanged(jobs: JobHarness) -> None:
    mail = write_reminder(jobs)
    with Sink() as sink:
        assert deliver(jobs, WRITTEN + timedelta(hours=3), sink).sent == 1
        [taken] = sink.taken
    assert taken.message_id == mail.message_id
    assert row_of(jobs, -30) == ("sent", None, mail.message_id)


def test_a_reminder_whose_hours_came_in_is_dropped(jobs: JobHarness) -> None:
    write_reminder(jobs)
    with jobs.storing(WRITTEN + DAY) as people:
        people.log("rsc 3.5h 2024-11-20 with Bob")
    with Sink() as sink:
        report = deliver(jobs, WRITTEN + 2 * DAY, sink)
        assert (report.sent, report.held_back) == (0, 1)
        assert deliver(jobs, WRITTEN + 2 * DAY, sink).held_back == 0
        assert sink.taken == []
    [message] = listed(jobs)
    assert (message.state, message.last_error) == ("dropped", "every requirement is met")
    reason = "dropped before it left: every requirement is met"
    assert row_of(jobs, -30) == ("skipped", reason, None)
    jobs.run(WRITTEN + 3 * DAY)
    assert len(jobs.mails()) == 1


def test_a_reminder_that_waited_a_night_is_written_again(jobs: JobHarness) -> None:
    old = write_reminder(jobs)
    with Sink() as sink:
        assert deliver(jobs, WRITTEN + DAY, sink).sent == 1
        [taken] = sink.taken
    [_, new] = jobs.mails()
    assert taken.message_id == new.message_id != old.message_id
    assert new.subject == "29 days left: 3.5 RSC hours due Dec 31"
    assert [message.state for message in listed(jobs)] == ["dropped", "sent"]
    reason = "decided again: the email of 2024-12-01 had not left"
    assert row_of(jobs, -30) == ("sent", reason, new.message_id)


def test_a_reminder_that_waited_for_weeks_gives_way_to_the_latest(jobs: JobHarness) -> None:
    write_reminder(jobs)
    with Sink() as sink:
        assert deliver(jobs, WRITTEN + 55 * DAY, sink).sent == 1
    [_, new] = jobs.mails()
    assert new.subject == "25 days overdue: 3.5 RSC hours, grace ends Jan 31"
    assert row_of(jobs, -30)[:2] == (
        "skipped",
        "dropped before it left: a later step was due as well",
    )
    assert row_of(jobs, 14) == ("sent", None, new.message_id)
    jobs.run(WRITTEN + 55 * DAY + timedelta(hours=1))
    assert len(jobs.mails()) == 2


def test_one_of_two_reminders_that_waited_leaves(jobs: JobHarness) -> None:
    write_reminder(jobs)
    jobs.run(at("2024-12-17"))
    jobs.execute("DELETE FROM outbox WHERE kind <> 'notices'")
    with Sink() as sink:
        assert deliver(jobs, at("2024-12-17 12:00"), sink).sent == 1
        [taken] = sink.taken
    [_, second] = jobs.mails()
    assert taken.message_id == second.message_id
    assert row_of(jobs, -30)[0] == "skipped"
    assert row_of(jobs, -14) == ("sent", None, second.message_id)


def test_a_reminder_follows_a_changed_address(jobs: JobHarness) -> None:
    write_reminder(jobs)
    jobs.execute("UPDATE person SET email = 'new@example.org' WHERE name = 'Alice'")
    with Sink() as sink:
        assert deliver(jobs, WRITTEN + timedelta(hours=3), sink).sent == 1
        assert [taken.recipient for taken in sink.taken] == ["new@example.org"]


def test_a_reminder_is_dropped_if_the_endorsement_ended(jobs: JobHarness) -> None:
    write_reminder(jobs)
    jobs.execute("UPDATE endorsement SET ends_on = '2024-12-01' WHERE category = 'IFS'")
    with Sink() as sink:
        assert deliver(jobs, WRITTEN + timedelta(hours=3), sink).sent == 0
    assert row_of(jobs, -30)[:2] == ("skipped", "dropped before it left: it no longer applies")


def test_a_second_mail_of_the_day_waits_for_tomorrow(jobs: JobHarness) -> None:
    write_reminder(jobs)
    # Another mail has reached Alice today.
    jobs.execute("UPDATE outbox SET dedupe_key = 'x'")
    jobs.execute(
        "INSERT INTO outbox (dedupe_key, message_id, kind, person_id, recipient, subject, body,"
        " state, attempts, created_at, next_attempt_at, fence) SELECT"
        " 'day:' || person_id || :day, 'y', kind, person_id, recipient, subject, body,"
        " 'sent', 1, created_at, next_attempt_at, 1 FROM outbox",
        day=":2024-12-02",
    )
    with Sink() as sink:
        assert deliver(jobs, WRITTEN + DAY, sink).sent == 0
    assert jobs.decisions(kind="renewal", step=-30, category="IFS", due_on=DUE) == []
    jobs.run(WRITTEN + 2 * DAY)
    assert jobs.mails()[-1].subject == "28 days left: 3.5 RSC hours due Dec 31"
    assert row_of(jobs, -30)[0] == "sent"


def test_a_failing_check_keeps_one_mail_and_lets_others_leave(
    jobs: JobHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.add_alice(AUTUMN)
    with jobs.storing(AUTUMN) as people:
        people.add("Grace", ["CT-AIMH IFS 2021-01-01"])
    jobs.run(AUTUMN)
    jobs.execute("DELETE FROM outbox")
    jobs.run(WRITTEN)
    jobs.execute("DELETE FROM outbox WHERE kind <> 'notices'")

    def fail(run: RunContext, address: str, decisions: Sequence[Decision]) -> Message:
        if address.startswith("grace"):
            raise ZeroDivisionError
        return write_message(run, address, decisions)

    monkeypatch.setattr("tracker.jobs.recheck.write_message", fail)
    with Sink() as sink:
        deliver(jobs, WRITTEN + timedelta(hours=3), sink)
        assert [taken.recipient for taken in sink.taken] == ["alice@example.org"]
    [grace] = [m for m in listed(jobs) if m.recipient.startswith("grace")]
    assert grace.state == "waiting"
    assert str(grace.last_error).startswith("can't be checked before it leaves: ZeroDivision")
    monkeypatch.undo()
    with Sink() as sink:
        assert deliver(jobs, WRITTEN + timedelta(hours=4), sink).sent == 1


@pytest.mark.parametrize(
    ("kind", "age", "state"),
    [
        ("sign-in", timedelta(minutes=9), "sent"),
        ("sign-in", timedelta(minutes=10), "dropped"),
        ("digest", timedelta(days=6), "sent"),
        ("digest", timedelta(days=7), "dropped"),
        ("request", timedelta(days=90), "sent"),
    ],
)
def test_a_mail_that_came_too_late_is_dropped(
    sqlite_jobs: JobHarness, kind: str, age: timedelta, state: str
) -> None:
    body = b"Subject: x\r\n\r\nx"
    message = Message("key", "<x@x>", kind, None, None, "a@example.org", "x", body)
    with writing(sqlite_jobs.engine) as session:
        outbox.enqueue(session, [message], WRITTEN)
    with Sink() as sink:
        deliver(sqlite_jobs, WRITTEN + age, sink)
    assert [message.state for message in listed(sqlite_jobs)] == [state]


def test_a_referee_who_answered_is_not_asked(ref_jobs: ReferenceHarness) -> None:
    ref_jobs.ask()
    ref_jobs.ask("quinn@example.org")
    with writing(ref_jobs.engine) as session:
        context = ServiceContext(session, ref_jobs.rulebooks, Actor("pat@example.org"), ASKED)
        assert submit_reference(context, ref_jobs.token(), GIVEN)
    with Sink() as sink:
        deliver(ref_jobs, ASKED + DAY, sink)
        assert [taken.recipient for taken in sink.taken] == ["quinn@example.org"]
    states = {message.recipient: message.state for message in listed(ref_jobs)}
    assert states["pat@example.org"] == "dropped"
    assert len(ref_jobs.mails(REFERENCE)) == 2


def merge_ally(jobs: JobHarness, now: datetime) -> None:
    """Alice's second record is found to be hers, as `tracker person merge` does."""
    with writing(jobs.engine) as session:
        kept = find_record(session, "alice@example.org")
        other = find_record(session, "ally@example.org")
        context = ServiceContext(session, jobs.rulebooks, Actor("tracker person"), now)
        merge_people(context, kept, other, "One person", None)


def test_one_true_reminder_leaves_after_a_merge(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    with jobs.storing(AUTUMN) as people:
        people.add("Ally", [ALICE])
        people.log("Ally: rsc 2h 2024-03-02 with Bob")
    jobs.run(AUTUMN)
    jobs.execute("DELETE FROM outbox")
    jobs.run(WRITTEN)
    jobs.execute("DELETE FROM outbox WHERE kind <> 'notices'")
    assert {mail.recipient for mail in jobs.mails()} == {"alice@example.org", "ally@example.org"}
    merge_ally(jobs, WRITTEN + timedelta(minutes=1))
    with Sink() as sink:
        deliver(jobs, WRITTEN + timedelta(minutes=2), sink)
        [taken] = sink.taken
    [*_, mail] = jobs.mails()
    assert taken.message_id == mail.message_id
    assert b"<alice@example.org>\r\nSubject:" in taken.content
    assert "1.5 RSC" in mail.subject


def test_a_letter_follows_a_changed_address_in_its_header(jobs: JobHarness) -> None:
    write_reminder(jobs)
    with writing(jobs.engine) as session:
        context = ServiceContext(session, jobs.rulebooks, Actor("tracker person"), WRITTEN)
        change_email(context, "alice@example.org", "new@example.org")
    with Sink() as sink:
        deliver(jobs, WRITTEN + timedelta(minutes=2), sink)
        [taken] = sink.taken
    assert taken.recipient == "new@example.org"
    assert b"To: new@example.org\r\n" in taken.content
    assert b"alice@example.org" not in taken.content.partition(b"\r\n\r\n")[0]
