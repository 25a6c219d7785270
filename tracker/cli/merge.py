"""`tracker person merge`: two records of one person become one."""

import sys
from collections.abc import Iterable, Sequence

from sqlmodel import Session

from tracker import clock
from tracker.cli.context import AppContext, open_app
from tracker.db.engine import writing
from tracker.errors import UserError
from tracker.formatting import (
    format_date,
    format_hours_with_unit,
    format_list,
    format_measure,
    format_measure_number,
    hours_word,
)
from tracker.refusal_text import format_refusal
from tracker.rules.requirement import HOURS
from tracker.services.context import Actor, Refused, ServiceContext
from tracker.services.evaluation import days_at
from tracker.services.merging import (
    Double,
    MergeResult,
    RecordSummary,
    Similar,
    StandingLine,
    find_record,
    list_doubles,
    merge_people,
    summarize_record,
)
from tracker.services.sign_in import normalize_email
from tracker.services.team import list_coordinators, load_team

_HINT = (
    "--similar same or new says whether sessions that both have are the same. `tracker remove` "
    "removes a wrong row."
)


class _DryRunError(Exception):
    """Rolls the merge of a dry run back, with what it would have done."""

    def __init__(self, result: MergeResult) -> None:
        super().__init__()
        self.result = result


def merge(emails: tuple[str, str], reason: str, similar: Similar | None, *, dry_run: bool) -> None:
    """Merge the record of the second address into that of the first, and print what changes.

    With ``dry_run``, print what would change. Both records are shown first.
    """
    keep, other = (normalize_email(email) for email in emails)
    try:
        result = _run(keep, other, reason, similar, dry_run=dry_run)
    except _DryRunError as done:
        sys.stdout.write(f"\nAfterwards {keep} would have:\n")
        _print_record(done.result.kept)
        sys.stdout.write("Nothing was changed (--dry-run).\n")
        return
    except Refused as refused:
        sentences = [format_refusal(each.code, each.facts) for each in refused.refusals]
        raise UserError("\n".join([*sentences, f"Nothing was merged. {_HINT}"])) from None
    sys.stdout.write(f"\nMerged: {keep} now has all of it.\n")
    _print_record(result.kept)
    sys.stdout.write(f"`tracker remove undo {result.removal_id}` undoes it. Files that still have ")
    sys.stdout.write(f"{other} mean {keep}; take {other} out of people.csv, which would be ")
    sys.stdout.write("refused.\n")


def _run(
    keep: str, other: str, reason: str, similar: Similar | None, *, dry_run: bool
) -> MergeResult:
    with open_app() as app, writing(app.engine) as session:
        kept, merged = find_record(session, keep), find_record(session, other)
        for person in (kept, merged):
            sys.stdout.write(f"{person.name} <{person.email}> has:\n")
            _print_record(summarize_record(session, person))
        sys.stdout.writelines(_format_roles(app, session, keep, other))
        doubles = list_doubles(session, kept, merged) if kept.id != merged.id else []
        _print_doubles(doubles, similar)
        context = ServiceContext(session, app.rulebooks, Actor("tracker person"), clock.now())
        if dry_run:
            raise _DryRunError(merge_people(context, kept, merged, reason, similar or "new"))
        return merge_people(context, kept, merged, reason, similar)


def _format_roles(app: AppContext, session: Session, keep: str, other: str) -> Iterable[str]:
    """What it means that an address is a coordinator's."""
    team = load_team(session, app.settings, app.rulebooks.associations)
    active = team.list_active(days_at(app.rulebooks, clock.now()))
    for coordinator in list_coordinators(active):
        role = f"\nNote: {coordinator.email} coordinates {coordinator.association}."
        if coordinator.email == other != keep:
            yield (
                f"{role} It still opens the coordinator's pages and gets their email, but no "
                f"longer this record: that is {keep}'s. For one sign-in, change the address on the "
                "team.\n"
            )
        elif coordinator.email == keep:
            yield f"{role} Who signs in with it sees this record and the coordinator's pages.\n"


def _print_record(record: RecordSummary) -> None:
    for label, count in record.holdings.items():
        if count:
            sys.stdout.write(f"  {label}: {count}\n")
    if record.second_email:
        sys.stdout.write(f"  second address: {record.second_email}\n")
    for line in record.standings:
        sys.stdout.write(f"  {_format_standing(line)}\n")
    if not any(record.holdings.values()):
        sys.stdout.write("  nothing but the name\n")


def _format_standing(line: StandingLine) -> str:
    text = f"{line.association} {line.category}, cycle from {format_date(line.cycle_starts_on)}"
    short = []
    for result in line.short:
        if result.counts not in HOURS:
            short.append(hours_word(result.counts, ""))
        else:
            counted = format_measure_number(result.counted, result.unit)
            amounts = f"{counted} of {format_measure(result.required, result.unit)}"
            short.append(f"{result.label} {amounts}")
    missing = f" ({format_list(short)})" if short else ""
    return f"{text}: {line.status}{missing}"


def _print_doubles(doubles: Sequence[Double], similar: Similar | None) -> None:
    if not doubles:
        return
    decided = {
        None: "--similar same or new decides; a dry run keeps all",
        "same": "one of each is kept",
        "new": "all are kept",
    }
    sys.stdout.write(f"\nThese sessions may be logged in both ({decided[similar]}):\n")
    sys.stdout.writelines(_format_doubles(doubles))


def _format_doubles(doubles: Iterable[Double]) -> Iterable[str]:
    for double in doubles:
        titles = " / ".join(dict.fromkeys(double.titles))
        hours = format_hours_with_unit(double.minutes)
        yield f"  {format_date(double.held_on)}, {double.activity}, {hours}: {titles}\n"
