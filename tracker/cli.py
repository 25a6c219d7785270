"""The command line. Each verb loads its own packages when it runs, so that --help is quick."""

import sys
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from tracker.cli_backup import backup, restore
from tracker.cli_sessions import sessions_app

app = typer.Typer(
    help="Endorsement renewals: hours, deadlines, reminders and digests.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    # Plain help: drawing boxes takes longer than all the rest of --help.
    rich_markup_mode=None,
)
rules_app = typer.Typer(
    help="The rulebooks: check them, print them.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(rules_app, name="rules")
token_app = typer.Typer(
    help="Tokens of the JSON API: make, list, revoke.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(token_app, name="token")
app.add_typer(sessions_app, name="sessions")
app.command()(backup)
app.command()(restore)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        message = f"{text!r} is not a day: write it as YYYY-MM-DD"
        raise typer.BadParameter(message) from error


def _instant(text: str) -> datetime:
    """Read an instant; one without an offset is taken as UTC, a bare day as its end there."""
    from tracker.commands.parameters import parse_instant

    try:
        return parse_instant(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsOf = Annotated[
    date | None, typer.Option(parser=_day, metavar="DATE", help="The day to judge on.")
]
Now = Annotated[
    datetime | None, typer.Option("--as-of", parser=_instant, metavar="INSTANT", help="As if now.")
]
Association = Annotated[
    str | None, typer.Option(help="Only this association (its id in the rulebook).")
]
Email = Annotated[str | None, typer.Option(help="Only this person.")]


@app.command("import")
def import_(
    paths: Annotated[list[Path], typer.Argument(help="CSV files, or folders that hold them.")],
    as_of: AsOf = None,
) -> None:
    """Take in people, endorsements, vetting, memberships, entries and leave, all or nothing."""
    from tracker.commands import import_files

    import_files.run(paths, as_of)


@app.command()
def standing(
    as_of: AsOf = None,
    cycle: Annotated[
        date | None,
        typer.Option(parser=_day, metavar="DATE", help="The cycle that contains this day."),
    ] = None,
    association: Association = None,
    email: Email = None,
    json: Json = False,
) -> None:
    """Show where each renewal stands: what counts, what is missing and why."""
    from tracker.commands import standing as command

    command.run(as_of=as_of, cycle=cycle, association=association, email=email, as_json=json)


@app.command()
def readiness(
    as_of: AsOf = None,
    association: Association = None,
    email: Email = None,
    json: Json = False,
) -> None:
    """Show how ready each application is: what is met, what is missing and why."""
    from tracker.commands import readiness as command

    command.run(as_of=as_of, association=association, email=email, as_json=json)


@app.command()
def run_due(
    as_of: Now = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; write and send nothing.")
    ] = False,
) -> None:
    """Do all that is due: evaluate, notices, referees' reminders, digests. Safe at any time."""
    from tracker.commands import run_due as command

    command.run(as_of, dry_run=dry_run)


@app.command()
def deliver() -> None:
    """Send what waits in the outbox, once."""
    from tracker.commands import deliver as command

    command.run()


@app.command()
def outbox(json: Json = False) -> None:
    """List the messages: waiting, sending, sent and failed."""
    from tracker.commands import outbox as command

    command.run(as_json=json)


@app.command()
def notices(json: Json = False) -> None:
    """List each decision to send or to skip a notice, with its reason."""
    from tracker.commands import notices as command

    command.run(as_json=json)


@app.command()
def serve() -> None:
    """Run the web pages, the schedule and the delivery of mail in one process."""
    from tracker.commands import serve as command

    command.run()


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="The web page's port; the mailbox takes the next.")] = 0,
) -> None:
    """Fill an empty database with a fictional roster and run everything; mails nobody outside."""
    from tracker.commands import demo as command

    command.run(port)


@app.command()
def check(
    send_test_mail: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Also send a test message there.")
    ] = None,
) -> None:
    """Check settings, database, rulebooks, mail server, time zones and disk."""
    from tracker.commands import check as command

    command.run(send_test_mail)


@app.command()
def config() -> None:
    """Print the settings in force, with secrets hidden."""
    from tracker.commands import config as command

    command.run()


@app.command()
def migrate() -> None:
    """Bring the database to this program's schema."""
    from tracker.commands import migrate as command

    command.run()


@rules_app.command("check")
def rules_check() -> None:
    """Check every rulebook; list each error with file, key and reason."""
    from tracker.commands import rules

    rules.check()


@rules_app.command("show")
def rules_show(association: Association = None) -> None:
    """Print the rulebooks: requirements, sources, and the readings taken."""
    from tracker.commands import rules

    rules.show(association)


@token_app.command("make")
def token_make(
    association: Annotated[str, typer.Option(help="Whose standings and entries it opens.")],
    name: Annotated[str, typer.Option(help="Which program it is for.")],
    scope: Annotated[list[str], typer.Option(help="What it may do; give one or several.")],
    expires: Annotated[
        date | None, typer.Option(parser=_day, metavar="DATE", help="Its last day.")
    ] = None,
) -> None:
    """Make a token and print it, once. Scopes: standings:read, entries:read, entries:write."""
    from tracker.commands import token

    token.make(association, name, scope, expires)


@token_app.command("list")
def token_list() -> None:
    """List the tokens: whose, for what, when last used."""
    from tracker.commands import token

    token.show()


@token_app.command("revoke")
def token_revoke(token_id: Annotated[int, typer.Argument(metavar="ID")]) -> None:
    """Void a token at once."""
    from tracker.commands import token

    token.revoke(token_id)


def main() -> None:
    """Run the command line; an expected failure is one clear message and exit code 1."""
    try:
        app()
    except Exception as error:  # noqa: BLE001 - explain raises again what is no user's to mend
        from tracker.failures.explaining import explain

        sys.stderr.write(explain(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
