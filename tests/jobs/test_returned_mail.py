"""Mail that comes back: sent to a real server, reported in a real mailbox, read and recorded."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from tests.jobs.harness import JobHarness, at
from tests.mail.imap_server import ImapServer
from tests.mail.returned import write_report
from tests.mail.sink import Sink
from tracker.db.engine import reading, writing
from tracker.db.tables import METADATA
from tracker.jobs import returned_mail
from tracker.jobs.embedded import running
from tracker.jobs.recheck import recheck
from tracker.jobs.returned_mail import ReadResult, preview_returned_mail, read_returned_mail
from tracker.mail import mailboxes
from tracker.mail.delivery import deliver_once
from tracker.mail.mailboxes import MailboxError
from tracker.mail.outbox import Message, enqueue
from tracker.mail.smtp_connection import parse_server
from tracker.notifications.context import open_context
from tracker.rules.notification_preferences import OptionalNotice
from tracker.services.attention import AttentionKind, list_attention
from tracker.services.context import Actor, ServiceContext
from tracker.services.email_changes import change_email
from tracker.services.erasure import erase_person
from tracker.services.run_ledger import Failure
from tracker.settings import Bounces, Mail

AUTUMN, MORNING = at("2024-09-15"), at("2024-12-01")
ALICE, HOME = "alice@example.org", "alice@home.example"
NO_MAILBOX = "postfix-no-mailbox"


@dataclass
class Returns:
    """Alice's reminders, a mail server that takes them, and the mailbox for what comes back."""

    jobs: JobHarness
    sink: Sink
    maildir: Path
    now: datetime = MORNING
    read: list[ReadResult] = field(default_factory=list)

    def use_mailbox(self, url: str) -> None:
        bounces = Bounces(address="bounces@renewals.example", mailbox=SecretStr(url))
        mail = Mail(sender="Renewals <renewals@nc.example>", connections=1, bounces=bounces)
        self.jobs.settings = self.jobs.settings.model_copy(update={"mail": mail})
        self.jobs.context = open_context(self.jobs.settings, self.jobs.rulebooks, self.jobs.engine)

    def send(self, *, recheck_first: bool = False) -> None:
        check = (lambda m, n: recheck(self.jobs.context, m, n)) if recheck_first else None
        work = deliver_once(
            self.jobs.engine,
            parse_server(self.sink.url),
            self.jobs.settings.mail,
            lambda: self.now,
            recheck=check,
        )
        assert asyncio.run(work).problems == ()

    def pass_to(self, now: datetime) -> None:
        """Do what is due at a later instant, and send it."""
        self.now = now
        self.jobs.run(now)
        self.send()

    def sender_to(self, recipient: str) -> str:
        """The envelope sender of the latest mail to an address."""
        recipients = [taken.recipient for taken in self.sink.taken]
        last = len(recipients) - 1 - recipients[::-1].index(recipient)
        return self.sink.senders[last]

    def report(self, name: str, recipient: str = ALICE) -> bytes:
        return write_report(name, self.sender_to(recipient), recipient)

    def arrive(self, *reports: bytes) -> None:
        for report in reports:
            count = len(list(self.maildir.rglob("*.mx*")))
            (self.maildir / "new" / f"{count}.mx").write_bytes(report)

    def read_all(self) -> list[str]:
        """Read the mailbox; the outcomes, in the order of the messages."""
        result = read_returned_mail(self.jobs.context, self.now)
        assert result is not None
        assert result.failures == []
        self.read.append(result)
        return [message.outcome for message in result.messages]

    def row(self, table: str, **where: object) -> dict[str, Any]:
        [row] = self.rows(table, **where)
        return row

    def rows(self, table: str, **where: object) -> list[dict[str, Any]]:
        with reading(self.jobs.engine) as session:
            rows = session.connection().execute(select(METADATA.tables[table])).mappings().all()
        return [dict(row) for row in rows if where.items() <= dict(row).items()]

    def files(self, folder: str) -> list[str]:
        path = self.maildir / folder
        return sorted(each.name for each in path.iterdir()) if path.exists() else []

    def causes(self) -> list[AttentionKind]:
        with reading(self.jobs.engine) as session:
            found = list_attention(session, self.jobs.rulebooks, "NCIMHA", self.now)
        about_mail = {AttentionKind.BOUNCED, AttentionKind.UNREACHABLE, AttentionKind.COMPLAINT}
        return [cause.kind for cause in found if cause.kind in about_mail]


def _set_up(jobs: JobHarness, folder: Path) -> Iterator[Returns]:
    maildir = folder / "Maildir"
    for name in ("new", "cur", "tmp"):
        (maildir / name).mkdir(parents=True)
    with Sink() as sink:
        returns = Returns(jobs, sink, maildir)
        returns.use_mailbox(f"maildir://{maildir}")
        jobs.add_alice(AUTUMN)
        with writing(jobs.engine) as session:
            enqueue(session, [letter(jobs.ids["Alice"])], MORNING)
        returns.send()
        yield returns


def letter(person_id: int) -> Message:
    """An email to Alice, of which the text is kept."""
    message_id = f"<letter-{person_id}@nc.example>"
    body = f"From: renewals@nc.example\r\nTo: {ALICE}\r\nMessage-ID: {message_id}\r\n\r\nHello\r\n"
    return Message(
        dedupe_key="letter",
        message_id=message_id,
        kind="request",
        association="NCIMHA",
        person_id=person_id,
        recipient=ALICE,
        subject="Your leave was granted",
        body=body.encode(),
        text="Hello Alice,\n\nYour leave was granted.",
    )


@pytest.fixture
def returns(jobs: JobHarness, tmp_path: Path) -> Iterator[Returns]:
    yield from _set_up(jobs, tmp_path)


@pytest.fixture
def sqlite_returns(sqlite_jobs: JobHarness, tmp_path: Path) -> Iterator[Returns]:
    yield from _set_up(sqlite_jobs, tmp_path)


def test_each_message_has_its_own_signed_sender(sqlite_returns: Returns) -> None:
    senders = sqlite_returns.sink.senders
    sqlite_returns.jobs.execute("UPDATE outbox SET state = 'waiting'")
    [before] = senders
    with writing(sqlite_returns.jobs.engine) as session:
        other = replace(letter(1), message_id="<other@nc.example>", dedupe_key="other")
        enqueue(session, [other], MORNING)
    sqlite_returns.send()
    assert before in senders
    assert len(set(senders)) == 2
    sender = sqlite_returns.sender_to(ALICE)
    assert sender.startswith("bounces+")
    assert sender.endswith("@renewals.example")


def test_a_dead_mailbox_is_marked_and_shown(returns: Returns) -> None:
    returns.arrive(returns.report(NO_MAILBOX))
    assert returns.read_all() == ["hard"]
    alice = returns.row("person", email=ALICE)
    assert alice["email_refused_at"] == returns.now
    assert "550 5.1.1" in alice["email_refused_reason"]
    mail = returns.row("outbox", recipient=ALICE)
    assert (mail["state"], mail["bounced"], mail["body"]) == ("failed", True, b"")
    assert returns.causes() == [AttentionKind.UNREACHABLE]
    assert returns.files("new") == []
    assert returns.files(".Processed/cur") == ["0.mx:2,S"]


def test_a_report_that_comes_twice_counts_once(sqlite_returns: Returns) -> None:
    report = sqlite_returns.report("postfix-full")
    sqlite_returns.arrive(report, report, report.replace(b"is full", b"is quite full"))
    assert sqlite_returns.read_all() == ["soft", "soft", "refused"]
    assert len(sqlite_returns.rows("returned_mail", outcome="soft")) == 1
    assert [m.is_new for m in sqlite_returns.read[0].messages] == [True, False, True]


def test_the_second_address_takes_over(returns: Returns) -> None:
    returns.jobs.execute("UPDATE person SET second_email = :second", second=HOME)
    returns.arrive(returns.report(NO_MAILBOX))
    returns.read_all()
    assert returns.read[0].messages[0].forwarded_to == HOME
    assert returns.causes() == [AttentionKind.BOUNCED]
    returns.send()
    copy = returns.sink.taken[-1]
    assert copy.recipient == HOME
    assert b"This email came back from your first address." in copy.content
    returns.pass_to(at("2024-12-24"))
    recipients = [taken.recipient for taken in returns.sink.taken]
    assert (recipients.count(ALICE), recipients.count(HOME)) == (1, 2)


def test_notices_that_came_back_are_decided_again(sqlite_returns: Returns) -> None:
    returns = sqlite_returns
    returns.jobs.run(AUTUMN)
    returns.pass_to(MORNING)
    returns.jobs.execute("UPDATE person SET second_email = :second", second=HOME)
    returns.now += timedelta(days=1)
    returns.arrive(returns.report(NO_MAILBOX))
    returns.read_all()
    returns.send(recheck_first=True)
    returns.send(recheck_first=True)
    fresh = returns.sink.taken[-1]
    assert fresh.recipient == HOME
    assert b"came back" not in fresh.content
    # The ledger names the message that reached her.
    sent = {row["message_id"] for row in returns.jobs.decisions(outcome="sent")}
    assert fresh.message_id in sent


def test_a_dead_address_is_not_written_to(sqlite_returns: Returns) -> None:
    returns = sqlite_returns
    returns.arrive(returns.report(NO_MAILBOX))
    returns.read_all()
    returns.pass_to(at("2024-12-24"))
    assert [taken.recipient for taken in returns.sink.taken].count(ALICE) == 1
    # A corrected address gets what waited, and clears the cause.
    with writing(returns.jobs.engine) as session:
        operator = Actor("tracker person change-email")
        context = ServiceContext(session, returns.jobs.rulebooks, operator, returns.now)
        change_email(context, ALICE, "alice@new.example")
    returns.send()
    assert returns.sink.taken[-1].recipient == "alice@new.example"
    assert returns.causes() == []


@pytest.mark.parametrize("name", ["postfix-forwarded-elsewhere", "postfix-alias-elsewhere"])
def test_a_forward_that_fails_says_little_of_the_address(
    sqlite_returns: Returns, name: str
) -> None:
    sqlite_returns.arrive(sqlite_returns.report(name))
    assert sqlite_returns.read_all() == ["soft"]
    assert sqlite_returns.row("person", email=ALICE)["email_refused_at"] is None


def test_what_arrived_here_and_failed_elsewhere_counts_nothing(sqlite_returns: Returns) -> None:
    sqlite_returns.arrive(sqlite_returns.report("postfix-delivered-and-elsewhere"))
    assert sqlite_returns.read_all() == ["no bounce"]
    assert sqlite_returns.row("person", email=ALICE)["email_refused_at"] is None
    assert sqlite_returns.row("outbox", recipient=ALICE)["state"] == "sent"


def test_a_delay_counts_nothing_and_the_end_still_counts(sqlite_returns: Returns) -> None:
    returns = sqlite_returns
    returns.arrive(returns.report("postfix-delayed"))
    assert returns.read_all() == ["delayed"]
    assert returns.row("outbox", recipient=ALICE)["state"] == "sent"
    returns.arrive(returns.report("postfix-given-up"))
    assert returns.read_all() == ["soft"]
    assert returns.row("outbox", recipient=ALICE)["state"] == "failed"


def test_a_complaint_stops_what_is_not_required(returns: Returns) -> None:
    returns.arrive(returns.report("complaint"))
    assert returns.read_all() == ["complaint"]
    assert {row["kind"] for row in returns.rows("mail_off")} == {k.value for k in OptionalNotice}
    assert returns.row("outbox", recipient=ALICE)["state"] == "sent"
    assert returns.row("person", email=ALICE)["email_refused_at"] is None
    assert returns.causes() == [AttentionKind.COMPLAINT]
    # She switched some on again on her profile: nothing is left to do.
    returns.jobs.execute("DELETE FROM mail_off")
    assert returns.causes() == []


def test_a_complaint_about_a_digest_ends_it(sqlite_returns: Returns) -> None:
    returns = sqlite_returns
    body = letter(1).body.replace(ALICE.encode(), b"dana@nc.example")
    digest = replace(letter(1), kind="digest", person_id=None, recipient="dana@nc.example")
    digest = replace(digest, body=body, message_id="<d@nc.example>", dedupe_key="digest")
    with writing(returns.jobs.engine) as session:
        enqueue(session, [digest], MORNING)
    returns.send()
    returns.arrive(returns.report("complaint-redacted", "dana@nc.example"))
    assert returns.read_all() == ["complaint"]
    ended = returns.row("unsubscribed")
    assert (ended["email"], ended["kind"]) == ("dana@nc.example", "digest")


def test_forged_reports_are_refused(sqlite_returns: Returns) -> None:
    returns = sqlite_returns
    sender = returns.sender_to(ALICE)
    number = sender.partition("+")[2].partition(".")[0]
    forged = [
        sender.replace(sender.partition(".")[2][:4], "aaaa"),
        sender.replace(f"+{number}.", f"+{int(number) + 1}."),
        sender.replace(f"+{number}.", "+999999."),
    ]
    returns.arrive(*(write_report(NO_MAILBOX, each, ALICE) for each in forged))
    assert returns.read_all() == ["refused"] * 3
    assert returns.row("person", email=ALICE)["email_refused_at"] is None


def test_a_report_about_old_mail_is_refused(sqlite_returns: Returns) -> None:
    returns = sqlite_returns
    returns.arrive(returns.report(NO_MAILBOX))
    returns.now += returned_mail.BELIEVED_FOR + timedelta(seconds=1)
    assert returns.read_all() == ["refused"]
    assert returns.row("returned_mail")["reason"] == "the message left too long ago"


@pytest.mark.parametrize("name", [NO_MAILBOX, "postfix-delayed", "complaint"])
def test_a_report_about_an_erased_person_is_not_kept(sqlite_returns: Returns, name: str) -> None:
    returns = sqlite_returns
    report = returns.report(name)
    with writing(returns.jobs.engine) as session:
        operator = ServiceContext(session, returns.jobs.rulebooks, Actor("operator"), returns.now)
        erase_person(operator, ALICE, "Asked for it", ())
    returns.arrive(report)
    assert returns.read_all() == ["refused"]
    assert returns.row("returned_mail")["reason"] == "the recipient was erased"
    assert ALICE not in str(returns.jobs.everything())
    assert returns.rows("mail_off") == []


def test_a_report_before_delivery_ended_is_read_again(sqlite_returns: Returns) -> None:
    returns = sqlite_returns
    returns.arrive(returns.report(NO_MAILBOX))
    returns.jobs.execute("UPDATE outbox SET state = 'sending' WHERE recipient = :to", to=ALICE)
    assert returns.read_all() == []
    assert returns.read[0].early == 1
    assert returns.files("new") == ["0.mx"]
    returns.jobs.execute("UPDATE outbox SET state = 'sent' WHERE recipient = :to", to=ALICE)
    assert returns.read_all() == ["hard"]


def test_what_nobody_understands_stays_for_a_person(sqlite_returns: Returns) -> None:
    returns = sqlite_returns
    returns.arrive(returns.report("reply-of-a-person"), b"\xff\xfe nonsense")
    assert returns.read_all() == ["not understood"] * 2
    assert returns.files("cur") == ["0.mx:2,F", "1.mx:2,F"]
    assert returns.read_all() == []
    assert returns.row("mailbox_read")["unclear"] == 2
    # Somebody looked at one, and deleted it.
    (returns.maildir / "cur" / "0.mx:2,F").unlink()
    returns.read_all()
    assert returns.row("mailbox_read")["unclear"] == 1


def test_automatic_replies_count_nothing(sqlite_returns: Returns) -> None:
    returns = sqlite_returns
    returns.arrive(returns.report("out-of-office"), returns.report("vacation"))
    assert returns.read_all() == ["no bounce"] * 2
    assert returns.row("outbox", recipient=ALICE)["state"] == "sent"
    assert len(returns.files(".Processed/cur")) == 2


def test_a_crash_before_the_move_counts_nothing_twice(
    returns: Returns, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    returns.arrive(returns.report("postfix-full"))
    with monkeypatch.context() as patch:
        patch.setattr("tracker.mail.mailboxes._Maildir.put_aside", die)
        with pytest.raises(Killed):
            returns.read_all()
    assert returns.files("new") == ["0.mx"]
    assert returns.read_all() == ["soft"]
    assert [each.is_new for each in returns.read[0].messages] == [False]
    assert len(returns.rows("returned_mail")) == 1
    assert returns.files("new") == []


def test_a_crash_before_the_commit_loses_nothing(
    returns: Returns, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("disk full")

    returns.arrive(returns.report(NO_MAILBOX), returns.report("complaint"))
    with monkeypatch.context() as patch:
        patch.setattr(returned_mail, "judge_refusal", fail)
        result = read_returned_mail(returns.jobs.context, returns.now)
    assert result is not None
    # One failure stays one failure.
    assert [m.outcome for m in result.messages] == ["complaint"]
    assert len(result.failures) == 1
    assert returns.row("outbox", recipient=ALICE)["state"] == "sent"
    assert returns.read_all() == ["hard"]


def test_killed_readers_lose_and_double_nothing() -> None:
    command = [sys.executable, "-m", "tests.faults.kill_reading", "--kills", "12"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_dry_run_changes_nothing(sqlite_returns: Returns) -> None:
    returns = sqlite_returns
    returns.arrive(returns.report(NO_MAILBOX), b"nonsense")
    before = returns.jobs.everything()
    result = preview_returned_mail(returns.jobs.context, returns.jobs.engine, returns.now)
    assert result is not None
    assert [message.outcome for message in result.messages] == ["hard", "not understood"]
    assert result.messages[0].is_dead
    assert returns.jobs.everything() == before
    assert returns.files("new") == ["0.mx", "1.mx"]


def test_others_can_write_while_a_dry_run_reads_the_mailbox(
    sqlite_returns: Returns, monkeypatch: pytest.MonkeyPatch
) -> None:
    returns = sqlite_returns
    returns.arrive(returns.report(NO_MAILBOX))
    read = mailboxes._Maildir.read

    def write_meanwhile(mailbox: mailboxes._Maildir, key: str) -> bytes | None:
        returns.jobs.execute("UPDATE person SET name = 'Alice M.'")
        return read(mailbox, key)

    monkeypatch.setattr(mailboxes._Maildir, "read", write_meanwhile)
    preview_returned_mail(returns.jobs.context, returns.jobs.engine, returns.now)
    assert returns.row("person", email=ALICE)["name"] == "Alice M."


def test_a_message_that_cannot_be_read_stops_no_other(
    sqlite_returns: Returns, monkeypatch: pytest.MonkeyPatch
) -> None:
    returns = sqlite_returns
    returns.arrive(b"a message of another user", returns.report(NO_MAILBOX))
    opened = Path.open

    def refuse(path: Path, *given: Any, **options: Any) -> Any:  # noqa: ANN401 - as Path.open
        # As root, nothing here is forbidden.
        if path.name == "0.mx":
            raise PermissionError(13, "Permission denied")
        return opened(path, *given, **options)

    monkeypatch.setattr(Path, "open", refuse)
    result = read_returned_mail(returns.jobs.context, returns.now)
    assert result is not None
    assert [message.outcome for message in result.messages] == ["hard"]
    [failure] = result.failures
    assert failure == Failure(
        "returned mail new/0.mx", f"{returns.maildir}/new/0.mx: Permission denied"
    )
    assert returns.files("new") == ["0.mx"]


def test_a_mailbox_over_imap_is_read_and_filed(sqlite_returns: Returns) -> None:
    returns = sqlite_returns
    with ImapServer() as server:
        returns.use_mailbox(server.url)
        server.deliver(returns.report("gmail-no-mailbox"), returns.report("reply-of-a-person"))
        assert returns.read_all() == ["hard", "not understood"]
        assert returns.read_all() == []
        assert len(server.list("Processed")) == 1
        assert len(server.list("INBOX", "FLAGGED")) == 1
        assert returns.row("mailbox_read")["unclear"] == 1
    assert returns.row("person", email=ALICE)["email_refused_at"] is not None
    with pytest.raises(MailboxError, match="Connection refused"):
        read_returned_mail(returns.jobs.context, returns.now)
    last = returns.row("mailbox_read")
    assert "Connection refused" in last["error"]
    assert last["read_at"] == returns.now


async def serve_until_read(returns: Returns) -> None:
    context, server = returns.jobs.context, parse_server(returns.sink.url)
    async with (
        running(context, returns.jobs.engine, server, lambda: returns.now, {}),
        asyncio.timeout(20),
    ):
        while not returns.rows("mailbox_read"):  # noqa: ASYNC110 - a database sets no event
            await asyncio.sleep(0.01)


def test_serve_reads_the_mailbox_by_itself(sqlite_returns: Returns) -> None:
    returns = sqlite_returns
    returns.arrive(returns.report(NO_MAILBOX))

    asyncio.run(serve_until_read(returns))
    assert returns.row("returned_mail")["outcome"] == "hard"


def test_serve_goes_on_without_its_mailbox(sqlite_returns: Returns) -> None:
    returns = sqlite_returns
    returns.use_mailbox("maildir:///nowhere")

    asyncio.run(serve_until_read(returns))
    assert "/nowhere is no Maildir" in returns.row("mailbox_read")["error"]
