"""Returned mail: read the mailbox, and write again to addresses that were marked as dead.

The commands are `tracker bounces read` and `tracker bounces retry`.
"""

import json
import sys
from collections.abc import Iterator
from datetime import datetime

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tracker import clock
from tracker.cli.context import UnknownName, open_app, open_database
from tracker.db.engine import writing
from tracker.errors import UserError
from tracker.formatting import format_count
from tracker.jobs.returned_mail import (
    ReadMessage,
    ReadResult,
    describe_totals,
    preview_returned_mail,
    read_returned_mail,
)
from tracker.logs import configure_logs
from tracker.notifications.context import open_context
from tracker.services.dead_addresses import retry_addresses
from tracker.settings import load_settings


class NoMailbox(UserError):  # noqa: N818 - reads as the sentence it prints
    """No mailbox for returned mail is set."""

    heading = "There is nothing to read:"


def read(*, dry_run: bool, as_json: bool) -> None:
    """Read what is new, and print what each message came to; exit code 1 if one failed."""
    configure_logs()
    with open_app() as app:
        context = open_context(app.settings, app.rulebooks, app.engine)
        if dry_run:
            result = preview_returned_mail(context, app.engine, clock.now())
        else:
            result = read_returned_mail(context, clock.now())
    if result is None:
        raise NoMailbox("Set [mail.bounces] mailbox, as config/README.md describes.")
    if as_json:
        sys.stdout.write(f"{json.dumps(_to_json(result, dry_run=dry_run), indent=2)}\n")
    else:
        _print(result, dry_run=dry_run)
    if result.failures:
        raise typer.Exit(1)


def _to_json(result: ReadResult, *, dry_run: bool) -> dict[str, object]:
    return {
        "dry_run": dry_run,
        "messages": [message._asdict() for message in result.messages],
        "failures": [failure._asdict() for failure in result.failures],
        "not_understood_in_mailbox": result.unclear,
        "too_early": result.early,
    }


def _print(result: ReadResult, *, dry_run: bool) -> None:
    console = Console()
    if result.messages:
        table = Table("Outcome", "Address", "What the server said", "Then")
        for message in result.messages:
            cells = (message.outcome, message.recipient, message.reason, _describe_effect(message))
            table.add_row(*(Text(cell) for cell in cells))
        console.print(table)
    totals = ", ".join(f"{count} {outcome}" for outcome, count in describe_totals(result))
    for line in (f"{totals or 'Nothing new'}.", *_list_notes(result, dry_run=dry_run)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _list_notes(result: ReadResult, *, dry_run: bool) -> Iterator[str]:
    """What the table does not show."""
    if result.early:
        count = format_count(result.early, "message is", "messages are")
        yield f"{count} about mail that is being sent, and will be read again."
    if result.unclear:
        count = format_count(result.unclear, "message was", "messages were")
        yield f"{count} not understood and left in the mailbox, flagged. Look at them."
    for failure in result.failures:
        yield f"FAILED, will be tried again: {failure.subject}: {failure.error}"
    if dry_run:
        yield "This was a dry run. Nothing was recorded, and nothing was moved."


def _describe_effect(message: ReadMessage) -> str:
    effects = ["address marked as dead"] if message.is_dead else []
    effects += [f"sent to {message.forwarded_to}"] if message.forwarded_to else []
    effects += [] if message.is_new else ["recorded before"]
    return ", ".join(effects)


def retry(email: str | None, since: datetime | None) -> None:
    """Clear the marks of one address, or of all marked since an instant."""
    with open_database(load_settings()) as engine, writing(engine) as session:
        who = "tracker bounces retry"
        people = retry_addresses(session, who, clock.now(), email=email, since=since)
    if email is not None and not people:
        raise UnknownName(f"No address {email} is marked as dead.")
    count = format_count(len(people), "person", "people")
    sys.stdout.write(f"Email goes to the addresses of {count} again.\n")
