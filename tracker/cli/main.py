"""The command line. Each command imports what it needs when it runs, so that --help is quick."""

import sys
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tracker.cli.options import (
    AsOf,
    Association,
    ImportNumber,
    Json,
    RowNumber,
    create_group,
    parse_day,
    parse_instant,
)
from tracker.cli.rules_commands import rules_app
from tracker.cli.upkeep_commands import healthcheck, maintenance_app, purge, upgrade

app = create_group("Endorsement renewals: hours, deadlines, reminders, and digests.")
token_app = create_group("Create, list, and revoke tokens of the JSON API.")
provider_app = create_group("Say who an RSC provider is that endorsees named.")
person_app = create_group("Change a person's address, merge two records, export or erase one.")
remove_app = create_group("Remove wrong rows, and undo that.")
sessions_app = create_group("End signed-in sessions.")
team_app = create_group("Who works for an association.")
bounces_app = create_group("Read mail that came back, and try addresses again.")
first_day_app = create_group("Since when an association keeps its records in this system.")
app.add_typer(maintenance_app, name="maintenance")
for _command in (upgrade, healthcheck, purge):
    app.command()(_command)
app.add_typer(rules_app, name="rules")
app.add_typer(person_app, name="person")
app.add_typer(provider_app, name="provider")
app.add_typer(remove_app, name="remove")
app.add_typer(token_app, name="token")
app.add_typer(sessions_app, name="sessions")
app.add_typer(team_app, name="team")
app.add_typer(first_day_app, name="first-day")
app.add_typer(bounces_app, name="bounces")


Now = Annotated[
    datetime | None,
    typer.Option(
        "--as-of", parser=parse_instant, metavar="INSTANT", help="Act as if it were this instant."
    ),
]
Email = Annotated[str | None, typer.Option(help="Only this person.")]


class Similar(StrEnum):
    """What rows that look like a stored session are."""

    same = "same"
    new = "new"


@app.command("import")
def import_(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="CSV files, or folders that contain them.")
    ] = None,
    as_of: AsOf = None,
    similar: Annotated[
        Similar | None,
        typer.Option(help="Whether rows that look like a stored session are that session."),
    ] = None,
    first_day: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ASSOCIATION=DATE",
            help="Its first day in this system: renewals due before have no records. Repeatable.",
        ),
    ] = None,
    month_first: Annotated[
        bool, typer.Option("--month-first", help="Dates with slashes begin with the month.")
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print what would happen to each row; store nothing.")
    ] = False,
    undo: ImportNumber = None,
) -> None:
    """Import people, endorsements, hours, and more from CSV files, all or nothing."""
    from tracker.cli import first_days, import_files

    if undo is not None and (paths or plan):
        raise typer.BadParameter("--undo takes a number alone, without files")
    if undo is not None:
        import_files.undo(undo)
        return
    if not paths:
        raise typer.BadParameter("name CSV files, or folders that contain them")
    chosen = first_days.parse_first_days(first_day or [])
    options = import_files.ImportOptions(
        as_of, similar.value if similar else None, chosen, month_first
    )
    if plan:
        import_files.plan(paths, options)
        return
    import_files.run(paths, options)


@app.command()
def standing(
    as_of: AsOf = None,
    cycle: Annotated[
        date | None,
        typer.Option(parser=parse_day, metavar="DATE", help="The cycle that contains this day."),
    ] = None,
    association: Association = None,
    email: Email = None,
    json: Json = False,
) -> None:
    """Show each renewal's standing: what counts, what is missing, and why."""
    from tracker.cli import standings

    chosen = standings.Selection(as_of, association, email)
    standings.print_standings(chosen, cycle, as_json=json)


@app.command()
def readiness(
    as_of: AsOf = None,
    association: Association = None,
    email: Email = None,
    json: Json = False,
) -> None:
    """Show how ready each application is: what is met, what is missing, and why."""
    from tracker.cli import standings

    standings.print_readiness(standings.Selection(as_of, association, email), as_json=json)


@app.command()
def run_due(
    as_of: Now = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done without changing anything.")
    ] = False,
) -> None:
    """Do everything that is due: evaluation, notices, reminders, digests. Safe to repeat."""
    from tracker.cli import run_due as command

    command.run(as_of, dry_run=dry_run)


@app.command()
def deliver() -> None:
    """Send the messages waiting in the outbox once, then exit."""
    from tracker.cli import jobs

    jobs.run_deliver()


@app.command()
def outbox(json: Json = False) -> None:
    """List all messages: waiting, sending, sent, and failed."""
    from tracker.cli import jobs

    jobs.print_outbox(as_json=json)


@app.command()
def notices(json: Json = False) -> None:
    """List every decision to send or skip a notice, with its reason."""
    from tracker.cli import jobs

    jobs.print_notices(as_json=json)


@app.command()
def attention(association: Association = None, json: Json = False) -> None:
    """List what needs the coordinators' attention, and why."""
    from tracker.cli import jobs

    jobs.print_attention(association=association, as_json=json)


@app.command()
def serve() -> None:
    """Run the web pages, the schedule, and mail delivery in one process."""
    from tracker.cli import serve as command

    command.run()


@app.command()
def worker() -> None:
    """Run jobs and send mail, without pages, on any number of machines. Needs PostgreSQL."""
    from tracker.cli import worker as command

    command.run()


@app.command()
def demo(
    port: Annotated[
        int | None,
        typer.Option(
            help="The port of the web pages; 0 for any free one. Default: [web] port, if set.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Fill an empty database with fictional people and run everything. Sends no real email."""
    from tracker.cli import demo as command

    command.run(port)


@app.command()
def check(
    send_test_mail: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Also send a test message to this address."),
    ] = None,
) -> None:
    """Check settings, database, rulebooks, mail server, time zones, and disk."""
    from tracker.cli import check as command

    command.run(send_test_mail)


@app.command()
def config() -> None:
    """Print the settings in force, with secrets hidden."""
    from tracker.cli import admin

    admin.print_settings()


@app.command()
def migrate() -> None:
    """Upgrade the database to the schema of this version."""
    from tracker.cli import admin

    admin.migrate_database()


@token_app.command("make")
def token_make(
    association: Annotated[
        str, typer.Option(help="The association whose standings and entries the token can use.")
    ],
    name: Annotated[str, typer.Option(help="The program that will use the token.")],
    scope: Annotated[list[str], typer.Option(help="What the token allows. Repeatable.")],
    expires: Annotated[
        date | None, typer.Option(parser=parse_day, metavar="DATE", help="Its last valid day.")
    ] = None,
) -> None:
    """Create a token and print it once. Scopes: standings:read, entries:read, entries:write."""
    from tracker.cli import admin

    admin.create_token(association, name, scope, expires)


@token_app.command("list")
def token_list(*, json: Json = False) -> None:
    """List the tokens: association, program, scopes, and last use."""
    from tracker.cli import admin

    admin.list_tokens(as_json=json)


@token_app.command("revoke")
def token_revoke(token_id: RowNumber) -> None:
    """Revoke a token immediately."""
    from tracker.cli import admin

    admin.revoke_token(token_id)


@provider_app.callback()
def provider() -> None:
    """Say who an RSC provider is that endorsees named."""


@provider_app.command("confirm")
def provider_confirm(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The name as the endorsees typed it.")
    ],
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The person who is meant.")],
    association: Annotated[
        str | None, typer.Option(help="Only sessions of this association's endorsees.")
    ] = None,
) -> None:
    """Link all sessions with a provider's name to the person. The endorsees get an email."""
    from tracker.cli import corrections

    corrections.confirm(name, email, association)


@person_app.command("change-email")
def person_change_email(
    old: Annotated[str, typer.Argument(metavar="OLD")],
    new: Annotated[str, typer.Argument(metavar="NEW")],
) -> None:
    """Give a person another address. Hours, notices, and sign-in follow."""
    from tracker.cli import corrections

    corrections.change_address(old, new)


@person_app.command("release-email")
def person_release_email(email: Annotated[str, typer.Argument(metavar="EMAIL")]) -> None:
    """Let another person have an address that somebody had before."""
    from tracker.cli import corrections

    corrections.release_address(email)


@person_app.command("merge")
def person_merge(
    keep: Annotated[str, typer.Argument(metavar="KEEP", help="The address of the record to keep.")],
    other: Annotated[
        str,
        typer.Argument(metavar="OTHER", help="The address of the record that is merged into it."),
    ],
    reason: Annotated[str, typer.Option(help="Why. It goes into the history.")],
    similar: Annotated[
        Similar | None,
        typer.Option(help="Whether sessions that look alike in both records are the same."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change without changing anything.")
    ] = False,
) -> None:
    """Merge two records of one person: hours, endorsements, files, and everything else."""
    from tracker.cli import merge

    merge.merge((keep, other), reason, similar.value if similar else None, dry_run=dry_run)


@person_app.command("export")
def person_export(
    email: Annotated[str, typer.Argument(metavar="EMAIL")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A ZIP file that does not exist.")],
) -> None:
    """Write everything about a person into a ZIP file, as they can themselves."""
    from tracker.cli import people

    people.export(email, file)


@person_app.command("erase")
def person_erase(
    email: Annotated[str, typer.Argument(metavar="EMAIL")],
    reason: Annotated[
        str, typer.Option(help="Why, without naming the person. It goes into the history.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would go; change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask. It can't be undone.")] = False,
) -> None:
    """Erase a person for good; what others' records rest on stays under a number."""
    from tracker.cli import people

    if not dry_run and not yes:
        people.ask_before_erasing(email)
    people.erase(email, reason, dry_run=dry_run)


# As `tracker.services.removals.KINDS`, which would take long to import for --help.
REMOVABLE_KINDS = (
    "endorsement",
    "membership",
    "vetting",
    "leave",
    "waiver",
    "extension",
    "application",
    "degree",
    "position",
    "reference",
    "attestation",
    "exam",
    "entry",
)


def _add_remove_command(kind: str) -> None:
    help_text = f"Remove one {kind} of a person with everything that belongs to it."

    @remove_app.command(kind, help=help_text)
    def remove(
        email: Annotated[str, typer.Argument(metavar="EMAIL")],
        reason: Annotated[str, typer.Option(help="Why. It goes into the history.")],
        words: Annotated[
            list[str] | None,
            typer.Argument(
                metavar="[WORD]...", help="Values that only this one has, such as its first day."
            ),
        ] = None,
    ) -> None:
        from tracker.cli import corrections

        corrections.remove(kind, email, words or [], reason)


for _kind in REMOVABLE_KINDS:
    _add_remove_command(_kind)


@remove_app.command("list")
def remove_list(json: Json = False) -> None:
    """List what was removed, newest first."""
    from tracker.cli import corrections

    corrections.print_removals(as_json=json)


@remove_app.command("undo")
def remove_undo(removal_id: RowNumber) -> None:
    """Bring back what a removal deleted."""
    from tracker.cli import corrections

    corrections.undo(removal_id)


@first_day_app.command("set")
def first_day_set(
    association: Annotated[str, typer.Argument(metavar="ASSOCIATION")],
    day: Annotated[
        str, typer.Argument(metavar="DATE", help="The day, or none if all records are here.")
    ],
    reason: Annotated[str, typer.Option(help="Why. It goes into the history.")],
) -> None:
    """Set or change the first day. Renewals due before it have no records and no standing."""
    from tracker.cli import first_days

    first_days.set_day(association, day, reason)


@first_day_app.command("list")
def first_day_list(json: Json = False) -> None:
    """List the associations' first days."""
    from tracker.cli import first_days

    first_days.print_days(as_json=json)


@bounces_app.command("read")
def bounces_read(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be recorded; move nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Read the mailbox for returned mail once, and record what came back."""
    from tracker.cli import bounces

    bounces.read(dry_run=dry_run, as_json=json)


@bounces_app.command("retry")
def bounces_retry(
    email: Annotated[
        str | None, typer.Argument(metavar="[EMAIL]", help="The address that works again.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            parser=parse_instant, metavar="INSTANT", help="All addresses marked since then."
        ),
    ] = None,
) -> None:
    """Write again to addresses that were marked as dead; what was held for them leaves."""
    from tracker.cli import bounces

    if (email is None) == (since is None):
        raise typer.BadParameter("name either an address, or --since an instant")
    bounces.retry(email, since)


@team_app.command("list")
def team_list(
    *, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """List everyone's roles, past and coming ones included."""
    from tracker.cli import team

    team.list_team(as_json=as_json)


@team_app.command("add")
def team_add(
    association: Annotated[str, typer.Argument()],
    email: Annotated[str, typer.Argument()],
    name: Annotated[str, typer.Argument()],
    role: Annotated[str, typer.Option(help="coordinator, reviewer, treasurer, or viewer.")] = (
        "coordinator"
    ),
) -> None:
    """Add someone to an association's team from today on. They get an email."""
    from tracker.cli import team

    team.add(association, email, name, role)


@team_app.command("reset-second-factor")
def team_reset_second_factor(email: Annotated[str, typer.Argument()]) -> None:
    """Remove the second factor of someone who lost their phone and recovery codes."""
    from tracker.cli import team

    team.reset_factor(email)


@sessions_app.callback()
def sessions() -> None:
    """End signed-in sessions."""


@sessions_app.command("end")
def sessions_end(
    email: Annotated[str, typer.Argument(help="One of the person's addresses.")],
) -> None:
    """Sign one person out of every browser and void their sign-in codes."""
    from tracker.cli import admin

    admin.end_sessions(email)


@sessions_app.command("end-all")
def sessions_end_all(
    *,
    calendars: Annotated[bool, typer.Option(help="Also revoke calendar addresses.")] = False,
    tokens: Annotated[bool, typer.Option(help="Also revoke API tokens.")] = False,
    badges: Annotated[
        bool,
        typer.Option(help="Also delete the keys of digital badges: earlier ones fail to verify."),
    ] = False,
    lost_key: Annotated[
        bool,
        typer.Option(help="The master key is lost: make a new one. Waiting emails are lost, too."),
    ] = False,
) -> None:
    """Sign everyone out and void all sign-in codes and emailed links, as a restore does."""
    from tracker.cli import admin

    admin.end_all_sessions(calendars=calendars, tokens=tokens, badges=badges, lost_key=lost_key)


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="The folder for backups. Each gets a subfolder.")],
) -> None:
    """Back up the database and uploaded files while everything runs."""
    from tracker.cli import admin

    admin.backup(folder)


@app.command()
def restore(
    folder: Annotated[
        Path, typer.Argument(help="The backup: a tracker-… folder made by `backup`.")
    ],
    *,
    drill: Annotated[
        bool,
        typer.Option(
            "--drill", help="Try the newest backup of a folder in a scratch place, and record it."
        ),
    ] = False,
    end_sessions: Annotated[
        bool, typer.Option(help="Sign everyone out and void all sign-in codes.")
    ] = True,
) -> None:
    """Restore a backup and its files into a missing or empty database."""
    from tracker.cli import admin
    from tracker.cli import drill as drills

    if drill:
        drills.run(folder)
        return
    admin.restore(folder, end_sessions=end_sessions)


def main() -> None:
    """Run the command line. An expected failure is one clear message and exit code 1."""
    try:
        app()
    except Exception as error:  # noqa: BLE001 - explain_error raises our own bugs again
        from tracker.errors import explain_error

        sys.stderr.write(explain_error(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
