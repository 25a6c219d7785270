"""Findings about the mail server: reachable, encrypted, login, and a test message (T7)."""

import asyncio
from datetime import datetime, timedelta

from sqlmodel import Session

from tracker.checks.environment import Fact, Finding, Findings, problem, warning
from tracker.db.returned_mail import MailboxRead
from tracker.formatting import format_count, format_date, format_time
from tracker.mail.compose import Composer
from tracker.mail.contents import ProbeMail
from tracker.mail.mailboxes import MailboxError, open_mailbox, parse_mailbox_address
from tracker.mail.outbox import Claimed
from tracker.mail.smtp_connection import (
    Connection,
    Fate,
    ServerAddressError,
    ServerFaultError,
    parse_server,
)
from tracker.settings import Mail, Settings, templates_folder

# Someone is waiting for this check. Delivery itself waits longer.
_MOST_SECONDS = 10.0
# A refused TLS connection closes its socket only after a few more turns of the event loop.
_GOODBYE_SECONDS = 0.05
# Reserved by RFC 2606 and RFC 6761: no mail can come from there.
_NO_DOMAINS = {"localhost", "example", "invalid", "test", "local"}
_MOST_LISTED = 1_000
_LATE = timedelta(hours=1)
_HINT = "Correct TRACKER_SMTP_URL: host, port, user and password."
_STARTTLS_HINT = (
    "STARTTLS is required: smtps:// is for port 465, ?tls=none only for a server on this machine."
)
_SECURITY = {"none": "unencrypted", "starttls": "with STARTTLS", "tls": "with TLS"}


async def check_mail(
    settings: Settings, test_address: str | None, now: datetime
) -> list[Finding | Fact]:
    """Check sender and server; send a test message to ``test_address`` unless it is None."""
    found = list(_check_senders(settings))
    try:
        server = parse_server(settings.smtp_url.get_secret_value())
        context = server.tls_context()
    except ServerAddressError as error:
        return [*found, problem("T703", str(error), "config/README.md shows the format.")]
    if server.security == "none" and server.host not in {"localhost", "127.0.0.1", "::1"}:
        message = f"mail to {server} is not encrypted"
        hint = "Remove ?tls=none from TRACKER_SMTP_URL, unless the network is your own."
        found.append(warning("T704", message, hint))
    connection = Connection(
        server,
        context,
        settings.mail.model_copy(
            update={"timeout_seconds": min(settings.mail.timeout_seconds, _MOST_SECONDS)}
        ),
    )
    try:
        await connection.open()
        login = f", logged in as {server.user}" if server.user else ""
        found.append(Fact(f"mail server: {server} answers {_SECURITY[server.security]}{login}"))
        if test_address is not None:
            found.append(await _send_test(connection, settings, test_address, now))
    except ServerFaultError as error:
        hint = f"{_HINT} {_STARTTLS_HINT}" if server.security == "starttls" else _HINT
        found.append(problem("T705", error.reason, f"{error.hint}." if error.hint else hint))
    finally:
        await connection.close()
        await asyncio.sleep(_GOODBYE_SECONDS)
    return found


def _check_senders(settings: Settings) -> Findings:
    """The sender of the installation, then those of the associations that have their own."""
    yield from _check_sender(settings.mail, "mail.sender")
    for association in settings.associations:
        mail = settings.mail_of(association)
        if mail.sender != settings.mail.sender:
            yield from _check_sender(mail, f"associations.{association}.mail.sender")


def _check_sender(mail: Mail, setting: str) -> Findings:
    address = mail.sender_mailbox.address
    domain = address.rpartition("@")[2].lower()
    if "." not in domain or domain.rpartition(".")[2] in _NO_DOMAINS:
        yield warning(
            "T702",
            f"the sender is {address}: most servers reject mail from {domain}",
            f"Set {setting} to an address of your own domain, with SPF and DKIM records.",
        )
    else:
        yield Fact(f"{setting.removeprefix('mail.')}: {mail.sender}")


def check_mailbox(session: Session, settings: Settings, now: datetime) -> Findings:
    """Check that returned mail has an address and a mailbox, and that the mailbox is read."""
    bounces = settings.mail.bounces
    if bounces.address is None and bounces.mailbox is None:
        yield Fact("returned mail: not read. config/README.md, [mail.bounces], sets it up")
        return
    if bounces.address is None or bounces.mailbox is None:
        has_mailbox = bounces.mailbox is not None
        missing, other = ("address", "mailbox") if has_mailbox else ("mailbox", "address")
        yield warning(
            "T707",
            f"[mail.bounces] has a {other} but no {missing}: returned mail is not recorded",
            f"Set mail.bounces.{missing}, as deploy/README.md describes.",
        )
    if bounces.mailbox is not None:
        yield from _check_mailbox_itself(bounces.mailbox.get_secret_value(), bounces.done_folder)
        yield from _check_last_read(session.get(MailboxRead, 1), bounces.every_minutes, now)


def _check_mailbox_itself(url: str, done_folder: str) -> Findings:
    try:
        address = parse_mailbox_address(url)
        with open_mailbox(address, done_folder, read_only=True) as mailbox:
            unread, unclear = len(mailbox.list_unread(_MOST_LISTED)), mailbox.count_flagged()
            unreadable = mailbox.count_unreadable()
    except MailboxError as error:
        hint = "Correct TRACKER_MAIL__BOUNCES__MAILBOX, or let this user read and write the folder."
        yield problem("T708", f"the mailbox for returned mail can't be read: {error}", hint)
        return
    yield Fact(f"returned mail: {address} can be read, {format_count(unread, 'new message')}")
    if unreadable:
        count = format_count(unreadable, "message")
        hint = "Let this user read them: what writes the mailbox gives them to another one."
        yield problem("T708", f"{count} in the mailbox for returned mail can't be read", hint)
    if unclear:
        count = format_count(unclear, "returned message was", "returned messages were")
        yield warning(
            "T710",
            f"{count} not understood",
            "Look at them: they are flagged. Then delete them, or move them elsewhere.",
        )


def _check_last_read(last: MailboxRead | None, every_minutes: int, now: datetime) -> Findings:
    hint = "Keep `tracker serve` running, or run `tracker bounces read` from cron or a timer."
    reason = f": {last.error}" if last and last.error else ""
    if last is None or last.read_at is None:
        yield warning("T709", f"the mailbox for returned mail was never read{reason}", hint)
    elif now - last.read_at > max(_LATE, 3 * timedelta(minutes=every_minutes)):
        at = f"{last.read_at:%Y-%m-%d %H:%M} UTC"
        yield warning("T709", f"the mailbox for returned mail was last read at {at}{reason}", hint)
    else:
        yield Fact(f"returned mail: last read at {last.read_at:%Y-%m-%d %H:%M} UTC")


async def _send_test(
    connection: Connection, settings: Settings, address: str, now: datetime
) -> Finding | Fact:
    """Send one message without the outbox, to see what the server answers."""
    hint = "Correct the address or mail.sender. The server's answer says which."
    try:
        message = _test_message(settings, address, now)
    except ValueError as error:
        return problem("T706", f"the test message can't be written: {error}", hint)
    # There is no earlier message to wait for.
    outcome = await connection.send(message, lambda: asyncio.sleep(0))
    if outcome.fate is not Fate.SENT:
        return problem("T706", f"the test message was rejected: {outcome.reason}", hint)
    return Fact(f"test message: the server accepted it for {address}. Look in that mailbox.")


def _test_message(settings: Settings, address: str, now: datetime) -> Claimed:
    composer = Composer(templates_folder(), settings.base_url)
    mail = ProbeMail(sent_at=f"{format_date(now.date())} at {format_time(now)} UTC")
    sender = settings.mail.sender
    rendered = composer.compose(mail, sender=sender, recipient=("", address), at=now)
    return Claimed(
        id=0,
        fence=0,
        message_id=rendered.message_id,
        kind=mail.kind,
        person_id=None,
        recipient=address,
        body=rendered.body,
        attempts=1,
        created_at=now,
        lease_until=now + timedelta(hours=1),
    )
