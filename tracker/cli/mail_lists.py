"""`tracker notices`, `tracker outbox`, and `tracker attention`: lists about notices and mail."""

from collections.abc import Iterable
from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tracker.cli.context import open_app, print_json_list
from tracker.db.engine import ensure_schema, open_engine, reading
from tracker.formatting import use_locale
from tracker.mail import outbox
from tracker.mail.outbox import ListedMessage
from tracker.notifications.attention_text import describe_attention
from tracker.services.dashboard import list_attention
from tracker.services.notices import RecordedDecision, list_decisions
from tracker.settings import load_settings


def print_notices(*, as_json: bool) -> None:
    """Print the notice ledger, oldest first; ``step`` is days from ``due_on``."""
    with open_app() as app, reading(app.engine) as session:
        decisions = list_decisions(session)
        if as_json:
            print_json_list(decision._asdict() for decision in decisions)
        else:
            _print_notice_table(decisions)


def _print_notice_table(decisions: Iterable[RecordedDecision]) -> None:
    table = Table("Endorsee", "Endorsement", "Notice", "Days", "Of", "Decided", "Outcome")
    for decision in decisions:
        outcome = decision.outcome + (f": {decision.reason}" if decision.reason else "")
        table.add_row(
            escape(decision.email),
            escape(f"{decision.association} {decision.category}"),
            decision.kind,
            str(decision.step),
            decision.due_on.isoformat(),
            decision.decided_on.isoformat(),
            escape(outcome),
        )
    if table.row_count:
        Console().print(table)
    else:
        Console().print("No decisions yet. `tracker run-due` makes those that are due.")


def print_outbox(*, as_json: bool) -> None:
    """Print the messages, oldest first: a table for people, or JSON with ISO instants."""
    url = load_settings().database_url.get_secret_value()
    ensure_schema(url)
    engine = open_engine(url)
    try:
        with reading(engine) as session:
            messages = outbox.list_messages(session)
            if as_json:
                print_json_list(message._asdict() for message in messages)
            else:
                _print_outbox_table(messages, outbox.count_by_state(session))
    finally:
        engine.dispose()


def _print_outbox_table(messages: Iterable[ListedMessage], counts: dict[str, int]) -> None:
    table = Table(
        *("Id", "Kind", "Association", "To", "Subject", "State", "Tries", "Written", "Next / done")
    )
    for message in messages:
        state = f"{message.state}: {message.last_error}" if message.last_error else message.state
        cells = (
            str(message.id),
            message.kind,
            message.association or "",
            message.recipient,
            message.subject,
            state,
            str(message.attempts),
            _format_instant(message.created_at),
            _format_instant(message.finished_at or message.next_attempt_at),
        )
        # Text, not str: rich would read brackets in a subject as its own markup.
        table.add_row(*(Text(cell) for cell in cells))
    console = Console()
    if table.row_count:
        console.print(table)
    total = ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))
    console.print(Text(total or "The outbox is empty."))


def _format_instant(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def print_attention(*, association: str | None, as_json: bool) -> None:
    """Print what needs the coordinators' attention, of one association or of all."""
    rows = []
    with open_app() as app, reading(app.engine) as session:
        app.check_association(association)
        day_of = app.day_of_association(None)
        for name, rulebook in app.rulebooks.associations.items():
            if association not in (None, name):
                continue
            for attention in list_attention(session, name, day_of(name)):
                with use_locale(rulebook.locale):
                    text = describe_attention(attention, day_of(name))
                rows.append(
                    {
                        "association": name,
                        "kind": attention.kind.value,
                        "name": attention.name,
                        "category": attention.category,
                        "reason": text.reason,
                        "todo": text.todo,
                        "url": f"{app.settings.base_url}{text.path}",
                    }
                )
    if as_json:
        print_json_list(rows)
        return
    table = Table("Association", "Who", "Category", "Why", "To do")
    for row in rows:
        cells = (row["association"], row["name"], row["category"], row["reason"], row["todo"])
        table.add_row(*(Text(cell) for cell in cells))
    Console().print(table if rows else "Nothing needs attention.")
