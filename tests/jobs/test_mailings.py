"""Mailings and the daily jobs: one mail a person and day, and nothing untrue leaves."""

from datetime import timedelta
from typing import Any

from sqlmodel import col, select

from tests.jobs.harness import JobHarness, at
from tests.jobs.test_recheck import deliver
from tests.mail.sink import Sink
from tracker.db.engine import reading, writing
from tracker.db.mailings import MailingRecipient
from tracker.notifications.mailing_mail import Sender
from tracker.notifications.mailing_sending import send_mailing
from tracker.notifications.mailing_text import TEMPLATES
from tracker.services.context import Actor, ServiceContext
from tracker.services.mailing_delivery import DeliveryCounts, count_deliveries
from tracker.services.mailing_rules import MailingTemplate
from tracker.services.mailings import MailingInput, stop_mailing

AUTUMN = at("2024-09-15")
SENT = at("2024-11-20")
DAY = timedelta(days=1)
DANA = Sender("Dana", "dana@nc.example")
ACTOR = Actor(DANA.email, None, ("NCIMHA",))


def send(jobs: JobHarness, now: Any, template: str = "reminder", text: str = "") -> int:  # noqa: ANN401
    """Send a mailing to Alice, Bob, and everyone else; its id."""
    chosen = MailingTemplate(template)
    typed = MailingInput(
        "NCIMHA",
        chosen,
        TEMPLATES[chosen].subject or "A word",
        text or TEMPLATES[chosen].text or "Hello {name}",
        "All endorsees",
        tuple(jobs.ids.values()),
        f"{now:%d%H%M}".rjust(32, "0"),
    )
    with writing(jobs.engine) as session:
        context = ServiceContext(session, jobs.rulebooks, ACTOR, now)
        mailing_id, _ = send_mailing(jobs.context, context, typed, DANA)
    return mailing_id


def recipients(jobs: JobHarness) -> dict[str, tuple[str, str | None]]:
    """Outcome and reason by name, of the last mailing that each was in."""
    names = {number: name for name, number in jobs.ids.items()}
    with reading(jobs.engine) as session:
        rows = session.exec(select(MailingRecipient).order_by(col(MailingRecipient.id)))
        return {names[row.person_id]: (row.outcome, row.reason) for row in rows}


def add_everyone(jobs: JobHarness) -> None:
    """Alice and Grace, who lack hours, and Bob, whose category has no renewal rules."""
    jobs.add_alice(AUTUMN)
    with jobs.storing(AUTUMN) as people:
        people.add("Grace", ["NCIMHA IFS 2020-01-01"])


def counts(jobs: JobHarness, mailing_id: int) -> DeliveryCounts:
    with reading(jobs.engine) as session:
        return count_deliveries(session, [mailing_id])[mailing_id]


def test_a_mailing_is_the_mail_of_the_day_and_notices_wait(jobs: JobHarness) -> None:
    add_everyone(jobs)
    jobs.run(AUTUMN)
    send(jobs, at("2024-12-01 05:00"))
    before = len(jobs.mails())
    jobs.run(at("2024-12-01"))
    assert len(jobs.mails()) == before
    jobs.run(at("2024-12-02"))
    assert jobs.sent().count("renewal -30 2024-12-31") == 2
    keys = [mail.dedupe_key for mail in [*jobs.mails(), *jobs.mails("mailing")]]
    assert len(keys) == len(set(keys))


def test_people_with_a_notice_today_are_skipped(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    jobs.run(AUTUMN, at("2024-12-01"))
    with jobs.storing(AUTUMN) as people:
        people.add("Grace", ["NCIMHA IFS 2020-01-01"])
    send(jobs, at("2024-12-01 10:00"))
    assert recipients(jobs) == {
        "Alice": ("skipped", "mailed-today"),
        "Bob": ("skipped", "nothing-missing"),
        "Grace": ("sent", None),
    }


def test_a_message_that_waited_leaves_if_it_is_still_true(jobs: JobHarness) -> None:
    add_everyone(jobs)
    number = send(jobs, SENT)
    waiting = jobs.mails("mailing")
    with Sink() as sink:
        assert deliver(jobs, SENT + timedelta(hours=3), sink).sent == 2
    assert {mail.message["Reply-To"] for mail in waiting} == {DANA.email}
    assert counts(jobs, number) == DeliveryCounts(sent=2, skipped=1)


def test_a_reminder_whose_reason_is_gone_is_dropped(jobs: JobHarness) -> None:
    add_everyone(jobs)
    number = send(jobs, SENT)
    with jobs.storing(SENT) as people:
        people.log("Alice: rsc 4h 2024-11-01 with Bob")
    with Sink() as sink:
        assert deliver(jobs, SENT + timedelta(hours=3), sink).sent == 1
    assert recipients(jobs)["Alice"] == ("skipped", "nothing-missing")
    assert counts(jobs, number) == DeliveryCounts(sent=1, skipped=2)


def test_a_reminder_that_has_changed_is_written_again(jobs: JobHarness) -> None:
    add_everyone(jobs)
    number = send(jobs, SENT)
    with jobs.storing(SENT) as people:
        people.log("Alice: rsc 1h 2024-11-01 with Bob")
    with Sink() as sink:
        assert deliver(jobs, SENT + timedelta(hours=3), sink).sent == 2
        texts = [taken.content for taken in sink.taken]
    assert any(b"9.5 of 12 hours" in text for text in texts)
    assert not any(b"8.5 of 12 hours" in text for text in texts)
    assert counts(jobs, number) == DeliveryCounts(sent=2, skipped=1)


def test_a_stopped_mailing_sends_nothing_more(jobs: JobHarness) -> None:
    add_everyone(jobs)
    number = send(jobs, SENT, "free")
    with writing(jobs.engine) as session:
        context = ServiceContext(session, jobs.rulebooks, ACTOR, SENT)
        assert stop_mailing(context, number) == 3
    with Sink() as sink:
        assert deliver(jobs, SENT, sink).sent == 0
    assert counts(jobs, number) == DeliveryCounts(skipped=3)
    # The day is free again.
    send(jobs, SENT + timedelta(minutes=5), "free")
    assert recipients(jobs)["Alice"] == ("sent", None)


def test_a_message_taken_up_as_the_mailing_is_stopped_does_not_leave(jobs: JobHarness) -> None:
    add_everyone(jobs)
    number = send(jobs, SENT, "free")
    jobs.change("mailing", state="stopped", stopped_at=SENT, stopped_by=DANA.email)
    with Sink() as sink:
        report = deliver(jobs, SENT + timedelta(minutes=1), sink)
        assert (report.sent, report.held_back) == (0, 3)
    assert recipients(jobs)["Alice"] == ("skipped", "stopped")
    assert counts(jobs, number) == DeliveryCounts(skipped=3)


def test_a_bouncing_first_address_is_written_to_at_the_second(jobs: JobHarness) -> None:
    add_everyone(jobs)
    jobs.execute("UPDATE person SET second_email = 'alice@home.example' WHERE name = 'Alice'")
    jobs.change("person", email_refused_at=AUTUMN)
    number = send(jobs, SENT)
    assert recipients(jobs) == {
        "Alice": ("sent", None),
        "Bob": ("skipped", "nothing-missing"),
        "Grace": ("skipped", "bounced"),
    }
    with Sink() as sink:
        sink.refuse = frozenset({"alice@example.org"})
        deliver(jobs, SENT, sink)
        assert {taken.recipient for taken in sink.taken} == {"alice@home.example"}
    assert counts(jobs, number) == DeliveryCounts(sent=1, skipped=2)


def test_of_two_people_with_one_address_the_first_gets_it(jobs: JobHarness) -> None:
    add_everyone(jobs)
    jobs.execute("UPDATE person SET second_email = 'alice@example.org' WHERE name = 'Grace'")
    moved = {"at": "2024-09-15 00:00:00"}
    jobs.execute("UPDATE person SET email_refused_at = :at WHERE name = 'Grace'", **moved)
    send(jobs, SENT)
    assert recipients(jobs)["Grace"] == ("skipped", "same-address")
    assert recipients(jobs)["Alice"] == ("sent", None)
