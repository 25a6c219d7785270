"""The commands of `tracker rules`. Each imports what it needs when it runs."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from tracker.cli.options import AsOf, Association, Json, create_group, parse_day

rules_app = create_group("Check, show, and try the rulebooks.")


@rules_app.command("check")
def rules_check(
    file: Annotated[
        Path | None,
        typer.Argument(help="Only this rulebook (a TOML file anywhere).", show_default=False),
    ] = None,
) -> None:
    """Check every rulebook and list each error with its file, key, and reason."""
    from tracker.cli import rules

    rules.check(file)


@rules_app.command("show")
def rules_show(
    file: Annotated[
        Path | None,
        typer.Argument(help="Only this rulebook (a TOML file anywhere).", show_default=False),
    ] = None,
    association: Association = None,
) -> None:
    """Print the rulebooks: requirements, sources, and interpretations."""
    from tracker.cli import rules

    rules.show(file, association)


@rules_app.command("diff")
def rules_diff(
    new: Annotated[
        Path | None, typer.Argument(help="A changed rulebook (a TOML file).", show_default=False)
    ] = None,
    as_of: AsOf = None,
    association: Association = None,
    reading: Annotated[
        str | None,
        typer.Option(
            metavar="ID=NUMBER",
            help="Instead of a file: another reading of an interpretation of the association.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show who would flip, and what mail would follow, by a changed rulebook. Changes nothing."""
    from tracker.cli import rules_diff

    change = rules_diff.RulesChange(new, association, reading)
    rules_diff.run(change, as_of, as_json=json)


@rules_app.command("try")
def rules_try(  # noqa: PLR0913, PLR0917 - each option is a parameter
    file: Annotated[Path, typer.Argument(help="A rulebook (a TOML file anywhere).")],
    person: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A made-up person (a TOML file), instead of options."),
    ] = None,
    category: Annotated[str | None, typer.Option(help="The person's category.")] = None,
    endorsed: Annotated[
        date | None,
        typer.Option(parser=parse_day, metavar="DATE", help="First day of the endorsement."),
    ] = None,
    training: Annotated[float | None, typer.Option(help="Training hours in the cycle.")] = None,
    rsc: Annotated[
        float | None, typer.Option(help="RSC hours in the cycle, with a qualified provider.")
    ] = None,
    member: Annotated[bool, typer.Option("--member", help="A member all the time.")] = False,
    submitted: Annotated[
        date | None,
        typer.Option(parser=parse_day, metavar="DATE", help="The renewal was submitted."),
    ] = None,
    signed: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY", help="A statement signed with it (default: all of them). Repeatable."
        ),
    ] = None,
    paid: Annotated[
        date | None,
        typer.Option(
            parser=parse_day, metavar="DATE", help="The fees were paid, without late fee."
        ),
    ] = None,
    as_of: AsOf = None,
    cycle: Annotated[
        date | None,
        typer.Option(parser=parse_day, metavar="DATE", help="The cycle that contains this day."),
    ] = None,
    json: Json = False,
) -> None:
    """Show what a made-up person's renewal comes to by a rulebook. Stores and sends nothing."""
    from tracker.cli import rules_try

    keys = tuple(signed) if signed else None
    described = rules_try.PersonInput(
        person, category, endorsed, training, rsc, member, submitted, keys, paid
    )
    rules_try.run(file, described, rules_try.Day(as_of, cycle), as_json=json)
