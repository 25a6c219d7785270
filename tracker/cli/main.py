"""The command line of backups. Like cli.py it imports what a command needs late."""

import sys
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer


def backup(
    folder: Annotated[Path, typer.Argument(help="Where backups are kept; each gets its folder.")],
) -> None:
    """Back up the database and the files of evidence, while everything runs."""
    from tracker.cli import backup as command

    command.run(folder)


def restore(
    folder: Annotated[Path, typer.Argument(help="The backup: a folder tracker-… of `backup`.")],
    *,
    end_sessions: Annotated[
        bool, typer.Option(help="Sign everybody out and void every sign-in code.")
    ] = True,
) -> None:
    """Put a backup into a database that is absent or empty, and its files back."""
    from tracker.cli import backup as command

    command.run_restore(folder, end_sessions=end_sessions)


sessions_app = typer.Typer(
    help="Signed-in browsers: end them all.", no_args_is_help=True, rich_markup_mode=None
)


@sessions_app.callback()
def sessions() -> None:
    """Signed-in browsers: end them all."""


@sessions_app.command("end-all")
def sessions_end_all(
    *,
    calendars: Annotated[bool, typer.Option(help="End calendar addresses, too.")] = False,
    tokens: Annotated[bool, typer.Option(help="Revoke API tokens, too.")] = False,
) -> None:
    """Sign everybody out and void every sign-in code, as after restoring a backup."""
    from tracker.cli import admin as sessions

    sessions.end_all(calendars=calendars, tokens=tokens)


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
    from tracker.cli.context import parse_instant

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
    from tracker.cli import import_files

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
    from tracker.cli import standings as command

    command.run(as_of=as_of, cycle=cycle, association=association, email=email, as_json=json)


@app.command()
def readiness(
    as_of: AsOf = None,
    association: Association = None,
    email: Email = None,
    json: Json = False,
) -> None:
    """Show how ready each application is: what is met, what is missing and why."""
    from tracker.cli import standings as command

    command.run_readiness(as_of=as_of, association=association, email=email, as_json=json)


@app.command()
def run_due(
    as_of: Now = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; write and send nothing.")
    ] = False,
) -> None:
    """Do all that is due: evaluate, notices, referees' reminders, digests. Safe at any time."""
    from tracker.cli import jobs as command

    command.run(as_of, dry_run=dry_run)


@app.command()
def deliver() -> None:
    """Send what waits in the outbox, once."""
    from tracker.cli import jobs as command

    command.run_deliver()


@app.command()
def outbox(json: Json = False) -> None:
    """List the messages: waiting, sending, sent and failed."""
    from tracker.cli import mail_lists as command

    command.run_outbox(as_json=json)


@app.command()
def notices(json: Json = False) -> None:
    """List each decision to send or to skip a notice, with its reason."""
    from tracker.cli import mail_lists as command

    command.run(as_json=json)


@app.command()
def serve() -> None:
    """Run the web pages, the schedule and the delivery of mail in one process."""
    from tracker.cli import serve as command

    command.run()


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="The web page's port; the mailbox takes the next.")] = 0,
) -> None:
    """Fill an empty database with a fictional roster and run everything; mails nobody outside."""
    from tracker.cli import demo as command

    command.run(port)


@app.command()
def check(
    send_test_mail: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Also send a test message there.")
    ] = None,
) -> None:
    """Check settings, database, rulebooks, mail server, time zones and disk."""
    from tracker.cli import check as command

    command.run(send_test_mail)


@app.command()
def config() -> None:
    """Print the settings in force, with secrets hidden."""
    from tracker.cli import admin as command

    command.run()


@app.command()
def migrate() -> None:
    """Bring the database to this program's schema."""
    from tracker.cli import admin as command

    command.run_migrate()


@rules_app.command("check")
def rules_check() -> None:
    """Check every rulebook; list each error with file, key and reason."""
    from tracker.cli import rules

    rules.check()


@rules_app.command("show")
def rules_show(association: Association = None) -> None:
    """Print the rulebooks: requirements, sources, and the readings taken."""
    from tracker.cli import rules

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
    from tracker.cli import admin as token

    token.make(association, name, scope, expires)


@token_app.command("list")
def token_list() -> None:
    """List the tokens: whose, for what, when last used."""
    from tracker.cli import admin as token

    token.show()


@token_app.command("revoke")
def token_revoke(token_id: Annotated[int, typer.Argument(metavar="ID")]) -> None:
    """Void a token at once."""
    from tracker.cli import admin as token

    token.revoke(token_id)


def main() -> None:
    """Run the command line; an expected failure is one clear message and exit code 1."""
    try:
        app()
    except Exception as error:  # noqa: BLE001 - explain_error raises our own bugs again
        from tracker.errors import explain_error

        sys.stderr.write(explain_error(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
