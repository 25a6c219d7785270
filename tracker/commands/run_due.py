"""`tracker run-due`: all that is due, now or as if it were another instant."""

from contextlib import nullcontext
from datetime import datetime

from rich.console import Console

from tracker import clock
from tracker.commands.logs import configure_logs
from tracker.commands.opening import opened
from tracker.jobs.office import open_office, rehearsal
from tracker.jobs.run_due import Ran, run_due


def run(as_of: datetime | None, *, dry_run: bool) -> None:
    """Do what is due and say so, a line a job; a dry run undoes all of it."""
    configure_logs()
    console = Console(highlight=False, soft_wrap=True)
    with opened() as tracker:
        office = open_office(tracker.settings, tracker.books, tracker.engine)
        chosen = rehearsal(office, tracker.engine) if dry_run else nullcontext(office)
        number = 0
        with chosen as used:
            for number, ran in enumerate(run_due(used, as_of or clock.now(), clock.now), 1):  # noqa: B007 - counted
                console.print(_line(ran), markup=False)
    if not number:
        console.print("Nothing is due.")
    elif dry_run:
        console.print("A dry run: nothing was written, nothing will be sent.")
    else:
        console.print("`tracker deliver` sends what waits; `tracker serve` does by itself.")


def _line(ran: Ran) -> str:
    did = ", ".join(f"{key} {value}" for key, value in ran.report.items()) or "nothing to do"
    missed = f" ({len(ran.due.missed)} missed before it, caught up)" if ran.due.missed else ""
    return f"{ran.association} {ran.job} for {ran.due.local_date}{missed}: {did}"
